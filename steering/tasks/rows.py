"""The rows of a file while they are read: their columns by key, and those that cannot be read."""

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import Any

from steering.errors import SteeringError
from steering.storage import find_column, normalised

_CHOICE_COLUMN = re.compile(r"((?:option|choice|answer|ending|sol|op)?)[\s_-]*([a-z]|\d{1,2})")

CHOICE_COLUMNS = "a column for each choice"
"""Stands for the columns `A`, `B`, … or `option1`, `option2`, … among a layout's keys."""


class RowError(ValueError):
    """A row cannot be read; the message says why."""


@dataclass(frozen=True)
class Row:
    """One row of a file.

    Attributes:
        values: by column, as it is written in the file.
        columns: the column of each key that a layout may ask for; for choices possibly several.
    """

    values: Mapping[str, Any]
    columns: Mapping[str, tuple[str, ...]]

    def get(self, *keys: str) -> Any:
        """The value of the first of the keys that has one; None where it is missing, blank, null or not a number."""
        for key in keys:
            for column in self.columns.get(key, ())[:1]:
                value = self.values.get(column)
                if not is_blank(value):
                    return value
        return None

    def needed(self, *keys: str) -> Any:
        """The value of the first of the keys that has one.

        Raises:
            RowError: none has.
        """
        value = self.get(*keys)
        if value is None:
            shown = [repr(self.values.get(column)) for key in keys for column in self.columns.get(key, ())]
            raise RowError(f"it has no {keys[0]} ({', '.join(shown) or 'there is no such key'})")
        return value


class Rows:
    """The rows of one file while they are read.

    Attributes:
        name: of the task, for messages.
        lines: the line of the file that each row begins at; empty where rows have none.
        good: the rows that are left, by their number from 1.
        wrong: what is wrong with the others.
    """

    def __init__(self, name: str, rows: Sequence[Any], lines: Sequence[int]) -> None:
        self.name, self.lines = name, lines
        self.good: dict[int, Any] = dict(enumerate(rows, start=1))
        self.wrong: dict[int, str] = {}

    def drop(self, row: int, what: str) -> None:
        """Leave a row out, and keep what is wrong with it."""
        line = f" (line {self.lines[row - 1]} of the file)" if len(self.lines) >= row else ""
        self.wrong[row] = f"row {row}{line}: {what}"
        self.good.pop(row, None)

    def each(self, read: Callable[[int, Any], Any]) -> dict[int, Any]:
        """What a function makes of every row that is left; rows that it refuses are dropped."""
        made = {}
        for row, value in list(self.good.items()):
            try:
                made[row] = read(row, value)
            except (RowError, SteeringError) as error:
                self.drop(row, str(error).removesuffix("."))
        return made

    def settle(self, skip: bool) -> list[str]:
        """A note on the rows that were left out.

        Raises:
            SteeringError: there are such rows, and they are not to be left out; or nothing is left.
        """
        if not self.wrong:
            return []
        rows = [self.wrong[row] for row in sorted(self.wrong)]
        more = f" So are {len(rows) - 1} more rows." if len(rows) > 1 else ""
        if not skip:
            raise SteeringError(
                f"{self.name}, {rows[0]}.{more} Mend what is wrong, or leave such rows out with --skip-bad-rows."
            )
        if not self.good:
            raise SteeringError(f"No row of {self.name} can be read. The first is {rows[0]}.")
        return [
            f"Left out {counted(len(rows), 'row')} that cannot be read: {'; '.join(rows[:3])}{' …' * (len(rows) > 3)}."
        ]


def counted(n: int, what: str) -> str:
    """A number of things, such as "1 row" and "2 rows"."""
    return f"{n} {what}{'s' * (n != 1)}"


def columns_of(columns: Sequence[str], named: Mapping[str, str]) -> dict[str, tuple[str, ...]]:
    """The columns of every key: those that are named, else those of that name in any case.

    Args:
        columns: of the file.
        named: keys and the columns that the user gave for them; several of choices have commas between them.
    """
    found = {}
    for key, value in named.items():
        whole = find_column(columns, normalised(value), value)
        parts = [find_column(columns, normalised(part), part.strip()) for part in value.split(",")]
        found[key] = (whole,) if whole else tuple(part for part in parts if part)
    taken = {column for several in found.values() for column in several}
    free = [column for column in columns if column not in taken]
    for column in free:
        key = normalised(column)
        if key not in found and find_column(free, key) == column:
            found[key] = (column,)
    if CHOICE_COLUMNS not in found and "choices" not in named:
        found[CHOICE_COLUMNS] = _choice_columns(free)
    elif len(found.get("choices", ())) > 1:
        found[CHOICE_COLUMNS] = found.pop("choices")
    return {key: several for key, several in found.items() if several}


def _choice_columns(columns: Sequence[str]) -> tuple[str, ...]:
    """The columns that hold one choice each; empty where there are none, or two sets of them."""
    sets: dict[tuple[str, bool], dict[str, str]] = {}
    for column in columns:
        match = _CHOICE_COLUMN.fullmatch(normalised(column))
        if match and not (match[2].isdigit() and match[1] in ("", "answer")):
            sets.setdefault((match[1], match[2].isdigit()), {})[match[2]] = column
    complete = []
    for (_, counted), members in sets.items():
        first = 0 if "0" in members else 1
        names = [str(first + place) if counted else chr(ord("a") + place) for place in range(26)]
        run = tuple(members[name] for name in takewhile(members.__contains__, names))
        if len(run) > 1:
            complete.append(run)
    return complete[0] if len(complete) == 1 else ()


def is_blank(value: Any) -> bool:
    """Whether a value is missing: null, a blank text, or not a finite number."""
    if isinstance(value, float):
        return not math.isfinite(value)
    return value is None or (isinstance(value, str) and not value.strip())
