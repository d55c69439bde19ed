"""Sweeps of λ and extraction beside repeng, steering-vectors and llama.cpp: part of `make bench`.

Nothing else should run meanwhile. The others run in environments of their own: repeng and steering-vectors in float32, as
ours do beside them, and llama.cpp with the bundled file's 4-bit weights.
"""

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
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
TOOLS = HERE.parent.parent / ".venv-interop"
LIBRARIES = ("repeng", "steering_vectors")

CHILD = "smollm2-135m-instruct"
PROMPT = "Describe the weather today."
STRENGTHS = (-0.4, -0.3, -0.2, -0.1, 0.1, 0.2, 0.3, 0.4)
MANY_STRENGTHS = tuple((row - 6) / 20 for row in range(13))
TOKENS = 48
PAIRS = 128
REPEATS = 5


class Library:
    """A library at work in its own process."""

    def __init__(self, tool: str, script: str, request: dict[str, Any]) -> None:
        self._command = [str(TOOLS / tool / "bin" / "python"), str(HERE / script)]
        self._process = subprocess.Popen(
            self._command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        self._ask(request)

    def _ask(self, request: object) -> None:
        assert self._process.stdin
        self._process.stdin.write(f"{request if isinstance(request, str) else json.dumps(request)}\n")
        self._process.stdin.flush()

    def run(self, arm: str) -> None:
        """Run an arm, and wait for it."""
        assert self._process.stdout
        self._ask(arm)
        if not self._process.stdout.readline():
            raise RuntimeError(f"{arm} failed: run {' '.join(self._command)} by hand")

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

    def sweep(model: LanguageModel, strengths: Sequence[float]) -> None:
        prompt = model.prompt_ids(PROMPT)
        sampling = Sampling(max_new_tokens=TOKENS, stop=False)
        what = plan(model, vectors[model.name])
        for _ in decode(model, [prompt] * len(strengths), what, strengths, sampling):
            pass

    return {
        "sweep": lambda: sweep(exact, STRENGTHS),
        "sweep fast": lambda: sweep(fast, STRENGTHS),
        "many fast": lambda: sweep(fast, MANY_STRENGTHS),
        "one fast": lambda: sweep(fast, [0.0]),
        "extract": lambda: _use(extract(exact, concept)),
    }


def main() -> None:
    """Print the table."""
    missing = [tool for tool in ("directions", "llama-cpp") if not (TOOLS / tool / ".installed").exists()]
    if missing:
        sys.exit(f"These environments are not here: {', '.join(missing)}; `make test-interop` makes them.")
    exact, fast = load_model(CHILD, dtype="float32"), load_model(CHILD)
    concept = many_pairs()
    vector = extract(exact, load_concept("sentiment"))
    what = plan(exact, vector)
    request = {
        "prompt": exact.prompt_ids(PROMPT),
        "tokens": TOKENS,
        "threads": torch.get_num_threads(),
    }
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "vector.gguf"
        export_vector(vector, path, "gguf", lam=1.0, child=exact)
        python_request = {
            **request,
            "model": str(bundled.bundled_folder(bundled.CATALOGUE[CHILD])),
            "rope_theta": exact.model.config.rope_parameters["rope_theta"],
            "vector": str(path),
            "directions": {str(layer): row.tolist() for layer, row in enumerate(vector.directions)},
            "strengths": STRENGTHS,
            "special": {"eos_token": exact.tokenizer.eos_token, "pad_token": exact.tokenizer.eos_token},
            "pairs": [(pair.positive, pair.negative) for pair in concept.pairs],
        }
        llama_request = {
            **request,
            "weights": str(bundled.weight_files(bundled.CATALOGUE[CHILD])[0]),
            "rows": what.rows[1:].tolist(),
            "many_strengths": MANY_STRENGTHS,
        }
        libraries = {
            name: Library("directions", "speed_side.py", {**python_request, "library": name}) for name in LIBRARIES
        }
        llama = Library("llama-cpp", "llama_cpp_speed_side.py", llama_request)
        arms = ours(exact, fast, concept)
        for name, library in libraries.items():
            for arm in ("sweep", "extract"):
                arms[f"{name} {arm}"] = lambda library=library, arm=arm: library.run(arm)  # type: ignore[misc]
        arms |= {f"llama.cpp {arm}": lambda arm=arm: llama.run(arm) for arm in ("write", "sweep")}  # type: ignore[misc]
        rounds = timed(arms, REPEATS, lambda _: None)
        for library in (*libraries.values(), llama):
            library.close()
    for name in LIBRARIES:
        print(ratio(f"sweep of 8 λ: {name} over ours, float32", rounds[f"{name} sweep"], rounds["sweep"]))
        print(ratio(f"sweep of 8 λ: {name} over ours, dtype auto", rounds[f"{name} sweep"], rounds["sweep fast"]))
        print(ratio(f"extraction of {PAIRS} pairs: {name} over ours", rounds[f"{name} extract"], rounds["extract"]))
    print(ratio("one text: ours, dtype auto, over llama.cpp, 4 bits", rounds["one fast"], rounds["llama.cpp write"]))
    print(ratio("sweep of 13 λ: llama.cpp, 4 bits, over ours, auto", rounds["llama.cpp sweep"], rounds["many fast"]))


def _use(_result: object) -> None:
    """Takes a result, which nobody needs."""


if __name__ == "__main__":
    main()
