"""A wrong answer to a question that is as near to the right one as can be: a distractor, a number, or another's answer."""

import difflib
import random
from collections.abc import Iterator, Sequence

from steering.stats import derived_seed
from steering.tasks.answers import is_right
from steering.tasks.item import Item

_DIGITS = "123456789"


def right_answer(item: Item) -> str:
    """The right answer in words: the choice itself where there are choices."""
    return item.choices[ord(item.answer) - ord("A")] if item.choices else item.answer


def wrong_answer(item: Item, others: Sequence[Item], kind: str, seed: int) -> str | None:
    """A wrong answer that looks like the right one.

    Args:
        item: the question.
        others: questions of the same task.
        kind: of the task.
        seed: of what is drawn; each question draws of its own.

    Returns:
        Of choices the one most like the right one. Of an answer with digits the answer with one digit changed, one that is not
        0 where there is one, so that length, sign, unit and round numbers stay. Else the answer of another question. None
        where no other question has a different answer.
    """
    right = right_answer(item)
    if item.choices:
        return max((choice for choice in item.choices if choice != right), key=lambda choice: _likeness(choice, right))
    generator = random.Random(derived_seed(seed, "wrong answer", item.question))
    candidates = [*(_changed_digits(right, generator) if kind != "text" else ()), *_answers_of(others, generator)]
    return next((wrong for wrong in candidates if not is_right(kind, wrong, item.right_answers)), None)


def _likeness(first: str, second: str) -> float:
    """How much of two texts is the same, counted in both, so that it is low where one is much longer."""
    return difflib.SequenceMatcher(None, first.casefold(), second.casefold(), autojunk=False).ratio()


def _changed_digits(answer: str, generator: random.Random) -> Iterator[str]:
    places = [place for place, sign in enumerate(answer) if sign in f"0{_DIGITS}"]
    generator.shuffle(places)
    for place in sorted(places, key=lambda place: answer[place] == "0"):
        yield answer[:place] + generator.choice(_DIGITS.replace(answer[place], "")) + answer[place + 1 :]


def _answers_of(others: Sequence[Item], generator: random.Random) -> Iterator[str]:
    yield from (other.answer for other in generator.sample(list(others), len(others)))
