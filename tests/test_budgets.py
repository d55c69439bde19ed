"""λ as a KL budget: laws that hold for every model and vector."""

import math
from collections.abc import Callable
from dataclasses import replace

import pytest
import torch

from steering.errors import MismatchError, SteeringError
from steering.measure.budgets import KL_PERCENTILE, UNSTEERED_TOKENS, strength_at, unsteered_texts
from steering.measure.effects import neutral_prompts
from steering.models.language_model import LanguageModel
from steering.steer.intervention import plan, steer
from steering.steer.settings import LARGEST_STRENGTH, OPERATORS, SteeringSettings
from steering.vectors.vector import SteeringVector

Make = Callable[..., SteeringVector]

RESPONSE = SteeringSettings(positions="response")


def directly(model: LanguageModel, vector: SteeringVector, lam: float, settings: SteeringSettings) -> torch.Tensor:
    """KL(steered ‖ unsteered) at every position, one text at a time, in float64."""
    texts, found = unsteered_texts(model), []
    for row, start in zip(texts.rows, texts.starts, strict=True):
        ids = torch.tensor([row])
        with torch.no_grad():
            plain = model.model(input_ids=ids, use_cache=False).logits[0].double().log_softmax(dim=-1)
            with steer(model, plan(model, vector, settings), [lam], prompt_length=start):
                steered = model.model(input_ids=ids, use_cache=False).logits[0].double().log_softmax(dim=-1)
        found.append((steered.exp() * (steered - plain)).sum(dim=-1)[start - 1 : len(row) - 1])
    return torch.cat(found)


def test_the_texts_are_what_the_model_writes(model: LanguageModel) -> None:
    texts = unsteered_texts(model)
    assert len(texts.rows) == len(neutral_prompts())
    for row, start, plain in zip(texts.rows, texts.starts, texts.predictions, strict=True):
        assert len(row) - start == len(plain) == UNSTEERED_TOKENS
        ahead = plain.max(dim=-1).values - plain.gather(1, torch.tensor(row[start:])[:, None])[:, 0]
        assert ahead.max() < 1e-3  # Written without padding and with a cache, so equal up to rounding.


@pytest.mark.parametrize(
    ("lam", "settings"), [(0.3, SteeringSettings()), (0.3, RESPONSE), (3.0, SteeringSettings("unit", "late"))]
)
def test_divergences_are_what_a_direct_computation_gives(
    llama: LanguageModel, vector_for: Make, lam: float, settings: SteeringSettings
) -> None:
    vector = vector_for(llama)
    found = unsteered_texts(llama).divergences(plan(llama, vector, settings), lam)
    assert found.tolist() == pytest.approx(directly(llama, vector, lam, settings).tolist(), rel=1e-3, abs=1e-5)
    assert found.max() > 1e-3


@pytest.mark.parametrize("kl", [0.1, 1.0])
@pytest.mark.parametrize("side", [1, -1])
def test_the_strength_of_a_budget_has_that_divergence(
    model: LanguageModel, vector_for: Make, kl: float, side: int
) -> None:
    if "mixtral" in model.name:
        pytest.skip("which experts a token goes to is not a smooth function of the activations")
    vector = vector_for(model)
    found = strength_at(model, vector, kl, side=side)
    assert (found.budget, found.side, math.copysign(1, found.lam)) == (kl, side, side)
    assert found.kl == pytest.approx(kl, rel=0.011)
    again = directly(model, vector, found.lam, SteeringSettings()).quantile(KL_PERCENTILE).item()
    assert again == pytest.approx(kl, rel=0.02)


def test_a_larger_budget_is_a_larger_strength(model: LanguageModel, vector_for: Make) -> None:
    if "mixtral" in model.name:
        pytest.skip("which experts a token goes to is not a smooth function of the activations")
    texts = unsteered_texts(model)
    lambdas = [strength_at(model, vector_for(model), kl, texts=texts).lam for kl in (0.01, 0.1, 0.5)]
    assert lambdas == sorted(lambdas)
    assert lambdas[0] > 0


def test_divergences_grow_with_the_square_of_the_strength(model: LanguageModel, vector_for: Make) -> None:
    if "mixtral" in model.name:
        pytest.skip("which experts a token goes to is not a smooth function of the activations")
    intervention, texts = plan(model, vector_for(model)), unsteered_texts(model)
    none, small, large = (texts.divergences(intervention, lam).mean() for lam in (0.0, 0.02, 0.04))
    assert none == pytest.approx(0, abs=1e-6)
    assert large / small == pytest.approx(4, rel=0.2)


def test_a_longer_vector_takes_a_smaller_strength(llama: LanguageModel, vector_for: Make) -> None:
    vector = vector_for(llama)
    for settings in (SteeringSettings(), SteeringSettings("unit", "bell"), RESPONSE):
        one, other = (strength_at(llama, each, 0.5, settings) for each in (vector, 8 * vector))
        assert other.lam == pytest.approx(one.lam / 8, rel=1e-3)


def test_the_other_side_is_the_flipped_vector(llama: LanguageModel, vector_for: Make) -> None:
    vector = vector_for(llama)
    assert strength_at(llama, vector, 0.5, side=-1).lam == pytest.approx(-strength_at(llama, -vector, 0.5).lam)
    both = strength_at(llama, vector, 0.5, side=0)
    assert both.lam == pytest.approx(strength_at(llama, -vector, 0.5, side=0).lam)
    sides = sorted(abs(strength_at(llama, vector, 0.5, side=side).lam) for side in (1, -1))
    assert sides[0] * 0.98 <= both.lam <= sides[1] * 1.02


def test_settings_decide_what_a_budget_means(llama: LanguageModel, vector_for: Make) -> None:
    """Steering the response alone leaves the prompt as it is, so it takes a larger λ."""
    vector = vector_for(llama)
    everywhere, response = (strength_at(llama, vector, 0.5, each).lam for each in (SteeringSettings(), RESPONSE))
    assert response > everywhere * 1.001
    late = SteeringSettings(profile="late")
    assert strength_at(llama, vector, 0.5, late).lam != pytest.approx(everywhere, rel=0.05)


@pytest.mark.parametrize("operator", OPERATORS)
def test_every_operator_has_a_budget(llama: LanguageModel, vector_for: Make, operator: str) -> None:
    vector, settings = vector_for(llama), SteeringSettings(operator=operator)
    found = strength_at(llama, vector, 0.2, settings)
    again = directly(llama, vector, found.lam, settings).quantile(KL_PERCENTILE).item()
    assert again == pytest.approx(0.2, rel=0.02)


def test_it_is_measured_once(llama: LanguageModel, vector_for: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    first = strength_at(llama, vector_for(llama), 0.7)
    monkeypatch.setattr(llama.model, "forward", None)
    assert strength_at(llama, vector_for(llama), 0.7) == first


def test_stop_leaves_no_hook(llama: LanguageModel, vector_for: Make, hooks: Callable[[LanguageModel], int]) -> None:
    class StopPressed(Exception):
        pass

    def stop(_what: str, _fraction: float) -> None:
        raise StopPressed

    with pytest.raises(StopPressed):
        strength_at(llama, vector_for(llama), 0.123, progress=stop)
    assert hooks(llama) == 0


@pytest.mark.parametrize("kl", [0, -1.0, math.nan, math.inf, True, "much", None])
def test_a_budget_is_a_number_above_0(llama: LanguageModel, vector_for: Make, kl: float) -> None:
    with pytest.raises(SteeringError, match="must be a finite number of nats above 0"):
        strength_at(llama, vector_for(llama), kl)


def test_a_side_is_one_of_three(llama: LanguageModel, vector_for: Make) -> None:
    with pytest.raises(SteeringError, match="The side is 2"):
        strength_at(llama, vector_for(llama), side=2)


def test_nothing_reaches_no_budget(llama: LanguageModel, vector_for: Make) -> None:
    vector = vector_for(llama)
    with pytest.raises(SteeringError, match="is zero at every layer"):
        strength_at(llama, replace(vector, directions=torch.zeros_like(vector.directions)))


def test_a_budget_beyond_every_strength_is_refused(llama: LanguageModel, vector_for: Make) -> None:
    with pytest.raises(SteeringError, match=f"No λ up to {LARGEST_STRENGTH:,.0f} reaches a KL of 1e\\+06 nats"):
        strength_at(llama, vector_for(llama), 1e6)
    with pytest.raises(SteeringError, match="below what rounding causes"):
        strength_at(llama, vector_for(llama), 1e-13)


def test_another_models_vector_is_refused(llama: LanguageModel, vector_for: Make) -> None:
    with pytest.raises(MismatchError):
        strength_at(llama, replace(vector_for(llama), model="another"))
