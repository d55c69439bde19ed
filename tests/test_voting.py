"""The mode over λ."""

import pytest

from steering.evaluation.columns import Column, judge
from steering.evaluation.evaluation import Evaluation
from steering.evaluation.scoring import Outcome
from steering.evaluation.voting import elect, tally, vote
from steering.tasks.task import Item


@pytest.mark.parametrize(
    ("answers", "near", "winner", "votes", "tied"),
    [
        ({0.0: "4", 0.1: "5", 0.2: "5"}, 0.0, "5", 2, False),
        ({0.0: "4", 0.1: "5"}, 0.0, "4", 1, True),
        ({0.0: "4", 0.1: "5"}, 0.1, "5", 1, True),
        ({0.0: "4", 0.1: "5"}, 0.2, "5", 1, True),
        ({0.0: None, 0.1: None}, 0.0, None, 0, False),
        ({0.0: None, 0.1: None, 0.2: "5"}, 0.0, "5", 1, False),
        ({-0.1: "4", 0.1: "5"}, 0.0, "5", 1, True),
        ({-0.2: "1", 0.0: "2.0", 0.1: "2", 0.3: "1"}, 0.3, "1", 2, True),
        ({0.0: "1/2", 0.1: "0.5", 0.2: "3"}, 0.2, "0.5", 2, False),
    ],
)
def test_the_mode_wins_and_the_nearest_decides_a_tie(
    answers: dict[float, str | None], near: float, winner: str | None, votes: int, tied: bool
) -> None:
    assert elect("number", answers, near) == (winner, votes, tied)
    backwards = dict(reversed(answers.items()))
    assert elect("number", backwards, near) == (winner, votes, tied), "the order of the voters does not matter"


def test_a_tally_counts_equal_values_together_and_begins_with_the_winner() -> None:
    answers = {-0.2: "1", 0.0: "2.0", 0.1: "2", 0.2: None, 0.3: "1", 0.4: "7"}
    assert tally("number", answers, 0.0) == (("2.0", 2), ("1", 2), ("7", 1))
    assert tally("number", answers, 0.3) == (("1", 2), ("2", 2), ("7", 1))
    assert tally("number", {0.0: None}, 0.0) == ()


def column(lam: float, *texts: str) -> Column:
    items = [Item(f"q{place}", "?", "4") for place in range(len(texts))]
    answers = (judge("number", item, Outcome(text, 1)) for item, text in zip(items, texts, strict=True))
    return Column(lam, tuple(answers), ("4",) * len(texts))


def test_a_vote_keeps_every_answer_and_counts_ties() -> None:
    columns = (column(0.0, "4", "7", "no", "1"), column(0.1, "4", "4", "no", "4"), column(0.2, "9", "4.0", "no", "2"))
    found = vote(Evaluation("own", "test", "number", "generate", columns), near=0.1)
    assert found.correct == (True, True, False, True)
    assert [ballot.tied for ballot in found.ballots] == [False, False, False, True]
    assert [ballot.agreement for ballot in found.ballots] == pytest.approx([2 / 3, 2 / 3, 0, 1 / 3])
    assert found.ballots[1].answers == ("7", "4", "4.0")
    data = found.as_json()
    assert (data["accuracy"], data["ties"], data["no_answer"]) == (0.75, 1, 0.25)
    assert (data["gained"], data["lost"]) == (2, 0)
    assert data["low"] < 0.75 < data["high"]


def test_one_voter_is_the_baseline() -> None:
    only = column(0.0, "4", "7", "no")
    assert vote(Evaluation("own", "test", "number", "generate", (only,))).correct == only.correct
