"""Handlers of the Tune λ tab: a grid that grows with the number of questions, the best λ for the Steer tab, and the report."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import gradio as gr

from steering.errors import Progress, SteeringError, part_of
from steering.evaluation import (
    GRIDS,
    Scorer,
    Study,
    Tuning,
    default_grid,
    evaluation_of,
    most_rows,
    study,
    tuned,
    write_report,
)
from steering.formatting import duration, strength
from steering.plots import plot_accuracy
from steering.steer import SteeringSettings
from steering.tasks import Task, load_task, preview
from steering.ui import render
from steering.ui.background.jobs import Job, Stopped
from steering.ui.events.binder import EventBinder
from steering.ui.events.long_tasks import Changes, LongTask, toast
from steering.ui.look import style
from steering.ui.questions.form import FIELDS, Form, Uploads, add_upload, task_menu
from steering.ui.questions.prepare import TuneState, prepare, without_counts
from steering.ui.questions.text import lambda_list
from steering.ui.state.ready import check_writing
from steering.ui.state.settings import Settings
from steering.ui.state.workspace import Session, Workspace
from steering.ui.tabs.tune import render as tune_html
from steering.ui.tabs.tune import text
from steering.vectors import SteeringVector

LONG_TASK = LongTask("tune", ("tune_run", "tune_preview"), "tune_stop", "tune_status")
REPORT_TASK = LongTask("tune_report", ("tune_report",), "tune_report_stop", "tune_report_status")

_GRID_OUTPUTS = ("tune_plot", "tune_empty", "tune_verdict", "tune_use", "tune_table", "tune_stale", "tune_report_note")
_REPORT_OUTPUTS = (
    "tune_report_plot", "tune_study", "tune_report_stale", *(f"tune_download_{end[1:]}" for end in text.DOWNLOADS),
)  # fmt: skip

FIRST_FIGURE = 10
"""Number of questions at which the first figure is drawn; it is drawn again whenever the number has doubled."""


def connect(events: EventBinder) -> None:
    """Connect the tab."""
    page, tuning = events.page, Tune(events.workspace)
    check = tuning.check
    events.long_task(page["tune_run"].click, LONG_TASK, tuning.tune, FIELDS, _GRID_OUTPUTS, check=check)
    events.long_task(page["tune_preview"].click, LONG_TASK, tuning.preview, FIELDS, ["tune_prompt"], check=check)
    events.stop(LONG_TASK)
    events.long_task(page["tune_report"].click, REPORT_TASK, tuning.report, FIELDS, _REPORT_OUTPUTS, check=check)
    events.stop(REPORT_TASK)
    events.notice(tuning.notices, FIELDS, ["tune_stale", "tune_report_stale"])
    events.on(
        page["tune_upload"].upload, upload, ["tune_upload"], ["tune_task", "task_source"], status=LONG_TASK.status
    )
    for name in ("scale", "operator"):
        events.on(
            page[name].change,
            use_default_grid,
            ["scale", "operator", "tune_lambdas"],
            ["tune_lambdas"],
            status=LONG_TASK.status,
        )
    if "wanted_lam" in page:
        events.on(page["tune_use"].click, send_best_lambda, outputs=["wanted_lam"], status=LONG_TASK.status)
        events.js(page["tune_use"].click, style.OPEN_FIRST_TAB)


class Tune:
    """The handlers of one app."""

    def __init__(self, workspace: Workspace) -> None:
        self.workspace = workspace

    def notices(self, session: Session, settings: Settings, *fields: Any) -> Changes:
        """Mark grid and report if they are out of date, or say why the form cannot be used."""
        state = session.record(TuneState)
        try:
            form = Form.read(session.record(Uploads).files, *fields)
        except SteeringError as error:
            return {"tune_stale": render.message(str(error), "warning"), "tune_report_stale": ""}
        key = form.key(settings, session.draft(settings.concept).concept)
        grid_stale, report_stale = state.key not in (None, key), state.report_key not in (None, key)
        return {
            "tune_stale": render.message(text.STALE if grid_stale else "", "warning"),
            "tune_report_stale": render.message(text.REPORT_STALE if report_stale else "", "warning"),
        }

    def check(self, session: Session, settings: Settings, *fields: Any) -> None:
        """Check what can be checked before anything long begins."""
        Form.read(session.record(Uploads).files, *fields).strengths(settings)
        check_writing(self.workspace, session, settings)

    def preview(self, session: Session, job: Job, settings: Settings, *fields: Any) -> Iterator[Changes]:
        """Show the first prompt without scoring anything."""
        form = Form.read(session.record(Uploads).files, *fields)

        def work(progress: Progress) -> str:
            task = load_task(form.source, "validation", limit=form.limit, seed=settings.sampling.seed)
            return preview(self.workspace.models(settings, progress)[1], task, form.style)

        words = yield from LONG_TASK.step(job, work)
        yield {"tune_prompt": tune_html.prompt(words)} | LONG_TASK.message(text.PROMPT_SHOWN)

    def tune(self, session: Session, job: Job, settings: Settings, *fields: Any) -> Iterator[Changes]:
        """Score every question at every λ; the grid is shown whenever the number of questions has doubled."""
        state, concept = session.record(TuneState), session.draft(settings.concept).concept
        form = Form.read(session.record(Uploads).files, *fields)
        lambdas, tunings, key = form.strengths(settings), list[Tuning](), form.key(settings, concept)

        def prepare_scorer(progress: Progress) -> tuple[Scorer, SteeringVector, int]:
            scorer, vector = prepare(self.workspace, session, settings, form, progress)
            return scorer, vector, scorer.missing(vector, lambdas)

        scorer, vector, missing = yield from LONG_TASK.step(job, prepare_scorer)
        started = time.monotonic()
        try:
            for changes in LONG_TASK.step(
                job, lambda progress: _tune_in_steps(scorer, vector, lambdas, tunings, progress)
            ):
                yield changes | _show_newest(state, tunings, key)
        except Stopped:
            yield _show_newest(state, tunings, key)
            raise
        yield _show_newest(state, tunings, key)
        seconds = time.monotonic() - started
        note = _estimate_report(form, settings, tunings[-1], seconds / missing if missing else None)
        words = text.finished(tunings[-1].evaluation, missing, seconds)
        yield {"tune_report_note": render.note(note)} | LONG_TASK.message(words)

    def report(self, session: Session, job: Job, settings: Settings, *fields: Any) -> Iterator[Changes]:
        """Tune λ on the validation split, and test it on the test split together with the vote and the controls."""
        state, concept = session.record(TuneState), session.draft(settings.concept).concept
        form = Form.read(session.record(Uploads).files, *fields)
        scorer, vector = yield from REPORT_TASK.step(
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
                progress=lambda what, fraction: progress(without_counts(what), fraction),
            )

        started = time.monotonic()
        result = yield from REPORT_TASK.step(job, work)
        state.report_key = form.key(settings, concept)
        words = text.REPORTED.format(n=result.evaluation.n, duration=duration(time.monotonic() - started))
        yield _show_report(session, result) | REPORT_TASK.message(words)


def upload(session: Session, path: str | None) -> Changes:
    """Add an uploaded task file to the menu, and choose it."""
    if not path:
        return {}
    files = session.record(Uploads).files
    try:
        words = add_upload(files, path)
    except SteeringError as error:
        toast(str(error))
        return {"tune_status": render.message(str(error), "error")}
    menu = task_menu(files)
    return {
        "tune_task": gr.update(choices=menu, value=path),
        "task_source": gr.update(choices=menu),
        "tune_status": render.message(words, "good"),
    }


def use_default_grid(session: Session, scale: str, operator: str, lambdas: str) -> Changes:
    """Fill in the default grid of the new scale or operator, unless the user has edited the strengths."""
    del session
    unedited = lambdas in map(lambda_list, GRIDS.values())
    try:
        grid = default_grid(SteeringSettings(scale, operator=operator))
    except SteeringError:  # Half of a word is in the menu.
        return {}
    return {"tune_lambdas": lambda_list(GRIDS[grid])} if unedited else {}


def send_best_lambda(session: Session) -> Iterator[Changes]:
    """Select the best λ on the Steer tab."""
    tuning = session.record(TuneState).tuning
    if tuning is not None:
        yield {"wanted_lam": None}  # Otherwise selecting the same λ again would be no change, and do nothing.
        yield {"wanted_lam": tuning.best_lam}


def _tune_in_steps(
    scorer: Scorer, vector: SteeringVector, lambdas: Sequence[float], tunings: list[Tuning], progress: Progress
) -> None:
    # The larger grids reuse the rows of the smaller ones, so all of them together cost as much as the last one.
    n, done = len(scorer.task.items), 0
    for size in _question_counts(n, scorer.setup.style.shots):
        words = text.SCORING.format(first=done + 1, last=size, n=n, lams=len(lambdas))
        progress(words, done / n)
        step_progress = _with_description(part_of(progress, done / n, size / n), words)
        part = replace(scorer, task=scorer.task.limited(size, scorer.setup.seed), progress=step_progress)
        tunings.append(tuned(evaluation_of(part, vector, lambdas)))
        done = size


def _with_description(progress: Progress, words: str) -> Progress:
    return lambda _, fraction: progress(words, fraction)


def _show_newest(state: TuneState, tunings: Sequence[Tuning], key: tuple[object, ...]) -> Changes:
    if not tunings or tunings[-1] is state.tuning:
        return {}
    state.tuning, state.key = tunings[-1], key
    return _show_tuning(tunings[-1])


def _question_counts(n: int, shots: int) -> list[int]:
    # More questions than worked examples, which are not scored if they come from the same split.
    sizes = [max(FIRST_FIGURE, 2 * shots)]
    while sizes[-1] < n:
        sizes.append(2 * sizes[-1])
    return [*(size for size in sizes if size < n), n]


def _estimate_report(form: Form, settings: Settings, tuning: Tuning, seconds_per_row: float | None) -> str:
    try:
        task: Task = load_task(form.source, "test", limit=form.limit, seed=settings.sampling.seed)
    except SteeringError as error:
        return str(error)
    n = len(task.items)
    rows = most_rows(n, form.strengths(settings), tuning.evaluation.mode, tuned_on=tuning.evaluation.n)
    return text.estimate(n, rows, seconds_per_row)


def _show_tuning(tuning: Tuning) -> Changes:
    return {
        "tune_plot": gr.update(value=plot_accuracy(tuning.evaluation, tuning.best_lam), visible=True),
        "tune_empty": gr.update(visible=False),
        "tune_verdict": render.verdict(text.verdict(tuning)),
        "tune_use": gr.update(value=text.USE.format(lam=strength(tuning.best_lam)), visible=True),
        "tune_table": tune_html.grid(tuning),
        "tune_stale": "",
    }


def _show_report(session: Session, result: Study) -> Changes:
    changes: Changes = {
        "tune_report_plot": gr.update(value=plot_accuracy(result.evaluation, result.lam), visible=True),
        "tune_study": tune_html.study(result),
        "tune_report_stale": "",
    }
    for ending in text.DOWNLOADS:
        path = session.files.path(f"steering-{result.evaluation.task}", ending)
        write_report(result, path)
        changes[f"tune_download_{ending[1:]}"] = gr.update(value=str(path), visible=True)
    return changes
