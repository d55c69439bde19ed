"""The Vote tab without a browser: one question at every λ, votes on a task, and the messages when a field is wrong."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pages import fields, form, last, press

from steering.errors import SteeringError
from steering.evaluation.columns import Column, judge
from steering.evaluation.evaluation import Evaluation, ask
from steering.evaluation.scoring import Outcome
from steering.evaluation.voting import vote
from steering.formatting import strength
from steering.tasks.task import Item
from steering.ui.state.settings import Settings
from steering.ui.state.workspace import Session, Workspace
from steering.ui.tabs.tune import handlers as tuning
from steering.ui.tabs.vote import handlers, render, text
from steering.ui.tabs.vote.handlers import COUNT_TASK, LONG_TASK, Voting, fill_question
from steering.ui.tabs.vote.question import TaskCursor, answer_label, question_task
from steering.ui.text import STOPPED

pytestmark = pytest.mark.usefixtures("own_cache")

EVIL = "<img src=x>"
CHOICES = ["a train", "the gardens", "rain"]


@pytest.fixture
def voting() -> Voting:
    return Voting(Workspace())


@pytest.fixture
def session(tmp_path: Path) -> Session:
    """A session with an uploaded task with choices, six questions per split."""
    rows = [
        {"id": f"{part}-{place}", "question": f"{part} {place}?", "split": part}
        | {"choices": CHOICES, "answer": place % 3}
        for part in ("validation", "test")
        for place in range(6)
    ]
    path = tmp_path / "own.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)), "utf-8")
    page_session = Session()
    tuning.upload(page_session, str(path))
    return page_session


def test_a_question_is_answered_in_writing_at_every_strength(
    voting: Voting, session: Session, folders: tuple[str, str]
) -> None:
    question_fields = ("How many bowls of soup?", "", "24", "number")
    values = fields(*folders)
    all_changes = list(press(LONG_TASK, voting.ask, session, values, *question_fields, True, *form(session, most=8)))
    table = last(all_changes, "vote_answers")
    for words in (f"{strength(-0.5)}</th>", "0 ◆ baseline</th>", "+0.5</th>"):
        assert words in table
    assert "Every λ" in last(all_changes, "vote_verdict")
    assert text.SAMPLED.capitalize() in last(all_changes, "vote_verdict")
    assert [bar.name for bar in last(all_changes, "vote_tally")["value"].data] == [text.STEERED, text.SAMPLED]
    settings = Settings.read(*values)
    assert voting.notices(session, settings, *question_fields, "validation", *form(session, most=8))["vote_stale"] == ""
    other_question = ("How many people?", *question_fields[1:])
    assert (
        text.STALE
        in voting.notices(session, settings, *other_question, "validation", *form(session, most=8))["vote_stale"]
    )


def test_a_stopped_question_keeps_what_was_written(
    voting: Voting, session: Session, folders: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop_behind(*arguments: Any) -> Iterator[Evaluation]:
        steps = ask(*arguments)
        yield next(steps)
        LONG_TASK.request_stop(session)
        yield next(steps)

    question_fields = ("How many bowls of soup?", "", "", "number")
    with monkeypatch.context() as patch:
        patch.setattr(handlers, "ask", stop_behind)
        all_changes = list(
            press(LONG_TASK, voting.ask, session, fields(*folders), *question_fields, True, *form(session, most=8))
        )
    assert last(all_changes, "vote_answers").count(f"<td>{text.STOPPED}</td>") == 3
    assert STOPPED in last(all_changes, "vote_status")


def test_choices_are_weighed_and_named(voting: Voting, session: Session, folders: tuple[str, str]) -> None:
    question_fields = ("What is good for the gardens?", f"a train\n\n {EVIL}\nrain", "rain", "number")
    all_changes = list(
        press(LONG_TASK, voting.ask, session, fields(*folders), *question_fields, False, *form(session, shots=3))
    )
    assert "C −" in last(all_changes, "vote_answers")
    assert EVIL not in last(all_changes, "vote_answers") + last(all_changes, "vote_verdict")
    assert [bar.name for bar in last(all_changes, "vote_tally")["value"].data] == [text.STEERED]
    assert sum(last(all_changes, "vote_tally")["value"].data[0].x) == 3


def test_questions_are_taken_from_the_validation_part_one_after_the_other(session: Session) -> None:
    all_changes = [fill_question(session, *form(session, most=8)) for _ in range(7)]
    assert [changes["vote_question"] for changes in all_changes] == [f"validation {place % 6}?" for place in range(7)]
    assert all_changes[1]["vote_choices"].splitlines() == CHOICES
    assert (all_changes[1]["vote_answer"], "number 2 of 6" in all_changes[1]["vote_status"]) == ("B", True)
    filled = session.record(TaskCursor)
    assert filled.task is not None
    assert question_task("validation 1?", "\n".join(CHOICES), "B", "number", filled).pool == filled.task.pool != ()
    assert question_task("Quite another?", "", "", "number", filled).pool == ()
    assert "There is no task" in fill_question(session, *form(session, source="nowhere"))["vote_status"]


def test_a_task_is_voted_on_from_the_rows_of_the_tuning(
    voting: Voting, session: Session, folders: tuple[str, str]
) -> None:
    values = fields(*folders)
    tune = tuning.Tune(voting.workspace)
    list(press(tuning.LONG_TASK, tune.tune, session, values, *form(session, most=8)))
    tuning_result = session.record(tuning.TuneState).tuning
    assert tuning_result is not None
    all_changes = list(press(COUNT_TASK, voting.count, session, values, "validation", *form(session, most=8)))
    votes = vote(tuning_result.evaluation)
    right = sum(votes.correct)
    assert f"right on {100 * right / 6:.0f} % of 6 questions" in last(all_changes, "vote_counted")
    assert f"{votes.as_json()['ties']} tie" in last(all_changes, "vote_counted")
    assert "validation split of own" in last(all_changes, "vote_counted")
    assert len(last(all_changes, "vote_plot")["value"].data[0].y) == 6
    settings = Settings.read(*values)
    question_fields = ("?", "", "", "number")
    assert (
        voting.notices(session, settings, *question_fields, "validation", *form(session, most=8))["vote_count_stale"]
        == ""
    )
    assert (
        text.TASK_STALE
        in voting.notices(session, settings, *question_fields, "test", *form(session, most=8))["vote_count_stale"]
    )
    nearest = (
        f"λ = {strength(tuning_result.best_lam)}, as tuned there" if tuning_result.best_lam else "nearest to λ = 0"
    )
    assert nearest in voting.notices(session, settings, *question_fields, "test", *form(session, most=8))["vote_about"]
    wrong = voting.notices(session, settings, *question_fields, "test", *form(session, lambdas="x"))
    assert "is not a number" in wrong["vote_about"]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ((" ", "", ""), "The question is empty"),
        (("Which?", "one", ""), "There are 1 choices, 1 of them different"),
        (("Which?", "one\none\ntwo", ""), "There are 3 choices, 2 of them different"),
        (("Which?", "one\ntwo", "C"), "from A to B"),
    ],
)
def test_a_question_that_cannot_be_put_is_refused(fields: tuple[str, str, str], message: str) -> None:
    with pytest.raises(SteeringError, match=message):
        question_task(*fields, "number", TaskCursor())


@pytest.mark.parametrize(("answer", "right"), [("b", "B"), ("two", "B"), ("A", "A"), ("", "")])
def test_the_right_choice_may_be_its_letter_or_its_text(answer: str, right: str) -> None:
    task = question_task("Which?", "one\ntwo", answer, "number", TaskCursor())
    assert (task.kind, task.items[0].answer) == ("choice", right)
    assert answer_label("B", task.items[0]) == "B: two"


def test_the_winner_is_marked_by_value_and_right_or_wrong_by_a_mark() -> None:
    item = Item("q", "?", "4")
    texts = {-0.1: "#### 4.0", 0.0: f"{EVIL} #### 7 {'so ' * 40}", 0.1: "#### 4"}
    grid = Evaluation(
        "this question", "all", "number", "generate",
        tuple(Column(lam, (judge("number", item, Outcome(words, 5)),), ("4",)) for lam, words in texts.items()),
    )  # fmt: skip
    ballot = vote(grid).ballots[0]
    table = render.answers(grid, item, ballot.winner)
    assert table.count("★") == 2
    assert (table.count("✓"), table.count("✕")) == (2, 1)
    assert "&lt;img src=x&gt;" in table
    assert EVIL not in table
    assert "4 · 2 of 3, agreement 67 % · ✓ right" in render.verdict(ballot, [], item)
    unknown = Item("q", "?", "")
    growing = render.answers(grid, item, placeholder=text.WRITING)
    assert (growing.count(text.WRITING), growing.count("★"), growing.count("✓")) == (3, 0, 0)
    assert "✓" not in render.answers(grid, unknown, ballot.winner) + render.verdict(ballot, [], unknown)
