"""The known layouts of files with contrast pairs: the columns that each needs, and how its rows become pairs."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from steering.concepts.concept import ContrastPair, half_character
from steering.errors import SteeringError

_LETTER_IN_BRACKETS = re.compile(r"\(\w\)\s*")
_POSITIVE_LABELS = ("1", "1.0", "true", "positive", "pos")
_NEGATIVE_LABELS = ("0", "0.0", "-1", "-1.0", "false", "negative", "neg")
_MESSAGE_KEYS = (("role", "content"), ("from", "value"))


@dataclass(frozen=True)
class Rows:
    """Rows of a file.

    Attributes:
        name: of the file, for messages.
        rows: mappings from column to value.
        columns: of all rows, as they are written.
        lines: the line that each row begins at; empty where rows have none.
    """

    name: str
    rows: Sequence[Any]
    columns: tuple[str, ...]
    lines: tuple[int, ...] = ()

    def text(self, row: int, column: str) -> str:
        """The text in a cell; chat messages are rendered as `messages_text` does it.

        Args:
            row: its number, from 0.
            column: as it is written in the file.

        Raises:
            SteeringError: there is none, or another kind of value; the message names row and column.
        """
        value = self.rows[row].get(column)
        if value is None and column not in self.rows[row]:
            raise self.wrong(row, f"the text {column!r} is missing")
        if _are_messages(value):
            value = messages_text(value)
        if not isinstance(value, str):
            raise self.wrong(row, f"the text {column!r} is {kind_of(value)}, not a text")
        half = half_character(value)
        if half:
            raise self.wrong(row, f"the text {column!r} holds {half}. Delete it, or write the whole character")
        return value

    def wrong(self, row: int, what: str) -> SteeringError:
        """An error of one row, counted from 0."""
        line = f" (line {self.lines[row]} of the file)" if self.lines else ""
        return SteeringError(f"{self.name}, row {row + 1}: {what}{line}.")


@dataclass(frozen=True)
class Layout:
    """One layout of a file with pairs.

    Attributes:
        keys: the columns that it needs, in lower case.
        pairs: makes pairs from rows, given the columns of the keys, and the values of the positive and the negative label
            where the user named them.
        note: sentence for the user; `{0}`, `{1}`, … are replaced by the columns.
        options: further keys that `--columns` may name.
    """

    keys: tuple[str, ...]
    pairs: Callable[[Rows, Sequence[str], Mapping[str, str]], list[ContrastPair]]
    note: str
    options: tuple[str, ...] = ()


def joined(prompt: str, answer: str) -> str:
    """A prompt with its answer, with a space between them where neither has one."""
    separated = not prompt or not answer or prompt[-1].isspace() or answer[0].isspace()
    return prompt + answer if separated else f"{prompt} {answer}"


def messages_text(messages: Sequence[Mapping[str, Any]]) -> str:
    """Chat messages as one text: `user: Hello.` and below it `assistant: Hi.`, a line for each message.

    A concept holds texts and knows no model, so no chat template is used. Both sides of a pair are rendered alike.
    """
    return "\n".join(
        f"{message[role]}: {message[content]}"
        for message in messages
        for role, content in _MESSAGE_KEYS
        if role in message and content in message
    )


def kind_of(value: object) -> str:
    """What a value is that should be a text, with the value."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return f"a number ({value})"
    what = {"dict": "an object", "list": "a list"}.get(type(value).__name__, f"a {type(value).__name__}")
    return f"{what} ({value!r:.60})"


def _are_messages(value: object) -> bool:
    return (
        isinstance(value, list)
        and bool(value)
        and all(
            isinstance(message, dict)
            and any(isinstance(message.get(a), str) and isinstance(message.get(b), str) for a, b in _MESSAGE_KEYS)
            for message in value
        )
    )


def _sides(rows: Rows, columns: Sequence[str], _: Mapping[str, str]) -> list[ContrastPair]:
    """A column for each side."""
    positive, negative = columns
    return [ContrastPair(rows.text(row, positive), rows.text(row, negative)) for row in range(len(rows.rows))]


def _answers(rows: Rows, columns: Sequence[str], _: Mapping[str, str]) -> list[ContrastPair]:
    """A question with each of two answers (contrastive activation addition, arXiv 2312.06681).

    Texts are read at their last token, and what differs between answers such as "(A)" is the letter. So a bracket after
    the letter is left out where all answers have one.
    """
    question, *sides = columns
    texts = [[rows.text(row, side) for side in sides] for row in range(len(rows.rows))]
    if all(_LETTER_IN_BRACKETS.fullmatch(answer.lstrip()) for pair in texts for answer in pair):
        texts = [[answer.rstrip().removesuffix(")") for answer in pair] for pair in texts]
    return [
        ContrastPair(*(joined(rows.text(row, question), answer) for answer in pair)) for row, pair in enumerate(texts)
    ]


def _labelled(rows: Rows, columns: Sequence[str], poles: Mapping[str, str]) -> list[ContrastPair]:
    """A text and a label in each row; two rows that follow each other, one of each label, make a pair."""
    text, label = columns
    labels = [str(row.get(label)).strip().casefold() for row in rows.rows]
    values = list(dict.fromkeys(labels))
    sides = dict.fromkeys(_values(poles, "positive", _POSITIVE_LABELS), True)
    sides |= dict.fromkeys(_values(poles, "negative", _NEGATIVE_LABELS), False)
    if len(values) > 2 or not set(values) <= set(sides):
        a, b = (*values, "1", "0")[:2]
        raise SteeringError(
            f"{rows.name}: the labels in {label!r} are {', '.join(map(repr, values[:8]))}, and which two are meant cannot "
            "be told: 1 is positive and 0 negative. Say it, in one of both orders: "
            f"--columns text={text},label={label},positive={a},negative={b}"
        )
    count = sum(sides[value] for value in labels)
    if 2 * count != len(labels):
        raise SteeringError(
            f"{rows.name}: {count} texts have the positive label in {label!r} and {len(labels) - count} the negative one, "
            "so they do not make pairs. Every pair needs one of each, one after the other."
        )
    pairs = []
    for row in range(0, len(labels), 2):
        if sides[labels[row]] == sides[labels[row + 1]]:
            raise rows.wrong(
                row,
                f"it and the row after it both have the label {labels[row]!r}, so they do not make a pair. "
                "Put the two rows of every pair one after the other, or give each side a column of its own",
            )
        first, second = rows.text(row, text), rows.text(row + 1, text)
        pairs.append(ContrastPair(first, second) if sides[labels[row]] else ContrastPair(second, first))
    return pairs


def _values(poles: Mapping[str, str], side: str, usual: tuple[str, ...]) -> tuple[str, ...]:
    return (poles[side].strip().casefold(),) if side in poles else () if poles else usual


_ABOUT_SIDES = "Positive texts are in {0}, negative texts in {1}."

COMPLIANCE = Layout(("compliant_responses", "non_compliant_responses"), _sides, _ABOUT_SIDES)
"""Answers of a model that does what it is asked and of one that does not, to be put after any prompt."""

LAYOUTS = (
    Layout(("positive", "negative"), _sides, _ABOUT_SIDES),
    Layout(("pos", "neg"), _sides, _ABOUT_SIDES),
    Layout(("chosen", "rejected"), _sides, _ABOUT_SIDES),
    COMPLIANCE,
    Layout(
        ("text", "label"),
        _labelled,
        "The texts in {0} are positive or negative by their label in {1} (1 is positive); neighbours make a pair.",
        ("positive", "negative"),
    ),
    Layout(
        ("question", "answer_matching_behavior", "answer_not_matching_behavior"),
        _answers,
        "A text is {0} with an answer: positive with {1}, negative with {2}. A bracket that closes a letter, as in (A), "
        "is left out, so that a text ends in the letter that it is read at.",
    ),
)
"""Known layouts. The first one wins where several fit; any others that fit together are refused."""
