"""Events of the Tune λ tab: a grid that grows question by question, the λ that goes to the Steer tab, and the report."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import gradio as gr

from steering.errors import Progress, SteeringError, part_of
from steering.evaluation import (
    GRIDS,
    Scorer,
    Study,
    Tuning,
    evaluation_of,
    most_rows,
    study,
    tuned,
    write_report,
)
from steering.formatting import duration, strength
from steering.plots import plot_accuracy
from steering.tasks import Task, load_task, preview
from steering.ui import render
from steering.ui.background.jobs import Job, Stopped
from steering.ui.events.binder import EventBinder
from steering.ui.events.long_tasks import Changes, LongTask, toast
from steering.ui.questions.form import FIELDS, Form, Uploads
from steering.ui.questions.prepare import Tuned, prepare, uncounted
from steering.ui.questions.text import TASKS, written
from steering.ui.state.settings import Settings
from steering.ui.state.workspace import Session, Workspace
from steering.ui.tabs.tune import render as tables
from steering.ui.tabs.tune import text
from steering.vectors import SteeringVector

RUN = LongTask("tune", ("tune_run", "tune_preview"), "tune_stop", "tune_status")
REPORT = LongTask("tune_report", ("tune_report",), "tune_report_stop", "tune_report_status")

_GRID = ("tune_plot", "tune_empty", "tune_verdict", "tune_use", "tune_table", "tune_stale", "tune_report_note")
_STUDY = (
    "tune_report_plot", "tune_study", "tune_report_stale", *(f"tune_download_{end[1:]}" for end in text.DOWNLOADS),
)  # fmt: skip

FIRST = 10
"""Questions after which the first figure is drawn; it is drawn again whenever their number has doubled."""


def connect(events: EventBinder) -> None:
    """Connect the tab."""
    page, tuning = events.page, Tune(events.workspace)
    events.long_task(page["tune_run"].click, RUN, tuning.tune, FIELDS, _GRID)
    events.long_task(page["tune_preview"].click, RUN, tuning.preview, FIELDS, ["tune_prompt"])
    events.stop(RUN)
    events.long_task(page["tune_report"].click, REPORT, tuning.report, FIELDS, _STUDY)
    events.stop(REPORT)
    events.notice(tuning.notices, FIELDS, ["tune_stale", "tune_report_stale"])
    events.on(page["tune_upload"].upload, upload, ["tune_upload"], ["tune_task"], status=RUN.status)
    events.on(page["scale"].change, rescaled, ["scale", "tune_lambdas"], ["tune_lambdas"], status=RUN.status)
    if "wanted_lam" in page:
        events.on(page["tune_use"].click, chosen, outputs=["wanted_lam"], status=RUN.status)
        events.js(page["tune_use"].click, _GO_TO_STEER)


class Tune:
    """The events of one running app."""

    def __init__(self, workspace: Workspace) -> None:
        self.workspace = workspace

    def notices(self, session: Session, settings: Settings, *fields: Any) -> Changes:
        """Whether grid and report are out of date, or the form cannot be used as it stands."""
        shown = session.of(Tuned)
        try:
            form = Form.read(session.of(Uploads).files, *fields)
        except SteeringError as error:
            return {"tune_stale": render.message(str(error), "warning"), "tune_report_stale": ""}
        key = form.key(settings, session.draft(settings.concept).concept)
        grid, report = shown.key not in (None, key), shown.report_key not in (None, key)
        return {
            "tune_stale": render.message(text.STALE if grid else "", "warning"),
            "tune_report_stale": render.message(text.REPORT_STALE if report else "", "warning"),
        }

    def preview(self, session: Session, job: Job, settings: Settings, *fields: Any) -> Iterator[Changes]:
        """Show the first prompt, and score nothing."""
        form = Form.read(session.of(Uploads).files, *fields)

        def work(progress: Progress) -> str:
            task = load_task(form.source, "validation", limit=form.limit, seed=settings.sampling.seed)
            return preview(self.workspace.models(settings, progress)[1], task, form.style)

        words = yield from RUN.step(job, work)
        yield {"tune_prompt": tables.prompt(words)} | RUN.message(text.PROMPT_SHOWN)

    def tune(self, session: Session, job: Job, settings: Settings, *fields: Any) -> Iterator[Changes]:
        """Score every question at every λ, and show the grid whenever the number of questions has doubled."""
        shown, concept = session.of(Tuned), session.draft(settings.concept).concept
        form = Form.read(session.of(Uploads).files, *fields)
        lambdas, grown, key = form.strengths(settings), list[Tuning](), form.key(settings, concept)

        def ready(progress: Progress) -> tuple[Scorer, SteeringVector, int]:
            scorer, vector = prepare(self.workspace, session, settings, form, progress)
            return scorer, vector, scorer.missing(vector, lambdas)

        scorer, vector, missing = yield from RUN.step(job, ready)
        began = time.monotonic()
        try:
            for changes in RUN.step(job, lambda told: _grow(scorer, vector, lambdas, grown, told)):
                yield changes | _fresh(shown, grown, key)
        except Stopped:
            yield _fresh(shown, grown, key)
            raise
        yield _fresh(shown, grown, key)
        seconds = time.monotonic() - began
        note = _foretell(form, settings, grown[-1], seconds / missing if missing else None)
        words = text.finished(grown[-1].evaluation, missing, seconds)
        yield {"tune_report_note": render.note(note)} | RUN.message(words)

    def report(self, session: Session, job: Job, settings: Settings, *fields: Any) -> Iterator[Changes]:
        """Tune on one part, and report on another beside the vote and the controls."""
        shown, concept = session.of(Tuned), session.draft(settings.concept).concept
        form = Form.read(session.of(Uploads).files, *fields)
        scorer, vector = yield from REPORT.step(
            job, lambda progress: prepare(self.workspace, session, settings, form, progress)
        )

        def work(progress: Progress) -> Study:
            return study(
                scorer.child,
                vector,
                form.source,
                form.strengths(settings),
                limit=form.limit,
                setup=scorer.setup,
                resume=True,
                progress=lambda what, fraction: progress(uncounted(what), fraction),
            )

        began = time.monotonic()
        found = yield from REPORT.step(job, work)
        shown.report_key = form.key(settings, concept)
        words = text.REPORTED.format(n=found.evaluation.n, duration=duration(time.monotonic() - began))
        yield _reported(session, found) | REPORT.message(words)


def upload(session: Session, path: str | None) -> Changes:
    """Take in a task file, and choose it."""
    if not path:
        return {}
    try:
        sizes = [len(load_task(path, split).items) for split in ("validation", "test")]
    except SteeringError as error:
        toast(str(error))
        return {"tune_status": render.message(str(error), "error")}
    files = session.of(Uploads).files
    files[path] = Path(path).name
    menu = [*TASKS, *((name, file) for file, name in files.items())]
    words = text.UPLOADED.format(name=files[path], n=sizes[0], m=sizes[1])
    return {"tune_task": gr.update(choices=menu, value=path), "tune_status": render.message(words, "good")}


def rescaled(session: Session, scale: str, lambdas: str) -> Changes:
    """Offer the new scale's grid, unless the strengths were edited."""
    del session
    untouched = lambdas in map(written, GRIDS.values())
    return {"tune_lambdas": written(GRIDS[scale])} if untouched and scale in GRIDS else {}


def chosen(session: Session) -> Iterator[Changes]:
    """Hand the best λ to the Steer tab."""
    found = session.of(Tuned).tuning
    if found is not None:
        yield {"wanted_lam": None}  # So that the same λ is a change again, after the slider was moved.
        yield {"wanted_lam": found.best_lam}


def _grow(
    scorer: Scorer, vector: SteeringVector, lambdas: Sequence[float], grown: list[Tuning], progress: Progress
) -> None:
    # Rows of the smaller grids serve the larger ones, so all of them cost what the last one costs.
    n, done = len(scorer.task.items), 0
    for size in _sizes(n, scorer.setup.style.shots):
        words = text.SCORING.format(first=done + 1, last=size, n=n, lams=len(lambdas))
        progress(words, done / n)
        told = _renamed(part_of(progress, done / n, size / n), words)
        part = replace(scorer, task=scorer.task.limited(size, scorer.setup.seed), progress=told)
        grown.append(tuned(evaluation_of(part, vector, lambdas)))
        done = size


def _renamed(progress: Progress, words: str) -> Progress:
    return lambda _, fraction: progress(words, fraction)


def _fresh(shown: Tuned, grown: Sequence[Tuning], key: tuple[object, ...]) -> Changes:
    if not grown or grown[-1] is shown.tuning:
        return {}
    shown.tuning, shown.key = grown[-1], key
    return _show(grown[-1])


def _sizes(n: int, shots: int) -> list[int]:
    # More than the examples, which are not scored where they come from the same part.
    sizes = [max(FIRST, 2 * shots)]
    while sizes[-1] < n:
        sizes.append(2 * sizes[-1])
    return [*(size for size in sizes if size < n), n]


def _foretell(form: Form, settings: Settings, tuning: Tuning, seconds_per_row: float | None) -> str:
    try:
        reported: Task = load_task(form.source, "test", limit=form.limit, seed=settings.sampling.seed)
    except SteeringError as error:
        return str(error)
    n = len(reported.items)
    rows = most_rows(n, form.strengths(settings), tuning.evaluation.mode, tuned_on=tuning.evaluation.n)
    return text.estimate(n, rows, seconds_per_row)


def _show(found: Tuning) -> Changes:
    return {
        "tune_plot": gr.update(value=plot_accuracy(found.evaluation, found.best_lam), visible=True),
        "tune_empty": gr.update(visible=False),
        "tune_verdict": render.verdict(text.verdict(found)),
        "tune_use": gr.update(value=text.USE.format(lam=strength(found.best_lam)), visible=True),
        "tune_table": tables.grid(found),
        "tune_stale": "",
    }


def _reported(session: Session, found: Study) -> Changes:
    changes: Changes = {
        "tune_report_plot": gr.update(value=plot_accuracy(found.evaluation, found.lam), visible=True),
        "tune_study": tables.study(found),
        "tune_report_stale": "",
    }
    for ending in text.DOWNLOADS:
        path = session.files.path(f"steering-{found.evaluation.task}", ending)
        write_report(found, path)
        changes[f"tune_download_{ending[1:]}"] = gr.update(value=str(path), visible=True)
    return changes


_GO_TO_STEER = """() => {
  const first = document.querySelector('#tabs button[role="tab"]');
  if (first) first.click();
  window.scrollTo({ top: 0 });
}"""
