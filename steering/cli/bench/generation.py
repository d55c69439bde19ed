"""Speed and memory of the bundled pair on this machine, as ratios within one run.

Nothing else should run meanwhile. Every arm is timed several times in turn and writes the same number of tokens.
"""

import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict
from itertools import zip_longest
from pathlib import Path
from typing import Any

import psutil
import torch

from steering.cli.bench import timing
from steering.cli.bench.precision import precision_lines
from steering.cli.bench.timing import Line, Rounds, ratio, timed
from steering.concepts import load_concept
from steering.errors import Progress, silent
from steering.measure import cka
from steering.models import LanguageModel, load_model, plain_model, wrap_model
from steering.steer import Sampling, SharedBatch, SteeringSettings, decode, plan, stream
from steering.storage import cache_in
from steering.transfer import align
from steering.vectors import extract

PROMPT = "Describe the weather today."

ROWS = (1, 4, 8, 13, 16, 32)
"""Rows of the grids that are timed."""

CONCEPTS = ("sentiment", "formality", "certainty")
"""Concepts whose effect is compared between types."""

PAGES = (1, 2, 4, 8)
"""Pages that write a grid of 13 rows at the same time."""

_PAGE_PROMPTS = (
    PROMPT,
    "Write about a walk.",
    "Tell me about your last holiday by the sea.",
    "What should I cook for two friends tonight?",
    "Describe a town.",
    "How was the concert?",
    "Write a short letter to a colleague who has moved to another country.",
    "What do you think of the new library?",
)
"""Prompts of the pages, of several lengths."""

_TOKENS = 48
"""New tokens of every row in every arm."""

_READ = 512
"""Tokens of a prompt whose reading is timed."""

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
        Seconds, ratios and gigabytes by name, and under "lines" the table: each with median, lowest and highest value.
    """
    started = time.perf_counter()
    child = load_model(child_name)
    loaded_child = time.perf_counter() - started
    started = time.perf_counter()
    parent = load_model(parent_name)
    loaded_parent = time.perf_counter() - started
    memory = psutil.Process().memory_info().rss / 1e9

    exact, small = (load_model(child_name, dtype=dtype, device="cpu") for dtype in ("float32", "int8"))
    rounds = _rounds(exact, small, repeats, progress)
    lines = [
        *(
            ratio(f"{n} λ rows, float32, over one unsteered row, float32", rounds[f"float32 {n}"], rounds["plain"])
            for n in ROWS
        ),
        *(
            ratio(f"{n} λ rows, int8, over one unsteered row, float32", rounds[f"int8 {n}"], rounds["plain"])
            for n in ROWS
        ),
        ratio(
            "13 λ rows, float32, over transformers.generate of one row", rounds["float32 13"], rounds["transformers"]
        ),
        ratio("hooks: one row steered over unsteered", rounds["response 1"], rounds["plain"]),
        ratio("hooks: 13 rows steered over unsteered", rounds["response 13"], rounds["plain 13"]),
        ratio("13 rows whose prompt is steered, too, over unsteered", rounds["float32 13"], rounds["plain 13"]),
        ratio("weights row by row over in blocks, float32, one row", rounds["row by row"], rounds["plain"]),
        ratio("weights row by row over in blocks, float32, 13 rows", rounds["row by row 13"], rounds["plain 13"]),
        ratio("one vector a row over one for all, 13 rows", rounds["vectors 13"], rounds["float32 13"]),
        ratio(
            'positions "response" (prompt read once) over "all", 13 rows', rounds["response 13"], rounds["float32 13"]
        ),
        *_limits(exact, small, rounds),
    ]
    progress("Comparing int8 with float32", 0.5)
    lines += precision_lines(exact, small, [load_concept(name) for name in CONCEPTS])
    del exact, small
    progress("Timing pages that write at the same time", 0.6)
    lines += _pages(child, repeats)
    progress("Timing centred kernel alignment", 0.65)
    kernels = timed({"cka": lambda: _run_cka(parent, child)}, 1, lambda _: None)["cka"][0]
    progress("Timing a first alignment", 0.7)
    first, second = _alignment(parent, child, progress)
    one, thirteen = min(rounds["plain"]), min(rounds["float32 13"])
    figures = {
        "parent": parent_name,
        "child": child_name,
        "dtype": "float32",
        "threads": torch.get_num_threads(),
        "machine": timing.machine(),
        "load_child_s": loaded_child,
        "load_parent_s": loaded_parent,
        "memory_both_loaded_gb": memory,
        "one_generation_s": one,
        "transformers_generate_s": min(rounds["transformers"]),
        "grid_of_13_s": thirteen,
        "grid_over_one": thirteen / one,
        "grid_over_transformers": thirteen / min(rounds["transformers"]),
        "hook_cost_one_row": min(rounds["response 1"]) / one - 1,
        "hook_cost_13_rows": min(rounds["response 13"]) / min(rounds["plain 13"]) - 1,
        "cka_of_600_texts_s": kernels,
        "cka_over_one_generation": kernels / one,
        "first_aligned_run_s": first,
        "second_aligned_run_s": second,
        "first_aligned_run_over_second": first / second,
        "memory_after_alignment_gb": psutil.Process().memory_info().rss / 1e9,
    }
    return {**figures, "lines": [asdict(each) for each in lines]}


def table(data: dict[str, Any]) -> str:
    """What `bench` returns, as people read it."""
    figures = {name: value for name, value in data.items() if name != "lines"}
    rows = [
        f"{name:32} {value:.3g}" if isinstance(value, float) else f"{name:32} {value}"
        for name, value in figures.items()
    ]
    return "\n".join([*rows, "", *(str(Line(**each)) for each in data["lines"])])


def _rounds(exact: LanguageModel, small: LanguageModel, repeats: int, progress: Progress) -> Rounds:
    vector = extract(exact, load_concept("sentiment"))
    both = plan(exact, vector)
    response = plan(exact, vector, SteeringSettings(positions="response"))
    ids = exact.prompt_ids(PROMPT)
    sampling = Sampling(max_new_tokens=_TOKENS, stop=False)
    inputs = torch.tensor([ids])
    long = torch.tensor([(ids * _READ)[:_READ]])
    plain = plain_model(exact)
    row_by_row = wrap_model(plain, exact.tokenizer)

    def rows(model: LanguageModel, n: int, what: Any) -> None:
        lambdas = [(row - n // 2) / 20 for row in range(n)]
        for _ in decode(model, [ids] * n, what, lambdas, sampling):
            pass

    def transformers() -> None:
        settings = {"do_sample": False, "max_new_tokens": _TOKENS, "min_new_tokens": _TOKENS}
        plain.generate(inputs, attention_mask=torch.ones_like(inputs), **settings)

    def read(model: LanguageModel) -> None:
        with model.lock, torch.inference_mode():
            model.model(input_ids=long, use_cache=False, logits_to_keep=1)

    arms: dict[str, Callable[[], None]] = {
        "transformers": transformers,
        "plain": lambda: rows(exact, 1, None),
        "plain 13": lambda: rows(exact, 13, None),
        "row by row": lambda: rows(row_by_row, 1, None),
        "row by row 13": lambda: rows(row_by_row, 13, None),
        "vectors 13": lambda: rows(exact, 13, [both] * 13),
        "response 1": lambda: rows(exact, 1, response),
        "response 13": lambda: rows(exact, 13, response),
        "memory": timing.memory_reader(),
        "matrix": timing.matrix_product(),
        "read float32": lambda: read(exact),
        "read int8": lambda: read(small),
    }
    for name, model in (("float32", exact), ("int8", small)):
        arms |= {f"{name} {n}": lambda model=model, n=n: rows(model, n, both) for n in ROWS}  # type: ignore[misc]
    return timed(arms, repeats, lambda done: progress("Timing the decode loop", 0.05 + 0.45 * done))


def _pages(child: LanguageModel, repeats: int) -> list[Line]:
    """How the time of several pages grows that write a grid each at the same time, in the type that the page uses."""
    vector = extract(child, load_concept("sentiment"))
    sampling = Sampling(max_new_tokens=_TOKENS, stop=False)
    lambdas = [(row - 6) / 20 for row in range(13)]

    def write(n: int) -> None:
        shared = SharedBatch()
        grids = [
            stream(child, prompt, vector, lambdas, sampling=sampling, shared=shared) for prompt in _PAGE_PROMPTS[:n]
        ]
        # In turns, as the thread of the models serves them.
        for _ in zip_longest(*grids):
            pass

    rounds = timed({f"{n}": lambda n=n: write(n) for n in PAGES}, repeats, lambda _: None)  # type: ignore[misc]
    dtype = str(child.dtype).removeprefix("torch.")
    return [ratio(f"{n} pages × 13 λ rows at once over one page, {dtype}", rounds[f"{n}"], rounds["1"]) for n in PAGES]


def _limits(exact: LanguageModel, small: LanguageModel, rounds: Rounds) -> list[Line]:
    """How near one row's decoding is to reading the weights once a token, and reading a prompt to one matrix product."""
    lines = []
    for name, model, bytes_each in (("float32", exact, 4), ("int8", small, 1)):
        weights = timing.linear_weights(model)
        limits = [_TOKENS * weights * bytes_each / timing.bytes_read() * seconds for seconds in rounds["memory"]]
        lines.append(ratio(f"reading the weights once a token over one row, {name}", limits, rounds[f"{name} 1"]))
        products = (weights - model.vocabulary * model.d_model) * _READ  # The output layer reads one position.
        limits = [products / timing.products_done() * seconds for seconds in rounds["matrix"]]
        lines.append(ratio(f"matrix products of a prompt over reading it, {name}", limits, rounds[f"read {name}"]))
    return lines


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
