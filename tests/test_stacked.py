"""Laws of the layer map "several": every child layer reads the same parent layers at once."""

from dataclasses import replace
from typing import cast

import pytest
import torch
from tiny import byte_tokenizer, tiny_model
from transformers import LlamaForCausalLM
from twin import rotated_twin

from steering.concepts.files import load_concept
from steering.errors import SteeringError
from steering.models.activations import residual_norms
from steering.models.language_model import LanguageModel
from steering.transfer.alignment import align
from steering.transfer.carry import carry, describe, transfer
from steering.transfer.layer_maps import SEVERAL, relative
from steering.transfer.stacked import DEPTHS, stack_of
from steering.vectors.extraction import extract, record_pairs
from steering.vectors.vector import SteeringVector

CONCEPT = load_concept("sentiment")


def language_model(model: object, name: str) -> LanguageModel:
    return LanguageModel(model, byte_tokenizer(), name)


@pytest.fixture(scope="module")
def parent() -> LanguageModel:
    return language_model(tiny_model("llama", layers=6, width=32), "parent")


@pytest.fixture(scope="module")
def vector(parent: LanguageModel) -> SteeringVector:
    return extract(parent, CONCEPT, "mean")


def test_a_stack_divides_each_layer_by_its_norm(parent: LanguageModel) -> None:
    stack = stack_of(parent)
    assert stack.layers == (2, 3, 4), f"of 5 steps of depth at {DEPTHS}, without a layer twice"
    rows = [torch.full((2, 32), float(layer)) for layer in range(6)]
    norms = residual_norms(parent)
    expected = torch.cat([torch.full((2, 32), layer / float(norms[layer])) for layer in stack.layers], dim=1)
    assert torch.allclose(stack.rows(rows), expected)


def test_a_twin_gets_the_rotated_vector_at_every_stacked_layer(parent: LanguageModel, vector: SteeringVector) -> None:
    model, isometry, _ = rotated_twin(cast(LlamaForCausalLM, parent.model), width=48)
    child = language_model(model, "twin")
    alignment = align(parent, child, layers=SEVERAL)
    assert alignment.layer_map == relative(6, 6)
    carried = carry(vector, alignment)
    for layer in stack_of(parent).layers:
        assert alignment.r2[layer] > 0.99
        rotated = vector.directions[layer] @ isometry.float()
        assert torch.nn.functional.cosine_similarity(carried.directions[layer], rotated, dim=0) > 0.99
    assert carried.report is not None
    assert carried.report["stacked"] == stack_of(parent).layers
    assert any("at once" in line for line in describe(carried.report))


def test_a_parent_of_one_layer_gives_the_map_of_that_layer() -> None:
    parent = language_model(tiny_model("llama", layers=1, width=32), "one layer")
    child = language_model(tiny_model("gpt2", layers=3, width=40), "child")
    vector = extract(parent, CONCEPT, "mean")
    several, single = (transfer(vector, parent, child, layers=layers) for layers in (SEVERAL, "relative"))
    assert torch.allclose(several.directions, single.directions, atol=1e-4)
    assert several.report is not None
    assert single.report is not None
    assert several.report["share_kept"] == pytest.approx(single.report["share_kept"], rel=1e-3)


def test_an_unrelated_model_gets_nothing(parent: LanguageModel, vector: SteeringVector) -> None:
    other = language_model(tiny_model("qwen2", layers=5, width=40, seed=3), "another")
    carried = transfer(vector, parent, other, layers=SEVERAL)
    assert carried.report is not None
    assert max(carried.report["r2_shuffled"]) <= 0.02
    assert carried.report["verdict"].startswith("Does not carry")


def test_layers_before_the_first_stay_unsteered(parent: LanguageModel, vector: SteeringVector) -> None:
    child = language_model(tiny_model("gpt2", layers=4, width=40), "child")
    for layers in (SEVERAL, "relative"):
        whole = transfer(vector, parent, child, layers=layers)
        late = transfer(vector, parent, child, layers=layers, first_layer=2)
        assert late.signal == (False, False, True, True)
        assert torch.allclose(late.directions[2:], whole.directions[2:], atol=1e-5)


def test_each_layer_counts_as_its_differences_do(parent: LanguageModel, vector: SteeringVector) -> None:
    positive, negative = record_pairs(parent, CONCEPT)
    sizes = (positive - negative).mean(dim=0).norm(dim=-1)
    assert torch.tensor(vector.sizes).double() == pytest.approx(sizes, rel=1e-4), "of the method mean, the mean itself"
    child = language_model(tiny_model("gpt2", layers=4, width=40), "child")
    alignment = align(parent, child, layers=SEVERAL)
    one = stack_of(parent).layers[0]
    only = [float(layer == one) for layer in range(6)]
    carried = carry(replace(vector, provenance={**vector.provenance, "sizes": only}), alignment)
    alone = torch.zeros_like(vector.directions)
    alone[one] = vector.directions[one]
    expected = torch.nn.functional.normalize(alignment.map_directions(alone), dim=-1)
    assert torch.allclose(carried.directions, expected, atol=1e-5)


def test_sizes_stay_with_a_scaled_vector_and_not_with_a_sum(vector: SteeringVector) -> None:
    assert (-2 * vector).sizes == vector.sizes
    assert (vector + vector).sizes is None


def test_only_a_fitted_map_reads_several_layers(parent: LanguageModel) -> None:
    child = language_model(tiny_model("gpt2", layers=4, width=40), "child")
    with pytest.raises(SteeringError, match="'truncate' cannot read several parent layers"):
        align(parent, child, layers=SEVERAL, width="truncate")


def test_a_carried_vector_can_be_carried_on(parent: LanguageModel, vector: SteeringVector) -> None:
    child = language_model(tiny_model("gpt2", layers=4, width=40), "child")
    grandchild = language_model(tiny_model("llama", layers=3, width=24, seed=5), "grandchild")
    carried = transfer(vector, parent, child, layers=SEVERAL)
    assert carried.sizes is None, "the sizes are those of the parent's layers"
    assert transfer(carried, child, grandchild, layers=SEVERAL).belongs_to(grandchild)


@pytest.mark.parametrize("sizes", [[1.0], "many", [float("nan")] * 6, [-1.0] * 6, {"a": 1}])
def test_sizes_of_a_file_that_do_not_fit_are_unknown(vector: SteeringVector, sizes: object) -> None:
    assert replace(vector, provenance={"sizes": sizes}).sizes is None
