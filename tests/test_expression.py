"""How far a text expresses a concept: known answers on the vector's own texts, and independence of the company."""

from dataclasses import replace

import pytest
import torch

from steering.concepts import load_concept
from steering.errors import SteeringError
from steering.measure import expression
from steering.models import LanguageModel
from steering.vectors import SteeringVector, extract


@pytest.fixture(scope="module")
def vector() -> SteeringVector:
    from conftest import loaded

    return extract(loaded("llama"), load_concept("sentiment"))


def test_the_vectors_own_texts_have_mean_zero_and_one_standard_deviation(
    llama: LanguageModel, vector: SteeringVector
) -> None:
    best = max(layer.pairwise_accuracy for layer in vector.quality)
    (single, *_) = [place for place, layer in enumerate(vector.quality) if layer.pairwise_accuracy == best]
    quality = tuple(
        replace(layer, pairwise_accuracy=float(place == single)) for place, layer in enumerate(vector.quality)
    )
    values = torch.tensor(
        expression(llama, replace(vector, quality=quality), [t for pair in vector.pairs for t in pair])
    )
    assert values.mean() == pytest.approx(0, abs=1e-4)
    assert values.std() == pytest.approx(1, abs=1e-4)


def test_a_text_counts_the_same_alone_and_among_others_and_an_empty_one_is_the_mean(
    llama: LanguageModel, vector: SteeringVector
) -> None:
    alone = expression(llama, vector, ["The sun shines."])
    among = expression(llama, vector, ["A much longer text about the rain that fell all day.", " ", "The sun shines."])
    assert among[2] == pytest.approx(alone[0], abs=1e-4)
    assert among[1] == 0.0
    turned = expression(llama, replace(vector, directions=-vector.directions), ["The sun shines."])
    assert turned[0] == pytest.approx(-alone[0], abs=1e-4)


def test_a_vector_without_pairs_or_of_another_model_is_refused(llama: LanguageModel, vector: SteeringVector) -> None:
    with pytest.raises(SteeringError, match="no pairs"):
        expression(llama, replace(vector, pairs=()), ["x"])
    with pytest.raises(SteeringError, match="belongs to"):
        expression(llama, replace(vector, model="other"), ["x"])
