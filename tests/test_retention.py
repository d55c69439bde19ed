"""The effect of a vector is what it says: a change of log-probabilities on texts that extraction never saw."""

import copy
from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from conftest import loaded
from test_extraction import QUALITY
from tiny import piece_tokenizer, tiny_model
from tokenizers import normalizers

from steering.concepts.concept import Concept, ContrastPair
from steering.errors import SteeringError
from steering.measure.budgets import strength_at, unsteered_texts
from steering.measure.effects import (
    LAMBDA,
    Effect,
    effect,
    expected_effect,
    neutral_prompts,
    score_gradient,
)
from steering.measure.retention import measure, retention, with_effect
from steering.models.language_model import LanguageModel
from steering.steer.intervention import plan, steer
from steering.steer.settings import SteeringSettings
from steering.transfer.carry import describe, transfer
from steering.vectors.extraction import extract
from steering.vectors.vector import SteeringVector, random_like

Make = Callable[..., SteeringVector]

PROMPTS = ("The morning train", "She opened the letter and read it.")
CONTINUATIONS = (
    ContrastPair("The rooms were clean.", "The rooms were cold, and the people were slow."),
    ContrastPair("Happy", "Angry about it"),
)
CONCEPT = replace(QUALITY, continuations=CONTINUATIONS)


def score(model: LanguageModel, vector: SteeringVector, lam: float, prompt: str, text: str, **settings: str) -> float:
    """Mean log-probability of a continuation's tokens, one text at a time, in float64."""
    head = model.token_ids(prompt)
    tail = model.token_ids(f"{prompt} {text}")[len(head) :]
    intervention = plan(model, vector, SteeringSettings(**settings))
    with torch.no_grad(), steer(model, intervention, [lam], prompt_length=len(head)):
        logits = model.model(input_ids=torch.tensor([[*head, *tail]]), use_cache=False).logits[0].double()
    scores = logits.log_softmax(dim=-1)
    return sum(scores[len(head) - 1 + place, token].item() for place, token in enumerate(tail)) / len(tail)


def directly(model: LanguageModel, vector: SteeringVector, lam: float, prompt: str, **settings: str) -> float:
    total = 0.0
    for side in (1, -1):
        for pair in CONTINUATIONS:
            for sign, text in ((1, pair.positive), (-1, pair.negative)):
                total += side * sign * score(model, vector, side * lam, prompt, text, **settings)
    return total / len(CONTINUATIONS)


def test_an_effect_is_what_a_direct_computation_gives(model: LanguageModel, vector_for: Make) -> None:
    vector = vector_for(model)
    found = effect(model, vector, CONCEPT, lam=0.3, prompts=PROMPTS)
    expected = [directly(model, vector, 0.3, prompt) for prompt in PROMPTS]
    assert found.per_prompt == pytest.approx(expected, rel=1e-3, abs=1e-4)
    assert found.mean == pytest.approx(sum(expected) / 2, rel=1e-3, abs=1e-4)
    assert abs(found.mean) > 1e-3


def test_a_continuation_is_read_as_the_text_behind_its_prompt(vector_for: Make) -> None:
    """Also where a tokenizer, as that of Llama 2, puts a space of its own before every text."""
    spacing = copy.deepcopy(piece_tokenizer())
    spacing.backend_tokenizer.normalizer = normalizers.Sequence(
        [normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")]
    )
    spacing.backend_tokenizer.pre_tokenizer = None
    model = LanguageModel(tiny_model("llama", tokenizer=spacing), spacing, "spacing")
    vector = vector_for(model)
    found = effect(model, vector, CONCEPT, lam=0.3, prompts=PROMPTS)
    assert found.per_prompt == pytest.approx([directly(model, vector, 0.3, prompt) for prompt in PROMPTS], rel=1e-3)


def test_scale_and_profile_reach_the_model(llama: LanguageModel, vector_for: Make) -> None:
    vector = vector_for(llama)
    for settings in ({"scale": "unit"}, {"profile": "late"}):
        found = effect(llama, vector, CONCEPT, lam=0.3, prompts=PROMPTS[:1], settings=SteeringSettings(**settings))
        assert found.mean == pytest.approx(directly(llama, vector, 0.3, PROMPTS[0], **settings), rel=1e-3, abs=1e-4)


def test_nothing_has_no_effect(model: LanguageModel, vector_for: Make) -> None:
    vector = vector_for(model)
    none = replace(vector, directions=vector.directions - vector.directions)
    assert effect(model, none, CONCEPT, prompts=PROMPTS).mean == pytest.approx(0, abs=1e-5)
    assert effect(model, vector, CONCEPT, lam=0.0, prompts=PROMPTS).mean == pytest.approx(0, abs=1e-5)


def test_the_opposite_has_the_opposite_effect(llama: LanguageModel, vector_for: Make) -> None:
    vector = vector_for(llama)
    one = effect(llama, vector, CONCEPT, prompts=PROMPTS)
    for other in (
        effect(llama, -vector, CONCEPT, prompts=PROMPTS),
        effect(llama, vector, CONCEPT.swapped(), prompts=PROMPTS),
        effect(llama, vector, CONCEPT, prompts=PROMPTS, lam=-LAMBDA),
    ):
        assert other.per_prompt == pytest.approx([-value for value in one.per_prompt], abs=1e-5)


def test_the_pairs_of_the_extraction_are_not_what_is_measured(llama: LanguageModel, vector_for: Make) -> None:
    one = effect(llama, vector_for(llama), CONCEPT, prompts=PROMPTS)
    other = effect(llama, vector_for(llama), replace(CONCEPT, pairs=CONCEPT.pairs[:4]), prompts=PROMPTS)
    assert one == other


def test_a_concept_without_continuations_is_refused(llama: LanguageModel, vector_for: Make) -> None:
    with pytest.raises(SteeringError, match="quality has no continuations to measure with"):
        effect(llama, vector_for(llama), QUALITY)


def test_progress_runs_to_the_end_and_can_stop(
    llama: LanguageModel, vector_for: Make, hooks: Callable[[LanguageModel], int]
) -> None:
    told: list[float] = []
    effect(llama, vector_for(llama), CONCEPT, progress=lambda _what, fraction: told.append(fraction))
    assert told == sorted(told)
    assert told[-1] == 1.0

    class StopPressed(Exception):
        pass

    def stop(_what: str, _fraction: float) -> None:
        raise StopPressed

    with pytest.raises(StopPressed):
        effect(llama, vector_for(llama), CONCEPT, progress=stop)
    assert hooks(llama) == 0


def test_neutral_prompts_say_nothing() -> None:
    prompts = neutral_prompts()
    assert len(prompts) >= 3
    assert all(prompt.strip() == prompt != "" for prompt in prompts)


def test_the_bundled_prompts_are_used_unless_others_are_given(llama: LanguageModel, vector_for: Make) -> None:
    assert len(effect(llama, vector_for(llama), CONCEPT).per_prompt) == len(neutral_prompts())
    assert isinstance(effect(llama, vector_for(llama), CONCEPT, prompts=PROMPTS[:1]), Effect)


def test_a_model_keeps_all_of_its_own_concept(llama: LanguageModel) -> None:
    """Parent and child are the same model: nothing is carried, so nothing is lost."""
    found = retention(llama, llama, [CONCEPT], kl=0.5, random_seeds=2)
    (concept,) = found.concepts
    assert concept.kept_at_matched_kl == concept.kept == pytest.approx(1)
    assert concept.spread == pytest.approx(0, abs=1e-4)
    own, texts = extract(llama, CONCEPT), unsteered_texts(llama)
    assert concept.native_lam == concept.matched_lam == strength_at(llama, own, 0.5, side=0).lam
    assert texts.kl(plan(llama, own), concept.native_lam, side=0) == pytest.approx(0.5, rel=0.011)
    assert concept.native == pytest.approx(effect(llama, own, CONCEPT, lam=concept.native_lam).mean)
    assert concept.random_spread >= abs(concept.random) > 0
    assert (found.parent, found.child, found.kl, concept.name) == (llama.name, llama.name, 0.5, "quality")


def test_a_strength_of_the_own_vector_sets_the_budget(llama: LanguageModel) -> None:
    found = retention(llama, llama, [CONCEPT], lam=0.2, random_seeds=1)
    (concept,) = found.concepts
    assert (found.kl, found.lam, concept.native_lam) == (None, 0.2, 0.2)
    assert concept.kl == unsteered_texts(llama).kl(plan(llama, extract(llama, CONCEPT)), 0.2, side=0)
    assert concept.matched_lam == pytest.approx(0.2, rel=0.01)


def test_random_vectors_have_the_same_budget(llama: LanguageModel) -> None:
    (concept,) = retention(llama, llama, [CONCEPT], kl=0.5, random_seeds=1).concepts
    control = random_like(extract(llama, CONCEPT), int(CONCEPT.digest[:8], 16))
    assert concept.random_lam == strength_at(llama, control, 0.5, side=0).lam
    assert concept.random == pytest.approx(effect(llama, control, CONCEPT, lam=concept.random_lam).mean)


@pytest.mark.parametrize("budget", [{"kl": 0.0}, {"kl": float("nan")}, {"lam": float("inf")}])
def test_a_budget_that_is_none_is_refused(llama: LanguageModel, budget: dict[str, float]) -> None:
    with pytest.raises(SteeringError, match="must be"):
        measure(llama, CONCEPT, extract(llama, CONCEPT), **budget)


def test_every_concept_has_random_vectors_of_its_own(llama: LanguageModel) -> None:
    """Otherwise an average over concepts would rest on as few random vectors as one concept's."""
    other = replace(CONCEPT, pairs=CONCEPT.pairs[:-1])
    one, two = retention(llama, llama, [CONCEPT, other], random_seeds=1).concepts
    assert one.random != pytest.approx(two.random, abs=1e-6)


def test_a_longer_vector_looks_no_better_at_matched_kl(llama: LanguageModel) -> None:
    """A vector twice as long has about twice the effect at the same λ, and the same one at the same divergence."""
    own = extract(llama, CONCEPT)
    found = measure(llama, CONCEPT, 2 * own, kl=0.02, random_seeds=1)
    assert found.carried == pytest.approx(effect(llama, own, CONCEPT, lam=2 * found.native_lam).mean)
    assert abs(found.kept) > 1.5
    assert found.matched_lam == pytest.approx(found.native_lam / 2)
    assert found.kept_at_matched_kl == pytest.approx(1, rel=1e-3)


def test_effects_behind_prompts_that_are_not_steered(model: LanguageModel, vector_for: Make) -> None:
    """Steering the response alone begins at each prompt's last token, though prompts differ in length."""
    vector, settings = vector_for(model), SteeringSettings(positions="response")
    found = effect(model, vector, CONCEPT, lam=0.3, prompts=PROMPTS, settings=settings)
    expected = [directly(model, vector, 0.3, prompt, positions="response") for prompt in PROMPTS]
    assert found.per_prompt == pytest.approx(expected, rel=1e-3, abs=1e-4)


def test_a_gradient_foretells_small_effects(model: LanguageModel, vector_for: Make) -> None:
    if "mixtral" in model.name:
        pytest.skip("which experts a token goes to is not a smooth function of the activations")
    vector = vector_for(model)
    gradient = score_gradient(model, CONCEPT)
    assert gradient.shape == (model.n_layers, model.d_model)
    assert not any(parameter.grad is not None for parameter in model.model.parameters())
    measured = effect(model, vector, CONCEPT, lam=0.01).mean
    assert expected_effect(plan(model, vector), gradient, 0.01) == pytest.approx(measured, rel=0.05, abs=2e-5)


def test_a_report_says_the_effect_once_it_was_measured(llama: LanguageModel) -> None:
    model = loaded("gpt2")
    carried = transfer(extract(llama, CONCEPT), llama, model)
    assert carried.report is not None
    assert not any("Effect kept" in line for line in describe(carried.report))
    found = measure(model, CONCEPT, carried, random_seeds=1)
    told = with_effect(carried, found)
    assert told.report is not None
    assert told.report["effect_kept"] == found.kept
    assert any(f"{found.kept:.2f}" in line for line in describe(told.report))


def test_a_native_vector_without_effect_is_no_error(llama: LanguageModel) -> None:
    """Continuations that agree have no effect at all; a share of it means nothing."""
    same = Concept("same", "a", "b", QUALITY.pairs, (ContrastPair("Soup", "Soup"),))
    (concept,) = retention(llama, llama, [same], random_seeds=1).concepts
    assert concept.native == 0
    assert concept.kept != concept.kept
    assert not concept.measurable
