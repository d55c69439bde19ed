"""Events of the Layers tab: comparing layers, and measuring how well the vector was carried."""

from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass

import gradio as gr

from steering.concepts import lint
from steering.errors import Progress, SteeringError, part_of
from steering.measure import measure, projections, similarity, with_effect
from steering.plots import plot_report, plot_similarity
from steering.transfer import describe
from steering.ui import render
from steering.ui.background.jobs import Job
from steering.ui.events.binder import EventBinder
from steering.ui.events.long_tasks import Changes, LongTask
from steering.ui.state.settings import Settings
from steering.ui.state.workspace import Session, Workspace
from steering.ui.tabs.layers import pairs, preview, text
from steering.ui.tabs.layers.pairs import LayerComparison, PairState
from steering.vectors import SteeringVector

LONG_TASK = LongTask("layers", ("compute",), "layers_stop", "layers_status")
EFFECT_TASK = LongTask("effect", ("measure_effect",), "effect_stop", "effect_status")

MAP = ("plot", "plot_empty", "plot_stale", "pair_panel", "pair", *pairs.OUTPUTS)
"""What a new map of layers changes."""

_MOST_MAPS = 24


def connect(events: EventBinder) -> None:
    """Connect the tab."""
    page, layers = events.page, Layers(events.workspace)
    events.on(page["metric"].change, layers.chosen, ["metric"], ["metric_info"], status=LONG_TASK.status)
    events.long_task(page["compute"].click, LONG_TASK, layers.compute, ["metric"], MAP)
    events.stop(LONG_TASK)
    events.long_task(page["measure_effect"].click, EFFECT_TASK, layers.measure)
    events.stop(EFFECT_TASK)
    events.notice(layers.notices, ["metric"], [*MAP, LONG_TASK.status, "verdict", "report_plot"])
    pairs.connect(events)
    preview.connect(events)


@dataclass
class MapState:
    """What the tab shows.

    Attributes:
        map_key: what the map of layers was computed for.
        reported: the vector whose report is shown.
    """

    map_key: tuple[object, ...] | None = None
    reported: SteeringVector | None = None


class Layers:
    """The events of one running app; maps that were computed are kept for all its pages."""

    def __init__(self, workspace: Workspace) -> None:
        self.workspace = workspace
        self._maps: OrderedDict[tuple[object, ...], LayerComparison] = OrderedDict()

    def chosen(self, session: Session, metric: str) -> Changes:
        """Say what a metric means."""
        del session
        return {"metric_info": render.note(text.METRIC_INFO.get(metric, ""))}

    def notices(self, session: Session, settings: Settings, metric: str) -> Changes:
        """The map that was computed for these settings, or whether the one on the page is out of date; and the report."""
        concept, shown = session.draft(settings.concept).concept, session.record(MapState)
        key = settings.plot_key(concept, metric)
        kept = self._maps.get(key)
        if kept is not None and shown.map_key != key and LONG_TASK.name not in session.jobs:
            changes = self._draw(session, key, kept)
        else:
            stale = shown.map_key not in (None, key)
            changes = {"plot_stale": render.message(text.STALE_PLOT if stale else "", "warning")}
        vector = self.workspace.stored_vector(settings, concept)
        if vector is None or vector is shown.reported:
            return changes
        shown.reported = vector
        return changes | _report(vector)

    def compute(self, session: Session, job: Job, settings: Settings, metric: str) -> Iterator[Changes]:
        """Compare the layers of parent and child."""
        concept = session.draft(settings.concept).concept
        serious = [str(problem) for problem in lint(concept.pairs) if problem.serious]
        if serious:
            raise SteeringError(f"The pairs of {concept.name} cannot be used. " + " ".join(serious))

        def work(progress: Progress) -> LayerComparison:
            parent, child = self.workspace.models(settings, part_of(progress, 0.0, 0.3))
            texts = projections(parent, child, concept, progress=part_of(progress, 0.3, 0.4))
            return LayerComparison(
                similarity(parent, child, concept, metric, progress=part_of(progress, 0.4, 1.0)),
                texts,
            )

        compared = yield from LONG_TASK.step(job, work)
        key = settings.plot_key(concept, metric)
        self._maps[key] = compared
        while len(self._maps) > _MOST_MAPS:
            self._maps.popitem(last=False)
        yield self._draw(session, key, compared)

    def measure(self, session: Session, job: Job, settings: Settings) -> Iterator[Changes]:
        """Measure how much of the effect of the child's own vector the carried one keeps."""
        concept = session.draft(settings.concept).concept

        def work(progress: Progress) -> None:
            carried = self.workspace.vector(settings, concept, part_of(progress, 0.0, 0.4))
            child = self.workspace.models(settings)[1]
            found = measure(child, concept, carried, method=settings.method, progress=part_of(progress, 0.4, 1.0))
            self.workspace.keep_vector(settings, concept, with_effect(carried, found) if carried.report else carried)
            session.vector_key = settings.vector_key(concept)

        yield from EFFECT_TASK.step(job, work)
        yield EFFECT_TASK.message(text.MEASURED)

    def _draw(self, session: Session, key: tuple[object, ...], compared: LayerComparison) -> Changes:
        session.record(MapState).map_key = key
        looked = pairs.open_map(session, compared)
        figure = plot_similarity(compared.found, session.record(PairState).pair)
        return {
            "plot": gr.update(value=figure, visible=True),
            "plot_empty": gr.update(visible=False),
            "plot_stale": "",
            "pair_panel": gr.update(visible=True),
            **looked,
            **LONG_TASK.message(text.compared(compared.found)),
        }


def _report(vector: SteeringVector) -> Changes:
    if vector.report is None:
        return {"verdict": render.note(text.SAME_MODEL_REPORT), "report_plot": gr.update(visible=False)}
    figure = plot_report(vector.report)
    return {
        "verdict": render.verdict(describe(vector.report)),
        "report_plot": gr.update(value=figure, visible=figure is not None),
    }
