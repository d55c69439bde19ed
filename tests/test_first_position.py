"""Steering of the first new token alone: what decides it is steered, and nothing before or after it."""

from collections import deque
from dataclasses import replace

import pytest
import torch
from conftest import loaded

from steering.models.language_model import LanguageModel
from steering.steer import Sampling, SteeringSettings, decode, plan, steer
from steering.vectors import SteeringVector

pytestmark = pytest.mark.usefixtures("fresh_cache")

PROMPTS = ("The river runs", "It rains and it rains on the sea")


@pytest.fixture
def model() -> LanguageModel:
    return loaded("llama")


@pytest.fixture
def vector(model: LanguageModel, vector_for) -> SteeringVector:
    chosen: SteeringVector = vector_for(model)
    return chosen


def written(model: LanguageModel, vector: SteeringVector, positions: str, lam: float, n: int) -> list[tuple[int, ...]]:
    prompts = [model.token_ids(prompt) for prompt in PROMPTS]
    intervention = plan(model, vector, SteeringSettings(positions=positions))
    steps = decode(model, prompts, intervention, [lam] * len(prompts), Sampling(n, stop=False))
    return list(deque(steps, maxlen=1)[0].tokens)


@pytest.mark.parametrize("lam", [-3.0, 0.0, 3.0])
def test_the_first_new_token_is_that_of_a_steered_response(
    model: LanguageModel, vector: SteeringVector, lam: float
) -> None:
    assert written(model, vector, "first", lam, 1) == written(model, vector, "response", lam, 1)


def test_only_the_last_token_of_the_prompt_is_moved(model: LanguageModel, vector: SteeringVector) -> None:
    """At the first steered block, where nothing has been passed on yet."""
    vector = _at_layer(vector, 0)
    ids = torch.tensor([model.token_ids(PROMPTS[1])])
    intervention = plan(model, vector, SteeringSettings(positions="first"))
    outputs: dict[str, torch.Tensor] = {}

    def keep(name: str) -> None:
        handle = model.blocks[0].register_forward_hook(
            lambda _module, _inputs, output: outputs.update(
                {name: output if isinstance(output, torch.Tensor) else output[0]}
            )
        )
        try:
            with torch.inference_mode():
                model.model(input_ids=ids, use_cache=False)
        finally:
            handle.remove()

    keep("plain")
    with steer(model, intervention, [2.0], prompt_length=ids.shape[1] - 2):
        keep("steered")
    moved = (outputs["steered"] - outputs["plain"])[0].norm(dim=-1) > 0
    assert moved.nonzero().flatten().tolist() == [ids.shape[1] - 3]


def test_a_model_in_its_owners_code_writes_the_same(model: LanguageModel, vector: SteeringVector) -> None:
    ids = model.token_ids(PROMPTS[0])
    intervention = plan(model, vector, SteeringSettings(positions="first"))
    steps = decode(model, [ids], intervention, [3.0], Sampling(6, stop=False))
    expected = deque(steps, maxlen=1)[0].tokens[0]
    with vector.applied(model, 3.0, settings=SteeringSettings(positions="first")), torch.inference_mode():
        out = model.model.generate(
            torch.tensor([ids]), max_new_tokens=6, min_new_tokens=6, do_sample=False, pad_token_id=0
        )
    assert tuple(out[0, len(ids) :].tolist()) == expected


def _at_layer(vector: SteeringVector, layer: int) -> SteeringVector:
    directions = torch.zeros_like(vector.directions)
    directions[layer] = vector.directions[layer]
    return replace(vector, directions=directions)
