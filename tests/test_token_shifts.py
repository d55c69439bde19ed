"""How far λ changed each token's probability: laws on tiny models."""

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch

from steering.models import LanguageModel, editing
from steering.steer import Sampling, SteeringSettings, generate, next_tokens, perplexities, token_shifts
from steering.vectors import SteeringVector


@pytest.mark.parametrize("positions", ["all", "response"])
def test_pieces_are_the_text_and_probabilities_are_those_of_the_models(
    llama: LanguageModel, vector_for: Callable[..., SteeringVector], positions: str
) -> None:
    vector, settings = vector_for(llama), SteeringSettings(positions=positions)
    grid = generate(
        llama, "The weather", vector, [-0.5, 0.0, 0.7], sampling=Sampling(max_new_tokens=7), settings=settings
    )
    shifts = token_shifts(llama, grid, vector, settings)
    for row, tokens in zip(grid.rows, shifts, strict=True):
        assert "".join(token.piece for token in tokens) == row.text
        assert len(tokens) == len(row.token_ids)
        product = 1.0
        for token in tokens:
            product *= max(token.before, 1e-9)
        (perplexity,) = perplexities(llama, grid.prompt_token_ids, [row.token_ids])
        assert product ** (-1 / len(tokens)) == pytest.approx(perplexity, rel=0.05)
    assert all(token.before == pytest.approx(token.after, abs=2e-4) for token in shifts[1])
    assert any(abs(token.after - token.before) > 1e-3 for token in shifts[2])
    moves = next_tokens(llama, grid.prompt_token_ids, vector, [0.7], settings=settings, limit=llama.vocabulary)[0]
    first = next(move for move in moves if move.token == llama.tokenizer.decode([grid.rows[2].token_ids[0]]))
    assert (shifts[2][0].before, shifts[2][0].after) == pytest.approx((first.before, first.after), abs=2e-4)


def test_an_empty_text_has_no_tokens(llama: LanguageModel, vector_for: Callable[..., SteeringVector]) -> None:
    vector = vector_for(llama)
    grid = generate(llama, "The weather", vector, [0.0, 0.5], sampling=Sampling(max_new_tokens=3))
    empty = replace(grid, rows=(replace(grid.rows[0], token_ids=(), text=""), grid.rows[1]))
    first, second = token_shifts(llama, empty, vector)
    assert first == ()
    assert len(second) == 3


@pytest.mark.parametrize("second", [False, True])
def test_a_token_lies_along_the_direction_as_far_as_the_unsteered_child_reads_it(
    llama: LanguageModel, vector_for: Callable[..., SteeringVector], second: bool
) -> None:
    vector, settings = vector_for(llama), SteeringSettings(profile=(0.0, 3.0, 1.0, *[0.0] * (llama.n_layers - 3)))
    also = vector_for(llama, 2) if second else None
    grid = generate(llama, "The weather", vector, [-0.5, 0.0, 0.7], max_new_tokens=7, settings=settings, also=also)
    shifts = token_shifts(llama, grid, vector, settings, also=also)
    assert grid.baseline is not None
    start = len(grid.prompt_token_ids)

    def read(tokens: tuple[int, ...]) -> torch.Tensor:
        states: dict[int, torch.Tensor] = {}
        with torch.inference_mode(), editing(llama.blocks, lambda layer, hidden: states.update({layer: hidden[0]})):
            llama.model(input_ids=torch.tensor([[*grid.prompt_token_ids, *tokens]]))
        cosine = [torch.nn.functional.cosine_similarity(states[n], vector.directions[n], dim=-1) for n in (1, 2)]
        return (0.75 * cosine[0] + 0.25 * cosine[1])[start:]

    mean = read(grid.baseline.token_ids).mean()
    for row, tokens in zip(grid.rows, shifts, strict=True):
        expected = (read(row.token_ids) - mean).tolist()
        assert [token.along for token in tokens] == pytest.approx(expected, abs=2e-4)
    if not second:
        assert sum(token.along or 0.0 for token in shifts[1]) == pytest.approx(0, abs=1e-3)


def test_without_an_unsteered_text_or_a_direction_nothing_is_said_of_the_direction(
    llama: LanguageModel, vector_for: Callable[..., SteeringVector]
) -> None:
    vector = vector_for(llama)
    grid = generate(llama, "The weather", vector, [0.5], max_new_tokens=3)
    assert [token.along for token in token_shifts(llama, grid, vector)[0]] == [None] * 3
    nothing = 0.0 * vector
    grid = generate(llama, "The weather", nothing, [0.0, 0.5], max_new_tokens=3)
    assert [token.along for token in token_shifts(llama, grid, nothing)[1]] == [None] * 3
