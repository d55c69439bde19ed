"""A device without float64, as Apple's, computes the same: all statistics are worked out on the CPU.

No such device is needed to test that. The model runs on the CPU, and everything that comes out of its embeddings is marked as
lying on a device: what is computed from a marked tensor is marked too, float64 is refused there as the real device refuses it,
and only `cpu()` and reading numbers out take the mark away.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from test_retention import CONCEPT
from test_scoring import asked
from tiny import byte_tokenizer, tiny_model

from steering.evaluation.scoring import score
from steering.measure.effects import effect, score_gradient
from steering.measure.retention import retention
from steering.measure.similarity import METRICS, similarity
from steering.models.activations import record, residual_norms
from steering.models.language_model import LanguageModel
from steering.steer.grid import assess, generate
from steering.steer.intervention import plan
from steering.steer.next_tokens import next_tokens
from steering.steer.sampling import Sampling
from steering.transfer.alignment import align
from steering.vectors.extraction import extract
from steering.vectors.vector import SteeringVector

pytestmark = pytest.mark.usefixtures("fresh_cache")


class OnDevice(torch.Tensor):
    """A tensor that lies on a device without float64."""

    @classmethod
    def __torch_function__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = super().__torch_function__(func, types, args, kwargs or {})
        if func is torch.Tensor.cpu or (func is torch.Tensor.to and "cpu" in args[1:]):
            return result.as_subclass(torch.Tensor)
        for each in result if isinstance(result, tuple | list) else [result]:
            if isinstance(each, cls) and each.dtype == torch.float64:
                raise TypeError("Cannot convert a tensor to float64: the device does not support it.")
        return result


def on_device(family: str, **sizes: int) -> LanguageModel:
    tiny = tiny_model(family, **sizes)
    tiny.get_input_embeddings().register_forward_hook(lambda _module, _inputs, output: output.as_subclass(OnDevice))
    return LanguageModel(tiny, byte_tokenizer(), family)


@pytest.fixture(scope="module")
def parent() -> LanguageModel:
    return on_device("llama", layers=3, width=32)


@pytest.fixture(scope="module")
def child() -> LanguageModel:
    return on_device("gpt2", layers=3, width=24)


def test_the_device_of_these_tests_refuses_float64(child: LanguageModel) -> None:
    ids = torch.tensor([child.token_ids("A word")])
    logits = child.model(input_ids=ids).logits
    assert isinstance(logits, OnDevice)
    assert not isinstance(logits.cpu(), OnDevice)
    for refused in (logits.double, lambda: logits.to(torch.float64), lambda: logits.sum(dtype=torch.float64)):
        with pytest.raises(TypeError, match="does not support it"):
            refused()


@pytest.mark.parametrize("width", ["ridge", "procrustes"])
def test_maps_are_fitted(parent: LanguageModel, child: LanguageModel, width: str) -> None:
    alignment = align(parent, child, width=width)
    assert type(alignment.maps) is torch.Tensor
    assert alignment.maps.any()


@pytest.mark.parametrize("metric", METRICS)
def test_layers_are_compared(parent: LanguageModel, child: LanguageModel, metric: str) -> None:
    assert torch.isfinite(similarity(parent, child, CONCEPT, metric).matrix).all()


def test_vectors_are_extracted_and_their_effect_is_measured(child: LanguageModel) -> None:
    vector = extract(child, CONCEPT)
    for values in (record(child, ["A word"]).values, residual_norms(child), vector.directions):
        assert type(values) is torch.Tensor
    assert effect(child, vector, CONCEPT, prompts=("The train",)).mean != 0
    assert type(score_gradient(child, CONCEPT)) is torch.Tensor


def test_retention_is_measured(parent: LanguageModel, child: LanguageModel) -> None:
    assert retention(parent, child, [CONCEPT], random_seeds=1).concepts[0].native != 0


def test_texts_are_written_and_assessed(child: LanguageModel, vector_for: Callable[..., SteeringVector]) -> None:
    vector = vector_for(child)
    grid = assess(child, generate(child, "The train", vector, [0.0, 0.2], sampling=Sampling(4, temperature=1.0)))
    assert all(row.health.perplexity for row in grid.rows)
    assert next_tokens(child, grid.prompt_token_ids, vector, [0.2])


@pytest.mark.parametrize("choices", [True, False])
def test_questions_are_scored(
    child: LanguageModel, tmp_path: Path, vector_for: Callable[..., SteeringVector], choices: bool
) -> None:
    batches: Iterator[Any] = score(
        child, asked(child, tmp_path, choices), [(0, 0.0), (0, 0.5)], plan(child, vector_for(child)), Sampling(4)
    )
    assert sum(len(batch) for batch in batches) == 2
