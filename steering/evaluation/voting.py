"""Voting over λ: a question's answer is the one that most λ give. Pure functions of judged rows."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from steering.evaluation.columns import Column
from steering.evaluation.evaluation import Evaluation, written
from steering.stats import Comparison, compare, wilson
from steering.tasks import SAME


@dataclass(frozen=True)
class Ballot:
    """One question's votes.

    Attributes:
        item: the question's id.
        answers: what each voter says, None for no answer, which does not vote.
        winner: the answer with the most votes, as the λ that decides ties puts it; None where nobody votes.
        votes: how many voters say it.
        tied: whether another answer has as many.
        correct: whether it is right.
    """

    item: str
    answers: tuple[str | None, ...]
    winner: str | None
    votes: int
    tied: bool
    correct: bool

    @property
    def agreement(self) -> float:
        """Share of all voters that say the winner."""
        return self.votes / len(self.answers)


@dataclass(frozen=True)
class Vote:
    """The votes of a whole grid.

    Attributes:
        voters: the λ that vote; for samples at one λ, their numbers.
        near: the λ that decides ties: the nearest to it wins.
        ballots: one a question.
        comparison: the vote against the baseline.
    """

    voters: tuple[float, ...]
    near: float
    ballots: tuple[Ballot, ...]
    comparison: Comparison

    @property
    def correct(self) -> tuple[bool, ...]:
        """Whether each question is answered rightly."""
        return tuple(ballot.correct for ballot in self.ballots)

    @property
    def accuracy(self) -> float:
        """Share of questions whose winner is right."""
        return sum(self.correct) / len(self.ballots)

    @property
    def interval(self) -> tuple[float, float]:
        """Wilson's 95 % interval of the accuracy."""
        return wilson(sum(self.correct), len(self.ballots))

    def as_json(self) -> dict[str, Any]:
        """The record as JSON can write it."""
        low, high = self.interval
        return {
            "accuracy": self.accuracy,
            "low": low,
            "high": high,
            "correct": [int(right) for right in self.correct],
            "voters": list(self.voters),
            "near": self.near,
            "ties": sum(ballot.tied for ballot in self.ballots),
            "agreement": sum(ballot.agreement for ballot in self.ballots) / len(self.ballots),
            "no_answer": sum(ballot.winner is None for ballot in self.ballots) / len(self.ballots),
            **written(self.comparison),
            "ballots": [asdict(ballot) for ballot in self.ballots],
        }


def vote(evaluation: Evaluation, near: float = 0.0) -> Vote:
    """Let the λ of a grid vote on every question; λ = 0 is one voter (the paper's inference-time scaling).

    Args:
        evaluation: a scored grid.
        near: the tuned λ. A tie goes to the answer of the λ nearest to it.

    Source:
        arXiv 2512.19069, algorithm 3.
    """
    return poll(evaluation.kind, evaluation.columns, evaluation.baseline, near, seed=evaluation.seed)


def poll(
    kind: str,
    columns: Sequence[Column],
    baseline: Column,
    near: float = 0.0,
    *,
    voters: Sequence[float] | None = None,
    seed: int = 0,
) -> Vote:
    """Let columns vote, whatever makes them differ.

    Args:
        kind: kind of answers, a key of `answers.SAME`.
        columns: the voters' answers to the same questions.
        baseline: what the vote is compared with.
        near: decides ties, see `elect`.
        voters: each column's place on the scale of `near`; its λ by default.
        seed: of the bootstrap.
    """
    places = tuple(column.lam for column in columns) if voters is None else tuple(voters)
    ballots = []
    for number in range(len(baseline.answers)):
        judged = [column.answers[number] for column in columns]
        answers = tuple(answer.answer for answer in judged)
        winner, votes, tied = elect(kind, dict(zip(places, answers, strict=True)), near)
        # Several answers may be right; the winner is as right as the voter who said it.
        correct = any(answer.answer == winner and answer.outcome == "right" for answer in judged)
        ballots.append(Ballot(baseline.answers[number].item, answers, winner, votes, tied, correct))
    comparison = compare([ballot.correct for ballot in ballots], baseline.correct, seed)
    return Vote(places, near, tuple(ballots), comparison)


def elect(kind: str, answers: Mapping[float, str | None], near: float) -> tuple[str | None, int, bool]:
    """The mode of some answers, compared by value.

    Args:
        kind: kind of answers.
        answers: what each λ says; None does not vote.
        near: a tie goes to the answer of the λ nearest to this one; of two equally near ones the smaller, then the
            positive, decides.

    Returns:
        The winner or None, its votes, and whether there was a tie.
    """
    groups = tally(kind, answers, near)
    if not groups:
        return None, 0, False
    winner, votes = groups[0]
    return winner, votes, len(groups) > 1 and groups[1][1] == votes


def tally(kind: str, answers: Mapping[float, str | None], near: float) -> tuple[tuple[str, int], ...]:
    """Every distinct answer with its votes, the winner first; takes what `elect` takes."""
    # In the order in which voters decide ties, so that the first of the largest groups wins.
    order = sorted(answers, key=lambda lam: (abs(lam - near), abs(lam), -lam))
    groups: list[list[str]] = []
    for answer in (answers[lam] for lam in order):
        if answer is None:
            continue
        group = next((group for group in groups if SAME[kind](group[0], answer)), None)
        if group is None:
            groups.append([answer])
        else:
            group.append(answer)
    return tuple((group[0], len(group)) for group in sorted(groups, key=len, reverse=True))
