"""How far λ changed each token's probability: laws on tiny models."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from steering.models import LanguageModel
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
