"""A vector for every row, and what scale, layer profile and positions mean."""

import pytest
import torch
from test_intervention import Make, hidden, ids_of, only, run, steered
from tiny import byte_tokenizer, tiny_model

from steering.errors import MismatchError, SteeringError
from steering.models.activations import residual_norms
from steering.models.language_model import LanguageModel
from steering.steer.intervention import plan, steer
from steering.steer.settings import PROFILES, SteeringSettings
from steering.vectors.extraction import extract
from steering.vectors.vector import SteeringVector

# A vector of its own for every row


def test_rows_with_vectors_of_their_own_are_what_each_vector_does_alone(model: LanguageModel, vector_for: Make) -> None:
    one = only(plan(model, vector_for(model, 1)), 0)
    other = plan(model, vector_for(model, 2))
    strengths = [0.0, 2.0, 2.0, -1.0]
    found = steered(model, [one, one, other, other], strengths)
    assert torch.equal(found[0], run(model, ids_of(model))[0]), "λ = 0 stays bit-identical, whatever the others do"
    assert torch.equal(found[:2], steered(model, one, strengths)[:2])
    assert torch.equal(found[2:], steered(model, other, strengths)[2:])


def test_every_row_needs_one_intervention_at_the_same_positions(llama: LanguageModel, vector_for: Make) -> None:
    everywhere, response = (
        plan(llama, vector_for(llama), SteeringSettings(positions=name)) for name in ("all", "response")
    )
    with pytest.raises(SteeringError, match="3 interventions for 2 strengths"):
        steered(llama, [everywhere] * 3, [0.1, 0.2])
    with pytest.raises(SteeringError, match="same positions"):
        steered(llama, [everywhere, response], [0.1, 0.2])
    other = LanguageModel(tiny_model("llama", seed=1), byte_tokenizer(), "other")
    with pytest.raises(MismatchError, match="planned for another model"):
        steered(llama, [everywhere, plan(other, vector_for(other))], [0.1, 0.2])


# What one unit of λ means


@pytest.mark.parametrize("profile", PROFILES)
def test_under_residual_one_is_a_whole_residual_norm_in_total(
    model: LanguageModel, vector_for: Make, profile: str
) -> None:
    what = plan(model, vector_for(model), SteeringSettings(profile=profile))
    shares = what.offsets.norm(dim=-1) / residual_norms(model)
    assert sum(what.weights) == pytest.approx(1)
    assert shares.sum().item() == pytest.approx(1, abs=1e-5)
    torch.testing.assert_close(shares, torch.tensor(what.weights), rtol=1e-4, atol=1e-6)


def test_under_unit_one_is_the_vector_itself(model: LanguageModel, vector_for: Make) -> None:
    what = plan(model, vector_for(model), SteeringSettings(scale="unit"))
    assert torch.equal(what.offsets, vector_for(model).directions)
    assert what.weights == (1.0,) * model.n_layers


def test_layers_without_signal_get_no_weight(model: LanguageModel, vector_for: Make) -> None:
    vector = vector_for(model)
    vector.directions[0] = 0
    what = plan(model, vector)
    assert what.weights == pytest.approx((0, 1 / 3, 1 / 3, 1 / 3))
    assert not what.offsets[0].any()
    shares = what.offsets.norm(dim=-1) / residual_norms(model)
    assert shares.sum().item() == pytest.approx(1, abs=1e-5)


def test_own_bars_are_relative_under_residual_and_absolute_under_unit(llama: LanguageModel, vector_for: Make) -> None:
    bars = [0.0, 1.0, 3.0, 0.0]
    assert plan(llama, vector_for(llama), SteeringSettings(profile=bars)).weights == pytest.approx((0, 0.25, 0.75, 0))
    unit = plan(llama, vector_for(llama), SteeringSettings(profile=bars, scale="unit"))
    torch.testing.assert_close(unit.offsets.norm(dim=-1), torch.tensor(bars))


def test_the_profiles_are_what_their_names_say() -> None:
    model = LanguageModel(tiny_model("llama", layers=9), byte_tokenizer(), "nine")
    vector = SteeringVector(torch.eye(9, 32), model.fingerprint, "nine", "c", ("a", "b"), "x")
    weights = {name: plan(model, vector, SteeringSettings(scale="unit", profile=name)).weights for name in PROFILES}
    assert weights["all"] == (1.0,) * 9
    assert weights["middle"] == (0, 0, 1, 1, 1, 1, 1, 0, 0)
    assert weights["late"] == (0, 0, 0, 0, 1, 1, 1, 1, 1)
    bell = weights["bell"]
    assert bell == pytest.approx(bell[::-1])
    assert list(bell[:5]) == sorted(bell[:5])
    assert bell[4] == 1


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"scale": "percent"}, "Unknown scale 'percent'. Choose one of residual, unit"),
        ({"positions": "prompt"}, "Unknown positions 'prompt'. Choose one of all, response"),
        ({"profile": "flat"}, "Unknown layer profile 'flat'. Choose one of all, middle, bell, late, or give weights"),
        ({"profile": [1.0, 1.0]}, "The layer profile has 2 weights; tiny-llama has 4 layers"),
        ({"profile": [1.0, -1.0, 1.0, 1.0]}, "finite and not negative"),
        ({"profile": [1.0, float("nan"), 1.0, 1.0]}, "finite and not negative"),
        ({"profile": [1.0, float("inf"), 1.0, 1.0]}, "finite and not negative"),
        ({"profile": [0.0, 0.0, 0.0, 0.0]}, "no weight to any layer that carries the concept"),
    ],
)
def test_settings_that_make_no_sense_are_refused(
    llama: LanguageModel, vector_for: Make, settings: dict[str, object], message: str
) -> None:
    with pytest.raises(SteeringError, match=message):
        plan(llama, vector_for(llama), SteeringSettings(**settings))


def test_a_profile_on_dead_layers_alone_is_refused(llama: LanguageModel, vector_for: Make) -> None:
    vector = vector_for(llama)
    vector.directions[2] = 0
    with pytest.raises(SteeringError, match="no weight to any layer"):
        plan(llama, vector, SteeringSettings(profile=[0.0, 0.0, 1.0, 0.0]))


# Belonging


def test_what_belongs_to_another_model_is_refused(llama: LanguageModel, vector_for: Make) -> None:
    other = LanguageModel(tiny_model("llama", seed=1), byte_tokenizer(), "other")
    with pytest.raises(MismatchError, match=r"belongs to other .* cannot steer tiny-llama"):
        plan(llama, vector_for(other))
    with pytest.raises(MismatchError, match="planned for another model than tiny-llama"):
        steered(llama, plan(other, vector_for(other)), [1.0])


def test_an_extracted_vector_raises_what_it_was_extracted_from(model: LanguageModel) -> None:
    """Along its own direction, the last token moves up with λ at every layer that is read."""
    from test_extraction import QUALITY

    vector = extract(model, QUALITY)
    last = hidden(model, plan(model, vector), [-0.2, 0.0, 0.2])[-1][:, -1] @ vector.directions[-1]
    assert last[0] < last[1] < last[2]


def test_every_row_needs_its_own_strength(llama: LanguageModel, vector_for: Make) -> None:
    planned = plan(llama, vector_for(llama))
    ids = torch.tensor([llama.token_ids("one two three")] * 2)
    with (
        pytest.raises(SteeringError, match="1 strengths for a batch of 2"),
        torch.no_grad(),
        steer(llama, planned, [0.5]),
    ):
        llama.model(input_ids=ids)
