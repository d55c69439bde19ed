"""The same seed gives the same numbers in another process, and with another number of threads."""

import json
import os
import subprocess
import sys
from functools import cache
from typing import Any

import numpy as np
import pytest

SCRIPT = """
import json, sys, torch
from steering import extract, generate, load_concept, load_model, transfer
from steering.steer import Sampling
parent, child = (load_model(name, dtype="float32") for name in sys.argv[1:3])
own = extract(parent, load_concept("sentiment"), "pca")
vector = transfer(own, parent, child)
def tokens(temperature):
    sampling = Sampling(max_new_tokens=24, temperature=temperature, seed=7)
    grid = generate(child, "Tell me about the night in the forest.", vector, [-0.4, -0.2, 0.0, 0.2, 0.4], sampling=sampling)
    return [row.token_ids for row in grid.rows]
print(json.dumps({
    "threads": torch.get_num_threads(), "digests": [own.digest, vector.digest],
    "vectors": [each.directions.tolist() for each in (own, vector)],
    "greedy": tokens(0.0), "sampled": tokens(0.9),
}))
"""

TOLERANCE = 1e-5
"""Largest difference between components of directions of unit length. Another number of threads adds in another order, which
rounds otherwise in float32 where a model reads; what follows is computed in float64."""


@pytest.fixture
def numbers(folders: tuple[str, str], tmp_path_factory: pytest.TempPathFactory) -> Any:
    @cache
    def computed(threads: int, run: int) -> dict[str, Any]:
        environment = os.environ | {
            "OMP_NUM_THREADS": str(threads),
            "MKL_NUM_THREADS": str(threads),
            "HF_HUB_OFFLINE": "1",
            "XDG_CACHE_HOME": str(tmp_path_factory.mktemp(f"cache-{threads}-{run}")),  # So that nothing is found there.
        }
        done = subprocess.run(
            [sys.executable, "-c", SCRIPT, *folders], capture_output=True, text=True, check=True, env=environment
        )
        return dict(json.loads(done.stdout))

    return computed


def test_two_processes_give_the_same_numbers_bit_for_bit(numbers: Any) -> None:
    first, second = numbers(1, 1), numbers(1, 2)
    assert first == second


def test_another_number_of_threads_gives_the_same_texts_and_vectors_within_rounding(numbers: Any) -> None:
    one, two = numbers(1, 1), numbers(2, 1)
    assert (one["threads"], two["threads"]) == (1, 2)
    assert one["greedy"] == two["greedy"]
    assert one["sampled"] == two["sampled"]
    for ours, theirs in zip(one["vectors"], two["vectors"], strict=True):
        ours, theirs = (
            np.array(each) / np.linalg.norm(each, axis=-1, keepdims=True).clip(1e-12) for each in (ours, theirs)
        )
        assert np.abs(ours - theirs).max() < TOLERANCE
