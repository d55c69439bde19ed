"""Logs of Inspect: one a cell, so that `inspect view` opens them. An epoch of a question is one way of answering it."""

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from steering.errors import SteeringError
from steering.studies.results import SUCCESS, CellResult, samples_part
from steering.studies.settings import short

LOGS = "logs"
"""Folder of the logs, in a study's folder."""

_SCORER = "match"


def write_inspect_logs(folder: Path, results: Iterable[CellResult]) -> tuple[Path, ...]:
    """Write a `.eval` log of every cell with Inspect's own writer.

    Args:
        folder: of the study.
        results: of its cells.

    Returns:
        The files.

    Raises:
        SteeringError: inspect-ai is not installed.
    """
    try:
        from inspect_ai.log import EvalLog, write_eval_log
    except ImportError as error:
        raise SteeringError(
            f"Inspect is not installed here ({error}). Install it with: pip install -r requirements-interop-inspect.txt"
        ) from error
    paths = []
    for result in results:
        path = folder / LOGS / f"{result.key}.eval"
        path.parent.mkdir(parents=True, exist_ok=True)
        write_eval_log(EvalLog.model_validate(log_of(result, samples_of(folder, result.key))), str(path))
        paths.append(path)
    return tuple(paths)


def samples_of(folder: Path, key: str) -> list[dict[str, Any]]:
    """The rows of one cell's samples."""
    import pyarrow.parquet as pq

    path = samples_part(folder, key)
    rows: list[dict[str, Any]] = pq.read_table(path).to_pylist() if path.is_file() else []
    return rows


def log_of(result: CellResult, rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """A cell as the fields of Inspect's `EvalLog`.

    Args:
        result: of the cell.
        rows: its samples.
    """
    cell, epochs = result.cell, max((row["epoch"] for row in rows), default=1)
    metrics = {name: {"name": name, "value": value} for name, value in result.figures.items() if value is not None}
    log: dict[str, Any] = {
        "version": 2,
        "status": result.status,
        "eval": {
            "eval_id": result.key,
            "run_id": result.key,
            "task_id": result.key,
            "created": result.created,
            "task": short(cell.task or cell.concept),
            "task_args": json.loads(json.dumps(cell.used)),
            "solver": cell.measure,
            "model": cell.child,
            "dataset": {"name": cell.task or cell.concept, "samples": len({row["id"] for row in rows})},
            "config": {"epochs": epochs},
            "packages": dict(result.packages),
            "metadata": {"parents": list(cell.parents), "headline": result.headline},
        },
        "samples": [_sample(row) for row in rows],
    }
    if result.status == SUCCESS:
        score = {"name": cell.measure, "scorer": _SCORER, "metrics": metrics}
        log["results"] = {"total_samples": len(rows), "completed_samples": len(rows), "scores": [score]}
    else:
        log["error"] = {"message": result.reason, "traceback": "", "traceback_ansi": ""}
    return log


def _sample(row: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "id": row["id"],
        "epoch": row["epoch"],
        "input": row["input"],
        "target": row["target"],
        "uuid": row["sample_id"],
        "scores": {_SCORER: {"value": row["score_match"], "answer": row["score_match_answer"]}},
        "metadata": {
            name.removeprefix("metadata_"): value for name, value in row.items() if name.startswith("metadata_")
        },
    }
