"""Speed and memory of the bundled pair on this machine, as ratios within one run.

Nothing else should run meanwhile. Every arm is timed several times in turn, writes the same number of tokens, and the fastest
time counts.
"""

import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import psutil
import torch

from steering.concepts import load_concept
from steering.errors import Progress, silent
from steering.measure import cka
from steering.models import LanguageModel, load_model
from steering.steer import Sampling, decode, plan
from steering.storage import cache_in
from steering.transfer import align
from steering.vectors import extract

PROMPT = "Describe the weather today."
LAMBDAS = tuple(step / 20 for step in range(-6, 7))

_TOKENS = 48
"""New tokens of every row in every arm."""

_CKA_TEXTS = 600
"""Texts on which centred kernel alignment is timed: about as many as there are bundled anchor texts."""


def bench(parent_name: str, child_name: str, *, repeats: int = 5, progress: Progress = silent) -> dict[str, Any]:
    """Measure the figures on speed and memory in docs/results.md.

    Args:
        parent_name: model that a first alignment starts from.
        child_name: model that writes.
        repeats: how often each arm is timed.
        progress: told what is being measured.

    Returns:
        Seconds, ratios and gigabytes by name.
    """
    started = time.perf_counter()
    child = load_model(child_name)
    loaded_child = time.perf_counter() - started
    started = time.perf_counter()
    parent = load_model(parent_name)
    loaded_parent = time.perf_counter() - started
    memory = psutil.Process().memory_info().rss / 1e9

    progress("Timing the decode loop", 0.1)
    decoding = _decoding(child, repeats)
    progress("Timing centred kernel alignment", 0.45)
    kernels = _fastest({"cka": lambda: _run_cka(parent, child)}, 1)["cka"]
    progress("Timing a first alignment", 0.5)
    first, second = _alignment(parent, child, progress)
    return {
        "parent": parent_name,
        "child": child_name,
        "dtype": str(child.dtype).removeprefix("torch."),
        "threads": torch.get_num_threads(),
        "load_child_s": loaded_child,
        "load_parent_s": loaded_parent,
        "memory_both_loaded_gb": memory,
        **decoding,
        "cka_of_600_texts_s": kernels,
        "cka_over_one_generation": kernels / decoding["one_generation_s"],
        "first_aligned_run_s": first,
        "second_aligned_run_s": second,
        "first_aligned_run_over_second": first / second,
        "memory_after_alignment_gb": psutil.Process().memory_info().rss / 1e9,
    }


def _decoding(child: LanguageModel, repeats: int) -> dict[str, float]:
    intervention = plan(child, extract(child, load_concept("sentiment")))
    ids = child.prompt_ids(PROMPT)
    sampling = Sampling(max_new_tokens=_TOKENS, stop=False)
    inputs = torch.tensor([ids], device=child.device)

    def rows(lambdas: Sequence[float], steered: bool) -> None:
        for _ in decode(child, [ids] * len(lambdas), intervention if steered else None, lambdas, sampling):
            pass

    def transformers() -> None:
        child.model.generate(
            inputs,
            attention_mask=torch.ones_like(inputs),
            do_sample=False,
            max_new_tokens=_TOKENS,
            min_new_tokens=_TOKENS,
        )

    times = _fastest(
        {
            "transformers": transformers,
            "one": lambda: rows([0.0], False),
            "one_hooked": lambda: rows([0.1], True),
            "grid": lambda: rows(LAMBDAS, True),
            "grid_plain": lambda: rows(LAMBDAS, False),
        },
        repeats,
    )
    return {
        "one_generation_s": times["one"],
        "transformers_generate_s": times["transformers"],
        "grid_of_13_s": times["grid"],
        "grid_over_one": times["grid"] / times["one"],
        "grid_over_transformers": times["grid"] / times["transformers"],
        "hook_cost_one_row": times["one_hooked"] / times["one"] - 1,
        "hook_cost_13_rows": times["grid"] / times["grid_plain"] - 1,
    }


def _fastest(arms: dict[str, Callable[[], None]], repeats: int) -> dict[str, float]:
    best = dict.fromkeys(arms, float("inf"))
    for repeat in range(repeats + 1):
        for name, arm in arms.items():
            started = time.perf_counter()
            arm()
            if repeat:  # The first round warms up.
                best[name] = min(best[name], time.perf_counter() - started)
    return best


def _run_cka(parent: LanguageModel, child: LanguageModel) -> None:
    """Compare every layer of one model with every layer of the other, on random activations."""
    generator = torch.Generator().manual_seed(0)
    cka(
        *(
            torch.randn(_CKA_TEXTS, model.n_layers, model.d_model, generator=generator).double()
            for model in (parent, child)
        )
    )


def _alignment(parent: LanguageModel, child: LanguageModel, progress: Progress) -> tuple[float, float]:
    """Seconds of a first and of a second alignment, in an empty cache."""
    times = []
    with tempfile.TemporaryDirectory() as folder, cache_in(Path(folder)):
        for _ in range(2):
            started = time.perf_counter()
            vector = extract(parent, load_concept("sentiment"))
            assert any(vector.signal)
            align(parent, child, progress=progress)
            times.append(time.perf_counter() - started)
    return times[0], times[1]
