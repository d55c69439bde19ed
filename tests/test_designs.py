"""Testing designs by hand: what is said of a pair rests on directions that never saw it."""

import math

import pytest
import torch
from test_vectors import KEEPING, LAYERS, METHODS, QUALITY, D, draw, planted

from steering.concepts import Concept
from steering.designs import Design, chance_cosine, compare, design, leave_out, read_design, votes
from steering.directions import NO_DIFFERENCE
from steering.errors import MismatchError, SteeringError
from steering.models import LanguageModel
from steering.vectors import extract, fit

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


# One pair left out


@pytest.mark.parametrize("method", METHODS)
def test_without_a_pair_is_the_design_without_it(method: str) -> None:
    positive, negative = with_a_fighter()
    whole, less = fit(positive, negative, method), fit(positive[EVERY_OTHER], negative[EVERY_OTHER], method)
    found = leave_out(read((positive, negative), method), FIGHTER)
    cosines = (whole.directions * less.directions).sum(dim=1).double()
    torch.testing.assert_close(found.cosines, cosines, rtol=1e-3, atol=1e-3)
    apart = sum(layer.told_apart for layer in less.quality) / LAYERS
    explained = sum(layer.explained for layer in less.quality) / LAYERS
    assert found.told_apart[1] == pytest.approx(apart, abs=1e-6)
    assert found.explained[1] == pytest.approx(explained, rel=1e-3)


def test_the_others_gain_when_a_loud_stranger_leaves_and_not_when_a_friend_does() -> None:
    """The mean follows a pair that differs a lot and in something else."""
    positive, negative = planted(n=N)
    positive[FIGHTER] += 60 * torch.nn.functional.normalize(draw(LAYERS, D, seed=8), dim=-1)
    whole = read((positive, negative), "mean")
    stranger, friend = leave_out(whole, FIGHTER), leave_out(whole, FIGHTER + 1)
    gain, low, high = stranger.gain
    assert 0 < low <= gain <= high
    assert gain == pytest.approx(stranger.explained[1] - stranger.explained[0])
    assert abs(friend.gain[0]) < gain / 4
    assert stranger.turn > 4 * friend.turn


def test_equal_pairs_can_spare_one_of_them() -> None:
    positive, negative = (side[:1].expand(8, -1, -1).clone() for side in planted())
    found = leave_out(read((positive, negative), "mean"), 3)
    assert found.turn == pytest.approx(0, abs=1e-4)
    assert found.told_apart == (1.0, 1.0)
    assert found.gain[0] == pytest.approx(0)


def test_with_few_pairs_the_direction_turns_and_nothing_is_tested() -> None:
    found = leave_out(read(tuple(side[:4] for side in planted())), 0)  # type: ignore[arg-type]
    assert 0 < found.turn < 90
    assert all(map(math.isnan, (*found.told_apart, *found.explained, *found.gain)))


def test_a_pair_that_is_not_there_is_refused() -> None:
    with pytest.raises(SteeringError, match="no pair 15: planted has 14"):
        leave_out(read(planted(n=N)), N)


# Two designs


def test_a_design_agrees_with_itself_and_is_opposite_to_its_opposite(llama: LanguageModel) -> None:
    vector = extract(llama, QUALITY)
    assert compare(vector, vector).cosines.tolist() == pytest.approx([1.0] * llama.n_layers)
    opposite = compare(vector, -vector)
    assert opposite.cosines.tolist() == pytest.approx([-1.0] * llama.n_layers)
    assert opposite.quality == (vector.quality, vector.quality)
    assert (opposite.pairs, opposite.signal) == ((8, 8), (llama.n_layers, llama.n_layers))


def test_vectors_of_two_models_are_not_compared(llama: LanguageModel) -> None:
    from conftest import loaded

    with pytest.raises(MismatchError, match="different spaces"):
        compare(extract(llama, QUALITY), extract(loaded("gpt2"), QUALITY))


@pytest.mark.parametrize("width", [4, 24, 640])
def test_nineteen_in_twenty_random_directions_stay_within_chance(width: int) -> None:
    cosines = torch.nn.functional.cosine_similarity(draw(20_000, width), draw(20_000, width, seed=1), dim=1)
    assert float((cosines.abs() < chance_cosine(width)).double().mean()) == pytest.approx(0.95, abs=0.006)


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
