"""Handlers of the Layers tab: compare layers, show the transfer report, and measure the effect of the vector."""

from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass

import gradio as gr

from steering.concepts import check_pairs
from steering.errors import Progress, part_of
from steering.library import carried_from
from steering.measure import measure, projections, similarity, with_effect
from steering.plots import plot_report, plot_similarity
from steering.transfer import describe
from steering.ui import render
from steering.ui.background.jobs import Job
from steering.ui.events.binder import EventBinder
from steering.ui.events.long_tasks import Changes, LongTask
from steering.ui.state.ready import check_models, check_writing
from steering.ui.state.settings import Settings
from steering.ui.state.workspace import Session, Workspace
from steering.ui.tabs.layers import pairs, preview, text
from steering.ui.tabs.layers.pairs import LayerComparison, PairState
from steering.ui.text import JOINED
from steering.vectors import SteeringVector

LONG_TASK = LongTask("layers", ("compute",), "layers_stop", "layers_status")
EFFECT_TASK = LongTask("effect", ("measure_effect",), "effect_stop", "effect_status")

MAP_OUTPUTS = ("plot", "plot_empty", "plot_stale", "pair_panel", "pair", *pairs.OUTPUTS)
"""Names of the components that a new map of layers changes."""

_MAX_MAPS = 24


def connect(events: EventBinder) -> None:
    """Connect the tab."""
    page, layers = events.page, Layers(events.workspace)
    events.on(page["metric"].change, layers.metric_changed, ["metric"], ["metric_info"], status=LONG_TASK.status)
    events.long_task(page["compute"].click, LONG_TASK, layers.compute, ["metric"], MAP_OUTPUTS, check=layers.check_map)
    events.stop(LONG_TASK)
    events.long_task(page["measure_effect"].click, EFFECT_TASK, layers.measure, check=layers.check)
    events.stop(EFFECT_TASK)
    events.notice(layers.notices, ["metric"], [*MAP_OUTPUTS, LONG_TASK.status, "verdict", "report_plot"])
    pairs.connect(events)
    preview.connect(events)


@dataclass
class MapState:
    """The results on the tab.

    Attributes:
        map_key: `Settings.plot_key` of the map of layers; None before the first one.
        report_vector: the vector whose transfer report is shown.
    """

    map_key: tuple[object, ...] | None = None
    report_vector: SteeringVector | None = None


class Layers:
    """The handlers of one app. Computed maps are stored for all sessions."""

    def __init__(self, workspace: Workspace) -> None:
        self.workspace = workspace
        self._maps: OrderedDict[tuple[object, ...], LayerComparison] = OrderedDict()

    def metric_changed(self, session: Session, metric: str) -> Changes:
        """Explain the chosen metric."""
        del session
        return {"metric_info": render.note(text.METRIC_INFO.get(metric, ""))}

    def notices(self, session: Session, settings: Settings, metric: str) -> Changes:
        """Show the stored map for these settings, or mark the map on the page if it is out of date; and show the report."""
        concept, state = session.draft(settings.concept).concept, session.record(MapState)
        key = settings.plot_key(concept, metric)
        stored = self._maps.get(key)
        if stored is not None and state.map_key != key and LONG_TASK.name not in session.jobs:
            changes = self._map_changes(session, key, stored)
        else:
            stale = state.map_key not in (None, key)
            changes = {"plot_stale": render.message(text.STALE_PLOT if stale else "", "warning")}
        vector = self.workspace.vectors.get(settings, concept)
        if vector is None or vector is state.report_vector:
            return changes
        state.report_vector = vector
        return changes | _report_changes(vector)

    def check(self, session: Session, settings: Settings) -> None:
        """Check what can be checked before anything long begins."""
        check_writing(self.workspace, session, settings)

    def check_map(self, session: Session, settings: Settings, metric: str) -> None:
        """Check what can be checked before layers are compared."""
        del metric
        check_models(self.workspace, settings)
        check_pairs(session.draft(settings.concept).concept)

    def compute(self, session: Session, job: Job, settings: Settings, metric: str) -> Iterator[Changes]:
        """Compare the layers of parent and child."""
        self.check_map(session, settings, metric)
        concept = session.draft(settings.concept).concept

        def work(progress: Progress) -> LayerComparison:
            parent, child = self.workspace.models(settings, part_of(progress, 0.0, 0.3))
            texts = projections(parent, child, concept, progress=part_of(progress, 0.3, 0.4))
            return LayerComparison(
                similarity(parent, child, concept, metric, progress=part_of(progress, 0.4, 1.0)),
                texts,
            )

        comparison = yield from LONG_TASK.step(job, work)
        key = settings.plot_key(concept, metric)
        self._maps[key] = comparison
        while len(self._maps) > _MAX_MAPS:
            self._maps.popitem(last=False)
        yield self._map_changes(session, key, comparison)

    def measure(self, session: Session, job: Job, settings: Settings) -> Iterator[Changes]:
        """Measure the effect of the transferred vector relative to the child's own vector."""
        concept = session.draft(settings.concept).concept

        def work(progress: Progress) -> None:
            vector = self.workspace.vector(session, settings, concept, part_of(progress, 0.0, 0.4))
            child = self.workspace.models(settings)[1]
            effect = measure(child, concept, vector, method=settings.method, progress=part_of(progress, 0.4, 1.0))
            self.workspace.vectors.keep(
                session, settings, concept, with_effect(vector, effect) if vector.report else vector
            )
            session.vector_key = settings.vector_key(concept)

        yield from EFFECT_TASK.step(job, work)
        yield EFFECT_TASK.message(text.MEASURED)

    def _map_changes(self, session: Session, key: tuple[object, ...], comparison: LayerComparison) -> Changes:
        session.record(MapState).map_key = key
        pair_changes = pairs.show_map(session, comparison)
        figure = plot_similarity(comparison.similarity, session.record(PairState).pair)
        return {
            "plot": gr.update(value=figure, visible=True),
            "plot_empty": gr.update(visible=False),
            "plot_stale": "",
            "pair_panel": gr.update(visible=True),
            **pair_changes,
            **LONG_TASK.message(text.map_summary(comparison.similarity)),
        }


def _report_changes(vector: SteeringVector) -> Changes:
    if vector.report is None:
        parents = " + ".join(carried_from(vector))
        words = JOINED.format(parents=parents) if parents else text.SAME_MODEL_REPORT
        return {"verdict": render.note(words), "report_plot": gr.update(visible=False)}
    figure = plot_report(vector.report)
    return {
        "verdict": render.verdict(describe(vector.report)),
        "report_plot": gr.update(value=figure, visible=figure is not None),
    }
