"""Laws of the layer-similarity matrices."""

import math
import sys

import pytest
import torch
from tiny import byte_tokenizer, tiny_model
from twin import rotated_twin

from steering.concepts.files import load_concept
from steering.errors import SteeringError
from steering.measure.effects import score_gradient
from steering.measure.similarity import METRICS, Projections, cka, projections, scores, similarity, text_correlation
from steering.models.activations import Activations
from steering.models.language_model import LanguageModel
from steering.models.loading import load_model
from steering.transfer.all_pairs import PairedSample, carry_everywhere, paired_sample, r2_everywhere
from steering.vectors import extraction
from steering.vectors.extraction import extract

# The package hands on a function of the same name.
similarity_module = sys.modules["steering.measure.similarity"]


@pytest.fixture(scope="module")
def pair() -> tuple[LanguageModel, LanguageModel]:
    parent = LanguageModel(tiny_model("llama", layers=3, width=32), byte_tokenizer(), "parent")
    child = LanguageModel(tiny_model("gpt2", layers=5, width=48), byte_tokenizer(), "child")
    return parent, child


@pytest.mark.parametrize("metric", METRICS)
def test_a_row_a_parent_layer_and_a_column_a_child_layer(
    pair: tuple[LanguageModel, LanguageModel], metric: str
) -> None:
    result = similarity(*pair, load_concept("sentiment"), metric)
    assert result.matrix.shape == (3, 5)
    assert torch.isfinite(result.matrix).all()
    assert result.matrix.max() <= 1 + 1e-6
    assert result.n_texts >= 24
    assert (result.parent, result.child) == ("parent", "child")
    assert len(result.best_child_layers()) == 3


@pytest.mark.parametrize("metric", ["scores", "cka", "aligned", "r2"])
def test_a_model_resembles_itself_most_on_the_diagonal(pair: tuple[LanguageModel, LanguageModel], metric: str) -> None:
    parent, _ = pair
    result = similarity(parent, parent, load_concept("formality"), metric)
    assert result.best_child_layers() == (0, 1, 2)
    assert result.matrix.diagonal().min() > 0.98
    assert result.chance < 0.6
    if metric in ("scores", "cka"):
        assert torch.allclose(result.matrix, result.matrix.T, atol=1e-5)


def test_unrelated_models_agree_no_more_than_chance_on_what_maps_explain(
    pair: tuple[LanguageModel, LanguageModel],
) -> None:
    sample = paired_sample(*pair)
    assert r2_everywhere(sample, shuffle=0).max() <= 0.02
    assert carry_everywhere(sample, torch.ones(3, 32)).shape == (3, 5, 48)


def test_what_is_rounding_in_extraction_is_rounding_in_the_projections(monkeypatch: pytest.MonkeyPatch) -> None:
    model = LanguageModel(tiny_model("llama", layers=2).bfloat16(), byte_tokenizer(), "coarse")
    concept, generator = load_concept("sentiment"), torch.Generator().manual_seed(0)
    n = len(concept.pairs)
    base = torch.nn.functional.normalize(torch.randn(n, 2, 32, generator=generator), dim=-1)
    # A thousandth of the activations is below what bfloat16 resolves, and above what float32 does.
    step = torch.nn.functional.normalize(torch.ones(32), dim=0) * torch.tensor([1e-3, 1e-1])[:, None]
    values = torch.cat([base + step, base])
    for module in (extraction, similarity_module):
        monkeypatch.setattr(module, "record", lambda *_, **__: Activations(values, "", ""))
    assert extract(model, concept).signal == (False, True)
    found = projections(model, model, concept)
    assert found.parent.any(dim=0).tolist() == found.child.any(dim=0).tolist() == [False, True]


def test_held_out_texts_choose_no_penalty(pair: tuple[LanguageModel, LanguageModel]) -> None:
    sample = paired_sample(*pair)
    held = sample.held_out[:, None, None]
    # On fitted texts the child follows the parent, on held-out texts it does not.
    child = sample.parent[:, :, :24] + torch.randn(
        sample.parent[:, :, :24].shape, generator=torch.Generator().manual_seed(0)
    )
    follows = PairedSample(sample.parent, child, sample.text)
    strays = PairedSample(sample.parent, torch.where(held, -child, child), sample.text)
    directions = torch.ones(3, 32)
    assert torch.equal(carry_everywhere(follows, directions), carry_everywhere(strays, directions))
    assert not torch.equal(r2_everywhere(follows), r2_everywhere(strays))


def test_a_sample_holds_rows_of_the_same_places(pair: tuple[LanguageModel, LanguageModel]) -> None:
    sample = paired_sample(*pair)
    assert len(sample.parent) == len(sample.child) == len(sample.text)
    assert 0 < sample.n_held_out_texts < len(set(sample.text.tolist())) / 4
    single = sample.one_row_a_text()
    assert sorted(single.text.tolist()) == sorted(set(sample.text.tolist()))


def test_maps_everywhere_are_the_maps_of_a_twin(pair: tuple[LanguageModel, LanguageModel]) -> None:
    """From an exactly rotated model, each layer is explained by its own original, and directions turn with it."""
    parent = pair[0]
    model, isometry, _ = rotated_twin(parent.model, width=48)
    sample = paired_sample(parent, LanguageModel(model, byte_tokenizer(), "twin"))
    assert r2_everywhere(sample).diagonal().min() > 0.99
    directions = torch.randn(3, 32, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    carried = carry_everywhere(sample, directions).double()
    for layer in range(3):
        truth = directions[layer] @ isometry
        assert torch.cosine_similarity(carried[layer, layer], truth, dim=0) > 0.97


def test_the_gradient_metric_is_the_cosine_with_the_gradient(pair: tuple[LanguageModel, LanguageModel]) -> None:
    parent, concept = pair[0], load_concept("time")
    found = similarity(parent, parent, concept, "gradient").matrix
    own = torch.nn.functional.cosine_similarity(
        extract(parent, concept).directions, score_gradient(parent, concept), dim=1
    )
    assert torch.allclose(found.diagonal(), own, atol=0.05)


def test_a_pair_of_layers_agrees_as_its_cell_says(pair: tuple[LanguageModel, LanguageModel]) -> None:
    concept = load_concept("sentiment")
    found, matrix = projections(*pair, concept), similarity(*pair, concept).matrix
    assert found.labels == (concept.positive_label, concept.negative_label)
    assert found.texts[0] == concept.pairs[0].positive
    assert found.texts[len(concept.pairs)] == concept.pairs[0].negative
    for row, column in ((0, 4), (2, 1)):
        one = text_correlation(found, row, column)
        assert one is not None
        assert one.r == pytest.approx(matrix[row, column].item(), abs=1e-5)
        assert one.n == 2 * len(concept.pairs)
        half = math.atanh(one.high) - math.atanh(one.r)
        assert half == pytest.approx(1.959964 / math.sqrt(one.n - 3), rel=1e-4)
        assert math.atanh(one.r) - math.atanh(one.low) == pytest.approx(half)


def test_agreement_within_a_pole_knows_which_pole() -> None:
    values = torch.tensor([1.0, 2.0, 3.0, 4.0, 11.0, 12.0, 13.0, 14.0], dtype=torch.float64)
    turned = torch.tensor([1.0, 2.0, 3.0, 4.0, 14.0, 13.0, 12.0, 11.0], dtype=torch.float64)
    found = Projections(values[:, None], torch.stack([turned, torch.ones(8)], dim=1), ("t",) * 8, ("up", "down"))
    one = text_correlation(found, 0, 0)
    assert one is not None
    assert one.within == pytest.approx((1.0, -1.0))
    assert text_correlation(found, 0, 1) is None


@pytest.mark.real
@pytest.mark.parametrize("metric", ["scores", "aligned"])
def test_a_real_model_resembles_itself_most_on_the_diagonal(metric: str) -> None:
    model = load_model("smollm2-135m-instruct")
    best = similarity(model, model, load_concept("sentiment"), metric).best_child_layers()
    assert sum(row == column for row, column in enumerate(best)) >= 24


def test_cka_does_not_see_rotation_scale_or_shift_and_scores_see_planted_concepts() -> None:
    generator = torch.Generator().manual_seed(0)
    values = torch.randn(40, 2, 12, generator=generator, dtype=torch.float64)
    rotation = torch.linalg.qr(torch.randn(12, 12, generator=generator, dtype=torch.float64)).Q
    assert torch.allclose(cka(values, values @ rotation * 3 + 5).diagonal(), torch.ones(2).double())

    sign = torch.cat([torch.ones(20), -torch.ones(20)]).double()[:, None]
    planted = torch.randn(2, 40, 1, 12, generator=generator, dtype=torch.float64)
    direction = torch.randn(12, generator=generator, dtype=torch.float64)
    with_concept = planted + 2 * sign[None, :, None] * direction
    assert scores(with_concept[0], with_concept[1])[0, 0] > 0.9
    assert abs(scores(planted[0], planted[1])[0, 0]) < 0.5


def test_unknown_metrics_are_named(pair: tuple[LanguageModel, LanguageModel]) -> None:
    with pytest.raises(SteeringError, match="Unknown similarity 'cosine'"):
        similarity(*pair, load_concept("sentiment"), "cosine")
