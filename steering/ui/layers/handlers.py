"""Events of the Layers tab: comparing layers, and measuring how well the vector was carried."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import gradio as gr

from steering.concepts import lint
from steering.errors import Progress, SteeringError, part_of
from steering.plots import plot_report, plot_similarity
from steering.retention import measure, with_effect
from steering.similarity import similarity
from steering.transfer import describe
from steering.ui import render
from steering.ui.jobs import Job
from steering.ui.layers import text
from steering.ui.runs import Changes, Run
from steering.ui.settings import Settings
from steering.ui.wiring import Wire
from steering.ui.workspace import Session, Workspace
from steering.vectors import SteeringVector

RUN = Run("layers", ("compute", "measure_effect"), "layers_stop", "layers_status")


def connect(wire: Wire) -> None:
    """Connect the tab."""
    page, layers = wire.page, Layers(wire.workspace)
    wire.on(page["metric"].change, layers.chosen, ["metric"], ["metric_info"])
    wire.run(page["compute"].click, RUN, layers.compute, ["metric"], ["plot", "plot_empty", "plot_stale"])
    wire.run(page["measure_effect"].click, RUN, layers.measure)
    wire.stop(RUN)
    wire.mark(layers.marks, ["metric"], ["plot_stale", "verdict", "report_plot"])


@dataclass
class Shown:
    """What the tab shows.

    Attributes:
        map_key: what the map of layers was computed for.
        reported: the vector whose report is shown.
    """

    map_key: tuple[object, ...] | None = None
    reported: SteeringVector | None = None


class Layers:
    """The events of one running app."""

    def __init__(self, workspace: Workspace) -> None:
        self.workspace = workspace

    def chosen(self, session: Session, metric: str) -> Changes:
        """Say what a metric means."""
        del session
        return {"metric_info": render.note(text.METRIC_INFO.get(metric, ""))}

    def marks(self, session: Session, settings: Settings, metric: str) -> Changes:
        """Whether the map is out of date, and the report of the vector that is at hand."""
        concept = session.draft(settings.concept).concept
        stale = session.of(Shown).map_key not in (None, settings.plot_key(concept, metric))
        changes: Changes = {"plot_stale": render.message(text.STALE_PLOT if stale else "", "warning")}
        vector = self.workspace.ready(settings, concept)
        if vector is None or vector is session.of(Shown).reported:
            return changes
        session.of(Shown).reported = vector
        return changes | _report(vector)

    def compute(self, session: Session, job: Job, settings: Settings, metric: str) -> Iterator[Changes]:
        """Compare the layers of parent and child."""
        concept = session.draft(settings.concept).concept
        serious = [str(problem) for problem in lint(concept.pairs) if problem.serious]
        if serious:
            raise SteeringError(f"The pairs of {concept.name} cannot be used. " + " ".join(serious))

        def work(progress: Progress) -> Any:
            parent, child = self.workspace.models(settings, part_of(progress, 0.0, 0.4))
            return similarity(parent, child, concept, metric, progress=part_of(progress, 0.4, 1.0))

        found = yield from RUN.step(job, self.workspace, work)
        session.of(Shown).map_key = settings.plot_key(concept, metric)
        yield {
            "plot": gr.update(value=plot_similarity(found), visible=True),
            "plot_empty": gr.update(visible=False),
            "plot_stale": "",
        } | RUN.said(text.compared(found))

    def measure(self, session: Session, job: Job, settings: Settings) -> Iterator[Changes]:
        """Measure how much of the effect of the child's own vector the carried one keeps."""
        concept = session.draft(settings.concept).concept

        def work(progress: Progress) -> None:
            carried = self.workspace.vector(settings, concept, part_of(progress, 0.0, 0.4))
            child = self.workspace.models(settings)[1]
            found = measure(child, concept, carried, method=settings.method, progress=part_of(progress, 0.4, 1.0))
            self.workspace.keep(settings, concept, with_effect(carried, found) if carried.report else carried)
            session.vector_key = settings.vector_key(concept)

        yield from RUN.step(job, self.workspace, work)
        yield RUN.said(text.MEASURED)


def _report(vector: SteeringVector) -> Changes:
    if vector.report is None:
        return {"verdict": render.note(text.SAME_MODEL_REPORT), "report_plot": gr.update(visible=False)}
    figure = plot_report(vector.report)
    return {
        "verdict": render.verdict(describe(vector.report)),
        "report_plot": gr.update(value=figure, visible=figure is not None),
    }
