"""Times of several ways of doing a thing, taken in turn, and their ratios round by round."""

import platform
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch

from steering.models import LanguageModel

_BUFFER = 64 * 2**20
"""Numbers of a buffer whose reading measures the memory: 256 MB, far more than any cache of a processor."""

_SIDE = 1024
"""Rows and columns of the matrices whose product measures the processor."""

Rounds = Mapping[str, Sequence[float]]
"""Seconds of every round, by what was timed."""


@dataclass(frozen=True)
class Line:
    """One line of the table.

    Attributes:
        what: what was measured.
        median: over the rounds.
        low: lowest.
        high: highest.
        unit: "×" for a ratio, else "s", "GB" or "nats".
    """

    what: str
    median: float
    low: float
    high: float
    unit: str = "×"

    def __str__(self) -> str:
        spread = f"  ({self.low:.3g} to {self.high:.3g})" if self.low < self.high else ""
        return f"{self.what:72} {self.median:8.3g} {self.unit}{spread}"


def timed(arms: Mapping[str, Callable[[], None]], repeats: int, report: Callable[[float], None]) -> Rounds:
    """Time every arm once a round, so that a slow minute of the machine is shared by all; one more round warms up."""
    rounds: dict[str, list[float]] = {name: [] for name in arms}
    for number in range(repeats + 1):
        for place, (name, arm) in enumerate(arms.items()):
            report((number + place / len(arms)) / (repeats + 1))
            started = time.perf_counter()
            arm()
            if number:
                rounds[name].append(time.perf_counter() - started)
    return rounds


def line(what: str, values: Sequence[float], unit: str = "×") -> Line:
    """A line from the values of the rounds."""
    return Line(what, statistics.median(values), min(values), max(values), unit)


def ratio(what: str, above: Sequence[float], below: Sequence[float]) -> Line:
    """A line of ratios, each of two times of one round."""
    return line(what, [one / other for one, other in zip(above, below, strict=True)])


def machine() -> str:
    """Processor, threads and PyTorch of this process."""
    capabilities = torch.cpu.get_capabilities()
    processor = capabilities.get("cpu_name") or platform.processor() or platform.machine()
    kinds = [name for name in ("avx2", "avx512_vnni", "amx_int8", "avx512_bf16") if capabilities.get(name)]
    return f"{processor} ({', '.join(kinds)}), {torch.get_num_threads()} threads, PyTorch {torch.__version__}"


def memory_reader() -> Callable[[], None]:
    """Reads a buffer of `_BUFFER` float32 once."""
    buffer = torch.ones(_BUFFER)
    return lambda: _use(buffer.sum())


def bytes_read() -> int:
    """Bytes that `memory_reader` reads."""
    return _BUFFER * torch.float32.itemsize


def matrix_product() -> Callable[[], None]:
    """Multiplies two float32 matrices of `_SIDE` rows and columns."""
    matrix = torch.ones(_SIDE, _SIDE)
    return lambda: _use(matrix @ matrix)


def products_done() -> int:
    """Multiplications with an addition that `matrix_product` does."""
    return _SIDE**3


def linear_weights(model: LanguageModel) -> int:
    """Weights that a token is multiplied with."""
    sizes = (
        (getattr(module, "in_features", 0), getattr(module, "out_features", 0)) for module in model.model.modules()
    )
    return sum(n_in * n_out for n_in, n_out in sizes)


def _use(_result: torch.Tensor) -> None:
    """Takes a result, which nobody needs."""
