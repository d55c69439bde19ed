"""Laws of the layer-similarity matrices."""

import pytest
import torch
from tiny import byte_tokenizer, tiny_model

from steering.concepts import load_concept
from steering.errors import SteeringError
from steering.models import LanguageModel
from steering.similarity import METRICS, cka, scores, similarity


@pytest.fixture(scope="module")
def pair() -> tuple[LanguageModel, LanguageModel]:
    parent = LanguageModel(tiny_model("llama", layers=3, width=32), byte_tokenizer(), "parent")
    child = LanguageModel(tiny_model("gpt2", layers=5, width=48), byte_tokenizer(), "child")
    return parent, child


@pytest.mark.parametrize("metric", METRICS)
def test_a_row_a_parent_layer_and_a_column_a_child_layer(
    pair: tuple[LanguageModel, LanguageModel], metric: str
) -> None:
    concept = load_concept("sentiment")
    result = similarity(*pair, concept, metric)
    assert result.matrix.shape == (3, 5)
    assert result.matrix.abs().max() <= 1 + 1e-6
    assert result.n_texts == 2 * len(concept.pairs)
    assert (result.parent, result.child) == ("parent", "child")
    assert len(result.best_child_layers()) == 3


@pytest.mark.parametrize("metric", METRICS)
def test_a_model_resembles_itself_most_on_the_diagonal(pair: tuple[LanguageModel, LanguageModel], metric: str) -> None:
    parent, _ = pair
    matrix = similarity(parent, parent, load_concept("formality"), metric).matrix
    assert torch.allclose(matrix.diagonal(), torch.ones(3), atol=1e-5)
    assert torch.allclose(matrix, matrix.T, atol=1e-5)


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
