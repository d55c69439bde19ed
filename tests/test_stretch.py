"""Laws of the stretch: what tells relations apart comes back to its length, and what they share stays as it is."""

from dataclasses import replace

import pytest
import torch
from tiny import byte_tokenizer, tiny_model

from steering.concepts.files import load_concept
from steering.models.anchors import (
    HELD_OUT_TEXTS,
    LIST_HEAD,
    anchor_lists,
    anchor_questions,
    unread_lists,
    unread_questions,
)
from steering.models.language_model import LanguageModel
from steering.transfer.alignment import align
from steering.transfer.carry import carry, describe
from steering.transfer.stretch import MOST, Stretch, fit_stretch, relation_differences
from steering.vectors.extraction import extract

LAYERS, WIDTH, RELATIONS = 3, 12, 400


def differences(seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """A common difference `[LAYERS, WIDTH]`, and one a relation that is orthogonal to it, `[RELATIONS, LAYERS, WIDTH]`."""
    generator = torch.Generator().manual_seed(seed)
    common = torch.zeros(LAYERS, WIDTH)
    common[:, 0] = 5.0
    rest = torch.randn(RELATIONS, LAYERS, WIDTH, generator=generator)
    rest[..., 0] = 0.0
    return common, rest - rest.mean(dim=0)


def test_a_shrunk_rest_comes_back_to_its_length() -> None:
    common, rest = differences(0)
    shares = torch.tensor([1.0, 0.5, 0.4])[:, None]
    carried, own = common + shares * rest, common + rest
    stretch = fit_stretch(carried, own)
    assert torch.allclose(stretch.factors, 1 / shares[:, 0], atol=1e-3)
    assert torch.allclose(stretch.of(carried), own, atol=1e-3)


def test_noise_of_the_map_is_not_counted_as_length() -> None:
    common, rest = differences(0)
    _, noise = differences(1)
    carried = common + 0.5 * rest + 0.5 * noise
    stretch = fit_stretch(carried, common + rest)
    assert stretch.factors.tolist() == pytest.approx([2.0] * LAYERS, rel=0.1), "as without noise"


def test_the_common_direction_is_not_stretched_and_zero_stays_zero() -> None:
    common, rest = differences(0)
    stretch = fit_stretch(common + 0.5 * rest, common + rest)
    assert torch.allclose(stretch.of(common), common, atol=1e-4)
    assert not stretch.of(torch.zeros(LAYERS, WIDTH)).any()


def test_factors_have_bounds() -> None:
    common, rest = differences(0)
    nothing = fit_stretch(common + 1e-4 * rest, common + rest)
    against = fit_stretch(common - rest, common + rest)
    longer = fit_stretch(common + 3 * rest, common + rest)
    assert nothing.factors.tolist() == [MOST] * LAYERS
    assert against.factors.tolist() == [MOST] * LAYERS
    assert longer.factors.tolist() == [1.0] * LAYERS
    unmapped = fit_stretch(torch.zeros(RELATIONS, LAYERS, WIDTH), common + rest)
    assert unmapped.factors.tolist() == [1.0] * LAYERS
    assert not unmapped.common.any()


def test_prompts_are_of_relations_that_no_map_is_fitted_on() -> None:
    for anchors, relations in ((anchor_lists(), unread_lists()), (anchor_questions(), unread_questions())):
        assert len(relations) == HELD_OUT_TEXTS
        lines = {line for text in anchors[1:6] + anchors[7:12] for line in text.removeprefix(LIST_HEAD).splitlines()}
        for prompts in relations:
            for solved, alone in prompts:
                assert solved.endswith(alone.removeprefix(LIST_HEAD)), "the same prompt, behind solved lines"
                assert len(solved) > len(alone)
                first = solved.removeprefix(LIST_HEAD).splitlines()[0]
                assert first not in lines


def test_solved_anchors_give_a_stretch_and_prose_gives_none() -> None:
    parent, child = (
        LanguageModel(tiny_model(kind, layers=3, width=32, seed=seed), byte_tokenizer(), kind)
        for seed, kind in enumerate(("llama", "gpt2"))
    )
    alignment = align(parent, child, anchors="lists", first_layer=1)
    assert isinstance(alignment.stretch, Stretch)
    assert alignment.stretch.factors[0] == 1, "nothing is mapped to this layer"
    assert (alignment.stretch.factors[1:] >= 1).all()
    assert align(parent, child).stretch is None
    assert align(parent, child, width="truncate", anchors="lists").stretch is None


def test_differences_are_means_over_the_prompts_of_a_relation() -> None:
    model = LanguageModel(tiny_model("llama", layers=2, width=32), byte_tokenizer(), "llama")
    prompts = [("one two", "two"), ("three four", "four")]
    both = relation_differences(model, [prompts])
    each = relation_differences(model, [prompts[:1], prompts[1:]])
    assert both.shape == (1, 2, 32)
    assert torch.allclose(both[0], each.mean(dim=0), atol=1e-6)


def test_a_stretch_turns_a_carried_vector_and_adds_nothing_to_the_share_that_the_map_keeps() -> None:
    parent, child = (
        LanguageModel(tiny_model(kind, layers=3, width=32, seed=seed), byte_tokenizer(), kind)
        for seed, kind in enumerate(("llama", "gpt2"))
    )
    alignment = align(parent, child, anchors="lists")
    vector = extract(parent, load_concept("sentiment"), "mean")
    stretched, plain = carry(vector, alignment), carry(vector, replace(alignment, stretch=None))
    assert alignment.stretch is not None
    assert (alignment.stretch.factors > 1.01).any()
    assert not torch.allclose(stretched.directions, plain.directions, atol=1e-3)
    assert torch.allclose(stretched.directions.norm(dim=-1), plain.directions.norm(dim=-1), atol=1e-5)
    assert stretched.report is not None
    assert plain.report is not None
    assert stretched.report["share_kept"] == plain.report["share_kept"]
    assert any("was stretched by up to" in line for line in describe(stretched.report))
    assert not any("stretched" in line for line in describe(plain.report))
