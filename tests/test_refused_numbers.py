"""Numbers that cannot be used are refused where they come in, and not after hours of work."""

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from conftest import loaded

from steering.errors import SteeringError
from steering.evaluation import Setup, strengths
from steering.stats import compare, derived_seed, mean_interval
from steering.steer import Sampling, SteeringSettings, check_strengths, plan, stream
from steering.tasks import Style, load_task
from steering.vectors import SteeringVector, random_like

NO_SEEDS = (-1, 2**32, 10**30, 1e30, 0.5, math.nan, math.inf, None, "1", True)
NO_COUNTS = (-1, 1.5, math.nan, math.inf, 1e30, "3", True)
NO_STRENGTHS = ([], [math.nan], [0.1, math.inf], [1e9], [-1e9], ["a"], [None], [10**400])

ENTRIES: dict[str, tuple[Callable[[Any], object], tuple[Any, ...]]] = {
    "sampling seed": (lambda seed: Sampling(seed=seed), NO_SEEDS),
    "setup seed": (lambda seed: Setup(seed=seed), NO_SEEDS),
    "task seed": (lambda seed: load_task("questions", seed=seed), NO_SEEDS),
    "limit seed": (lambda seed: load_task("questions").limited(3, seed), NO_SEEDS),
    "bootstrap seed": (lambda seed: mean_interval([0.0, 1.0], seed), NO_SEEDS),
    "comparison seed": (lambda seed: compare([True], [False], seed), NO_SEEDS),
    "derived seed": (lambda seed: derived_seed(seed, "sample"), NO_SEEDS),
    "random vector seed": (lambda seed: random_like(vector(), seed), NO_SEEDS),
    "limit": (lambda limit: load_task("questions", limit=limit), (*NO_COUNTS, 0)),
    "shots": (lambda shots: Style(shots=shots), (*NO_COUNTS, None)),
    "answer length": (lambda tokens: Setup(max_new_tokens=tokens), (*NO_COUNTS, 0)),
    "max_new_tokens": (lambda tokens: Sampling(max_new_tokens=tokens), (*NO_COUNTS, 0, None)),
    "top_k": (lambda k: Sampling(top_k=k), (*NO_COUNTS, None)),
    "temperature": (lambda heat: Sampling(temperature=heat), (-0.1, math.nan, math.inf, 11.0)),
    "top_p": (lambda share: Sampling(top_p=share), (0.0, math.nan, math.inf, 1.1)),
    "repetition_penalty": (lambda factor: Sampling(repetition_penalty=factor), (0.0, math.nan, math.inf)),
    "strengths": (check_strengths, NO_STRENGTHS),
    "strengths of a task": (lambda lambdas: strengths(lambdas, "residual"), NO_STRENGTHS),
    "strengths of a prompt": (lambda lambdas: stream(loaded("llama"), "I", vector(), lambdas), NO_STRENGTHS),
    "profile": (
        lambda profile: plan(loaded("llama"), vector(), SteeringSettings(profile=profile)),
        ([-1.0] * 4, [math.nan] * 4, [math.inf] * 4, [1e308] * 4, ["a"] * 4, [None] * 4, [10**400] * 4, [1.0], 5),
    ),
}


def vector() -> SteeringVector:
    child = loaded("llama")
    directions = torch.zeros(child.n_layers, child.d_model)
    directions[:, 0] = 1.0
    return SteeringVector(directions, child.fingerprint, child.name, "noise", ("more", "less"), "random")


@pytest.mark.parametrize(
    ("enter", "value"),
    [
        pytest.param(enter, value, id=f"{name} {value!r}"[:60])
        for name, (enter, values) in ENTRIES.items()
        for value in values
    ],
)
def test_a_number_that_cannot_be_used_is_refused_in_front(enter: Callable[[Any], object], value: Any) -> None:
    with pytest.raises(SteeringError):
        enter(value)


@pytest.mark.parametrize("seed", [0, 1, 2**32 - 1])
def test_every_other_seed_serves_everywhere(seed: int) -> None:
    for enter, values in ENTRIES.values():
        if values is NO_SEEDS:
            enter(seed)


def test_derived_seeds_differ_by_what_they_are_for() -> None:
    seeds = {derived_seed(seed, *parts) for seed in range(10) for parts in (("a",), ("b",), ("a", "b"), ("ab",), ())}
    assert len(seeds) == 50
    assert all(0 <= seed < 2**32 for seed in seeds)
    assert derived_seed(3, "a") == derived_seed(3, "a")


def test_a_strength_given_twice_counts_once() -> None:
    assert strengths([0.1, 0.1, -0.0, 0.0], "residual") == (0.1, 0.0)
