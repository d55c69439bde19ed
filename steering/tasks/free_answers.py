"""The right answers to questions without choices, and their kind: decided over all rows of a file."""

import re
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

from steering.tasks.answers import number
from steering.tasks.literals import read_literal
from steering.tasks.rows import counted

ODD_SHARE = 0.2
"""Up to this share of answers that are no numbers beside numbers, they are odd rows and the task is one of numbers."""

_POWER = re.compile(r"[-+−]?\d{1,20}(?:\.\d{1,20})?[eE][-+]?\d{1,3}")
_WITH_UNIT = re.compile(
    r"(?:\w{0,12}\s*=\s*)?(?P<number>[-+−$€£]{0,2}\s?[\d.,/]{1,40})\s?(?P<unit>[^\W\d_][^\d]{0,40})"
)


def right_answers(
    answers: Mapping[int, Any], kind: str, *, in_cells: bool
) -> tuple[dict[int, tuple[str, ...]], dict[int, str], str, list[str]]:
    """Every right answer of each question as a text.

    Args:
        answers: by the number of their row, as they were written; a list where several are right.
        kind: of the answers where it is known; "" where they decide.
        in_cells: whether the file is a table of texts, in which a list of answers is written into one cell.

    Returns:
        The answers by row, the first to be shown; what is wrong with the answers of the other rows; the kind, "" where it
        follows from the answers alone; and notes on what was done.
    """
    if in_cells:
        answers = _listed(answers)
    texts = {row: _texts(answer) for row, answer in answers.items()}
    wrong = {
        row: f"the answer {answers[row]!r:.60} is neither a text nor a number, nor a list of them"
        for row, several in texts.items()
        if not several
    }
    there = {row: several for row, several in texts.items() if several}
    notes = []
    odd = [row for row, several in there.items() if any(number(each) is None for each in several)]
    formulas = any("\\" in each for row in odd for each in there[row])
    if not kind and odd and not formulas and len(odd) <= ODD_SHARE * len(there):
        kind, read = "number", []
        for row in odd:
            shown, values = there[row][0], [number_of(each) for each in there[row]]
            if None in values:
                del there[row]
                wrong[row] = (
                    f"the answer {shown!r:.60} is no number, as the others are (where all are to be compared as texts, say "
                    "--answers text)"
                )
            else:
                there[row] = tuple(value for value in values if value is not None)
                read.append(f"{shown!r:.40} in row {row} as {there[row][0]:.40}")
        notes += [f"Read by value: {', '.join(read[:5])}{' …' * (len(read) > 5)}."] if read else []
    more = sum(len(several) > 1 for several in there.values())
    if more:
        notes.append(f"{counted(more, 'question')} with several right answers, any of which counts.")
    return there, wrong, kind, notes


def number_of(text: str) -> str | None:
    """The number that a text is, in digits: `18` for "18 dollars", `19000` for "19e3"; None for other texts."""
    text = text.strip()
    if number(text) is not None:
        return text
    if _POWER.fullmatch(text):
        try:
            return f"{Decimal(text.replace('−', '-')):f}"
        except InvalidOperation:
            return None
    match = _WITH_UNIT.fullmatch(text)
    return match["number"].strip() if match and number(match["number"]) is not None else None


def _listed(answers: Mapping[int, Any]) -> Mapping[int, Any]:
    """The lists that the answers spell, where each of them spells one of texts."""
    lists = {}
    for row, answer in answers.items():
        if not isinstance(answer, str) or not answer.lstrip().startswith(("['", '["')):
            return answers
        try:
            lists[row] = read_literal(answer)
        except ValueError:
            return answers
        if not all(isinstance(each, str) for each in lists[row]):
            return answers
    return lists


def _texts(answer: Any) -> tuple[str, ...]:
    """The different texts of an answer, or of a list of them; empty where there are none."""
    several = answer if isinstance(answer, list | tuple) else [answer]
    if not all(isinstance(each, str | int | float) for each in several):
        return ()
    return tuple(dict.fromkeys(text for each in several if (text := _text(each))))


def _text(value: str | int | float) -> str:
    if isinstance(value, float):
        if value != value or value in (float("inf"), float("-inf")):
            return ""
        if "e" in str(value):
            return f"{Decimal(str(value)):f}"
    try:
        return str(value).strip()
    except ValueError:  # Python converts no whole number of more than 4,300 digits.
        return ""
