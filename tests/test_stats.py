"""Statistics against scipy's own, and against what must be so."""

import math

import pytest
from scipy.stats import binomtest

from steering.stats import compare, holm, mean_interval, wilson


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
