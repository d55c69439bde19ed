"""Reading JSON and JSON Lines: one list, one object, an object a line, or lists side by side."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from steering.errors import SteeringError

Data = list[Any] | dict[str, Any]
"""Rows, or the one object that a file holds."""


def read_json(text: str, ending: str, name: str) -> tuple[Data, tuple[int, ...], tuple[str, ...]]:
    """Read one JSON value, or one a line; the text decides which, not the file's ending.

    Args:
        text: contents of the file.
        ending: "json", "jsonl" or "ndjson": what the file claims to be.
        name: of the file, for messages.

    Returns:
        A list of rows or an object; the line of every row, from 1, where each has its own; and notes on how it was read.

    Raises:
        SteeringError: invalid JSON, or an empty text; the message names the line.
    """
    if not text.strip():
        raise SteeringError(f"{name} is empty.")
    expects_lines = ending != "json"
    try:
        value = _loads(text)
    except ValueError as error:
        lines = _lines(text)
        if (expects_lines and not text.lstrip().startswith("[")) or (len(lines) > 1 and _is_json(lines[0][1])):
            return _from_lines(lines, expects_lines, name)
        raise SteeringError(f"{name} is not valid JSON: {error}") from error
    if not isinstance(value, list | dict):
        return [value], (), ()  # The reader of the rows explains what was expected.
    if expects_lines and isinstance(value, dict):
        return [value], (1,), ()
    return value, (), ("The file is one JSON list, not an object a line.",) if expects_lines else ()


def rows_of(data: Data, name: str, under: str | None = None) -> tuple[list[Any], tuple[str, ...]]:
    """The rows that a JSON value holds: a list, a list under one key, lists side by side, or what pandas writes.

    Args:
        data: a list or an object.
        name: of the file, for messages.
        under: the key that the rows are under, where several could be meant.

    Returns:
        The rows, and notes on where they were found.

    Raises:
        SteeringError: there are no rows, or several lists of them; the message names the keys.
    """
    if isinstance(data, list):
        if under is not None:
            raise SteeringError(f"{name} is a list, so it has no key {under!r} for rows. Leave out rows={under}.")
        return data, ()
    if under is not None:
        if not isinstance(data.get(under), list):
            raise SteeringError(f"{name} has no list under the key {under!r}. Its keys: {listed(data)}.")
        return data[under], _notes(data, [under])
    if _is_split(data):
        return [dict(zip(data["columns"], row, strict=True)) for row in data["data"]], ()
    objects = [key for key, value in data.items() if _holds(value, Mapping)]
    if len(objects) > 1:
        raise SteeringError(
            f"{name} holds rows under several keys: {listed(objects)}. Say which: --columns rows={objects[0]}"
        )
    if objects:
        return data[objects[0]], _notes(data, objects)
    lists = {key: value for key, value in data.items() if isinstance(value, list)}
    if len(lists) > 1:
        return _side_by_side(lists, name), _unused(data, lists)
    if data and all(isinstance(value, dict) and value for value in data.values()):
        return _framed(data, name), ()
    return [data], ()


def listed(keys: Mapping[str, Any] | Sequence[str]) -> str:
    """Keys as a comma-separated list for a message; long lists are shortened."""
    names = [repr(key)[:60] for key in keys]
    return ", ".join(names[:12]) + (f" and {len(names) - 12} more" if len(names) > 12 else "") if names else "none"


def _loads(text: str) -> Any:
    try:
        return json.loads(text, object_pairs_hook=_object)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) < len(pairs):
        names = [key for key, _ in pairs]
        repeated = next(key for key in names if names.count(key) > 1)
        raise ValueError(f"an object has the key {repeated!r} twice")
    return value


def _is_json(line: str) -> bool:
    try:
        return isinstance(_loads(line), list | dict)
    except ValueError:
        return False


def _lines(text: str) -> list[tuple[int, str]]:
    """Lines that are not blank, with their numbers. A line separator U+2028 may stand inside a JSON text."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    return [(number, line) for number, line in enumerate(lines, start=1) if line.strip()]


def _from_lines(
    pieces: list[tuple[int, str]], expected: bool, name: str
) -> tuple[Data, tuple[int, ...], tuple[str, ...]]:
    rows = []
    for number, line in pieces:
        try:
            rows.append(_loads(line))
        except ValueError as error:
            raise SteeringError(f"{name} is not valid JSONL, line {number}: {error}") from error
    last = pieces[-1][0]
    notes = [] if expected else ["Every line is an object of its own (JSON Lines)."]
    if last > len(pieces):
        notes.append(blank_rows_note(last - len(pieces)))
    return rows, tuple(number for number, _ in pieces), tuple(notes)


def blank_rows_note(count: int) -> str:
    """Note on skipped blank rows."""
    return f"Skipped {count} blank row{'s' * (count != 1)}."


def _holds(value: object, kind: type) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(entry, kind) for entry in value)


def _notes(data: Mapping[str, Any], used: Sequence[str]) -> tuple[str, ...]:
    return (f"The rows are under {listed(used)}.", *_unused(data, used))


def _unused(data: Mapping[str, Any], used: Mapping[str, Any] | Sequence[str]) -> tuple[str, ...]:
    rest = [key for key in data if key not in used]
    return (f"Not used: {listed(rest)}.",) if rest else ()


def _side_by_side(lists: Mapping[str, list[Any]], name: str) -> list[dict[str, Any]]:
    counts = {key: len(value) for key, value in lists.items()}
    if len(set(counts.values())) > 1:
        lengths = ", ".join(f"{key!r} has {count}" for key, count in counts.items())
        raise SteeringError(
            f"{name} holds lists of different lengths: {lengths}. Side by side they must be of one length."
        )
    return [dict(zip(lists, row, strict=True)) for row in zip(*lists.values(), strict=True)]


def _is_split(data: Mapping[str, Any]) -> bool:
    """Whether this is what pandas writes with orient="split"."""
    columns, rows = data.get("columns"), data.get("data")
    return (
        _holds(columns, str) and _holds(rows, list) and all(len(row) == len(columns) for row in rows)  # type: ignore[union-attr, arg-type]
    )


def _framed(data: Mapping[str, Mapping[str, Any]], name: str) -> list[dict[str, Any]]:
    """Rows from a table that pandas wrote by columns or by index: the numbers of the rows are the keys on one level."""
    inner = list(next(iter(data.values())))
    if all(list(value) == inner for value in data.values()):
        outside, inside = (all(key.isdigit() for key in keys) for keys in (data, inner))
        if outside and not inside:
            return [dict(value) for value in data.values()]
        if inside and not outside:
            return [{column: data[column][key] for column in data} for key in inner]
    raise SteeringError(
        f"{name} is an object of objects, and which of both levels are the rows cannot be told. Its keys: {listed(data)}. "
        "Write a list of objects, one a row."
    )
