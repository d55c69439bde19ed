"""The bundled models: steering by 0 is no steering, and a concept's own vector moves text far more than chance does."""

from dataclasses import dataclass, replace

import pytest
import torch

from steering.concepts import bundled_concepts
from steering.concepts.files import load_concept
from steering.errors import silent
from steering.measure.retention import effect
from steering.models import bundled
from steering.models.activations import record
from steering.models.language_model import LanguageModel
from steering.models.loading import load_model
from steering.steer.grid import assess, generate
from steering.ui.state.presets import carried
from steering.ui.state.settings import DEFAULT
from steering.vectors.directions import DIRECTION_METHODS
from steering.vectors.extraction import extract
from steering.vectors.vector import SteeringVector, random_like

pytestmark = pytest.mark.real

N = 10


@dataclass(frozen=True)
class Subject:
    """A bundled model with its own vector of a concept."""

    model: LanguageModel
    vector: SteeringVector
    prompt: str


def subject(name: str, prompt: str) -> Subject:
    # Where numbers are rounded to bfloat16, one row and the same row in a batch may differ in a token.
    model = load_model(name, dtype="float32")
    return Subject(model, extract(model, load_concept("sentiment")), prompt)


@pytest.fixture(scope="module")
def gemma() -> Subject:
    return subject("gemma-3-270m", "The best thing about the old town is")


@pytest.fixture(scope="module")
def smollm() -> Subject:
    return subject("smollm2-135m-instruct", "Describe the weather today.")


@pytest.fixture(params=["gemma", "smollm"])
def either(request: pytest.FixtureRequest) -> Subject:
    found: Subject = request.getfixturevalue(request.param)
    return found


def test_the_models_are_what_the_catalogue_says(gemma: Subject, smollm: Subject) -> None:
    assert (gemma.model.n_layers, gemma.model.d_model) == (18, 640)
    assert (smollm.model.n_layers, smollm.model.d_model) == (30, 576)
    assert not gemma.model.has_chat_template
    assert smollm.model.has_chat_template
    assert gemma.model.fingerprint != smollm.model.fingerprint


def test_a_later_load_converts_nothing(either: Subject, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bundled, "convert_gguf", lambda *_: pytest.fail("was converted again"))
    assert bundled.bundled_folder(bundled.CATALOGUE[either.model.name], silent).is_dir()


def test_at_zero_the_tokens_are_those_of_transformers(either: Subject) -> None:
    model = either.model
    ids = torch.tensor([model.prompt_ids(either.prompt)])
    with torch.inference_mode():
        found = model.model.generate(
            ids, attention_mask=torch.ones_like(ids), do_sample=False, max_new_tokens=N, repetition_penalty=1.0
        )[0, ids.shape[1] :].tolist()
    grid = generate(model, either.prompt, either.vector, [-0.3, 0.0, 0.3], max_new_tokens=N)
    zero = grid.at(0)
    assert zero.token_ids == tuple(found[: len(zero.token_ids)])
    assert set(found[len(zero.token_ids) :]) <= set(model.stop_ids)
    assert len({row.token_ids for row in grid.rows}) == 3, "the other rows are steered"


def test_unsteered_text_is_healthy_and_torn_apart_text_is_not(smollm: Subject) -> None:
    grid = assess(smollm.model, generate(smollm.model, smollm.prompt, smollm.vector, [0.0, 3.0], max_new_tokens=N))
    healthy, torn = (row.health for row in grid.rows)
    assert not healthy.degenerate
    assert healthy.perplexity is not None
    assert healthy.perplexity < 20
    assert torn.degenerate


def test_a_prompt_begins_exactly_once(either: Subject) -> None:
    tokenizer = either.model.tokenizer
    text = tokenizer.decode(either.model.prompt_ids(either.prompt))
    begin = "<bos>" if either.model.name == "gemma-3-270m" else "<|im_start|>system"
    assert text.count(begin) == 1
    assert text.startswith(begin)


def test_late_layers_tell_held_out_pairs_apart(either: Subject) -> None:
    late = either.vector.quality[len(either.vector.quality) // 2 :]
    assert min(layer.pairwise_accuracy for layer in late) >= 0.9
    assert min(layer.split_half_cosine for layer in late) > 0.5


def test_centring_loses_the_concept(smollm: Subject) -> None:
    pairs = load_concept("sentiment").pairs
    texts = [pair.positive for pair in pairs] + [pair.negative for pair in pairs]
    positive, negative = record(smollm.model, texts).values[:, 20].double().split(len(pairs))
    mean, pca, centred = (
        torch.nn.functional.normalize(DIRECTION_METHODS[method](positive - negative), dim=0)
        for method in ("mean", "pca", "pca_centred")
    )
    kept, lost = abs(pca @ mean), abs(centred @ mean)
    assert kept > 0.9
    assert lost < 0.6


def test_its_own_vector_steers_and_chance_does_not(smollm: Subject) -> None:
    concept = load_concept("sentiment")
    concept = replace(concept, continuations=concept.continuations[:6])
    prompts = ("Here is what was written next:",)
    own = effect(smollm.model, smollm.vector, concept, prompts=prompts)
    chance = [effect(smollm.model, random_like(smollm.vector, seed), concept, prompts=prompts).mean for seed in (0, 1)]
    assert own.mean > 0
    assert own.mean > 5 * max(map(abs, chance))


def test_the_vectors_of_the_package_are_for_its_models_and_pairs(smollm: Subject) -> None:
    for name in bundled_concepts():
        concept = load_concept(name)
        vector = carried(replace(DEFAULT, concept=name), concept, smollm.model)
        assert vector is not None
        assert vector.pairs == tuple((pair.positive, pair.negative) for pair in concept.pairs)
        assert vector.provenance["parent"] == "gemma-3-270m"
        assert vector.concept == name


def test_the_vectors_of_the_package_steer_as_far_as_the_own_one(smollm: Subject) -> None:
    concept = load_concept("sentiment")
    vector = carried(DEFAULT, concept, smollm.model)
    assert vector is not None
    concept = replace(concept, continuations=concept.continuations[:6])
    own, far = (
        effect(smollm.model, each, concept, prompts=("Here is what was written next:",)).mean
        for each in (smollm.vector, vector)
    )
    assert far > 0.7 * own


def test_a_vector_of_the_package_is_for_the_default_settings_and_untouched_pairs_alone(smollm: Subject) -> None:
    concept = load_concept("sentiment")
    assert carried(replace(DEFAULT, layers="index"), concept, smollm.model) is None
    assert carried(replace(DEFAULT, parent=DEFAULT.child), concept, smollm.model) is None
    assert carried(DEFAULT, replace(concept, pairs=concept.pairs[1:]), smollm.model) is None
    assert carried(DEFAULT, replace(concept, positive_label="glad"), smollm.model) is None
