"""A step with buffers of a fixed length writes what the growing cache writes; this step is what a GPU records."""

from collections.abc import Callable
from typing import Any
from weakref import WeakSet

import pytest
import torch
from conftest import loaded

from steering.models import step_graph
from steering.models.kv_cache import new_cache
from steering.models.language_model import LanguageModel
from steering.steer import batch
from steering.steer.decoding import decode
from steering.steer.intervention import plan
from steering.steer.sampling import Sampling
from steering.steer.settings import OPERATORS, SteeringSettings
from steering.vectors.vector import SteeringVector

Make = Callable[..., SteeringVector]

FAMILIES = ("llama", "qwen3", "gemma2", "gemma3", "phi3", "mistral", "gpt-neox")

# With what follows them they stay within the tiny models' sliding windows.
TEXTS = ("Soup", "I like", "The")
N = 8


def written(model: LanguageModel, vectors: list[SteeringVector], **settings: Any) -> list[Any]:
    """The rows after every step, each with a vector and a strength of its own."""
    sampling = Sampling(**{"max_new_tokens": N, "stop": False, **settings.pop("sampling", {})})
    plans = [plan(model, vector, SteeringSettings(**settings)) for vector in vectors]
    prompts = [model.token_ids(text) for text in TEXTS]
    return list(decode(model, prompts, plans, [-0.4, 0.0, 0.4], sampling))


@pytest.fixture
def recorded(monkeypatch: pytest.MonkeyPatch) -> Callable[[], list[int]]:
    """From when it is called on, steps are those that a GPU records; it gives the rows that each of them is for."""
    rows: list[int] = []

    def record(model: LanguageModel, past: Any, mask: torch.Tensor, *rest: Any) -> step_graph.StepGraph | None:
        if not step_graph.can_record(model, past, mask, rest[0]):
            return None
        rows.append(len(mask))
        return step_graph.StepGraph(model, past, mask, *rest)

    def begin() -> list[int]:
        monkeypatch.setattr(batch, "LEAST_RECORDED", 2)
        monkeypatch.setattr(batch, "record_step", record)
        return rows

    return begin


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_writes_the_same(family: str, recorded: Callable[[], list[int]], vector_for: Make) -> None:
    model = loaded(family)
    vectors = [vector_for(model, seed=seed) for seed in range(3)]
    expected = written(model, vectors, positions="response")
    rows = recorded()
    assert written(model, vectors, positions="response") == expected
    assert rows == [3]


@pytest.mark.parametrize("operator", OPERATORS)
@pytest.mark.parametrize("positions", ["all", "response", "first"])
def test_every_operator_and_position(
    operator: str, positions: str, recorded: Callable[[], list[int]], vector_for: Make
) -> None:
    model = loaded("llama")
    vectors = [vector_for(model, seed=seed) for seed in range(3)]
    settings = {"operator": operator, "positions": positions}
    expected = written(model, vectors, **settings)
    rows = recorded()
    assert written(model, vectors, **settings) == expected
    assert rows == [3]


def test_a_row_that_ends_leaves_the_others_as_they_are(
    recorded: Callable[[], list[int]], vector_for: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = loaded("llama")
    vectors = [vector_for(model, seed=seed) for seed in range(3)]
    third = written(model, vectors)[-1].tokens[1][2]
    monkeypatch.setattr(LanguageModel, "stop_ids", frozenset([third]))
    expected = written(model, vectors, sampling={"stop": True})
    assert expected[-1].ended[1] == "end of text"
    assert "length" in expected[-1].ended
    recorded()
    assert written(model, vectors, sampling={"stop": True}) == expected


def test_samples_are_the_same(recorded: Callable[[], list[int]], vector_for: Make) -> None:
    model = loaded("qwen3")
    vectors = [vector_for(model)] * 3
    drawn = {"temperature": 1.0, "seed": 3, "repetition_penalty": 1.2}
    expected = written(model, vectors, sampling=drawn)
    recorded()
    assert written(model, vectors, sampling=drawn) == expected


def test_a_text_past_the_window_is_not_recorded(recorded: Callable[[], list[int]], vector_for: Make) -> None:
    model = loaded("gemma3")
    rows = recorded()
    expected = written(model, [vector_for(model)] * 3, sampling={"max_new_tokens": 40})
    assert rows == []
    assert len(expected[-1].tokens[0]) == 40


def test_no_hook_stays(
    recorded: Callable[[], list[int]], vector_for: Make, hooks: Callable[[LanguageModel], int]
) -> None:
    model = loaded("llama")
    before = hooks(model)
    recorded()
    sampling = Sampling(max_new_tokens=N, stop=False)
    for _ in decode(model, [model.token_ids("Soup")], plan(model, vector_for(model)), [0.5], sampling):
        assert hooks(model) == before


def test_nothing_is_recorded_on_a_processor() -> None:
    model = loaded("llama")
    mask = torch.ones(1, 3, dtype=torch.long)
    assert step_graph.record_step(model, step_graph.DynamicCache(), mask, 8, lambda _layer, _hidden: None, []) is None


@pytest.mark.parametrize(("failure", "attempts"), [(RuntimeError, 1), (torch.OutOfMemoryError, 2)])
def test_a_model_whose_step_cannot_be_recorded_is_tried_once_and_one_that_was_too_large_again(
    failure: type[Exception], attempts: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, calls = loaded("llama"), []

    def fail(*_: Any) -> None:
        calls.append(1)
        raise failure("no")

    monkeypatch.setattr(LanguageModel, "device", torch.device("cuda"))
    monkeypatch.setattr(step_graph, "StepGraph", fail)
    monkeypatch.setattr(step_graph, "_not_recordable", WeakSet())
    cache, mask = new_cache(model.model.config), torch.ones(1, 3, dtype=torch.long)
    for _ in range(2):
        assert step_graph.record_step(model, cache, mask, 8, lambda _layer, _hidden: None, []) is None
    assert len(calls) == attempts
