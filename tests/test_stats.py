"""Statistics against scipy's own, and against what must be so."""

import math

import numpy as np
import pytest
from scipy.stats import binomtest

from steering.stats import compare, holm, mean_interval, rank_correlation, wilson


@pytest.mark.parametrize(("right", "n"), [(0, 5), (5, 5), (7, 20), (481, 1000)])
def test_wilson_agrees_with_scipy(right: int, n: int) -> None:
    other = binomtest(right, n).proportion_ci(method="wilson")
    assert wilson(right, n) == pytest.approx((other.low, other.high))


def test_the_paired_test_counts_only_questions_that_differ() -> None:
    one = [True] * 9 + [False] * 2 + [True] * 30
    other = [False] * 9 + [True] * 2 + [True] * 30
    found = compare(one, other)
    assert (found.gained, found.lost) == (9, 2)
    assert found.p == pytest.approx(binomtest(2, 11).pvalue)
    assert found.change == pytest.approx(7 / 41)
    assert found.low < found.change < found.high
    back = compare(other, one)
    assert (back.change, back.p) == (pytest.approx(-found.change), found.p)


def test_nothing_differs_from_itself() -> None:
    same = compare([True, False, True], [True, False, True])
    assert (same.change, same.low, same.high, same.p) == (0, 0, 0, 1)


def test_an_interval_comes_from_its_seed_and_one_question_gives_none() -> None:
    values = [0.0, 1.0, 1.0, 0.0, 1.0, 1.0]
    assert mean_interval(values, 1) == mean_interval(values, 1)
    low, high = mean_interval(values * 100, 1)
    assert low < 2 / 3 < high
    assert high - low < 0.1
    assert all(map(math.isnan, mean_interval([1.0])))


def test_holm_multiplies_the_smallest_most() -> None:
    assert holm([0.01, 0.04, 0.03]) == pytest.approx((0.03, 0.06, 0.06))
    assert holm([]) == ()


def test_ranks_have_a_correlation_with_an_interval_that_covers_the_truth() -> None:
    assert rank_correlation([1, 2, 3, 9], [0.1, 0.2, 5.0, 6.0]).rho == pytest.approx(1)
    assert rank_correlation([1, 2, 3], [3, 2, 1]).rho == pytest.approx(-1)
    assert math.isnan(rank_correlation([1, 2, 3], [3, 2, 1]).low), "three things give no interval"
    for constant in ([1.0], [2.0, 2.0, 2.0]):
        assert math.isnan(rank_correlation(constant, list(range(len(constant)))).rho)
    generator = np.random.default_rng(0)
    truth = 6 / math.pi * math.asin(0.5 / 2)  # Spearman's correlation of a normal pair with Pearson's 0.5.
    covered = 0
    for _ in range(400):
        first = generator.normal(size=30)
        second = 0.5 * first + math.sqrt(0.75) * generator.normal(size=30)
        ranks = rank_correlation(first.tolist(), second.tolist())
        covered += ranks.low <= truth <= ranks.high
    assert 0.92 < covered / 400 < 0.98
