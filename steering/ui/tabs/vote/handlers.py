"""Events of the Vote tab: one question answered at every λ while one looks on, and the votes on a whole task."""

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import gradio as gr

from steering.errors import Progress, SteeringError, part_of
from steering.evaluation import (
    CONTROLS,
    Ballot,
    Context,
    Control,
    Evaluation,
    Scorer,
    Store,
    ask,
    evaluation_of,
    tally,
    vote,
)
from steering.plots import SHOWN_QUESTIONS, plot_tally, plot_votes
from steering.tasks import SAME, Item
from steering.ui import render
from steering.ui.background.jobs import Job, ProgressReport, Stopped, throttled
from steering.ui.events.binder import EventBinder
from steering.ui.events.long_tasks import Changes, LongTask
from steering.ui.questions.form import FIELDS, Form, Uploads
from steering.ui.questions.prepare import TuneState, prepare, without_counts
from steering.ui.state.settings import Settings
from steering.ui.state.workspace import Session, Workspace
from steering.ui.tabs.vote import render as answers
from steering.ui.tabs.vote import text
from steering.ui.tabs.vote.question import TaskCursor, answer_label, question_task
from steering.vectors import SteeringVector

LONG_TASK = LongTask("vote", ("vote_ask",), "vote_stop", "vote_status")
COUNT_TASK = LongTask("vote_count", ("vote_count",), "vote_count_stop", "vote_count_status")

_QUESTION = ("vote_question", "vote_choices", "vote_answer", "vote_kind")


def connect(events: EventBinder) -> None:
    """Connect the tab."""
    page, voting = events.page, Voting(events.workspace)
    shown = ["vote_verdict", "vote_answers", "vote_tally", "vote_stale"]
    events.long_task(page["vote_ask"].click, LONG_TASK, voting.ask, [*_QUESTION, "vote_samples", *FIELDS], shown)
    events.stop(LONG_TASK)
    events.on(page["vote_take"].click, fill_question, FIELDS, _QUESTION, status=LONG_TASK.status)
    counted = ["vote_counted", "vote_plot", "vote_count_stale"]
    events.long_task(page["vote_count"].click, COUNT_TASK, voting.count, ["vote_part", *FIELDS], counted)
    events.stop(COUNT_TASK)
    events.notice(voting.notices, [*_QUESTION, "vote_part", *FIELDS], ["vote_about", "vote_stale", "vote_count_stale"])


@dataclass
class VoteState:
    """What the tab shows, by what it was made with.

    Attributes:
        asked: key of the question's answers; None before the first ones.
        counted: key of the votes on a task.
    """

    asked: tuple[object, ...] | None = None
    counted: tuple[object, ...] | None = None


class Voting:
    """The events of one running app."""

    def __init__(self, workspace: Workspace) -> None:
        self.workspace = workspace

    def notices(
        self, session: Session, settings: Settings, question: str, choices: str, answer: str, kind: str, part: str,
        *fields: Any,
    ) -> Changes:  # fmt: skip
        """Whether answers and votes are out of date, and which λ vote."""
        shown = session.record(VoteState)
        try:
            form = Form.read(session.record(Uploads).files, *fields)
            about = render.note(text.about(form.strengths(settings), _near(session, settings, form)))
        except SteeringError as error:
            return {"vote_about": render.message(str(error), "warning"), "vote_stale": "", "vote_count_stale": ""}
        key = form.key(settings, session.draft(settings.concept).concept)
        asked = shown.asked not in (None, (key, question, choices, answer, kind))
        counted = shown.counted not in (None, (key, part))
        return {
            "vote_about": about,
            "vote_stale": render.message(text.STALE if asked else "", "warning"),
            "vote_count_stale": render.message(text.TASK_STALE if counted else "", "warning"),
        }

    def ask(
        self, session: Session, job: Job, settings: Settings, question: str, choices: str, answer: str, kind: str,
        samples: bool, *fields: Any,
    ) -> Iterator[Changes]:  # fmt: skip
        """Answer one question at every λ, count the votes, and then ask the unsteered child as often."""
        form = Form.read(session.record(Uploads).files, *fields)
        concept = session.draft(settings.concept).concept
        task = question_task(question, choices, answer, kind, session.record(TaskCursor))
        setup = form.setup(settings)
        if not task.pool:
            setup = replace(setup, style=replace(setup.style, shots=0))

        def ready(progress: Progress) -> tuple[Scorer, SteeringVector]:
            vector = self.workspace.vector(settings, concept, progress)
            child = self.workspace.models(settings)[1]
            return Scorer(child, task, setup, Store.open(resume=True)), vector

        scorer, vector = yield from LONG_TASK.step(job, ready)
        session.vector_key = settings.vector_key(concept)
        lambdas, near, item = form.strengths(settings), _near(session, settings, form), task.items[0]
        session.record(VoteState).asked = (form.key(settings, concept), question, choices, answer, kind)
        began = time.monotonic()
        yield {"vote_stale": ""} | LONG_TASK.progress(ProgressReport(text.ANSWERING.format(n=len(lambdas)), 0.0))
        grid: Evaluation | None = None
        try:
            for grid in throttled(ask(scorer, vector, lambdas), job):
                most = max(column.answers[0].n_tokens for column in grid.columns) / scorer.sampling.max_new_tokens
                report = ProgressReport(text.ANSWERING.format(n=len(lambdas)), min(most, 1.0), time.monotonic() - began)
                yield _unfinished(grid, item, text.WRITING) | LONG_TASK.progress(report)
        except Stopped:
            if grid is not None:
                yield _unfinished(grid, item, text.STOPPED)
            raise
        assert grid is not None, "an answer has at least one step"
        yield _shown(grid, near, item)
        if samples:
            answered = grid
            control = yield from LONG_TASK.step(
                job, lambda progress: _sampled(scorer, vector, answered, near, progress)
            )
            yield _shown(grid, near, item, control)
        yield LONG_TASK.message(text.finished(time.monotonic() - began))

    def count(self, session: Session, job: Job, settings: Settings, part: str, *fields: Any) -> Iterator[Changes]:
        """Let the λ vote on every question of one part of the task."""
        form = Form.read(session.record(Uploads).files, *fields)
        concept = session.draft(settings.concept).concept
        # On the questions that λ was tuned on, the tuned λ must not decide anything.
        near = _near(session, settings, form) if part == "test" else 0.0
        began = time.monotonic()

        def work(progress: Progress) -> Evaluation:
            scorer, vector = prepare(self.workspace, session, settings, form, part_of(progress, 0, 0.3), part)
            telling = part_of(progress, 0.3, 1.0)
            scorer = replace(scorer, progress=lambda what, fraction: telling(without_counts(what), fraction))
            return evaluation_of(scorer, vector, form.strengths(settings))

        grid = yield from COUNT_TASK.step(job, work)
        found = vote(grid, near)
        session.record(VoteState).counted = (form.key(settings, concept), part)
        sentences = text.counted(grid, found)
        if grid.n > SHOWN_QUESTIONS:
            sentences = (*sentences, text.SHOWN.format(n=SHOWN_QUESTIONS))
        yield {
            "vote_counted": render.verdict(sentences),
            "vote_plot": gr.update(value=plot_votes(grid, found), visible=True),
            "vote_count_stale": "",
        } | COUNT_TASK.message(text.finished(time.monotonic() - began))


def fill_question(session: Session, *fields: Any) -> Changes:
    """Fill the fields with the next question of the Tune λ tab's task."""
    try:
        form = Form.read(session.record(Uploads).files, *fields)
        item, task, place = session.record(TaskCursor).next(form.source)
    except SteeringError as error:
        return {"vote_status": render.message(str(error), "error")}
    words = text.TAKEN.format(id=item.id, task=task.name, place=place, n=len(task.items))
    return {
        "vote_question": item.question,
        "vote_choices": "\n".join(item.choices),
        "vote_answer": item.answer,
        "vote_kind": gr.skip() if item.choices else task.kind,
        "vote_status": render.message(words, "info"),
    }


def _near(session: Session, settings: Settings, form: Form) -> float:
    """The tuned λ, as long as nothing was changed since; else 0."""
    tuned, key = session.record(TuneState), form.key(settings, session.draft(settings.concept).concept)
    return tuned.tuning.best_lam if tuned.tuning is not None and tuned.key == key else 0.0


def _sampled(scorer: Scorer, vector: SteeringVector, grid: Evaluation, near: float, progress: Progress) -> Control:
    words = text.SAMPLING.format(n=len(grid.columns))
    telling = replace(scorer, progress=lambda _, fraction: progress(words, fraction))
    (control,) = CONTROLS["self_consistency"](Context(telling, vector, grid, near))
    return control


def _unfinished(grid: Evaluation, item: Item, unread: str) -> Changes:
    table = answers.answers(grid, item, unread=unread)
    return {"vote_answers": table, "vote_verdict": "", "vote_tally": gr.update(visible=False)}


def _shown(grid: Evaluation, near: float, item: Item, control: Control | None = None) -> Changes:
    ballot, baseline = vote(grid, near).ballots[0], grid.baseline.answers[0]
    rest = [("Baseline, λ = 0", answer_label(baseline.answer, item) + answers.right(baseline.outcome == "right", item))]
    counts = {text.STEERED: _counts(grid.kind, ballot, [column.lam for column in grid.columns], near)}
    if control is not None and control.vote is not None:
        other = control.vote.ballots[0]
        words = text.mode(other, answer_label(other.winner, item)) + answers.right(other.correct, item)
        rest.append((text.SAMPLED.capitalize(), words))
        counts[text.SAMPLED] = _counts(grid.kind, other, control.vote.voters, 0.0, tuple(counts[text.STEERED]))
    return {
        "vote_verdict": answers.verdict(ballot, rest, item),
        "vote_answers": answers.answers(grid, item, ballot.winner),
        "vote_tally": gr.update(
            value=plot_tally(
                {way: {answer_label(answer, item): n for answer, n in votes.items()} for way, votes in counts.items()},
                len(grid.columns),
            ),
            visible=True,
        ),
    }


def _counts(kind: str, ballot: Ballot, voters: Any, near: float, known: tuple[str, ...] = ()) -> dict[str, int]:
    """Votes by answer; an answer that equals a known one by value goes by the known one's name."""
    found = tally(kind, dict(zip(voters, ballot.answers, strict=True)), near)
    return {next((name for name in known if SAME[kind](name, answer)), answer): votes for answer, votes in found}
