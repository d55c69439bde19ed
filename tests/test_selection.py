"""Choosing a way to carry: what is reported of a concept had no say in the choice."""

import pytest
from tiny import byte_tokenizer, tiny_model

from steering.concepts.files import load_concept
from steering.errors import SteeringError
from steering.measure.effects import effect
from steering.measure.selection import TransferComparison, TransferConfig, compare_transfers
from steering.models.language_model import LanguageModel
from steering.transfer.carry import transfer
from steering.vectors.extraction import extract

CONCEPTS = tuple(load_concept(name) for name in ("sentiment", "time", "formality"))


def table(*kept: tuple[float, ...]) -> TransferComparison:
    configs = tuple(TransferConfig(rows=rows) for rows in range(1, len(kept) + 1))
    return TransferComparison("big", "small", tuple("abc"[: len(kept[0])]), configs, kept)


def test_a_concept_has_no_say_in_its_own_choice() -> None:
    found = table((0.9, 0.5, 0.5), (0.1, 0.6, 0.6))
    assert [found.chosen_without(place) for place in range(3)] == [1, 0, 0]
    assert found.left_out == (0.1, 0.5, 0.5)
    for number in (-5.0, 5.0):
        changed = table((number, 0.5, 0.5), (0.1, 0.6, 0.6))
        assert changed.chosen_without(0) == 1


def test_one_way_leaves_nothing_to_choose() -> None:
    assert table((0.9, 0.5)).left_out == (0.9, 0.5)


def test_shares_are_those_of_measured_effects() -> None:
    parent = LanguageModel(tiny_model("llama", layers=3, width=32), byte_tokenizer(), "parent")
    child = LanguageModel(tiny_model("gpt2", layers=4, width=40), byte_tokenizer(), "child")
    configs = (TransferConfig(), TransferConfig(width="truncate"), TransferConfig(layers="best"))
    found = compare_transfers(parent, child, CONCEPTS, configs)
    assert found.concepts == ("sentiment", "time", "formality")
    for config, kept in zip(configs, found.kept, strict=True):
        for concept, share in zip(CONCEPTS, kept, strict=True):
            carried = transfer(extract(parent, concept), parent, child, layers=config.layers, width=config.width)
            moved, own = (
                effect(child, vector, concept, lam=0.01).mean for vector in (carried, extract(child, concept))
            )
            assert share == pytest.approx(moved / own, rel=0.1, abs=0.05)
    data = found.as_json()
    assert data["left_out"]["mean_kept"] == pytest.approx(sum(found.left_out) / 3)


def test_one_concept_cannot_be_left_out() -> None:
    model = LanguageModel(tiny_model("llama", layers=2, width=32), byte_tokenizer(), "model")
    with pytest.raises(SteeringError, match="at least two concepts"):
        compare_transfers(model, model, CONCEPTS[:1])
