"""Intervals and paired tests for shares of right answers, all from statsmodels and scipy; and the seeds of random numbers.

The imports of both take seconds, so each function brings its own.
"""

import hashlib
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass

from steering.errors import check_whole

LARGEST_SEED = 2**32 - 1
"""What every generator of random numbers takes, in torch as in numpy."""

CONFIDENCE = 0.95
RESAMPLES = 4999

_NEGLIGIBLE = 1e-12
"""Probability below which a case is left out of a sum."""


def check_seed(seed: object) -> None:
    """Make sure that every generator can be seeded with a number.

    Raises:
        SteeringError: it is no whole number from 0 to `LARGEST_SEED`.
    """
    check_whole("The seed", seed, 0, LARGEST_SEED)


def derived_seed(seed: int, *purpose: str | int) -> int:
    """A seed of its own for one part of a run, so that parts draw independent numbers and each can be repeated alone.

    Args:
        seed: the run's.
        purpose: what the numbers are for, such as "question" and the question's text.

    Raises:
        SteeringError: a seed that no generator takes.
    """
    check_seed(seed)
    digest = hashlib.sha256(json.dumps([int(seed), *purpose]).encode()).digest()
    return int.from_bytes(digest[:4])


@dataclass(frozen=True)
class Comparison:
    """Two ways of answering the same questions.

    Attributes:
        change: share of right answers, the one minus the other.
        low: lower end of the change's 95 % interval, from a paired bootstrap over the questions.
        high: its upper end.
        gained: questions that only the one answers rightly.
        lost: questions that only the other answers rightly.
        p: exact McNemar test, two-sided.
    """

    change: float
    low: float
    high: float
    gained: int
    lost: int
    p: float


def wilson(right: int, n: int) -> tuple[float, float]:
    """Wilson's 95 % interval of a share, `right` of `n`."""
    from statsmodels.stats.proportion import proportion_confint

    low, high = proportion_confint(right, n, alpha=1 - CONFIDENCE, method="wilson")
    # Rounding can leave an end at the share itself a hair inside it.
    return min(float(low), right / n), max(float(high), right / n)


def compare(answers: Sequence[bool], reference: Sequence[bool], seed: int = 0) -> Comparison:
    """Compare two ways of answering the same questions, question by question.

    Args:
        answers: whether each question is answered rightly.
        reference: the same for the reference, in the same order.
        seed: of the bootstrap.

    Raises:
        SteeringError: a seed that no generator takes.
    """
    from statsmodels.stats.contingency_tables import mcnemar

    pairs = list(zip(answers, reference, strict=True))
    gained = sum(answer and not expected for answer, expected in pairs)
    lost = sum(expected and not answer for answer, expected in pairs)
    p = float(mcnemar([[0, gained], [lost, 0]], exact=True).pvalue) if gained + lost else 1.0
    low, high = mean_interval([int(answer) - int(expected) for answer, expected in pairs], seed)
    return Comparison((gained - lost) / len(pairs), low, high, gained, lost, min(p, 1.0))


def mean_interval(values: Sequence[float], seed: int = 0) -> tuple[float, float]:
    """Bootstrap 95 % interval of a mean over questions; one value a question.

    Fewer than two questions say nothing about others: the interval is then not a number.

    Raises:
        SteeringError: a seed that no generator takes.
    """
    import numpy as np
    from scipy.stats import bootstrap

    check_seed(seed)
    if len(values) < 2:
        return math.nan, math.nan
    interval = bootstrap(
        (np.asarray(values, dtype=float),),
        np.mean,
        n_resamples=RESAMPLES,
        confidence_level=CONFIDENCE,
        method="percentile",
        rng=np.random.default_rng(seed),
    ).confidence_interval
    return float(interval.low), float(interval.high)


def mcnemar_power(n: int, discordant: float, change: float, level: float = 0.05) -> float:
    """Power of the exact McNemar test: how often it sees a change between two ways of answering the same questions.

    Args:
        n: number of questions.
        discordant: share of the questions that only one of the two answers rightly.
        change: share that the one answers rightly, minus that of the other; at most `discordant`.
        level: below which p is significant.
    """
    import numpy as np
    from scipy.stats import binom

    if change > discordant:
        discordant = change
    gained = (discordant + change) / 2 / discordant
    power = 0.0
    for differing in range(n + 1):
        weight = binom.pmf(differing, n, discordant)
        if weight < _NEGLIGIBLE:
            continue
        # The largest count of one side that is still significant, by symmetry of the test's null distribution.
        counts = np.arange(differing + 1)
        significant = np.minimum(1, 2 * binom.cdf(np.minimum(counts, differing - counts), differing, 0.5)) < level
        power += weight * float(binom.pmf(counts[significant], differing, gained).sum())
    return power


def holm(p_values: Sequence[float]) -> tuple[float, ...]:
    """p-values corrected for how many there are (Holm)."""
    from statsmodels.stats.multitest import multipletests

    return tuple(float(p) for p in multipletests(list(p_values), method="holm")[1]) if len(p_values) else ()


@dataclass(frozen=True)
class RankCorrelation:
    """How far two numbers put the same things in the same order.

    Attributes:
        rho: Spearman's correlation; not a number where one of the two is the same everywhere.
        low: lower end of its 95 % interval; not a number for fewer than five things.
        high: its upper end.
        n: how many things.
    """

    rho: float
    low: float
    high: float
    n: int


def rank_correlation(first: Sequence[float], second: Sequence[float]) -> RankCorrelation:
    """Spearman's correlation with an interval by Fisher's transformation.

    Source: the standard error is that of Bonett and Wright (2000), √((1 + ρ²/2) / (n − 3)).
    """
    from scipy.stats import norm, spearmanr

    n = len(first)
    if n < 2 or len(set(first)) < 2 or len(set(second)) < 2:
        return RankCorrelation(math.nan, math.nan, math.nan, n)
    rho = float(spearmanr(first, second).statistic)
    if n < 5:
        return RankCorrelation(rho, math.nan, math.nan, n)
    # Of ranks that agree wholly the transform is infinite.
    middle = math.atanh(max(min(rho, 1 - 1e-9), -1 + 1e-9))
    half = float(norm.ppf((1 + CONFIDENCE) / 2)) * math.sqrt((1 + rho**2 / 2) / (n - 3))
    return RankCorrelation(rho, math.tanh(middle - half), math.tanh(middle + half), n)
