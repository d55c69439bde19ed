"""Directions with a known answer, and quality on pairs that the fit never saw."""

from dataclasses import replace

import pytest
import torch

from steering.concepts.concept import Concept, ContrastPair
from steering.errors import SteeringError
from steering.models.language_model import LanguageModel
from steering.vectors.directions import DIRECTION_METHODS, LayerQuality
from steering.vectors.extraction import extract, fit
from steering.vectors.vector import SteeringVector

N, LAYERS, D = 40, 3, 24
METHODS = tuple(DIRECTION_METHODS)
KEEPING = ("pca", "mean", "logistic")
"""The methods that find the mean difference; `pca_centred` takes it away, and `lda` whitens it."""


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


def leaning(n: int, width: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Differences `[n, width]` about a mean with noise that is far stronger along some dimensions; mean and variances."""
    variances = torch.linspace(0.1, 30, width, dtype=torch.float64)
    mean = torch.nn.functional.normalize(draw(width, seed=7), dim=0)
    return mean + variances.sqrt() * draw(n, width, seed=8), mean, variances


def test_lda_is_the_mean_whitened_by_the_covariance() -> None:
    differences, mean, variances = leaning(20_000, 12)
    cosine = torch.nn.functional.cosine_similarity
    assert cosine(DIRECTION_METHODS["lda"](differences), mean / variances, dim=0) > 0.99
    assert cosine(DIRECTION_METHODS["mean"](differences), mean / variances, dim=0) < 0.9


@pytest.mark.parametrize("n", [8, 60])
def test_lda_does_not_depend_on_dimensions_that_the_differences_do_not_span(n: int) -> None:
    differences, _, _ = leaning(n, 20)
    basis = torch.linalg.qr(draw(50, 20, seed=9)).Q
    inside, outside = DIRECTION_METHODS["lda"](differences), DIRECTION_METHODS["lda"](differences @ basis.T)
    torch.testing.assert_close(outside, basis @ inside, rtol=1e-6, atol=1e-9)
    torch.testing.assert_close(DIRECTION_METHODS["lda"](1e6 * differences) / 1e6, inside, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("seed", range(20))
def test_lda_of_two_pairs_puts_both_equally_far_along(seed: int) -> None:
    # Their covariance is that of one line and its shrinkage is zero, so it has no inverse.
    differences = draw(2, 16, seed=seed)
    first, second = differences.double() @ DIRECTION_METHODS["lda"](differences)
    assert first > 0
    torch.testing.assert_close(first, second, rtol=1e-6, atol=0)


def test_lda_of_equal_differences_is_the_difference() -> None:
    difference = draw(6, seed=10)
    torch.testing.assert_close(DIRECTION_METHODS["lda"](difference.repeat(5, 1)), difference)


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
        assert [layer.pairwise_accuracy for layer in scaled.quality] == [
            layer.pairwise_accuracy for layer in expected.quality
        ]


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
    assert vector.quality[1] == LayerQuality(
        pairwise_accuracy=0.5, explained_variance=0.0, split_half_cosine=0.0, dropped=N
    )


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


# Quality


@pytest.mark.parametrize("method", METHODS)
def test_noise_is_told_apart_no_better_than_by_a_coin(method: str) -> None:
    """In 400 dimensions any 150 pairs can be told apart perfectly by the fit itself."""
    n, width = 150, 400
    quality = fit(draw(n, 4, width, seed=10), draw(n, 4, width, seed=11), method).quality
    shares = torch.tensor([layer.pairwise_accuracy for layer in quality])
    assert abs(shares.mean() - 0.5) < 0.09  # 600 throws: more than four standard deviations.
    assert all(abs(layer.split_half_cosine) < 0.3 for layer in quality)
    assert all(layer.explained_variance < 0.05 for layer in quality)


@pytest.mark.parametrize("method", KEEPING)
def test_a_clear_concept_is_told_apart(method: str) -> None:
    for layer in fit(*planted(), method).quality:
        assert layer.pairwise_accuracy == 1.0
        assert layer.explained_variance > 0.8
        assert layer.split_half_cosine > 0.95
        assert layer.dropped == 0


def test_quality_falls_with_noise() -> None:
    def split_half_cosine(spread: float) -> float:
        return fit(*planted(spread=spread), "pca").quality[0].split_half_cosine

    assert split_half_cosine(0.2) > split_half_cosine(3) > split_half_cosine(30)


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
    assert all(0.85 < layer.pairwise_accuracy < 1 for layer in vector.quality)
    assert (cosines(vector) > 0.99).all()


@pytest.mark.parametrize("n", [2, 3, 4, 5, 6])
@pytest.mark.parametrize("method", METHODS)
def test_few_pairs_give_finite_numbers(method: str, n: int) -> None:
    vector = fit(*planted(n=n), method)
    assert torch.isfinite(vector.directions).all()
    for layer in vector.quality:
        assert 0 <= layer.pairwise_accuracy <= 1
        assert 0 <= layer.explained_variance <= 1 + 1e-9
        assert -1 - 1e-9 <= layer.split_half_cosine <= 1 + 1e-9


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
