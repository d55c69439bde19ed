"""What happens on an event: plain functions and generators from values to changes of the page.

They know component names and values, not the layout; `events` connects the two. A change is a mapping from the name of
a component to its new value.
"""

import html
import logging
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from typing import Any

import gradio as gr

from steering.concepts import Concept, lint
from steering.errors import Progress, SteeringError, part_of
from steering.generation import Grid, assess, stream
from steering.plots import plot_report, plot_similarity
from steering.retention import measure, with_effect
from steering.similarity import similarity
from steering.transfer import describe
from steering.ui import render, text, viewer
from steering.ui.jobs import Job, Report, Stopped, watched
from steering.ui.settings import LAMBDAS, Settings
from steering.ui.workspace import Session, Workspace
from steering.vectors import SteeringVector

Changes = dict[str, Any]

_PAINT = 0.08
"""Seconds between two pictures of a growing grid."""

_log = logging.getLogger(__name__)


class Handlers:
    """The events of one running app."""

    def __init__(self, workspace: Workspace) -> None:
        self.workspace = workspace

    # Every change of a setting

    def changed(self, page: str, prompt: str, metric: str, *fields: Any) -> Changes:
        """Bring the cards and the marks of staleness up to date; nothing runs."""
        session = self.workspace.session(page)
        try:
            settings = Settings.read(*fields)
        except SteeringError as error:
            return {"relation": render.message(str(error), "error")}
        draft = session.draft(settings.concept)
        vector = self.workspace.ready(settings, draft.concept)
        grid_stale = session.grid_key not in (None, settings.grid_key(draft.concept, prompt))
        plot_stale = session.plot_key not in (None, settings.plot_key(draft.concept, metric))
        shapes = [self.workspace.shape(name) for name in (settings.parent, settings.child)]
        changes: Changes = {
            "relation": render.relation(settings, *shapes),
            "vector": render.vector_state(draft, vector, session.vector_key is not None),
            "stale": render.message(text.STALE_GRID if grid_stale else "", "warning"),
            "plot_stale": render.message(text.STALE_PLOT if plot_stale else "", "warning"),
            "metric_info": render.note(text.METRIC_INFO.get(metric, "")),
        }
        if session.grid is None and "steer" not in session.jobs:
            changes["viewer"] = viewer.empty(_labels(draft.concept), _first_run(settings, draft.concept))
        return changes

    def opened(self, page: str, prompt: str, metric: str, *fields: Any) -> Changes:
        """Fill the page, or fill it again when another concept was chosen."""
        changes = self.changed(page, prompt, metric, *fields)
        # A metric chosen while the page was still opening has written its own line by now.
        changes.pop("metric_info", None)
        session = self.workspace.session(page)
        session.selected = None
        return changes | concept_changes(session, str(fields[2]), table=True)

    def closed(self, page: str) -> None:
        """Free what a page held when its window is gone."""
        self.workspace.close(page)

    # Runs

    def begin(self, page: str, kind: str) -> Changes:
        """Note that a run was asked for, so that Stop reaches it even while it waits for its turn."""
        session = self.workspace.session(page)
        words = text.BUSY if self.workspace.busy() else text.STARTING + " …"
        session.jobs[kind] = Job()
        return _buttons(kind, running=True) | {_status(kind): render.message(words)}

    def stop(self, page: str, kind: str) -> Changes:
        """Ask a run to stop; it says so itself when it has."""
        job = self.workspace.session(page).jobs.get(kind)
        if job is None:
            return _buttons(kind, running=False)
        job.stop.set()
        return {_status(kind): render.progress(Report("", 0.0, stopping=True))}

    def steer(self, page: str, prompt: str, *fields: Any) -> Iterator[Changes]:
        """Make the vector when it is missing, then write at every λ at once, then measure."""
        session = self.workspace.session(page)
        yield from self._guarded("steer", session, lambda job: self._steer(session, job, prompt, fields))

    def compute(self, page: str, metric: str, *fields: Any) -> Iterator[Changes]:
        """Compare the layers of parent and child."""
        session = self.workspace.session(page)
        yield from self._guarded("layers", session, lambda job: self._compute(session, job, metric, fields))

    def measure_effect(self, page: str, *fields: Any) -> Iterator[Changes]:
        """Measure how much of the effect of the child's own vector the carried one keeps."""
        session = self.workspace.session(page)
        yield from self._guarded("layers", session, lambda job: self._measure_effect(session, job, fields))

    def _steer(self, session: Session, job: Job, prompt: str, fields: Sequence[Any]) -> Iterator[Changes]:
        settings = Settings.read(*fields)
        concept = session.draft(settings.concept).concept
        if not prompt.strip():
            raise SteeringError(text.EMPTY_PROMPT)
        grids = yield from watched(
            lambda progress: self._prepare(session, settings, concept, prompt, progress), job, _steer_status
        )
        session.grid_key = settings.grid_key(concept, prompt)
        vector = self.workspace.ready(settings, concept)
        yield {"stale": ""} | self.changed_vector(session, settings) | report_changes(vector)
        labels, most = _labels(concept), settings.sampling.max_new_tokens
        started = painted = time.monotonic()
        try:
            for grid in grids:
                session.grid = grid
                job.check()
                if time.monotonic() - painted > _PAINT:
                    painted = time.monotonic()
                    written = max(len(row.token_ids) for row in grid.rows) / most
                    report = Report(text.WRITING, written, painted - started)
                    yield {"viewer": viewer.show(grid, labels, most, "running"), "status": render.progress(report)}
        except Stopped:
            if session.grid is not None:
                yield {"viewer": viewer.show(session.grid, labels, most, "stopped")}
            raise
        seconds = time.monotonic() - started
        assert session.grid is not None, "a stream has at least one step"
        grid = session.grid
        yield {"viewer": viewer.show(grid, labels, most), "status": render.progress(Report(text.MEASURING, 1.0))}
        child = self.workspace.models(settings)[1]
        session.grid = yield from watched(lambda progress: self._measure(child, grid, progress), job, _steer_status)
        words = text.finished(len(grid.rows), seconds)
        yield {"viewer": viewer.show(session.grid, labels, most), "status": render.message(words, "good")}

    def _prepare(
        self, session: Session, settings: Settings, concept: Concept, prompt: str, progress: Progress
    ) -> Iterator[Grid]:
        with self.workspace.lane:
            vector = self.workspace.vector(settings, concept, part_of(progress, 0.0, 0.97))
            session.vector_key = settings.vector_key(concept)
            progress(text.PREPARING, 0.97)
            _, child = self.workspace.models(settings)
            return stream(
                child,
                prompt,
                vector,
                LAMBDAS,
                sampling=settings.sampling,
                scale=settings.scale,
                profile=settings.profile,
                positions=settings.positions,
                plain=not settings.chat,
            )

    def _measure(self, child: Any, grid: Grid, progress: Progress) -> Grid:
        with self.workspace.lane:
            progress(text.MEASURING, 1.0)
            return assess(child, grid)

    def _compute(self, session: Session, job: Job, metric: str, fields: Sequence[Any]) -> Iterator[Changes]:
        settings = Settings.read(*fields)
        concept = session.draft(settings.concept).concept
        serious = [str(problem) for problem in lint(concept.pairs) if problem.serious]
        if serious:
            raise SteeringError(f"The pairs of {concept.name} cannot be used. " + " ".join(serious))

        def work(progress: Progress) -> Any:
            with self.workspace.lane:
                parent, child = self.workspace.models(settings, part_of(progress, 0.0, 0.4))
                return similarity(parent, child, concept, metric, progress=part_of(progress, 0.4, 1.0))

        found = yield from watched(work, job, lambda report: {"layers_status": render.progress(report)})
        words = text.compared(found)
        session.plot_key = settings.plot_key(concept, metric)
        yield {
            "plot": gr.update(value=plot_similarity(found), visible=True),
            "plot_empty": gr.update(visible=False),
            "plot_stale": "",
            "layers_status": render.message(words, "good"),
        } | self.changed_vector(session, settings)

    def _measure_effect(self, session: Session, job: Job, fields: Sequence[Any]) -> Iterator[Changes]:
        settings = Settings.read(*fields)
        concept = session.draft(settings.concept).concept

        def work(progress: Progress) -> SteeringVector:
            with self.workspace.lane:
                carried = self.workspace.vector(settings, concept, part_of(progress, 0.0, 0.4))
                child = self.workspace.models(settings)[1]
                found = measure(child, concept, carried, method=settings.method, progress=part_of(progress, 0.4, 1.0))
                vector = with_effect(carried, found) if carried.report else carried
                self.workspace.keep(settings, concept, vector)
                session.vector_key = settings.vector_key(concept)
                return vector

        vector = yield from watched(work, job, lambda report: {"layers_status": render.progress(report)})
        done = {"layers_status": render.message(text.MEASURED, "good")}
        yield done | report_changes(vector) | self.changed_vector(session, settings)

    def changed_vector(self, session: Session, settings: Settings) -> Changes:
        """The two cards of the sidebar, after a run."""
        draft = session.draft(settings.concept)
        vector = self.workspace.ready(settings, draft.concept)
        shapes = [self.workspace.shape(name) for name in (settings.parent, settings.child)]
        return {
            "relation": render.relation(settings, *shapes),
            "vector": render.vector_state(draft, vector, session.vector_key is not None),
        }

    def _guarded(
        self, kind: str, session: Session, run: Callable[[Job], Iterator[Changes]]
    ) -> Generator[Changes, None, None]:
        """Turn whatever ends a run into words on the page, and give the buttons back."""
        job = session.jobs.get(kind) or Job()
        try:
            job.check()
            yield from run(job)
            last: Changes = {}
        except Stopped:
            last = {_status(kind): render.message(text.STOPPED)}
        except SteeringError as error:
            last = {_status(kind): render.message(str(error), "error")}
            toast(str(error))
        except Exception:
            _log.exception("The %s run failed", kind)
            last = {_status(kind): render.message(text.UNEXPECTED, "error")}
            toast(text.UNEXPECTED)
        session.jobs.pop(kind, None)
        yield last | _buttons(kind, running=False)


def toast(words: str) -> None:
    """Show a message in the corner; it is read as HTML there, so it is escaped."""
    gr.Warning(html.escape(words, quote=False))


def concept_changes(session: Session, name: str, *, table: bool) -> Changes:
    """What the Concept tab shows of a draft.

    Args:
        session: of the page.
        name: of the concept.
        table: whether the table is to be written too; not after an edit in it.
    """
    draft = session.draft(name)
    number = None if session.selected is None else session.selected + 1
    changes: Changes = {
        "heading": render.pairs_heading(draft),
        "problems": render.problems(lint(draft.concept.pairs)),
        "undo": gr.update(interactive=bool(draft.history)),
        "reset": gr.update(interactive=draft.modified),
        "delete_pair": text.DELETE_PAIR if number is None else f"{text.DELETE_PAIR} {number}",
    }
    if table:
        changes |= {
            "pairs": draft.rows,
            "positive_label": draft.concept.positive_label,
            "negative_label": draft.concept.negative_label,
        }
    return changes


def report_changes(vector: SteeringVector | None) -> Changes:
    """What the Layers tab says about how the vector was carried."""
    if vector is None or vector.report is None:
        return {"verdict": render.note(text.SAME_MODEL_REPORT), "report_plot": gr.update(visible=False)}
    figure = plot_report(vector.report)
    return {
        "verdict": render.verdict(describe(vector.report)),
        "report_plot": gr.update(value=figure, visible=figure is not None),
    }


def _steer_status(report: Report) -> Changes:
    return {"status": render.progress(report)}


def _status(kind: str) -> str:
    return "status" if kind == "steer" else "layers_status"


def _buttons(kind: str, *, running: bool) -> Changes:
    starts, stop = (["generate"], "stop") if kind == "steer" else (["compute", "measure_effect"], "layers_stop")
    return {start: gr.update(interactive=not running) for start in starts} | {
        stop: gr.update(interactive=running, variant="stop" if running else "secondary"),
    }


def _labels(concept: Concept) -> tuple[str, str]:
    return (concept.positive_label, concept.negative_label)


def _first_run(settings: Settings, concept: Concept) -> str:
    return text.first_run(settings.parent, settings.child, concept.name, len(concept.pairs))
