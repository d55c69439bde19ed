"""Two vectors at once: every row is pushed by λ of the first one, and all of them by the second."""

import json
from collections.abc import Callable

import pytest
import torch

from steering.errors import SteeringError
from steering.models import LanguageModel
from steering.steer import (
    SteeringSettings,
    assess,
    generate,
    grid_from_json,
    grid_json,
    next_tokens,
    plan,
    token_shifts,
)
from steering.steer.intervention import joined
from steering.vectors import SteeringVector

Make = Callable[..., SteeringVector]

PROMPT = "I like this place very much."
LAMBDAS = [-0.5, 0.0, 0.5]


@pytest.mark.parametrize("scale", ["residual", "unit"])
def test_what_two_vectors_add_is_the_sum_of_what_each_adds(llama: LanguageModel, vector_for: Make, scale: str) -> None:
    one, other, settings = vector_for(llama, 1), vector_for(llama, 2), SteeringSettings(scale=scale)
    offsets = [plan(llama, vector, settings).offsets for vector in (one, other)]
    (both,) = joined(plan(llama, one, settings), [-0.5], plan(llama, 0.3 * other, settings))
    torch.testing.assert_close(both.offsets, -0.5 * offsets[0] + 0.3 * offsets[1])


def test_a_second_vector_acts_in_every_row_and_the_unsteered_text_stands_beside_them(
    llama: LanguageModel, vector_for: Make
) -> None:
    one, other = vector_for(llama, 1), vector_for(llama, 2)
    grid = assess(llama, generate(llama, PROMPT, one, LAMBDAS, max_new_tokens=6, also=0.4 * other))
    assert [row.lam for row in grid.rows] == LAMBDAS
    alone = generate(llama, PROMPT, other, [0.0, 0.4], max_new_tokens=6)
    assert grid.unsteered is not None
    assert grid.baseline is grid.unsteered
    assert grid.unsteered.token_ids == alone.rows[0].token_ids
    assert grid.rows[1].token_ids == alone.rows[1].token_ids, "λ = 0 leaves the second vector alone"
    # Both carry signal at all layers, so that the sum of the vectors adds what the two add.
    added = generate(llama, PROMPT, 0.5 * one + 0.4 * other, [1.0], max_new_tokens=6)
    assert grid.rows[2].token_ids == added.rows[0].token_ids
    assert grid.provenance["also"]["labels"] == ["more", "less"]
    assert grid.provenance["also"]["factor"] == 0.4
    assert all(row.health.perplexity is not None for row in (*grid.rows, grid.unsteered))
    assert not grid.unsteered.health.same_as_baseline


def test_without_a_second_vector_a_grid_is_as_it_was(llama: LanguageModel, vector_for: Make) -> None:
    plain = generate(llama, PROMPT, vector_for(llama), LAMBDAS, max_new_tokens=6)
    assert plain.unsteered is None
    assert plain.baseline == plain.rows[1]
    nothing = generate(llama, PROMPT, vector_for(llama), LAMBDAS, max_new_tokens=6, also=0.0 * vector_for(llama, 2))
    assert [row.token_ids for row in nothing.rows] == [row.token_ids for row in plain.rows]
    assert nothing.rows[1].health.same_as_baseline
    assert "unsteered" not in grid_json(plain)


def test_a_grid_of_two_vectors_comes_back_from_json(llama: LanguageModel, vector_for: Make) -> None:
    grid = generate(llama, PROMPT, vector_for(llama, 1), LAMBDAS, max_new_tokens=3, also=vector_for(llama, 2))
    data = json.loads(json.dumps(grid_json(grid)))
    assert grid_from_json(data).unsteered == grid.unsteered
    assert grid_from_json(data).rows == grid.rows
    with pytest.raises(SteeringError, match="the unsteered row"):
        grid_from_json({**data, "unsteered": {"lam": 0}})


def test_probabilities_are_measured_under_both_vectors(llama: LanguageModel, vector_for: Make) -> None:
    one, other = vector_for(llama, 1), 0.5 * vector_for(llama, 2)
    grid = generate(llama, PROMPT, one, LAMBDAS, max_new_tokens=4, also=other)
    everything = llama.vocabulary
    moves = next_tokens(llama, grid.prompt_token_ids, one, LAMBDAS, also=other, limit=everything)
    shifts = token_shifts(llama, grid, one, also=other)
    assert moves[1] != next_tokens(llama, grid.prompt_token_ids, one, [0.0], limit=everything)[0]
    for row, tokens, moved in zip(grid.rows, shifts, moves, strict=True):
        name = llama.tokenizer.decode([row.token_ids[0]])
        first = next(move for move in moved if move.token == name)
        assert (tokens[0].before, tokens[0].after) == pytest.approx((first.before, first.after), abs=2e-4)


@pytest.mark.parametrize("operator", ["ablate", "rotate"])
def test_only_what_is_added_can_be_joined(llama: LanguageModel, vector_for: Make, operator: str) -> None:
    with pytest.raises(SteeringError, match="Use the operator 'add'"):
        generate(llama, PROMPT, vector_for(llama), LAMBDAS, also=vector_for(llama, 2), operator=operator)
