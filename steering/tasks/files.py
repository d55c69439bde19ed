"""The rows of a task's file: JSON lines, a JSON list, or a table. What the rows must hold is checked in `task`."""

import csv
import io
import json
from collections.abc import Callable, Mapping
from typing import Any

from steering.errors import SteeringError


def jsonl(text: str, name: str) -> list[Any]:
    """Rows of JSON lines.

    Args:
        text: what the file holds.
        name: what messages call it.

    Raises:
        SteeringError: a line that is not JSON.
    """
    rows = []
    # Not `splitlines`, which also ends a line at characters that JSON allows within a text.
    for line, words in enumerate(text.split("\n"), start=1):
        if words.strip():
            try:
                rows.append(_parsed(words))
            except ValueError as error:
                raise SteeringError(f"Line {line} of {name} is not JSON: {error}") from error
    return rows


def _json(text: str, name: str) -> list[Any]:
    try:
        rows = _parsed(text)
    except ValueError as error:
        raise SteeringError(f"{name} is not JSON: {error}") from error
    if not isinstance(rows, list):
        raise SteeringError(f"{name} must hold a list of objects with 'question' and 'answer'.")
    return rows


def _csv(text: str, name: str) -> list[Any]:
    try:
        rows: list[Any] = [dict(row) for row in csv.DictReader(io.StringIO(text))]
    except csv.Error as error:
        raise SteeringError(f"{name} is not a table with commas: {error}") from error
    for line, row in enumerate(rows, start=2):
        choices = row.pop("choices", None)
        if choices:
            try:
                row["choices"] = _parsed(choices) if choices.lstrip().startswith("[") else choices.split("|")
            except ValueError as error:
                raise SteeringError(
                    f"The choices in line {line} of {name} are neither a JSON list nor texts with | between: {error}"
                ) from error
    return rows


READERS: Mapping[str, Callable[[str, str], list[Any]]] = {".jsonl": jsonl, ".json": _json, ".csv": _csv}
"""From a file's text and name to its rows, by the file's ending."""


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError("its brackets are nested too deeply") from None
