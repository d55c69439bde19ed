"""The layer profile with the largest effect at a KL budget: known answers of the small problem, and laws on models."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from conftest import loaded
from test_retention import CONCEPT

from steering.errors import SteeringError
from steering.measure.budgets import unsteered_texts
from steering.measure.effects import effect, expected_effect, score_gradient
from steering.measure.profiles import _RIDGE, FITTED, best_weights, divergence_form, fit_profile
from steering.models.language_model import LanguageModel
from steering.steer.intervention import plan
from steering.steer.settings import PROFILES, SteeringSettings
from steering.vectors.extraction import extract
from steering.vectors.vector import SteeringVector

Make = Callable[..., SteeringVector]


def test_layers_that_do_not_meet_weigh_their_effect_over_their_divergence() -> None:
    divergence = torch.tensor([1.0, 2.0, 1.0, 1.0])
    weights = best_weights(torch.tensor([1.0, 1.0, 3.0, -1.0]), torch.diag(divergence))
    expected = np.array([1, 1, 3, 0]) / (divergence.numpy() + _RIDGE * 1.25)
    assert weights.tolist() == pytest.approx(expected / expected.sum())


def test_no_weights_do_better() -> None:
    """Against every direction that a search tries, at the same divergence and with no weight below 0."""
    numbers = torch.Generator().manual_seed(0)
    factor = torch.randn(6, 9, generator=numbers, dtype=torch.float64)
    form, effects = factor @ factor.T, torch.randn(6, generator=numbers, dtype=torch.float64)

    def rate(weights: torch.Tensor) -> float:
        return float(effects @ weights / (weights @ form @ weights).sqrt())

    best = best_weights(effects, form)
    assert best.min() >= 0
    assert best.sum() == pytest.approx(1)
    tried = torch.rand(20_000, 6, generator=numbers, dtype=torch.float64) ** 4
    assert rate(best) >= 0.97 * max(rate(weights) for weights in tried)


def test_no_layer_helps() -> None:
    assert not best_weights(torch.tensor([-1.0, -2.0]), torch.eye(2)).any()


@pytest.mark.parametrize("positions", ["all", "response"])
def test_the_form_is_what_the_divergence_grows_like(model: LanguageModel, vector_for: Make, positions: str) -> None:
    if "mixtral" in model.name:
        pytest.skip("which experts a token goes to is not a smooth function of the activations")
    vector, texts = vector_for(model), unsteered_texts(model)
    eye = torch.eye(model.n_layers).tolist()
    layers = [plan(model, vector, SteeringSettings(profile=row, positions=positions)) for row in eye]
    form = divergence_form(texts, layers)
    weights = torch.linspace(1, 2, model.n_layers, dtype=torch.float64)
    together = plan(model, vector, SteeringSettings(profile=weights.tolist(), positions=positions))
    weights /= weights.sum()
    lam = 0.02
    measured = texts.divergences(together, lam).mean().item()
    assert lam**2 * (weights @ form @ weights).item() / 2 == pytest.approx(measured, rel=0.15)


def test_the_gradient_of_the_response_foretells_its_effect(model: LanguageModel, vector_for: Make) -> None:
    if "mixtral" in model.name:
        pytest.skip("which experts a token goes to is not a smooth function of the activations")
    vector, settings = vector_for(model), SteeringSettings(positions="response")
    gradient = score_gradient(model, CONCEPT, "response")
    measured = effect(model, vector, CONCEPT, lam=0.01, settings=settings).mean
    assert expected_effect(plan(model, vector, settings), gradient, 0.01) == pytest.approx(measured, rel=0.05, abs=2e-5)
    assert not torch.equal(gradient, score_gradient(model, CONCEPT))


def test_a_profile_is_measured_on_what_it_was_not_fitted_on() -> None:
    model = loaded("llama")
    vector = extract(model, CONCEPT)
    found = fit_profile(model, vector, CONCEPT, 0.1)
    assert set(found.held_out) == {*PROFILES, FITTED}
    assert sum(found.weights) == pytest.approx(1)
    assert min(found.weights) >= 0
    first, second = (replace(CONCEPT, continuations=CONCEPT.continuations[place : place + 1]) for place in (0, 1))
    fitted = found.held_out[FITTED]
    settings = SteeringSettings(profile=found.weights)
    assert fitted.effect == pytest.approx(effect(model, vector, second, lam=fitted.lam, settings=settings).mean)
    # On what it was fitted on it does more than every named profile, at the same divergence.
    done = {
        name: effect(model, vector, first, lam=each.lam, settings=replace(settings, profile=profile)).mean
        for (name, each), profile in zip(found.held_out.items(), (*PROFILES, found.weights), strict=True)
    }
    assert done[FITTED] >= 0.95 * max(done.values())
    assert done[FITTED] > 0


def test_a_vector_against_the_concept_has_no_best_profile() -> None:
    model = loaded("llama")
    gradient = score_gradient(model, replace(CONCEPT, continuations=CONCEPT.continuations[:1]))
    away = replace(extract(model, CONCEPT), directions=-torch.nn.functional.normalize(gradient, dim=-1))
    with pytest.raises(SteeringError, match="At no layer does this vector move"):
        fit_profile(model, away, CONCEPT)


def test_one_continuation_cannot_be_split(llama: LanguageModel) -> None:
    with pytest.raises(SteeringError, match="has 1 continuations; a profile needs two"):
        fit_profile(llama, extract(llama, CONCEPT), replace(CONCEPT, continuations=CONCEPT.continuations[:1]))
