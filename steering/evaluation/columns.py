"""Rows judged: what answer was read out of each, whether it is right, and how many are at one λ."""

from dataclasses import dataclass
from typing import Any

from steering.evaluation.scoring import Outcome
from steering.stats import wilson
from steering.tasks import READERS, STRICT, Item, is_right, letter


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
        strict: whether the answer in the asked-for form alone is right; None where choices were weighed.
    """

    item: str
    text: str
    answer: str | None
    outcome: str
    likeliest: str | None
    scores: tuple[float, ...]
    n_tokens: int
    degenerate: bool
    strict: bool | None = None


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
        """Share of right answers, read flexibly; no answer is not right."""
        return sum(self.correct) / len(self.answers)

    @property
    def strict_accuracy(self) -> float | None:
        """Share of answers that are right in the asked-for form; None where choices were weighed."""
        strict = [answer.strict for answer in self.answers]
        return None if None in strict else sum(map(bool, strict)) / len(strict)

    @property
    def interval(self) -> tuple[float, float]:
        """Wilson's 95 % interval of the accuracy."""
        return wilson(sum(self.correct), len(self.answers))

    def as_json(self) -> dict[str, Any]:
        """The numbers of the column; `plain_accuracy` is lm-evaluation-harness's acc.

        `accuracy` and `correct` read answers flexibly, `strict_accuracy` in the asked-for form alone.
        """
        n, (low, high) = len(self.answers), self.interval
        likeliest = [answer.likeliest == gold for answer, gold in zip(self.answers, self.gold, strict=True)]
        return {
            "lam": self.lam,
            "accuracy": self.accuracy,
            "low": low,
            "high": high,
            "strict_accuracy": self.strict_accuracy,
            "correct": [int(right) for right in self.correct],
            "answers": [answer.answer for answer in self.answers],
            "no_answer": sum(answer.outcome == "no answer" for answer in self.answers) / n,
            "degenerate": sum(answer.degenerate for answer in self.answers) / n,
            "mean_tokens": sum(answer.n_tokens for answer in self.answers) / n,
            "plain_accuracy": sum(likeliest) / n if self.answers[0].scores else None,
        }


def judge(kind: str, item: Item, outcome: Outcome, before: str = "") -> Answer:
    """Read the answer out of what the child did, and compare it with the right ones.

    Args:
        kind: of the task's answers.
        item: the question.
        outcome: what the child did.
        before: what the prompt ends with and the text goes on with, such as `<think>`; see `Request.before`.
    """
    likeliest, strict = None, None
    if outcome.scores:
        places = range(len(outcome.scores))
        likeliest = letter(max(places, key=lambda place: outcome.scores[place]))
        answer: str | None = letter(max(places, key=lambda place: outcome.scores[place] / len(item.choices[place])))
    else:
        text = before + outcome.text
        answer, in_form = READERS[kind](text, item.choices), STRICT[kind](text, item.choices)
        strict = in_form is not None and is_right(kind, in_form, item.right_answers)
    verdict = "no answer" if answer is None else "right" if is_right(kind, answer, item.right_answers) else "wrong"
    return Answer(
        item.id,
        outcome.text,
        answer,
        verdict,
        likeliest,
        outcome.scores,
        outcome.n_tokens,
        outcome.degenerate,
        strict,
    )
