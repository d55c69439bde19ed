"""How long things take, as ratios within one run."""

from steering.cli.bench.generation import bench, table
from steering.cli.bench.gpu import bench_gpu
from steering.cli.bench.scoring import bench_scoring

__all__ = [
    "bench",
    "bench_gpu",
    "bench_scoring",
    "table",
]
