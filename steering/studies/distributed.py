"""Running a study on Ray: actors hold the models, cells go where their models are, and results are kept as they finish.

A worker measures in a temporary folder of its own and sends what it wrote with the result, so machines need no shared folder.
"""

import os
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from steering.errors import Progress, SteeringError, check_whole, silent
from steering.evaluation import Store
from steering.formatting import duration
from steering.storage import atomic
from steering.studies.cells import Cell, keyed
from steering.studies.results import ERROR, CellResult, now, packages, samples_part
from steering.studies.running import (
    ROWS,
    STUDY,
    Models,
    kept_results,
    load_here,
    missing,
    run_cell,
    vector_of,
    write_tables,
)
from steering.studies.settings import StudySettings, write_settings

LOCAL = "local"
"""The address that starts a cluster on this machine."""

RETRIES = 3
"""How often a cell is begun again whose worker was lost."""

_WAIT_S = 0.5


class Worker:
    """Holds the models of its newest cell; an actor of Ray."""

    def __init__(self, threads: int) -> None:
        import torch

        torch.set_num_threads(threads)
        self._models = Models(load_here)
        self._temporary = tempfile.TemporaryDirectory(prefix="study-")

    def run(self, key: str, cell: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, bytes]]:
        """Run one cell; what goes wrong is its reason. Beside the result stand the files that are its own, by their places."""
        folder = Path(self._temporary.name)
        result = run_cell(key, Cell.from_json(cell), self._models, folder)
        files = [path for path in (samples_part(folder, key), vector_of(folder, key)) if path.is_file()]
        return result.as_json(), {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def run_on_ray(
    settings: StudySettings,
    folder: Path,
    *,
    address: str = LOCAL,
    workers: int = 2,
    gpus: float = 0.0,
    memory: float | None = None,
    kept: Callable[[], None] = lambda: None,
    progress: Progress = silent,
) -> tuple[CellResult, ...]:
    """Run the cells of a study that are missing in a folder on workers, and write its tables; see `running.run_study`.

    Args:
        settings: the study.
        folder: where everything is kept.
        address: of a running cluster, or `LOCAL`.
        workers: how many actors hold models, a set each.
        gpus: of every worker, such as 0.5.
        memory: of every worker in bytes, which Ray schedules by; None leaves it open.
        kept: called after every cell whose result was kept.
        progress: told how many cells are done.

    Raises:
        SteeringError: Ray is not installed, or there is no cluster at the address.
    """
    try:
        import ray
    except ImportError as error:
        raise SteeringError(
            f"Ray is not installed here ({error}). Install it with: pip install -r requirements-distributed.txt"
        ) from error
    check_whole("The number of workers", workers, 1)
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    # By default workers give way to all else on the machine (niceness 15), and nearly stand still where anything runs.
    os.environ.setdefault("RAY_worker_niceness", "0")
    # A cluster of this machine listens on it alone.
    local: dict[str, Any] = {"num_cpus": workers, "_node_ip_address": "127.0.0.1"} if address == LOCAL else {}
    try:
        ray.init(address=address, log_to_driver=False, include_dashboard=False, **local)
    except Exception as error:  # Ray raises errors of many kinds here, a bare one among them.
        raise SteeringError(f"Ray cannot be used at {address!r}: {error}. Start it with: ray start --head") from error
    try:
        shares: dict[str, Any] = {"num_cpus": 1, "num_gpus": gpus} | ({"memory": memory} if memory else {})
        actor = ray.remote(Worker).options(max_restarts=-1, max_task_retries=RETRIES, **shares)
        threads = max(1, (os.cpu_count() or 1) // workers)
        actors = [actor.remote(threads) for _ in range(workers)]
        return _run(ray, actors, settings, folder, kept, progress)
    finally:
        ray.shutdown()


def _run(
    ray: Any, actors: list[Any], settings: StudySettings, folder: Path, kept: Callable[[], None], progress: Progress
) -> tuple[CellResult, ...]:
    keys = keyed(settings)
    store, todo = Store.open(folder / ROWS, resume=True), missing(keys, kept_results(folder))
    write_settings(settings, folder / STUDY)
    store.describe({key: cell.as_json() for key, cell in todo.items()})
    waiting, total, started, done = dict(todo), len(todo), time.monotonic(), 0
    idle, running = list(range(len(actors))), dict[Any, tuple[int, str, Cell]]()
    holds: dict[int, tuple[Any, ...]] = {}
    try:
        while waiting or running:
            while waiting and idle:
                number = idle.pop(0)
                key = _next(waiting, holds.get(number), list(holds.values()))
                cell = waiting.pop(key)
                holds[number] = _models(cell)
                running[actors[number].run.remote(key, cell.as_json())] = (number, key, cell)
            ready, _ = ray.wait(list(running), timeout=_WAIT_S)
            for reference in ready:
                number, key, cell = running.pop(reference)
                idle.append(number)
                try:
                    data, files = ray.get(reference)
                    result = CellResult.from_json(data)
                    for name, content in files.items():
                        with atomic(folder / name) as temporary:
                            temporary.write_bytes(content)
                except ray.exceptions.RayError as error:
                    reason = f"Its worker was lost {RETRIES + 1} times: {str(error).splitlines()[0]}"
                    result = CellResult(key, cell, ERROR, reason, created=now(), packages=packages())
                store.keep_result(key, result.as_json())
                kept()
                done += 1
            left = (time.monotonic() - started) * (total - done) / done if done else None
            rest = "" if left is None else f", about {duration(left)} left"
            progress(f"{done} of {total} cells, {len(running)} running{rest}", done / max(total, 1))
    finally:
        results = write_tables(settings, folder, keys)
    return results


def _models(cell: Cell) -> tuple[Any, ...]:
    return (*cell.parents, cell.child)


def _next(waiting: Mapping[str, Cell], held: tuple[Any, ...] | None, others: list[tuple[Any, ...]]) -> str:
    """The next cell for a worker: one of its models, else one of models that no worker holds, else the first."""
    ranks = {key: (_models(cell) != held, _models(cell) in others) for key, cell in waiting.items()}
    return min(ranks, key=lambda key: ranks[key])
