"""One question with its right answers, and the checks that every question passes."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from steering.errors import SteeringError
from steering.tasks.answers import letter, number

MOST_CHOICES = 26
"""Of one question: each has a letter."""


@dataclass(frozen=True)
class Item:
    """One question.

    Attributes:
        id: unique within its task.
        question: what is asked.
        answer: the right answer; for multiple choice its letter, A for the first choice.
        choices: the texts to choose from; empty for a question with a free answer.
        solution: a worked solution that ends in the answer, for few-shot prompts; may be empty.
        also: further answers that are right.
    """

    id: str
    question: str
    answer: str
    choices: tuple[str, ...] = ()
    solution: str = ""
    also: tuple[str, ...] = ()

    @property
    def right_answers(self) -> tuple[str, ...]:
        """Every answer that counts as right."""
        return (self.answer, *self.also)


def item_of(row: Any, number: int, name: str) -> Item:
    """Make a question of a row with `question`, `answer`, and maybe `choices`, `id`, `solution` and `also`.

    Args:
        row: a mapping. With choices, its answer is an index from 0, a letter, or the choice itself.
        number: of the row, from 1, for messages and where the row has no `id`.
        name: of the task.

    Raises:
        SteeringError: something is missing or cannot be used; the message names the row.
    """
    where = f"Question {number} of {name}"
    if not isinstance(row, dict) or not str(row.get("question") or "").strip() or row.get("answer") in (None, ""):
        raise SteeringError(f"{where} must be an object with a 'question' and an 'answer'.")
    choices = row.get("choices") or ()
    if (
        not isinstance(choices, Sequence)
        or isinstance(choices, str)
        or not all(str(choice).strip() for choice in choices)
    ):
        raise SteeringError(f"The choices of {where.lower()} must be a list of texts, none of them empty.")
    texts = tuple(str(choice).strip() for choice in choices)
    if len(texts) == 1 or len(texts) > MOST_CHOICES or len(set(texts)) < len(texts):
        raise SteeringError(f"{where} must have between 2 and {MOST_CHOICES} choices, all different.")
    item = Item(
        str(row.get("id") or f"{name}-{number}"),
        str(row["question"]).strip(),
        _right(row["answer"], texts, where) if texts else str(row["answer"]).strip(),
        texts,
        str(row.get("solution") or "").strip(),
        tuple(row.get("also") or ()),
    )
    if not _encodable(item):
        raise SteeringError(
            f"{where} holds half of a character (a lone surrogate such as \\ud800). Save the file as UTF-8."
        )
    return item


def kind_of(items: Sequence[Item]) -> str:
    """How the answers are read and compared, by what they look like: "choice", "number", "math" or "text".

    Raises:
        SteeringError: some questions have choices and some have none.
    """
    if any(item.choices for item in items):
        if not all(item.choices for item in items):
            raise SteeringError("Some questions have choices and some have none; put them into two files.")
        return "choice"
    answers = [answer for item in items for answer in item.right_answers]
    if all(number(answer) is not None for answer in answers):
        return "number"
    return "math" if any("\\" in answer for answer in answers) else "text"


def _encodable(item: Item) -> bool:
    try:
        "".join([item.id, item.question, *item.right_answers, *item.choices, item.solution]).encode()
    except UnicodeEncodeError:
        return False
    return True


def _right(answer: Any, choices: tuple[str, ...], where: str) -> str:
    """The letter of the right choice, which may be given as an index from 0, a letter, or the choice itself."""
    text = str(answer).strip()
    if text in choices and not isinstance(answer, int):
        return letter(choices.index(text))
    place = _place(text)
    if not 0 <= place < len(choices):
        raise SteeringError(
            f"The answer {repr(answer)[:60]} of {where.lower()} is none of its {len(choices)} choices: give an index from 0, "
            "a letter, or the choice itself."
        )
    return letter(place)


def _place(text: str) -> int:
    """The place that a plain index or letter stands for; −1 for anything else."""
    if not text.isascii() or len(text) > len(str(MOST_CHOICES)):
        return -1
    if text.isdigit():
        return int(text)
    return ord(text.upper()) - ord("A") if len(text) == 1 else -1
