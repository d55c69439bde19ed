"""Detection: a concept that the last token shows is detected, one whose poles were drawn at random is not."""

import random
from typing import cast

import pytest
import torch
from sklearn.metrics import roc_auc_score
from tiny import byte_tokenizer, tiny_model
from transformers import LlamaForCausalLM
from twin import rotated_twin

from steering.concepts.concept import Concept, ContrastPair
from steering.concepts.files import load_concept
from steering.errors import SteeringError
from steering.measure.detection import FOLDS, SOURCES, auroc, detect
from steering.models.language_model import LanguageModel

SUBJECTS = [
    f"The {thing} number {number}" for number in range(4) for thing in ("lamp", "river", "letter", "engine", "garden")
]


def by_last_word(name: str, positive: str, negative: str) -> Concept:
    """A concept whose texts differ in their last word."""
    pairs = tuple(ContrastPair(f"{subject} is {positive}", f"{subject} is {negative}") for subject in SUBJECTS)
    return Concept(name, positive, negative, pairs)


LIGHT, SIZE = by_last_word("light", "bright", "dark"), by_last_word("size", "big", "small")


@pytest.fixture(scope="module")
def parent() -> LanguageModel:
    return LanguageModel(tiny_model("llama", layers=4, width=32), byte_tokenizer(), "parent")


@pytest.fixture(scope="module")
def twin(parent: LanguageModel) -> LanguageModel:
    model, _isometry, _layers = rotated_twin(cast(LlamaForCausalLM, parent.model), width=48)
    return LanguageModel(model, byte_tokenizer(), "twin")


def test_the_area_is_that_of_scikit_learn() -> None:
    generator = torch.Generator().manual_seed(0)
    # Whole numbers, so that there are ties.
    positive = torch.randint(0, 8, (30, 3), generator=generator)
    negative = torch.randint(0, 6, (20, 3), generator=generator)
    labels = [1] * 30 + [0] * 20
    expected = [roc_auc_score(labels, column) for column in torch.cat([positive, negative]).T.tolist()]
    assert auroc(positive, negative).tolist() == pytest.approx(expected)


def test_a_twin_detects_as_its_original(parent: LanguageModel, twin: LanguageModel) -> None:
    result = detect(parent, twin, [load_concept("sentiment"), LIGHT])
    for concept in result.concepts:
        assert concept.auroc["carried"] == pytest.approx(concept.auroc["own"], abs=0.02)
        assert concept.layers["carried"] == concept.layers["own"]
        assert concept.recognised["carried"] == pytest.approx(concept.recognised["own"], abs=0.05)


def test_what_the_last_word_shows_is_detected_in_the_twin(parent: LanguageModel, twin: LanguageModel) -> None:
    result = detect(parent, twin, [LIGHT, SIZE])
    for concept in result.concepts:
        assert set(concept.auroc) == set(concept.layers) == set(concept.recognised) == set(SOURCES)
        assert len(concept.layers["carried"]) == FOLDS
        assert concept.auroc["carried"] == concept.auroc["own"] == 1.0
        assert concept.recognised["carried"] == concept.recognised["own"] >= 0.8
    assert result.mean_recognised("random") < 0.75
    assert result.as_json()["mean_auroc"]["carried"] == 1.0


def test_poles_drawn_at_random_are_not_detected(parent: LanguageModel, twin: LanguageModel) -> None:
    draw = random.Random(0)
    mixed = [pair.swapped() if draw.random() < 0.5 else pair for pair in LIGHT.pairs]
    result = detect(parent, twin, [Concept("mixed", "one", "other", tuple(mixed))])
    assert result.mean_auroc("carried") < 0.8


def test_the_poles_have_no_say(parent: LanguageModel, twin: LanguageModel) -> None:
    concept = load_concept("sentiment")
    there, back = (detect(parent, twin, [each]).concepts[0] for each in (concept, concept.swapped()))
    assert there.auroc["own"] == pytest.approx(back.auroc["own"], abs=1e-6)
    assert there.auroc["carried"] == pytest.approx(back.auroc["carried"], abs=1e-6)


def test_what_cannot_be_detected_is_refused(parent: LanguageModel, twin: LanguageModel) -> None:
    with pytest.raises(SteeringError, match="no concept"):
        detect(parent, twin, [])
    few = Concept("few", "one", "other", LIGHT.pairs[:4])
    with pytest.raises(SteeringError, match="few has 4 pairs"):
        detect(parent, twin, [few])
    with pytest.raises(SteeringError, match="not 'gradient'"):
        detect(parent, twin, [LIGHT], method="gradient")


def test_several_parent_layers_are_measured_beside_plain_truncation(parent: LanguageModel, twin: LanguageModel) -> None:
    several, single = (detect(parent, twin, [LIGHT, SIZE], layers=layers) for layers in ("several", "relative"))
    assert several.concepts[0].auroc["truncate"] == single.concepts[0].auroc["truncate"]
    assert several.concepts[0].auroc["carried"] > 0.9
