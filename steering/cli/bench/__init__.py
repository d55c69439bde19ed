"""How long things take, as ratios within one run."""

from steering.cli.bench.generation import bench, table
from steering.cli.bench.scoring import bench_scoring

__all__ = [
    "bench",
    "bench_scoring",
    "table",
]
