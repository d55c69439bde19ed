"""The linter for contrast pairs: differences between the sides that are not the concept, and pairs that cannot be used."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from steering.concepts.concept import Concept, ContrastPair, half_character
from steering.errors import SteeringError

FEWEST_PAIRS = 4
"""Below this number of pairs a direction says more about the topics than about the concept."""

_LENGTH_RATIO = 3.0
"""A pair is reported where one side has more than this many times the words of the other."""

_OPENING_WORDS = 3
"""Texts with the same first words, of this number, have the same opening."""

_SPECIAL_TOKEN = re.compile(
    r"</?s>|<(?:bos|eos|pad|unk|mask|cls|sep)>|<(?:start|end)_of_turn>|<[|\uff5c][^\s<>|\uff5c]{1,40}[|\uff5c]>|"
    r"\[/?INST\]|<</?SYS>>|\[(?:BOS|EOS|PAD|UNK|MASK|CLS|SEP)\]"
)
"""Spellings of special tokens that common tokenizers read as one token wherever they stand in a text."""


@dataclass(frozen=True)
class Problem:
    """Something that the linter found.

    Attributes:
        row: number of the pair, from 1; None for the whole concept.
        message: one sentence with a remedy.
        serious: whether it keeps a direction from being extracted.
    """

    row: int | None
    message: str
    serious: bool = False

    def __str__(self) -> str:
        return self.message if self.row is None else f"Pair {self.row}: {self.message}"


def lint(pairs: Sequence[ContrastPair]) -> tuple[Problem, ...]:
    """Find pairs whose direction would be about something other than the concept.

    Returns:
        Problems of single pairs in order, then those of the whole list.
    """
    problems: list[Problem] = []
    uneven: list[Problem] = []
    first_row: dict[ContrastPair, int] = {}
    for row, pair in enumerate(pairs, start=1):
        positive, negative = pair.positive.strip(), pair.negative.strip()
        if not positive or not negative:
            side = (
                "both sides are"
                if not positive and not negative
                else f"the {'negative' if positive else 'positive'} side is"
            )
            problems.append(Problem(row, f"{side} empty. Write a text or delete the pair.", serious=True))
            continue
        problems += _characters(row, pair)
        stripped = ContrastPair(positive, negative)
        if positive == negative:
            problems.append(Problem(row, "both sides are equal, so they say nothing about the concept.", serious=True))
        elif stripped in first_row:
            problems.append(Problem(row, f"is the same as pair {first_row[stripped]}. Delete one of them."))
        first_row.setdefault(stripped, row)
        shorter, longer = sorted((len(positive.split()), len(negative.split())))
        if longer > _LENGTH_RATIO * max(shorter, 1):
            uneven.append(
                Problem(row, f"the sides have {shorter} and {longer} words; the direction will partly mean length.")
            )
    if len(uneven) > max(len(pairs) / 2, 1):
        what = f"In {len(uneven)} of {len(pairs)} pairs one side has more than {_LENGTH_RATIO:g} times the words of the other"
        uneven = [Problem(None, f"{what}; the direction will partly mean length.")]
    problems = sorted([*problems, *uneven], key=lambda problem: (problem.row is None, problem.row or 0))
    openings = Counter(
        " ".join(text.lower().split()[:_OPENING_WORDS])
        for pair in pairs
        for text in (pair.positive, pair.negative)
        if text.strip()
    )
    total = sum(openings.values())
    if total >= 2 * FEWEST_PAIRS:
        opening, count = openings.most_common(1)[0]
        if count > total / 2:
            problems.append(
                Problem(
                    None,
                    f'{count} of {total} texts open with "{opening}". Vary the wording, or the direction will be about it.',
                )
            )
    usable = sum(bool(pair.positive.strip() and pair.negative.strip()) for pair in pairs)
    if usable < FEWEST_PAIRS:
        problems.append(Problem(None, f"There are {usable} usable pairs; write at least {FEWEST_PAIRS}.", serious=True))
    return tuple(problems)


def check_pairs(concept: Concept) -> None:
    """Check that a direction can be extracted from a concept's pairs.

    Raises:
        SteeringError: the linter finds a serious problem; the message gives all of them.
    """
    serious = [str(problem) for problem in lint(concept.pairs) if problem.serious]
    if serious:
        raise SteeringError(f"The pairs of {concept.name} cannot be used. " + " ".join(serious))


def _characters(row: int, pair: ContrastPair) -> list[Problem]:
    """Problems with characters that a tokenizer cannot read or takes for special tokens."""
    problems = []
    for side, text in (("positive", pair.positive), ("negative", pair.negative)):
        half, token = half_character(text), _SPECIAL_TOKEN.search(text)
        if half:
            what = f"the {side} text holds {half}"
            problems.append(Problem(row, f"{what}. Delete it, or write the whole character.", serious=True))
        if token:
            what = f'the {side} text holds "{token[0]}", which many models read as a special token'
            problems.append(Problem(row, f"{what}. Delete it unless that is what the concept is about."))
    return problems
