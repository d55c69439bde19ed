"""Laws of the moves of the next token, on every family."""

from collections.abc import Callable

import pytest
import torch

from steering.models.language_model import LanguageModel
from steering.steer.next_tokens import next_tokens
from steering.vectors.vector import SteeringVector


@pytest.fixture
def vector(model: LanguageModel, vector_for: Callable[..., SteeringVector]) -> SteeringVector:
    return vector_for(model)


@pytest.fixture
def prompt(model: LanguageModel) -> list[int]:
    return model.prompt_ids("The weather today", plain=True)


def test_zero_moves_nothing(model: LanguageModel, vector: SteeringVector, prompt: list[int]) -> None:
    assert all(move.before == move.after for move in next_tokens(model, prompt, vector, [0.0])[0])


def test_probabilities_are_those_of_the_plain_model(
    model: LanguageModel, vector: SteeringVector, prompt: list[int]
) -> None:
    with torch.inference_mode():
        expected = model.model(torch.tensor([prompt])).logits[0, -1].float().softmax(dim=-1)
    (moves,) = next_tokens(model, prompt, vector, [0.5], limit=len(expected))
    assert len(moves) == len(expected)
    assert sorted(move.before for move in moves) == pytest.approx(sorted(expected.tolist()), abs=1e-5)
    assert sum(move.after for move in moves) == pytest.approx(1.0, abs=1e-4)


def test_the_largest_moves_come_first(model: LanguageModel, vector: SteeringVector, prompt: list[int]) -> None:
    for moves in next_tokens(model, prompt, vector, [-0.5, 0.5], limit=5):
        sizes = [abs(move.after - move.before) for move in moves]
        assert len(sizes) == 5
        assert sizes == sorted(sizes, reverse=True)
        assert sizes[0] > 0
