"""Directions with a known answer, quality on pairs that the fit never saw, and files that come back as they went."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from steering.concepts import Concept, ContrastPair, load_concept
from steering.errors import MismatchError, SteeringError
from steering.intervention import SCALES, plan, steer
from steering.models import LanguageModel
from steering.storage import HEADER, write_tensors
from steering.vectors import (
    DIRECTION_METHODS,
    FORMAT,
    LayerQuality,
    SteeringVector,
    extract,
    fit,
    load_vector,
    random_like,
    save_vector,
)

N, LAYERS, D = 40, 3, 24
METHODS = tuple(DIRECTION_METHODS)
KEEPING = ("pca", "mean", "logistic")
"""The methods that find the mean difference; `pca_centred` takes it away."""


def draw(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


PLANTED = torch.nn.functional.normalize(draw(LAYERS, D, seed=1), dim=-1)


def planted(strength: float = 5.0, n: int = N, spread: float = 0.2) -> tuple[torch.Tensor, torch.Tensor]:
    """Pairs with topics of their own that differ along a known direction, by different amounts, with noise.

    The noise is strong along one other direction, as the topic of texts is: it is what centring finds instead.
    """
    topics = 10 * draw(n, LAYERS, D, seed=2)
    amounts = strength * (1 + 0.2 * draw(n, 1, 1, seed=3))
    other = torch.nn.functional.normalize(draw(LAYERS, D, seed=4), dim=-1)
    noise = spread * draw(n, LAYERS, D, seed=5) + draw(n, 1, 1, seed=6) * other
    return topics + amounts * PLANTED / 2 + noise / 2, topics - amounts * PLANTED / 2 - noise / 2


def cosines(vector: SteeringVector) -> torch.Tensor:
    return (vector.directions.double() * PLANTED).sum(dim=-1)


# Known answers


@pytest.mark.parametrize("method", KEEPING)
def test_a_planted_direction_is_found_with_its_sign(method: str) -> None:
    vector = fit(*planted(), method)
    assert (cosines(vector) > 0.99).all()
    assert all(vector.signal)
    assert vector.method == method


def test_centring_loses_the_planted_direction() -> None:
    assert (cosines(fit(*planted(), "pca_centred")).abs() < 0.5).all()


@pytest.mark.parametrize("method", METHODS)
def test_directions_have_length_one_and_are_float32(method: str) -> None:
    vector = fit(*planted(), method)
    assert vector.directions.dtype == torch.float32
    assert vector.directions.shape == (LAYERS, D)
    torch.testing.assert_close(vector.directions.norm(dim=-1), torch.ones(LAYERS))


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("noise", [False, True])
def test_swapping_the_poles_negates_the_vector_exactly(method: str, noise: bool) -> None:
    positive, negative = (draw(N, LAYERS, D, seed=7), draw(N, LAYERS, D, seed=8)) if noise else planted()
    one, other = fit(positive, negative, method), fit(negative, positive, method)
    assert torch.equal(one.directions, -other.directions)
    assert one.quality == other.quality
    assert one.projections is not None
    assert other.projections is not None
    assert torch.equal(one.projections, other.projections)


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


@pytest.mark.parametrize("method", KEEPING)
def test_what_both_sides_share_does_not_matter(method: str) -> None:
    positive, negative = planted()
    shared = 100 * draw(N, LAYERS, D, seed=9)
    moved = fit(positive + shared, negative + shared, method)
    torch.testing.assert_close(moved.directions, fit(positive, negative, method).directions, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("method", METHODS)
def test_the_unit_of_the_activations_does_not_matter(method: str) -> None:
    """Late layers of Gemma have norms above 30,000, others below 1."""
    positive, negative = planted()
    expected = fit(positive, negative, method)
    for factor in (1e-6, 1e6):
        scaled = fit(factor * positive, factor * negative, method)
        torch.testing.assert_close(scaled.directions, expected.directions, rtol=1e-4, atol=1e-4)
        assert [layer.told_apart for layer in scaled.quality] == [layer.told_apart for layer in expected.quality]


def test_pca_weighs_every_pair_alike_and_the_mean_does_not() -> None:
    differences = torch.eye(2, dtype=torch.float64)[[0, 0, 0, 1]] + 0.01 * draw(4, 2)
    differences[3] *= 1000
    pca, mean = (DIRECTION_METHODS[method](differences) for method in ("pca", "mean"))
    assert pca[0].abs() > 0.9 * pca.norm()
    assert mean[1].abs() > 0.9 * mean.norm()


# Layers without signal


def with_dead_layer(share: float) -> SteeringVector:
    """Layer 0 has no difference in that share of the pairs, as an early layer whose last tokens agree."""
    positive, negative = planted()
    dead = int(share * N)
    positive[:dead, 0] = negative[:dead, 0]
    return fit(positive, negative, "pca")


@pytest.mark.parametrize("method", METHODS)
def test_a_layer_without_signal_is_zero_and_flagged(method: str) -> None:
    positive, negative = planted()
    positive[:, 1] = negative[:, 1]
    vector = fit(positive, negative, method)
    assert vector.signal == (True, False, True)
    assert not vector.directions[1].any()
    assert torch.isfinite(vector.directions).all()
    assert vector.projections is not None
    assert torch.isfinite(vector.projections).all()
    assert vector.quality[1] == LayerQuality(told_apart=0.5, explained=0.0, agreement=0.0, dropped=N)


def test_rounding_is_no_signal() -> None:
    positive, negative = planted()
    positive[:, 1] = negative[:, 1] * (1 + 1e-7)
    assert fit(positive, negative, "pca").signal == (True, False, True)


def test_pairs_without_a_difference_are_dropped_and_counted() -> None:
    vector = with_dead_layer(0.25)
    assert [layer.dropped for layer in vector.quality] == [N // 4, 0, 0]
    assert vector.signal == (True, True, True)
    assert cosines(vector)[0] > 0.98
    assert vector.projections is not None
    assert not vector.projections[0, : N // 4].any()


def test_a_layer_with_too_few_pairs_left_carries_no_signal() -> None:
    vector = with_dead_layer(0.6)
    assert vector.signal == (False, True, True)
    assert vector.quality[0].dropped == int(0.6 * N)


def test_activations_that_are_all_zero_are_no_signal() -> None:
    nothing = torch.zeros(N, LAYERS, D, dtype=torch.float64)
    for method in METHODS:
        vector = fit(nothing, nothing, method)
        assert not any(vector.signal)
        assert torch.isfinite(vector.directions).all()


def test_a_vector_of_anything_but_numbers_is_refused(llama: LanguageModel) -> None:
    for wrong in (torch.full((2, 3), float("nan")), torch.full((2, 3), float("inf")), torch.zeros(3)):
        with pytest.raises(SteeringError, match="finite numbers"):
            SteeringVector(wrong, llama.fingerprint, "x", "c", ("a", "b"), "pca")


# Quality


@pytest.mark.parametrize("method", METHODS)
def test_noise_is_told_apart_no_better_than_by_a_coin(method: str) -> None:
    """In 400 dimensions any 150 pairs can be told apart perfectly by the fit itself."""
    n, width = 150, 400
    quality = fit(draw(n, 4, width, seed=10), draw(n, 4, width, seed=11), method).quality
    shares = torch.tensor([layer.told_apart for layer in quality])
    assert abs(shares.mean() - 0.5) < 0.09  # 600 throws: more than four standard deviations.
    assert all(abs(layer.agreement) < 0.3 for layer in quality)
    assert all(layer.explained < 0.05 for layer in quality)


@pytest.mark.parametrize("method", KEEPING)
def test_a_clear_concept_is_told_apart(method: str) -> None:
    for layer in fit(*planted(), method).quality:
        assert layer.told_apart == 1.0
        assert layer.explained > 0.8
        assert layer.agreement > 0.95
        assert layer.dropped == 0


def test_quality_falls_with_noise() -> None:
    def agreement(spread: float) -> float:
        return fit(*planted(spread=spread), "pca").quality[0].agreement

    assert agreement(0.2) > agreement(3) > agreement(30)


def test_pairs_that_fight_the_direction_have_negative_projections() -> None:
    positive, negative = planted()
    fighting = [3, 17, 30]
    positive[fighting], negative[fighting] = negative[fighting].clone(), positive[fighting].clone()
    vector = fit(positive, negative, "pca")
    assert vector.projections is not None
    assert vector.projections.shape == (LAYERS, N)
    for layer in vector.projections:
        assert sorted((layer < 0).nonzero().flatten().tolist()) == fighting
    assert vector.projections.abs().max() <= 1 + 1e-6
    assert all(0.85 < layer.told_apart < 1 for layer in vector.quality)
    assert (cosines(vector) > 0.99).all()


@pytest.mark.parametrize("n", [2, 3, 4, 5, 6])
@pytest.mark.parametrize("method", METHODS)
def test_few_pairs_give_finite_numbers(method: str, n: int) -> None:
    vector = fit(*planted(n=n), method)
    assert torch.isfinite(vector.directions).all()
    for layer in vector.quality:
        assert 0 <= layer.told_apart <= 1
        assert 0 <= layer.explained <= 1 + 1e-9
        assert -1 - 1e-9 <= layer.agreement <= 1 + 1e-9


def test_an_unknown_method_is_refused_with_the_known_ones() -> None:
    with pytest.raises(
        SteeringError, match=r"Unknown direction method 'magic'\. Choose one of pca, pca_centred, mean, logistic"
    ):
        fit(*planted(), "magic")


# Extraction from a model

SUBJECTS = ("The food", "The train", "Our town", "This place", "The soup", "My friend", "The spring", "The garden")
PAIRS = tuple(ContrastPair(f"{subject} is good", f"{subject} is bad") for subject in SUBJECTS)
QUALITY = Concept("quality", "good", "bad", PAIRS)


@pytest.mark.parametrize("method", METHODS)
def test_every_method_extracts(llama: LanguageModel, method: str) -> None:
    extract(llama, QUALITY, method).check_model(llama)
    assert extract(llama, QUALITY, method).method == method


def test_extraction_belongs_to_the_model_and_says_where_it_is_from(model: LanguageModel) -> None:
    vector = extract(model, QUALITY)
    vector.check_model(model)
    assert vector.directions.shape == (model.n_layers, model.d_model)
    assert (vector.model_name, vector.concept, vector.labels, vector.method) == (
        model.name,
        "quality",
        ("good", "bad"),
        "pca",
    )
    assert vector.provenance["pairs_hash"] == QUALITY.digest
    assert vector.provenance["dtype"] == "float32"
    assert len(vector.quality) == model.n_layers


def test_extracting_the_opposite_negates_exactly(model: LanguageModel) -> None:
    one, other = extract(model, QUALITY), extract(model, QUALITY.swapped())
    assert torch.equal(one.directions, -other.directions)
    assert one.labels == other.labels[::-1]


def test_extraction_is_the_mean_difference_of_the_last_tokens(model: LanguageModel) -> None:
    """The last words alone differ, so `pca` and the plain mean nearly agree with what own hooks see."""
    from test_activations import own_hooks

    differences = torch.stack([own_hooks(model, pair.positive) - own_hooks(model, pair.negative) for pair in PAIRS])
    expected = torch.nn.functional.normalize(differences.mean(dim=0), dim=-1)
    torch.testing.assert_close(extract(model, QUALITY, "mean").directions, expected, rtol=1e-3, atol=1e-3)


@pytest.mark.usefixtures("fresh_cache")
def test_extraction_reports_progress_and_can_be_stopped(llama: LanguageModel) -> None:
    told: list[float] = []
    extract(llama, QUALITY, progress=lambda _what, fraction: told.append(fraction))
    assert told == sorted(told)
    assert told[-1] <= 1


def test_pairs_with_serious_problems_are_refused(llama: LanguageModel) -> None:
    wrong = replace(QUALITY, pairs=(*PAIRS[:4], ContrastPair("", "x")))
    with pytest.raises(SteeringError, match=r"pairs of quality cannot be used\. Pair 5: the positive side is empty"):
        extract(llama, wrong)
    with pytest.raises(SteeringError, match="There are 2 usable pairs"):
        extract(llama, replace(QUALITY, pairs=PAIRS[:2]))


def test_a_model_that_cannot_tell_the_sides_apart_is_said(llama: LanguageModel) -> None:
    """Pairs that differ only in what the tokenizer throws away."""
    blind = LanguageModel.__new__(LanguageModel)
    blind.__dict__.update(llama.__dict__)
    blind.__dict__["token_ids"] = lambda text: llama.token_ids(text.replace("good", "bad"))
    with pytest.raises(SteeringError, match="No layer of tiny-llama tells the two sides of quality apart"):
        extract(blind, replace(QUALITY, name="quality", pairs=PAIRS[::-1]))


# Arithmetic


def steered(model: LanguageModel, vector: SteeringVector, lam: float, scale: str) -> torch.Tensor:
    ids = torch.tensor([model.token_ids("The soup is")])
    with torch.inference_mode(), steer(model, plan(model, vector, scale=scale), [lam]):
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
    both = plan(llama, one + other, scale=scale).pushes
    torch.testing.assert_close(both, plan(llama, one, scale=scale).pushes + plan(llama, other, scale=scale).pushes)
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


# Files


def example(**changes: object) -> SteeringVector:
    vector = replace(
        with_dead_layer(0.6),
        model="0123456789abcdef",
        model_name="tiny",
        concept="Höflichkeit",
        labels=("höflich", "grob, «rude»"),
        provenance={"pairs": 40, "nested": {"a": [1, None]}},
        pairs=(("Bitte, «ja»", "nein!"), ("so", "or\nso")),
    )
    return replace(vector, **changes)


@pytest.mark.parametrize("projections", [True, False])
def test_a_vector_file_comes_back_as_it_went(tmp_path: Path, projections: bool) -> None:
    vector = example() if projections else example(projections=None, quality=())
    save_vector(vector, tmp_path / "new" / "v.safetensors")
    found = load_vector(str(tmp_path / "new" / "v.safetensors"))
    assert torch.equal(found.directions, vector.directions)
    assert (found.projections is None) is not projections
    if projections:
        assert torch.equal(found.projections, vector.projections)
    for name in ("model", "model_name", "concept", "labels", "method", "quality", "provenance", "signal", "pairs"):
        assert getattr(found, name) == getattr(vector, name), name


def test_a_vector_file_is_as_the_contract_says(tmp_path: Path) -> None:
    save_vector(example(), tmp_path / "v.safetensors")
    directions = load_file(tmp_path / "v.safetensors")["directions"]
    assert directions.dtype == torch.float32
    assert directions.shape == (LAYERS, D)
    assert not directions[0].any()
    torch.testing.assert_close(directions[1:].norm(dim=-1), torch.ones(LAYERS - 1))
    header = (tmp_path / "v.safetensors").read_bytes()
    length = int.from_bytes(header[:8], "little")
    ours = json.loads(json.loads(header[8 : 8 + length])["__metadata__"][HEADER])
    assert ours["format"] == FORMAT
    assert ours["shape"] == [LAYERS, D]
    assert ours["signal"] == [False, True, True]
    assert ours["pairs"][0] == ["Bitte, «ja»", "nein!"]
    assert ours["concept"] == "Höflichkeit"


def test_an_extracted_vector_survives_its_file(tmp_path: Path, llama: LanguageModel) -> None:
    vector = extract(llama, load_concept("sentiment"))
    save_vector(vector, tmp_path / "v.safetensors")
    found = load_vector(tmp_path / "v.safetensors")
    found.check_model(llama)
    assert torch.equal(found.directions, vector.directions)
    assert found.provenance == vector.provenance
    assert found.pairs == tuple((pair.positive, pair.negative) for pair in load_concept("sentiment").pairs)


def test_a_file_of_the_first_version_is_still_read(llama: LanguageModel) -> None:
    found = load_vector(Path(__file__).parent / "data" / "vector-format-1.safetensors")
    assert (found.concept, found.labels, found.method) == ("quality", ("good", "bad"), "pca")
    assert found.directions.shape == (llama.n_layers, llama.d_model)
    torch.testing.assert_close(found.directions.norm(dim=-1), torch.ones(llama.n_layers))
    assert len(found.quality) == llama.n_layers
    assert found.projections is not None
    assert found.pairs == ()


def test_loading_for_a_model_says_what_was_expected_and_found(
    tmp_path: Path, llama: LanguageModel, vector_for: Callable[..., SteeringVector]
) -> None:
    save_vector(vector_for(llama), tmp_path / "own.safetensors")
    assert load_vector(tmp_path / "own.safetensors", llama).model == llama.fingerprint
    save_vector(example(), tmp_path / "other.safetensors")
    with pytest.raises(MismatchError, match=rf"tiny \(3, 24\), fingerprint 0123456789abcdef.*{llama.fingerprint}"):
        load_vector(tmp_path / "other.safetensors", llama)


HEAD = {
    "format": FORMAT,
    "model": "0123456789abcdef",
    "model_name": "tiny",
    "concept": "c",
    "labels": ["a", "b"],
    "method": "pca",
    "quality": [],
    "provenance": {},
}
ROWS = {"directions": torch.eye(3)}


def test_the_smallest_header_is_read(tmp_path: Path) -> None:
    write_tensors(tmp_path / "v.safetensors", ROWS, HEAD)
    assert load_vector(tmp_path / "v.safetensors").directions.shape == (3, 3)


@pytest.mark.parametrize(
    ("tensors", "header", "message"),
    [
        (ROWS, {**HEAD, "format": FORMAT + 1}, f"has format {FORMAT + 1}; this version reads up to {FORMAT}"),
        ({"norms": torch.ones(3)}, HEAD, r"is not a vector file: .*\['norms'\]"),
        (ROWS, {}, "is not a vector file"),
        ({"directions": torch.ones(3)}, HEAD, "shape"),
        ({"directions": torch.full((3, 3), float("nan"))}, HEAD, "finite"),
        (ROWS, {key: value for key, value in HEAD.items() if key != "labels"}, "is not a vector file"),
        (ROWS, {**HEAD, "labels": ["one"]}, "is not a vector file"),
        (ROWS, {**HEAD, "quality": [{"strange": 1}]}, "is not a vector file"),
        (ROWS, {**HEAD, "quality": None}, "is not a vector file"),
        (ROWS, {**HEAD, "format": "1"}, "is not a vector file"),
        (ROWS, {**HEAD, "pairs": [["one"]]}, "is not a vector file"),
        ({**ROWS, "more": torch.ones(3)}, HEAD, r"expected one tensor 'directions'.*\['directions', 'more'\]"),
        (ROWS, {**HEAD, "shape": [3, 4]}, r"damaged: its header says shape \[3, 4\], its directions have \[3, 3\]"),
        (ROWS, {**HEAD, "signal": [True, False, True]}, "damaged: its header says signal"),
        (ROWS, {**HEAD, "sha256": "0" * 64}, "damaged: its header says sha256 0000"),
    ],
)
def test_a_file_that_holds_no_vector_is_refused(
    tmp_path: Path, tensors: dict[str, torch.Tensor], header: dict[str, object], message: str
) -> None:
    write_tensors(tmp_path / "wrong.safetensors", tensors, header)
    with pytest.raises(SteeringError, match=message):
        load_vector(tmp_path / "wrong.safetensors")


def test_files_of_others_are_refused(tmp_path: Path) -> None:
    save_file(ROWS, tmp_path / "other.safetensors")
    with pytest.raises(SteeringError, match="was not written by Steering Lab"):
        load_vector(tmp_path / "other.safetensors")
    (tmp_path / "other.gguf").write_bytes(b"GGUF")
    with pytest.raises(SteeringError, match="not a readable safetensors file"):
        load_vector(tmp_path / "other.gguf")
    with pytest.raises(SteeringError, match="There is no file"):
        load_vector(tmp_path / "none.safetensors")
