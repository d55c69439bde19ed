"""What the answers to questions with choices refer to: decided over all rows of a file, or given by the user."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from steering.errors import SteeringError
from steering.tasks.answers import letter
from steering.tasks.layouts import Question

ANSWERS = ("index", "label", "text")
"""What an answer may refer to: a place counted from 0, a label (its own, a letter, or a place from 1), or the text."""

_WHOLE = re.compile(r"[0-9]{1,9}(?:\.0+)?")
_LETTER = re.compile(r"[(\[]?([A-Za-z])[)\].:]*")
_WORDS = {
    "index": "an index that counts from 0",
    "label": "the label of a choice, or a number that counts from 1",
    "text": "the text of a choice",
}


def right_places(
    questions: Mapping[int, Question], answers: str | None, name: str
) -> tuple[dict[int, int], dict[int, str], str]:
    """The place of the right choice of every question.

    Whole numbers are decided together, over all rows: whatever fits every row is what they are. Other answers are labels or
    texts, also decided together, but each may be the one that it alone can be.

    Args:
        questions: by the number of their row; each has choices.
        answers: what whole numbers refer to, one of `ANSWERS`; None where the rows decide.
        name: of the file, for messages.

    Returns:
        Places from 0 by row; what is wrong with the answers of the other rows; and a sentence on what was decided.

    Raises:
        SteeringError: it stays open what the answers refer to; the message says how to settle it.
    """
    places: dict[int, int] = {}
    wrong: dict[int, str] = {}
    wholes, others = dict[int, dict[str, int]](), dict[int, dict[str, int]]()
    for row, question in questions.items():
        readings = _readings(question)
        again = _place_again(question)
        if again is not None:
            if again in readings.values():
                places[row] = again
            else:
                wrong[row] = (
                    f"the answer {question.answer!r:.60} and {question.second!r:.60} beside it name different choices"
                )
        elif isinstance(question.answer, list | Mapping):
            wrong[row] = f"the answer {question.answer!r:.60} is not one choice; name the one that is right"
        elif _whole(question.answer) is not None:
            wholes[row] = readings
        else:
            others[row] = readings
    decided = _decide(wholes, questions, answers, name, mixed=False)
    named = answers if answers == "text" or all("label" in readings for readings in others.values()) else None
    decided_others = _decide(others, questions, None if named == "index" else named, name, mixed=True)
    for part, rows in ((decided, wholes), (decided_others, others)):
        for row in rows:
            if row in part[0]:
                places[row] = part[0][row]
            else:
                wrong[row] = _none_of(questions[row], part[1])
    notes = {_note(reading) for reading, rows in ((decided[1], wholes), (decided_others[1], others)) if rows}
    return places, wrong, " ".join(sorted(notes - {""}))


def _none_of(question: Question, reading: str) -> str:
    meant = f", read as {_WORDS[reading]}" if reading else ""
    return f"the answer {question.answer!r:.60} is none of its {len(question.choices)} choices{meant}"


def _note(reading: str) -> str:
    return f"An answer is {_WORDS[reading]}." if reading else ""


def _decide(
    rows: Mapping[int, Mapping[str, int]],
    questions: Mapping[int, Question],
    answers: str | None,
    name: str,
    *,
    mixed: bool,
) -> tuple[dict[int, int], str]:
    """The places of one group of answers, and the reading that all of them have; "" where each has its own."""
    if answers is not None:
        return {row: readings[answers] for row, readings in rows.items() if answers in readings}, answers
    for exact in (True, False):
        usable = {
            row: {key: at for key, at in each.items() if _counts(questions[row], key, exact)}
            for row, each in rows.items()
        }
        fitting = [reading for reading in ANSWERS if all(reading in each for each in usable.values())]
        if fitting:
            _check_one(fitting, usable, questions, name)
            return {row: each[fitting[0]] for row, each in usable.items()}, fitting[0]
    if mixed:
        alone = {row: set(each.values()) for row, each in rows.items()}
        several = {row: rows[row] for row, at in alone.items() if len(at) > 1}
        if several:
            _check_one(ANSWERS, several, questions, name)
        return {row: at.pop() for row, at in alone.items() if at}, ""
    common = [reading for reading in ANSWERS if sum(reading in each for each in rows.values()) > len(rows) / 2]
    if len(common) != 1:
        _check_one(ANSWERS, rows, questions, name, "No one reading fits all answers. ")
    return {row: each[common[0]] for row, each in rows.items() if common[0] in each}, common[0]


def _check_one(
    readings: Sequence[str],
    rows: Mapping[int, Mapping[str, int]],
    questions: Mapping[int, Question],
    name: str,
    why: str = "",
) -> None:
    """Refuse rows that two readings give different choices for."""
    for row, each in rows.items():
        there = [reading for reading in readings if reading in each]
        if len({each[reading] for reading in there}) > 1 or (why and there):
            shown = "; ".join(
                f"as {_WORDS[reading]}, it is {str(questions[row].choices[each[reading]])!r:.60}" for reading in there
            )
            flags = " or ".join(f"--answers {reading}" for reading in (ANSWERS if why else there))
            raise SteeringError(
                f"{name}: what the answers refer to is not clear. {why}The answer of row {row} is "
                f"{questions[row].answer!r:.60}: {shown}. Say which: {flags}"
            )
    if why:
        row = next(iter(rows))
        raise SteeringError(
            f"{name}, row {row}: {_none_of(questions[row], '')}. Say what answers are: --answers index, label or text"
        )


def _counts(question: Question, reading: str, exact: bool) -> bool:
    """Whether a reading counts: where it must be exact, a number is no choice that is a text, and `red` is not `Red`."""
    if reading != "text" or not exact:
        return True
    return any(
        isinstance(choice, str) == isinstance(question.answer, str)
        and str(choice).strip() == str(question.answer).strip()
        for choice in question.choices
    )


def _readings(question: Question) -> dict[str, int]:
    """The places that an answer may stand for, by what it is taken for."""
    if isinstance(question.answer, list | Mapping):
        return {}
    word, whole, count = str(question.answer).strip(), _whole(question.answer), len(question.choices)
    found: dict[str, int] = {}
    folded = word.casefold()
    label = _label(question, word, whole)
    own_label = label is not None and bool(question.labels)
    if whole is not None and whole < count and not own_label:
        found["index"] = whole
    if label is not None:
        found["label"] = label
    texts = [str(choice).strip() for choice in question.choices]
    same = [place for place, text in enumerate(texts) if text == word] or [
        place for place, text in enumerate(texts) if text.casefold() == folded
    ]
    if len(same) == 1:
        found["text"] = same[0]
    return found


def _label(question: Question, word: str, whole: int | None) -> int | None:
    if question.labels:
        labels = [label.strip().casefold() for label in question.labels]
        bare = _LETTER.fullmatch(word)
        names = [word.casefold(), *([str(whole)] if whole is not None else []), *([bare[1].casefold()] if bare else [])]
        return next((labels.index(name) for name in names if name in labels), None)
    if whole is not None:
        return whole - 1 if 1 <= whole <= len(question.choices) else None
    match = _LETTER.fullmatch(word)
    letters = [letter(place) for place in range(len(question.choices))]
    return letters.index(match[1].upper()) if match and match[1].upper() in letters else None


def _place_again(question: Question) -> int | None:
    """The place that the second column gives: an index, or a label."""
    if question.second is None:
        return None
    whole = _whole(question.second)
    if whole is None:
        return _label(question, str(question.second).strip(), None)
    return whole if whole < len(question.choices) else None


def _whole(value: Any) -> int | None:
    """A whole number, however it is written; None for anything else."""
    if isinstance(value, bool):
        return None
    return int(float(str(value).strip())) if _WHOLE.fullmatch(str(value).strip()) else None
