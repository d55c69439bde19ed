"""Rows judged: what answer was read out of each, whether it is right, and how many are at one λ."""

from dataclasses import dataclass
from typing import Any

from steering.evaluation.scoring import Outcome
from steering.stats import wilson
from steering.tasks import READERS, SAME, Item, letter


@dataclass(frozen=True)
class Answer:
    """One question at one λ, judged.

    Attributes:
        item: the question's id.
        text: what the child wrote; "" where choices were weighed.
        answer: what was read out of it; None for no answer.
        outcome: "right", "wrong" or "no answer".
        likeliest: where choices were weighed, the one with the highest probability as a whole; `answer` is the one with
            the highest log-probability per character, lm-evaluation-harness's acc_norm.
        scores: log-probability of each choice, in nats.
        n_tokens: how many tokens were written.
        degenerate: whether the text repeats itself.
    """

    item: str
    text: str
    answer: str | None
    outcome: str
    likeliest: str | None
    scores: tuple[float, ...]
    n_tokens: int
    degenerate: bool


@dataclass(frozen=True)
class Column:
    """All questions at one λ, in the order of the task.

    Attributes:
        lam: the strength.
        answers: one a question.
        gold: the right answers, in the same order.
    """

    lam: float
    answers: tuple[Answer, ...]
    gold: tuple[str, ...]

    @property
    def correct(self) -> tuple[bool, ...]:
        """Whether each question is answered rightly."""
        return tuple(answer.outcome == "right" for answer in self.answers)

    @property
    def accuracy(self) -> float:
        """Share of right answers; no answer is not right."""
        return sum(self.correct) / len(self.answers)

    @property
    def interval(self) -> tuple[float, float]:
        """Wilson's 95 % interval of the accuracy."""
        return wilson(sum(self.correct), len(self.answers))

    def as_json(self) -> dict[str, Any]:
        """The numbers of the column; `plain_accuracy` is lm-evaluation-harness's acc."""
        n, (low, high) = len(self.answers), self.interval
        likeliest = [answer.likeliest == gold for answer, gold in zip(self.answers, self.gold, strict=True)]
        return {
            "lam": self.lam,
            "accuracy": self.accuracy,
            "low": low,
            "high": high,
            "correct": [int(right) for right in self.correct],
            "answers": [answer.answer for answer in self.answers],
            "no_answer": sum(answer.outcome == "no answer" for answer in self.answers) / n,
            "degenerate": sum(answer.degenerate for answer in self.answers) / n,
            "mean_tokens": sum(answer.n_tokens for answer in self.answers) / n,
            "plain_accuracy": sum(likeliest) / n if self.answers[0].scores else None,
        }


def judge(kind: str, item: Item, outcome: Outcome) -> Answer:
    """Read the answer out of what the child did, and compare it with the right one."""
    likeliest = None
    if outcome.scores:
        places = range(len(outcome.scores))
        likeliest = letter(max(places, key=lambda place: outcome.scores[place]))
        answer: str | None = letter(max(places, key=lambda place: outcome.scores[place] / len(item.choices[place])))
    else:
        answer = READERS[kind](outcome.text, item.choices)
    verdict = "no answer" if answer is None else "right" if SAME[kind](answer, item.answer) else "wrong"
    return Answer(
        item.id, outcome.text, answer, verdict, likeliest, outcome.scores, outcome.n_tokens, outcome.degenerate
    )
