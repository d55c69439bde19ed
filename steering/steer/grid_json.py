"""Grids as JSON and back."""

import math
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from steering.errors import SteeringError
from steering.steer.grid import Grid, Row
from steering.steer.health import Health

FORMAT = 1
"""Version of the JSON object."""


def grid_json(grid: Grid) -> dict[str, Any]:
    """A grid as JSON can write it."""
    data = {"format": FORMAT, **asdict(grid)}
    if grid.unsteered is None:
        del data["unsteered"]
    return data


def grid_from_json(data: object) -> Grid:
    """Read a grid back.

    Args:
        data: what `grid_json` returned, or anything that claims to be that.

    Raises:
        SteeringError: a field is missing or of another kind; the sentence names it.
    """
    fields = _fields(
        data, "the grid", format=int, child=str, prompt=str, prompt_token_ids=list, rows=list, provenance=dict
    )
    if fields["format"] != FORMAT:
        raise SteeringError(f"The grid has the format {fields['format']}; this version reads {FORMAT}.")
    rows = tuple(_row(row, f"row {number}") for number, row in enumerate(fields["rows"], start=1))
    if not rows:
        raise SteeringError("The grid has no rows.")
    ids = _ids(fields["prompt_token_ids"], "the grid")
    assert isinstance(data, Mapping), "checked"
    unsteered = data.get("unsteered")  # Grids of earlier versions have none.
    return Grid(
        fields["child"],
        fields["prompt"],
        ids,
        rows,
        fields["provenance"],
        None if unsteered is None else _row(unsteered, "the unsteered row"),
    )


def _row(data: object, where: str) -> Row:
    row = _fields(data, where, lam=float, text=str, token_ids=list, ended=str, health=dict)
    health = _fields(
        row["health"], f"the health of {where}", repeated=float, dominant=float, same_as_baseline=bool, degenerate=bool
    )
    perplexity = row["health"].get("perplexity")
    if perplexity is not None:
        perplexity = _fields(row["health"], f"the health of {where}", perplexity=float)["perplexity"]
    return Row(
        row["lam"], row["text"], _ids(row["token_ids"], where), row["ended"], Health(perplexity=perplexity, **health)
    )


def _ids(values: list[Any], where: str) -> tuple[int, ...]:
    if not all(type(value) is int and value >= 0 for value in values):
        raise SteeringError(f"The token ids of {where} are not whole numbers.")
    return tuple(values)


def _fields(data: object, where: str, **kinds: type) -> dict[str, Any]:
    """The named fields of a JSON object, each of its kind; whole numbers pass for floats."""
    if not isinstance(data, Mapping):
        raise SteeringError(f"There is no JSON object for {where}.")
    values = {}
    for name, kind in kinds.items():
        value = data.get(name)
        if kind is float and type(value) is int:
            value = float(value)
        if type(value) is not kind or (isinstance(value, float) and not math.isfinite(value)):
            raise SteeringError(f"In {where}, {name} must be a {kind.__name__}; found {str(value)[:60]!r}.")
        values[name] = value
    return values
