"""Testing designs by hand: what is said of a pair rests on directions that never saw it."""

import math
from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from conftest import loaded
from test_extraction import KEEPING, LAYERS, METHODS, QUALITY, D, draw, planted

from steering.concepts.concept import Concept
from steering.errors import MismatchError, SteeringError
from steering.measure.design_comparison import chance_cosine, compare_designs, cosines
from steering.measure.pair_checks import Design, design, leave_out, read_design, votes
from steering.models.language_model import LanguageModel
from steering.plots.pairs import QUALITIES, plot_cosines, plot_quality
from steering.vectors.directions import NO_DIFFERENCE, LayerQuality
from steering.vectors.extraction import extract, fit
from steering.vectors.vector import SteeringVector

N = 14
FIGHTER = 7
EVERY_OTHER = torch.arange(N) != FIGHTER

Sides = tuple[torch.Tensor, torch.Tensor]


def with_a_fighter() -> Sides:
    """Planted pairs, one of which has its sides exchanged."""
    positive, negative = planted(n=N)
    positive[FIGHTER], negative[FIGHTER] = negative[FIGHTER].clone(), positive[FIGHTER].clone()
    return positive, negative


def read(sides: Sides, method: str = "pca") -> Design:
    return design(*sides, method, NO_DIFFERENCE, concept="planted")


# Votes


@pytest.mark.parametrize("method", METHODS)
def test_votes_are_projections_on_the_direction_found_without_the_pair(method: str) -> None:
    """In the space that the pairs span as in the whole one."""
    positive, negative = with_a_fighter()
    found = votes(read((positive, negative), method))
    plain = torch.empty(N, LAYERS).double()
    for pair in range(N):
        others = torch.arange(N) != pair
        vector = fit(positive[others], negative[others], method)
        plain[pair] = ((positive - negative)[pair] * vector.directions).sum(dim=1)
    expected = plain / plain.square().mean(dim=0).sqrt()
    torch.testing.assert_close(found.along, expected, rtol=2e-3, atol=2e-3)


@pytest.mark.parametrize("method", KEEPING)
def test_a_pair_with_its_sides_exchanged_fights_and_no_other_does(method: str) -> None:
    found = votes(read(with_a_fighter(), method))
    assert found.fights.nonzero().flatten().tolist() == [FIGHTER]
    assert int(found.scores.argmin()) == FIGHTER
    assert int(found.against[FIGHTER]) == LAYERS
    low, high = found.middle[FIGHTER]
    assert low <= found.along[FIGHTER].median() <= high < 0


def test_pairs_without_a_concept_fight_about_as_often_as_not() -> None:
    """A direction that had seen the pair would make nearly every one of them agree."""
    sides = (draw(40, LAYERS, D), draw(40, LAYERS, D, seed=9))
    assert 0.3 < float((votes(read(sides, "mean")).along < 0).double().mean()) < 0.7
    seen = fit(*sides, "mean").projections
    assert seen is not None
    assert float((seen < 0).double().mean()) < 0.3


def test_layers_count_alike_whatever_their_units_are() -> None:
    positive, negative = with_a_fighter()
    units = torch.tensor([1.0, 1000.0, 0.001]).double()[:, None]
    torch.testing.assert_close(
        votes(read((positive * units, negative * units))).along, votes(read((positive, negative))).along
    )
    assert votes(read((positive, negative))).along.square().mean(dim=0).tolist() == pytest.approx([1.0] * LAYERS)


def test_exchanging_all_poles_changes_no_vote() -> None:
    positive, negative = with_a_fighter()
    torch.testing.assert_close(votes(read((negative, positive))).along, votes(read((positive, negative))).along)


def test_a_layer_without_signal_has_no_vote() -> None:
    positive, negative = planted()
    positive[:, 1] = negative[:, 1]
    found = votes(read((positive, negative)))
    assert found.signal.tolist() == [True, False, True]
    assert not found.along[:, 1].any()
    torch.testing.assert_close(found.scores, found.along[:, [0, 2]].mean(dim=1))


def test_layers_that_are_no_better_than_a_coin_do_not_count() -> None:
    positive, negative = with_a_fighter()
    noise = draw(N, D, seed=11)
    positive[:, 2], negative[:, 2] = noise, noise + draw(N, D, seed=12)
    found = votes(read((positive, negative), "mean"))
    assert found.signal.tolist() == [True] * 3
    assert found.clear.tolist() == found.layers.tolist() == [True, True, False]
    torch.testing.assert_close(found.scores, found.along[:, :2].mean(dim=1))
    assert int(found.against[FIGHTER]) == 2
    less = leave_out(read((positive, negative), "mean"), FIGHTER, found.layers)
    assert less.cosines.isnan().tolist() == less.with_it.isnan().all(dim=0).tolist() == [False, False, True]


def test_where_no_layer_is_clear_all_with_signal_count() -> None:
    found = votes(read((draw(6, LAYERS, D), draw(6, LAYERS, D, seed=9)), "mean"))
    assert not found.clear.any()
    assert found.layers.tolist() == [True] * LAYERS


# One pair left out


@pytest.mark.parametrize("method", METHODS)
def test_without_a_pair_is_the_design_without_it(method: str) -> None:
    positive, negative = with_a_fighter()
    whole, less = fit(positive, negative, method), fit(positive[EVERY_OTHER], negative[EVERY_OTHER], method)
    found = leave_out(read((positive, negative), method), FIGHTER)
    cosines = (whole.directions * less.directions).sum(dim=1).double()
    torch.testing.assert_close(found.cosines, cosines, rtol=1e-3, atol=1e-3)
    apart = sum(layer.pairwise_accuracy for layer in less.quality) / LAYERS
    explained_variance = sum(layer.explained_variance for layer in less.quality) / LAYERS
    assert found.pairwise_accuracy[1] == pytest.approx(apart, abs=1e-6)
    assert found.explained_variance[1] == pytest.approx(explained_variance, rel=1e-3)


def test_the_others_gain_when_a_loud_stranger_leaves_and_not_when_a_friend_does() -> None:
    """The mean follows a pair that differs a lot and in something else."""
    positive, negative = planted(n=N)
    positive[FIGHTER] += 60 * torch.nn.functional.normalize(draw(LAYERS, D, seed=8), dim=-1)
    whole = read((positive, negative), "mean")
    stranger, friend = leave_out(whole, FIGHTER), leave_out(whole, FIGHTER + 1)
    gain, low, high = stranger.gain
    assert 0 < low <= gain <= high
    assert gain == pytest.approx(stranger.explained_variance[1] - stranger.explained_variance[0])
    assert abs(friend.gain[0]) < gain / 4
    assert stranger.turn > 4 * friend.turn


def test_equal_pairs_can_spare_one_of_them() -> None:
    positive, negative = (side[:1].expand(8, -1, -1).clone() for side in planted())
    found = leave_out(read((positive, negative), "mean"), 3)
    assert found.turn == pytest.approx(0, abs=1e-4)
    assert found.pairwise_accuracy == (1.0, 1.0)
    assert found.gain[0] == pytest.approx(0)


def test_with_few_pairs_the_direction_turns_and_nothing_is_tested() -> None:
    found = leave_out(read(tuple(side[:4] for side in planted())), 0)  # type: ignore[arg-type]
    assert 0 < found.turn < 90
    assert all(map(math.isnan, (*found.pairwise_accuracy, *found.explained_variance, *found.gain)))


def test_a_pair_that_is_not_there_is_refused() -> None:
    with pytest.raises(SteeringError, match="no pair 15: planted has 14"):
        leave_out(read(planted(n=N)), N)


# Two designs


def test_a_design_agrees_with_itself_and_is_opposite_to_its_opposite(llama: LanguageModel) -> None:
    vector = extract(llama, QUALITY)
    assert compare_designs(vector, vector).cosines.tolist() == pytest.approx([1.0] * llama.n_layers)
    opposite = compare_designs(vector, -vector)
    assert opposite.cosines.tolist() == pytest.approx([-1.0] * llama.n_layers)
    assert opposite.quality == (vector.quality, vector.quality)
    assert (opposite.pairs, opposite.signal) == ((8, 8), (llama.n_layers, llama.n_layers))


def test_vectors_of_two_models_are_not_compared(llama: LanguageModel) -> None:
    from conftest import loaded

    with pytest.raises(MismatchError, match="different spaces"):
        compare_designs(extract(llama, QUALITY), extract(loaded("gpt2"), QUALITY))


@pytest.mark.parametrize("width", [4, 24, 96])
def test_nineteen_in_twenty_random_directions_stay_within_chance(width: int) -> None:
    cosines = torch.nn.functional.cosine_similarity(draw(20_000, width), draw(20_000, width, seed=1), dim=1)
    assert float((cosines.abs() < chance_cosine(width)).double().mean()) == pytest.approx(0.95, abs=0.006)


def weak(vector: SteeringVector, layer: int) -> SteeringVector:
    """The vector, told to be no better than a coin at one layer."""
    quality = list(vector.quality)
    quality[layer] = replace(quality[layer], pairwise_accuracy=0.5)
    return replace(vector, quality=tuple(quality))


def test_layers_count_where_both_designs_are_better_than_a_coin(llama: LanguageModel) -> None:
    sure = [LayerQuality(1.0, 0.5, 0.9, 0)] * llama.n_layers
    vector = replace(extract(llama, QUALITY), quality=tuple(sure))
    assert compare_designs(vector, vector).clear.tolist() == [True] * llama.n_layers
    assert compare_designs(vector, weak(vector, 1)).clear.tolist() == [True, False, True, True]
    assert compare_designs(weak(vector, 0), vector).clear.tolist() == [False, True, True, True]
    few = replace(vector, pairs=vector.pairs[:3])
    assert not compare_designs(few, vector).clear.any(), "three of three may be luck"


def test_cosines_of_two_vectors(llama: LanguageModel, vector_for: Callable[..., SteeringVector]) -> None:
    one, other = vector_for(llama, 1), vector_for(llama, 2)
    assert torch.allclose(cosines(one, one), torch.ones(llama.n_layers).double())
    assert torch.equal(cosines(one, -other), -cosines(other, one))
    silent = replace(one, directions=torch.cat([torch.zeros(1, llama.d_model), one.directions[1:]]))
    assert cosines(one, silent).isnan().tolist() == [True] + [False] * (llama.n_layers - 1)
    with pytest.raises(MismatchError, match="different spaces"):
        cosines(one, vector_for(loaded("gpt2")))


# Figures


def test_the_figure_of_cosines_has_a_fixed_scale_and_hollow_marks_where_a_design_is_weak(llama: LanguageModel) -> None:
    sure = [LayerQuality(1.0, 0.5, 0.9, 0)] * llama.n_layers
    vector = replace(extract(llama, QUALITY), quality=tuple(sure))
    found = compare_designs(vector, weak(vector, 2))
    drawn = plot_cosines(found.cosines.tolist(), found.chance, clear=found.clear.tolist())
    band, line = drawn.data
    assert max(band.y) == -min(band.y) == found.chance
    assert list(line.y) == pytest.approx([1.0] * llama.n_layers)
    assert list(line.marker.symbol) == ["square", "square", "square-open", "square"]
    assert drawn.layout.yaxis.range == (-1.05, 1.05)


def test_every_layer_has_its_cosine_and_chance_its_band() -> None:
    figure = plot_cosines([0.5, math.nan, -0.25], 0.1, clear=[True, True, False])
    band, line = figure.data
    assert set(band.y) == {-0.1, 0.1}
    assert list(line.y) == [0.5, None, -0.25]
    assert line.text[2] == "−0.25"
    assert list(line.marker.symbol) == ["square", "square", "square-open"]
    assert tuple(figure.layout.yaxis.range) == (-1.05, 1.05)


@pytest.mark.parametrize("measure", QUALITIES)
def test_designs_differ_in_more_than_colour_and_hover_in_words(llama: LanguageModel, measure: str) -> None:
    vector = extract(llama, QUALITY)
    one, other = plot_quality(compare_designs(vector, vector), measure).data
    assert one.line.dash != other.line.dash
    assert one.marker.symbol != other.marker.symbol
    assert f"A: {measure}" in one.hovertemplate
    if measure == "pairwise accuracy":
        assert "of 8 pairs, 95 % interval" in one.text[0]
        assert all(low >= 0 for low in one.error_y.arrayminus)


# With a model


def test_a_model_reads_a_design(llama: LanguageModel) -> None:
    found = read_design(llama, QUALITY, "mean")
    assert (found.concept, found.model_name, len(found.differences)) == ("quality", "tiny-llama", 8)
    own = extract(llama, QUALITY, "mean")
    assert found.signal.tolist() == list(own.signal)
    assert votes(found).along.shape == (8, llama.n_layers)


def test_designs_that_cannot_be_used_are_refused(llama: LanguageModel) -> None:
    with pytest.raises(SteeringError, match="Unknown direction method 'best'"):
        read_design(llama, QUALITY, "best")
    with pytest.raises(SteeringError, match="at least 4"):
        read_design(llama, Concept("two", "a", "b", QUALITY.pairs[:2]), "pca")
