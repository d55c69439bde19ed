"""Sweeps of λ and extraction beside repeng and steering-vectors: part of `make bench`. Nothing else should run meanwhile.

The libraries run in an environment of their own, which `make test-interop` builds, in float32 as ours do here.
"""

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from steering import extract, load_concept, load_model
from steering.cli.bench.timing import ratio, timed
from steering.concepts import Concept, bundled_concepts
from steering.interop.export import export_vector
from steering.models import LanguageModel, bundled
from steering.steer import Sampling, decode, plan

HERE = Path(__file__).parent
PYTHON = HERE.parent.parent / ".venv-interop" / "directions" / "bin" / "python"
LIBRARIES = ("repeng", "steering_vectors")

CHILD = "smollm2-135m-instruct"
PROMPT = "Describe the weather today."
STRENGTHS = (-0.4, -0.3, -0.2, -0.1, 0.1, 0.2, 0.3, 0.4)
TOKENS = 48
PAIRS = 128
REPEATS = 5


class Library:
    """A library at work in its own process."""

    def __init__(self, name: str, request: dict[str, Any]) -> None:
        self._process = subprocess.Popen(
            [str(PYTHON), str(HERE / "speed_side.py")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        self._ask({**request, "library": name})

    def _ask(self, request: object) -> None:
        assert self._process.stdin
        self._process.stdin.write(f"{request if isinstance(request, str) else json.dumps(request)}\n")
        self._process.stdin.flush()

    def run(self, arm: str) -> None:
        """Run an arm, and wait for it."""
        assert self._process.stdout
        self._ask(arm)
        if not self._process.stdout.readline():
            raise RuntimeError(f"{arm} failed: run {PYTHON} {HERE / 'speed_side.py'} by hand")

    def close(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.wait()


def many_pairs() -> Concept:
    """One concept of `PAIRS` bundled pairs: only their number and lengths matter here."""
    pairs = [pair for name in bundled_concepts() for pair in load_concept(name).pairs]
    return replace(load_concept("sentiment"), pairs=tuple(pairs[:PAIRS]))


def ours(exact: LanguageModel, fast: LanguageModel, concept: Concept) -> dict[str, Callable[[], None]]:
    """Our arms."""
    vectors = {model.name: extract(model, load_concept("sentiment")) for model in (exact, fast)}

    def sweep(model: LanguageModel) -> None:
        prompt = model.prompt_ids(PROMPT)
        sampling = Sampling(max_new_tokens=TOKENS, stop=False)
        what = plan(model, vectors[model.name])
        for _ in decode(model, [prompt] * len(STRENGTHS), what, STRENGTHS, sampling):
            pass

    return {
        "sweep": lambda: sweep(exact),
        "sweep fast": lambda: sweep(fast),
        "extract": lambda: _use(extract(exact, concept)),
    }


def main() -> None:
    """Print the table."""
    if not PYTHON.exists():
        sys.exit("repeng and steering-vectors are not installed here; `make test-interop` does that.")
    exact, fast = load_model(CHILD, dtype="float32"), load_model(CHILD)
    concept = many_pairs()
    vector = extract(exact, load_concept("sentiment"))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "vector.gguf"
        export_vector(vector, path, "gguf", lam=1.0, child=exact)
        request = {
            "model": str(bundled.bundled_folder(bundled.CATALOGUE[CHILD])),
            "rope_theta": exact.model.config.rope_parameters["rope_theta"],
            "vector": str(path),
            "directions": {str(layer): row.tolist() for layer, row in enumerate(vector.directions)},
            "prompt": exact.prompt_ids(PROMPT),
            "strengths": STRENGTHS,
            "tokens": TOKENS,
            "special": {"eos_token": exact.tokenizer.eos_token, "pad_token": exact.tokenizer.eos_token},
            "threads": torch.get_num_threads(),
            "pairs": [(pair.positive, pair.negative) for pair in concept.pairs],
        }
        libraries = {name: Library(name, request) for name in LIBRARIES}
        arms = ours(exact, fast, concept)
        for name, library in libraries.items():
            for arm in ("sweep", "extract"):
                arms[f"{name} {arm}"] = lambda library=library, arm=arm: library.run(arm)  # type: ignore[misc]
        rounds = timed(arms, REPEATS, lambda _: None)
        for library in libraries.values():
            library.close()
    for name in LIBRARIES:
        print(ratio(f"sweep of 8 λ: {name} over ours, float32", rounds[f"{name} sweep"], rounds["sweep"]))
        print(ratio(f"sweep of 8 λ: {name} over ours, dtype auto", rounds[f"{name} sweep"], rounds["sweep fast"]))
        print(ratio(f"extraction of {PAIRS} pairs: {name} over ours", rounds[f"{name} extract"], rounds["extract"]))


def _use(_result: object) -> None:
    """Takes a result, which nobody needs."""


if __name__ == "__main__":
    main()
