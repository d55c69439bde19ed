"""Handlers of the Vote tab: the vote on one question, shown while its answers are generated, and the votes on a task."""

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
from steering.ui.state.ready import check_writing
from steering.ui.state.settings import Settings
from steering.ui.state.workspace import Session, Workspace
from steering.ui.tabs.vote import render as vote_html
from steering.ui.tabs.vote import text
from steering.ui.tabs.vote.question import TaskCursor, answer_label, question_task
from steering.vectors import SteeringVector

LONG_TASK = LongTask("vote", ("vote_ask",), "vote_stop", "vote_status")
COUNT_TASK = LongTask("vote_count", ("vote_count",), "vote_count_stop", "vote_count_status")

_QUESTION = ("vote_question", "vote_choices", "vote_answer", "vote_kind")


def connect(events: EventBinder) -> None:
    """Connect the tab."""
    page, voting = events.page, Voting(events.workspace)
    outputs = ["vote_verdict", "vote_answers", "vote_tally", "vote_stale"]
    asked = [*_QUESTION, "vote_samples", *FIELDS]
    events.long_task(page["vote_ask"].click, LONG_TASK, voting.ask, asked, outputs, check=voting.check_question)
    events.stop(LONG_TASK)
    events.on(page["vote_take"].click, fill_question, FIELDS, _QUESTION, status=LONG_TASK.status)
    count_outputs = ["vote_counted", "vote_plot", "vote_count_stale"]
    count = ["vote_part", *FIELDS]
    events.long_task(page["vote_count"].click, COUNT_TASK, voting.count, count, count_outputs, check=voting.check_task)
    events.stop(COUNT_TASK)
    events.notice(voting.notices, [*_QUESTION, "vote_part", *FIELDS], ["vote_about", "vote_stale", "vote_count_stale"])


@dataclass
class VoteState:
    """Keys of the results on the tab, which tell when they are out of date.

    Attributes:
        question_key: of the answers to the question; None before the first ones.
        votes_key: of the votes on a task; None before the first ones.
    """

    question_key: tuple[object, ...] | None = None
    votes_key: tuple[object, ...] | None = None


class Voting:
    """The handlers of one app."""

    def __init__(self, workspace: Workspace) -> None:
        self.workspace = workspace

    def notices(
        self, session: Session, settings: Settings, question: str, choices: str, answer: str, kind: str, part: str,
        *fields: Any,
    ) -> Changes:  # fmt: skip
        """Mark answers and votes that are out of date, and say which λ vote."""
        state = session.record(VoteState)
        try:
            form = Form.read(session.record(Uploads).files, *fields)
            about = render.note(text.about(form.strengths(settings), _tuned_lambda(session, settings, form)))
        except SteeringError as error:
            return {"vote_about": render.message(str(error), "warning"), "vote_stale": "", "vote_count_stale": ""}
        key = form.key(settings, session.draft(settings.concept).concept)
        answers_stale = state.question_key not in (None, (key, question, choices, answer, kind))
        votes_stale = state.votes_key not in (None, (key, part))
        return {
            "vote_about": about,
            "vote_stale": render.message(text.STALE if answers_stale else "", "warning"),
            "vote_count_stale": render.message(text.TASK_STALE if votes_stale else "", "warning"),
        }

    def check_question(
        self, session: Session, settings: Settings, question: str, choices: str, answer: str, kind: str,
        samples: bool, *fields: Any,
    ) -> None:  # fmt: skip
        """Check what can be checked before a question is answered."""
        question_task(question, choices, answer, kind, session.record(TaskCursor))
        self.check_task(session, settings, str(samples), *fields)

    def check_task(self, session: Session, settings: Settings, part: str, *fields: Any) -> None:
        """Check what can be checked before a task is scored."""
        del part
        Form.read(session.record(Uploads).files, *fields).strengths(settings)
        check_writing(self.workspace, session, settings)

    def ask(
        self, session: Session, job: Job, settings: Settings, question: str, choices: str, answer: str, kind: str,
        samples: bool, *fields: Any,
    ) -> Iterator[Changes]:  # fmt: skip
        """Answer one question at every λ and count the votes; then sample as many answers of the unsteered child."""
        form = Form.read(session.record(Uploads).files, *fields)
        concept = session.draft(settings.concept).concept
        task = question_task(question, choices, answer, kind, session.record(TaskCursor))
        setup = form.setup(settings)
        if not task.pool:
            setup = replace(setup, style=replace(setup.style, shots=0))

        def prepare_scorer(progress: Progress) -> tuple[Scorer, SteeringVector]:
            vector = self.workspace.vector(session, settings, concept, progress)
            child = self.workspace.models(settings)[1]
            return Scorer(child, task, setup, Store.open(resume=True)), vector

        scorer, vector = yield from LONG_TASK.step(job, prepare_scorer)
        session.vector_key = settings.vector_key(concept)
        lambdas, tie_lam, item = form.strengths(settings), _tuned_lambda(session, settings, form), task.items[0]
        session.record(VoteState).question_key = (form.key(settings, concept), question, choices, answer, kind)
        started = time.monotonic()
        yield {"vote_stale": ""} | LONG_TASK.progress(ProgressReport(text.ANSWERING.format(n=len(lambdas)), 0.0))
        grid: Evaluation | None = None
        try:
            for grid in throttled(ask(scorer, vector, lambdas), job):
                share = max(column.answers[0].n_tokens for column in grid.columns) / scorer.sampling.max_new_tokens
                report = ProgressReport(
                    text.ANSWERING.format(n=len(lambdas)), min(share, 1.0), time.monotonic() - started
                )
                yield _partial_answers(grid, item, text.WRITING) | LONG_TASK.progress(report)
        except Stopped:
            if grid is not None:
                yield _partial_answers(grid, item, text.STOPPED)
            raise
        assert grid is not None, "an answer has at least one step"
        yield _final_answers(grid, tie_lam, item)
        if samples:
            final_grid = grid
            control = yield from LONG_TASK.step(
                job, lambda progress: _sampled(scorer, vector, final_grid, tie_lam, progress)
            )
            yield _final_answers(grid, tie_lam, item, control)
        yield LONG_TASK.message(text.finished(time.monotonic() - started))

    def count(self, session: Session, job: Job, settings: Settings, part: str, *fields: Any) -> Iterator[Changes]:
        """Count the votes of all λ on every question of one split of the task."""
        form = Form.read(session.record(Uploads).files, *fields)
        concept = session.draft(settings.concept).concept
        # On the questions that λ was tuned on, the tuned λ must not decide ties.
        tie_lam = _tuned_lambda(session, settings, form) if part == "test" else 0.0
        started = time.monotonic()

        def work(progress: Progress) -> Evaluation:
            scorer, vector = prepare(self.workspace, session, settings, form, part_of(progress, 0, 0.3), part)
            scoring_progress = part_of(progress, 0.3, 1.0)
            scorer = replace(scorer, progress=lambda what, fraction: scoring_progress(without_counts(what), fraction))
            return evaluation_of(scorer, vector, form.strengths(settings))

        grid = yield from COUNT_TASK.step(job, work)
        votes = vote(grid, tie_lam)
        session.record(VoteState).votes_key = (form.key(settings, concept), part)
        sentences = text.counted(grid, votes)
        if grid.n > SHOWN_QUESTIONS:
            sentences = (*sentences, text.SHOWN.format(n=SHOWN_QUESTIONS))
        yield {
            "vote_counted": render.verdict(sentences),
            "vote_plot": gr.update(value=plot_votes(grid, votes), visible=True),
            "vote_count_stale": "",
        } | COUNT_TASK.message(text.finished(time.monotonic() - started))


def fill_question(session: Session, *fields: Any) -> Changes:
    """Fill the fields with the next question of the Tune λ tab's task."""
    try:
        form = Form.read(session.record(Uploads).files, *fields)
        item, task, place = session.record(TaskCursor).next_question(form.source)
    except SteeringError as error:
        return {"vote_status": render.message(str(error), "error")}
    words = " ".join([text.TAKEN.format(id=item.id, task=task.name, place=place, n=len(task.items)), *task.notes])
    return {
        "vote_question": item.question,
        "vote_choices": "\n".join(item.choices),
        "vote_answer": item.answer,
        "vote_kind": gr.skip() if item.choices else task.kind,
        "vote_status": render.message(words, "info"),
    }


def _tuned_lambda(session: Session, settings: Settings, form: Form) -> float:
    """The λ that decides ties: the tuned one if the settings are still those of the tuning, else 0."""
    state, key = session.record(TuneState), form.key(settings, session.draft(settings.concept).concept)
    return state.tuning.best_lam if state.tuning is not None and state.key == key else 0.0


def _sampled(scorer: Scorer, vector: SteeringVector, grid: Evaluation, tie_lam: float, progress: Progress) -> Control:
    description = text.SAMPLING.format(n=len(grid.columns))
    sampling_scorer = replace(scorer, progress=lambda _, fraction: progress(description, fraction))
    (control,) = CONTROLS["self_consistency"](Context(sampling_scorer, vector, grid, tie_lam))
    return control


def _partial_answers(grid: Evaluation, item: Item, placeholder: str) -> Changes:
    table = vote_html.answers(grid, item, placeholder=placeholder)
    return {"vote_answers": table, "vote_verdict": "", "vote_tally": gr.update(visible=False)}


def _final_answers(grid: Evaluation, tie_lam: float, item: Item, control: Control | None = None) -> Changes:
    ballot, baseline = vote(grid, tie_lam).ballots[0], grid.baseline.answers[0]
    comparisons = [
        (
            "Baseline, λ = 0",
            answer_label(baseline.answer, item) + vote_html.right_or_wrong(baseline.outcome == "right", item),
        )
    ]
    counts = {text.STEERED: _vote_counts(grid.kind, ballot, [column.lam for column in grid.columns], tie_lam)}
    if control is not None and control.vote is not None:
        sampled = control.vote.ballots[0]
        sentence = text.mode(sampled, answer_label(sampled.winner, item)) + vote_html.right_or_wrong(
            sampled.correct, item
        )
        comparisons.append((text.SAMPLED.capitalize(), sentence))
        counts[text.SAMPLED] = _vote_counts(grid.kind, sampled, control.vote.voters, 0.0, tuple(counts[text.STEERED]))
    return {
        "vote_verdict": vote_html.verdict(ballot, comparisons, item),
        "vote_answers": vote_html.answers(grid, item, ballot.winner),
        "vote_tally": gr.update(
            value=plot_tally(
                {way: {answer_label(answer, item): n for answer, n in votes.items()} for way, votes in counts.items()},
                len(grid.columns),
            ),
            visible=True,
        ),
    }


def _vote_counts(kind: str, ballot: Ballot, voters: Any, tie_lam: float, names: tuple[str, ...] = ()) -> dict[str, int]:
    """Number of votes by answer.

    Args:
        kind: of the answers.
        ballot: the votes on one question.
        voters: λ or numbers of the voters.
        tie_lam: decides ties.
        names: answers that are used as keys in place of answers of the same value.
    """
    counts = tally(kind, dict(zip(voters, ballot.answers, strict=True)), tie_lam)
    return {next((name for name in names if SAME[kind](name, answer)), answer): votes for answer, votes in counts}
