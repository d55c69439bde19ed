"""A grid survives the way through JSON, and what is no grid is refused with the field that is wrong."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from steering.errors import SteeringError
from steering.models.language_model import LanguageModel
from steering.steer.grid import Grid, Health, Row, assess, generate
from steering.steer.grid_json import grid_from_json, grid_json
from steering.vectors.vector import SteeringVector


@pytest.fixture
def grid() -> Grid:
    rows = (
        Row(-0.5, "Grüße, <b>", (1, 2), "length", Health(0.5, 0.25, 7.5, same_as_baseline=False, degenerate=True)),
        Row(0.0, "", (), "", Health(0.0, 0.0, None, same_as_baseline=False, degenerate=False)),
    )
    return Grid("child", "prompt", (4, 5), rows, {"scale": "residual", "versions": {"torch": "2"}})


def through_json(grid: Grid) -> Any:
    return json.loads(json.dumps(grid_json(grid)))


def test_nothing_is_lost(grid: Grid) -> None:
    assert grid_from_json(through_json(grid)) == grid


def test_a_written_grid_comes_back(llama: LanguageModel, vector_for: Callable[..., SteeringVector]) -> None:
    made = assess(llama, generate(llama, "The weather", vector_for(llama), [-0.1, 0, 0.1], max_new_tokens=4))
    back = grid_from_json(through_json(made))
    assert back.rows == made.rows
    assert back.prompt_token_ids == made.prompt_token_ids


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"format": 99}, "format 99"),
        ({"child": 3}, "child must be a str"),
        ({"rows": []}, "no rows"),
        ({"rows": [3]}, "row 1"),
        ({"prompt_token_ids": ["x"]}, "token ids"),
    ],
)
def test_what_is_wrong_is_named(grid: Grid, change: dict[str, Any], words: str) -> None:
    with pytest.raises(SteeringError, match=words):
        grid_from_json(through_json(grid) | change)


@pytest.mark.parametrize(("field", "value"), [("lam", None), ("lam", float("nan")), ("text", 5), ("health", [])])
def test_a_bad_row_is_named(grid: Grid, field: str, value: object) -> None:
    data = through_json(grid)
    data["rows"][1][field] = value
    with pytest.raises(SteeringError, match=f"row 2, {field}"):
        grid_from_json(data)


def test_what_is_no_object_is_refused() -> None:
    with pytest.raises(SteeringError, match="no JSON object"):
        grid_from_json("text")
