"""A vector's arithmetic, what it belongs to, its controls, and files that come back as they went."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from test_extraction import LAYERS, D, draw, planted, with_dead_layer

from steering.errors import MismatchError, SteeringError
from steering.models.language_model import LanguageModel
from steering.steer.intervention import plan, steer
from steering.steer.settings import SCALES, SteeringSettings
from steering.vectors.extraction import fit
from steering.vectors.vector import SteeringVector, load_vector, random_like, save_vector

# Arithmetic


def test_negating_is_swapping() -> None:
    one = fit(*planted(), "pca")
    other = -one
    assert torch.equal(other.directions, -one.directions)
    assert other.labels == ("negative", "positive")
    assert torch.equal((-other).directions, one.directions)
    assert (-other).labels == one.labels
    swapped = fit(*planted()[::-1], "pca")
    assert torch.equal(swapped.directions, other.directions)
    assert other.projections is not None
    assert swapped.projections is not None
    assert torch.equal(swapped.projections, other.projections)


def steered(model: LanguageModel, vector: SteeringVector, lam: float, scale: str) -> torch.Tensor:
    ids = torch.tensor([model.token_ids("The soup is")])
    with torch.inference_mode(), steer(model, plan(model, vector, SteeringSettings(scale=scale)), [lam]):
        return model.model(input_ids=ids).logits


@pytest.mark.parametrize("scale", SCALES)
def test_a_multiple_is_the_same_vector_at_a_larger_strength(
    llama: LanguageModel, vector_for: Callable[..., SteeringVector], scale: str
) -> None:
    vector = vector_for(llama)
    assert torch.equal(steered(llama, 2 * vector, 1.0, scale), steered(llama, vector, 2.0, scale))
    assert torch.equal(steered(llama, vector * -0.5, 1.0, scale), steered(llama, vector, -0.5, scale))
    assert not torch.equal(steered(llama, 2 * vector, 1.0, scale), steered(llama, vector, 1.0, scale))


@pytest.mark.parametrize("scale", SCALES)
def test_a_vector_minus_itself_is_nothing(
    llama: LanguageModel, vector_for: Callable[..., SteeringVector], scale: str
) -> None:
    vector = vector_for(llama)
    nothing = vector - vector
    assert not any(nothing.signal)
    assert torch.equal(steered(llama, nothing, 1.0, scale), steered(llama, vector, 0.0, scale))
    assert not any((0 * vector).signal)


@pytest.mark.parametrize("scale", SCALES)
def test_a_sum_pushes_by_both(llama: LanguageModel, vector_for: Callable[..., SteeringVector], scale: str) -> None:
    one, other = vector_for(llama, 0), vector_for(llama, 1)
    settings = SteeringSettings(scale=scale)
    both = plan(llama, one + other, settings).offsets
    torch.testing.assert_close(
        both,
        plan(llama, one, settings).offsets + plan(llama, other, settings).offsets,
    )
    torch.testing.assert_close((one + one).directions, (2 * one).directions)
    torch.testing.assert_close((one - other + other).directions, one.directions)


def test_the_order_of_a_sum_does_not_matter(llama: LanguageModel, vector_for: Callable[..., SteeringVector]) -> None:
    one, other = vector_for(llama, 0), replace(vector_for(llama, 1), concept="another", labels=("up", "down"))
    there, back = one + other, other + one
    assert torch.equal(there.directions, back.directions)
    assert replace(there, directions=one.directions) == replace(back, directions=one.directions)
    assert (there.concept, there.labels) == ("another + noise", ("up + more", "down + less"))


def test_twice_the_opposite_is_the_vector_itself() -> None:
    vector = fit(*planted(), "pca")
    opposite = -vector
    for same in (-opposite, -1 * (-1 * vector), 0.5 * (2 * vector)):
        assert torch.equal(same.directions, vector.directions)
        assert same.labels == vector.labels
        assert same.quality == vector.quality
    assert (-2 * vector).labels == vector.labels[::-1]


def test_what_was_scaled_says_so_and_keeps_its_length_in_a_file(tmp_path: Path) -> None:
    vector = 1.5 * (2 * fit(*planted(), "pca"))
    assert vector.provenance["factor"] == 3.0
    save_vector(vector, tmp_path / "v.safetensors")
    torch.testing.assert_close(
        load_vector(tmp_path / "v.safetensors").directions.norm(dim=-1), torch.full((LAYERS,), 3.0)
    )


def test_a_sum_keeps_the_story_of_its_parts_and_no_measurement() -> None:
    one = replace(fit(*planted(), "pca"), concept="a", provenance={"pairs_hash": "1"}, pairs=(("x", "y"),))
    other = replace(fit(*planted(), "mean"), concept="b", provenance={"pairs_hash": "2"})
    both = one + other
    assert both.method == "pca + mean"
    assert both.provenance["sum"] == [{"concept": "a", "pairs_hash": "1"}, {"concept": "b", "pairs_hash": "2"}]
    assert (both.quality, both.projections, both.pairs) == ((), None, ())


def test_vectors_of_two_models_do_not_mix(llama: LanguageModel, vector_for: Callable[..., SteeringVector]) -> None:
    vector = vector_for(llama)
    stranger = replace(vector, model="0123456789abcdef", model_name="other")
    with pytest.raises(
        MismatchError, match=rf"tiny-llama .* {llama.fingerprint}, and one of other .* 0123456789abcdef"
    ):
        vector + stranger
    with pytest.raises(MismatchError, match="cannot be added"):
        vector - replace(vector, directions=vector.directions[:-1])


def test_only_finite_numbers_multiply() -> None:
    vector = fit(*planted(), "pca")
    for wrong in (float("nan"), float("inf")):
        with pytest.raises(SteeringError, match="cannot be multiplied by"):
            wrong * vector
    with pytest.raises(TypeError):
        vector * vector
    with pytest.raises(TypeError):
        vector + 1  # type: ignore[operator]


# Belonging


def test_a_vector_of_anything_but_numbers_is_refused(llama: LanguageModel) -> None:
    for wrong in (torch.full((2, 3), float("nan")), torch.full((2, 3), float("inf")), torch.zeros(3)):
        with pytest.raises(SteeringError, match="finite numbers"):
            SteeringVector(wrong, llama.fingerprint, "x", "c", ("a", "b"), "pca")


def test_a_vector_of_another_model_is_refused(llama: LanguageModel, vector_for: Callable[..., SteeringVector]) -> None:
    vector = vector_for(llama)
    vector.check_model(llama)
    wrong = [
        replace(vector, model="0123456789abcdef", model_name="other"),
        replace(vector, directions=vector.directions[:-1]),
        replace(vector, directions=vector.directions[:, :-1]),
    ]
    for other in wrong:
        with pytest.raises(MismatchError, match=r"belongs to .* cannot steer tiny-llama \(4, 32\).*transfer"):
            other.check_model(llama)


# Controls


def test_a_random_control_has_the_same_lengths_elsewhere() -> None:
    vector = with_dead_layer(0.6)
    control = random_like(vector, 0)
    torch.testing.assert_close(control.directions.norm(dim=-1), vector.directions.norm(dim=-1))
    assert control.signal == vector.signal
    assert (control.model, control.concept, control.labels) == (vector.model, vector.concept, vector.labels)
    assert control.method == "random, seed 0"
    assert torch.equal(random_like(vector, 0).directions, control.directions)
    assert not torch.allclose(random_like(vector, 1).directions, control.directions, atol=0.1)
    assert control.quality == ()
    assert control.projections is None


def test_vectors_of_equal_lengths_share_their_controls() -> None:
    one, other = (fit(draw(8, 3, D, seed=seed), draw(8, 3, D, seed=seed + 1), "pca") for seed in (1, 3))
    assert not torch.equal(one.directions, other.directions)
    assert torch.equal(random_like(one, 0).directions, random_like(other, 0).directions)
    faint = replace(one, directions=1e-6 * one.directions)
    torch.testing.assert_close(random_like(faint, 0).directions, 1e-6 * random_like(one, 0).directions)


def test_a_random_control_is_unrelated() -> None:
    wide = replace(
        fit(*planted(), "pca"), directions=torch.nn.functional.normalize(draw(200, D, seed=1).float(), dim=-1)
    )
    cosine = (random_like(wide, 1).directions * wide.directions).sum(dim=-1)
    assert cosine.mean().abs() < 0.1


def test_drawing_a_control_leaves_the_global_randomness_alone() -> None:
    state = torch.get_rng_state()
    random_like(fit(*planted(), "pca"), 3)
    assert torch.equal(torch.get_rng_state(), state)
