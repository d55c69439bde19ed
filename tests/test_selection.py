"""Choosing a way to carry: what is reported of a concept had no say in the choice."""

import pytest
from tiny import byte_tokenizer, tiny_model

from steering.concepts.concept import Concept
from steering.concepts.files import load_concept
from steering.errors import SteeringError
from steering.measure.budgets import strength_at
from steering.measure.effects import effect
from steering.measure.selection import (
    TRANSFER_CONFIGS,
    Case,
    TransferComparison,
    TransferConfig,
    all_configs,
    compare_transfers,
)
from steering.models.language_model import LanguageModel
from steering.transfer.carry import transfer
from steering.transfer.layer_maps import LAYER_MAPS
from steering.transfer.width_maps import WIDTH_MAPS
from steering.vectors.directions import DIRECTION_METHODS
from steering.vectors.extraction import extract
from steering.vectors.vector import SteeringVector, random_like

CONCEPTS = tuple(load_concept(name) for name in ("sentiment", "time", "formality"))


def table(*kept: tuple[float, ...], concepts: str = "") -> TransferComparison:
    configs = tuple(TransferConfig(rows=rows) for rows in range(1, len(kept) + 1))
    cases = tuple(Case("big", "small", name) for name in concepts or "abc"[: len(kept[0])])
    return TransferComparison(1.0, cases, configs, kept, (0.0,) * len(cases))


def test_a_concept_has_no_say_in_its_own_choice() -> None:
    found = table((0.9, 0.5, 0.5), (0.1, 0.6, 0.6))
    assert [found.chosen_without(place) for place in range(3)] == [1, 0, 0]
    assert found.left_out == (0.1, 0.5, 0.5)
    for number in (-5.0, 5.0):
        changed = table((number, 0.5, 0.5), (0.1, 0.6, 0.6))
        assert changed.chosen_without(0) == 1


def test_a_concept_is_left_out_in_both_directions() -> None:
    for number in (-5.0, 5.0):
        found = table((number, 0.5, number, 0.5), (0.1, 0.6, 0.1, 0.6), concepts="abab")
        assert found.chosen_without(0) == found.chosen_without(2) == 1
        assert (found.left_out[0], found.left_out[2]) == (0.1, 0.1)


def test_one_way_leaves_nothing_to_choose() -> None:
    assert table((0.9, 0.5)).left_out == (0.9, 0.5)


@pytest.fixture(scope="module")
def pair() -> tuple[LanguageModel, LanguageModel]:
    parent = LanguageModel(tiny_model("llama", layers=3, width=32), byte_tokenizer(), "parent")
    return parent, LanguageModel(tiny_model("gpt2", layers=4, width=40), byte_tokenizer(), "child")


def test_shares_are_those_of_measured_effects(pair: tuple[LanguageModel, LanguageModel]) -> None:
    """Each at its own λ for the budget, which is small enough here for the first order."""
    parent, child = pair
    configs = (TransferConfig(), TransferConfig(width="truncate"), TransferConfig(layers="best"))
    found = compare_transfers(parent, child, CONCEPTS, configs, kl=1e-3, random_seeds=1)
    assert [case.concept for case in found.cases] == ["sentiment", "time", "formality"]

    def measured(vector: SteeringVector, concept: Concept) -> float:
        return effect(child, vector, concept, lam=strength_at(child, vector, 1e-3, side=0).lam).mean

    for config, kept in zip(configs, found.kept, strict=True):
        for concept, share in zip(CONCEPTS, kept, strict=True):
            carried = transfer(extract(parent, concept), parent, child, layers=config.layers, width=config.width)
            own = measured(extract(child, concept), concept)
            assert share == pytest.approx(measured(carried, concept) / own, rel=0.1, abs=0.05)
    for concept, share in zip(CONCEPTS, found.random, strict=True):
        own = extract(child, concept)
        control = random_like(own, int(concept.digest[:8], 16))
        assert share == pytest.approx(abs(measured(control, concept) / measured(own, concept)), rel=0.1, abs=0.05)
    data = found.as_json()
    assert data["left_out"]["mean_kept"] == pytest.approx(sum(found.left_out) / 3)
    assert (data["parent"], data["child"], data["kl"]) == ("parent", "child", 1e-3)
    assert data["concepts"] == ["sentiment", "time", "formality"]


def test_both_directions_are_two_comparisons(pair: tuple[LanguageModel, LanguageModel]) -> None:
    parent, child = pair
    there, back = (compare_transfers(*models, CONCEPTS[:2], [TransferConfig()]) for models in (pair, pair[::-1]))
    both = compare_transfers(parent, child, CONCEPTS[:2], [TransferConfig()], both=True)
    assert both.cases == (*there.cases, *back.cases)
    assert both.kept[0] == (*there.kept[0], *back.kept[0])
    assert both.random == (*there.random, *back.random)


def test_a_model_keeps_all_of_its_own_effect(pair: tuple[LanguageModel, LanguageModel]) -> None:
    parent, _ = pair
    found = compare_transfers(parent, parent, CONCEPTS[:2], [TransferConfig()])
    assert found.kept[0] == pytest.approx((1.0, 1.0), abs=0.02)


def test_configurations_follow_the_tables() -> None:
    """A direction method, layer map or width map that is added is compared without another entry."""
    assert len(set(TRANSFER_CONFIGS)) == len(TRANSFER_CONFIGS)
    assert TRANSFER_CONFIGS[0] == TransferConfig()
    assert {config.method for config in TRANSFER_CONFIGS} == set(DIRECTION_METHODS)
    assert {config.layers for config in TRANSFER_CONFIGS} == set(LAYER_MAPS)
    assert {config.width for config in TRANSFER_CONFIGS} == set(WIDTH_MAPS) - {"none"}
    product = all_configs(("pca", "mean"), ("relative", "best"), ("ridge",))
    assert [(each.method, each.layers) for each in product] == [
        ("pca", "relative"), ("pca", "best"), ("mean", "relative"), ("mean", "best"),
    ]  # fmt: skip


def test_one_concept_cannot_be_left_out() -> None:
    model = LanguageModel(tiny_model("llama", layers=2, width=32), byte_tokenizer(), "model")
    with pytest.raises(SteeringError, match="at least two concepts"):
        compare_transfers(model, model, CONCEPTS[:1])
