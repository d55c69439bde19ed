"""How long things take, as ratios within one run."""

from steering.bench.generation import bench
from steering.bench.scoring import bench_scoring

__all__ = [
    "bench",
    "bench_scoring",
]
