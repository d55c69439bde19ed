"""What a study gave: one record a cell, and two tables with the column names that Inspect gives its evaluations and samples."""

import json
import math
import platform
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from steering.errors import SteeringError
from steering.storage import atomic
from steering.studies.cells import Cell
from steering.studies.settings import short

SUCCESS, ERROR = "success", "error"
"""States of a cell, named as Inspect names those of a log."""

EVALS, SAMPLES = "evals.parquet", "samples.parquet"

SAMPLE_FIELDS: Mapping[str, str] = {
    "sample_id": "string",
    "eval_id": "string",
    "id": "string",
    "epoch": "int32",
    "input": "string",
    "target": "string",
    "score_match": "float64",
    "score_match_answer": "string",
    "metadata_arm": "string",
    "metadata_lam": "float64",
    "metadata_outcome": "string",
    "metadata_degenerate": "bool",
    "total_tokens": "int64",
    "error": "string",
}
"""Columns of samples.parquet: Inspect's `SampleSummary`, with what this project adds under `metadata_`."""


@dataclass(frozen=True)
class CellResult:
    """A cell that was run.

    Attributes:
        key: of the cell, see `cells.cell_key`.
        cell: the cell.
        status: `SUCCESS` or `ERROR`.
        reason: why it failed; "" where it did not.
        headline: name of the figure that stands for it.
        figures: numbers by name.
        n: questions or texts that they rest on.
        n_samples: rows of samples.parquet.
        details: what figures are drawn from besides.
        created: when it was finished, ISO 8601.
        seconds: how long it took, the loading of models left out.
        packages: versions that it was run with.
    """

    key: str
    cell: Cell
    status: str
    reason: str = ""
    headline: str = ""
    figures: Mapping[str, float | None] = field(default_factory=dict)
    n: int = 0
    n_samples: int = 0
    details: Mapping[str, Any] = field(default_factory=dict)
    created: str = ""
    seconds: float = 0.0
    packages: Mapping[str, str] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """The record as JSON can write it."""
        return {
            **vars(self),
            "cell": self.cell.as_json(),
            "figures": dict(self.figures),
            "details": dict(self.details),
            "packages": dict(self.packages),
        }

    @staticmethod
    def from_json(data: Mapping[str, Any]) -> "CellResult":
        """The record that `as_json` wrote."""
        return CellResult(**{**data, "cell": Cell.from_json(data["cell"])})

    @property
    def stderr(self) -> float | None:
        """Standard error of the headline, from its 95 % interval or from a share of `n`; None where neither is known."""
        low, high = self.figures.get(f"{self.headline}_low"), self.figures.get(f"{self.headline}_high")
        if low is not None and high is not None and not math.isnan(low + high):
            return (high - low) / (2 * 1.959964)
        return None


def now() -> str:
    """The time as ISO 8601, in UTC."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def packages() -> dict[str, str]:
    """Versions of what numbers depend on."""
    return {name: version(name) for name in ("torch", "transformers", "numpy", "scikit-learn")} | {
        "python": platform.python_version(),
        "machine": platform.machine(),
    }


def write_evals(results: Iterable[CellResult], study: str, path: Path) -> None:
    """Write a row a cell, with the columns of Inspect's `EvalColumns` that have a meaning here."""
    import pandas as pd

    frame = pd.DataFrame([_eval_row(result, study) for result in results])
    with atomic(path) as temporary:
        frame.to_parquet(temporary, index=False)


def read_evals(folder: Path) -> Any:
    """The table of `write_evals` as a pandas data frame.

    Raises:
        SteeringError: the folder holds none.
    """
    import pandas as pd

    path = folder / EVALS
    if not path.is_file():
        raise SteeringError(f"{folder} holds no {EVALS}: it is not the folder of a study that was run.")
    return pd.read_parquet(path)


def samples_part(folder: Path, key: str) -> Path:
    """File of one cell's samples, from which the one table of all is put together."""
    return folder / "samples" / f"{key}.parquet"


def write_samples_of(folder: Path, key: str, rows: Sequence[Mapping[str, Any]]) -> None:
    """Keep one cell's samples."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    ways: Counter[str] = Counter()
    filled = []
    for number, row in enumerate(rows):
        ways[row["id"]] += 1  # As in Inspect, a question has an epoch for every way in which it was answered.
        named = {"sample_id": f"{key}-{number}", "eval_id": key, "epoch": ways[row["id"]], "error": ""}
        filled.append({**named, **row})
    table = pa.Table.from_pylist(filled, schema=_schema())
    with atomic(samples_part(folder, key)) as temporary:
        pq.write_table(table, temporary)


def write_samples(folder: Path, keys: Iterable[str]) -> int:
    """Put the samples of some cells into one table, cell by cell, so that memory holds one cell's alone.

    Returns:
        How many rows it has.
    """
    import pyarrow.parquet as pq

    n_rows = 0
    with atomic(folder / SAMPLES) as temporary, pq.ParquetWriter(temporary, _schema()) as writer:
        for key in keys:
            part = samples_part(folder, key)
            if part.is_file():
                table = pq.read_table(part, schema=_schema())
                writer.write_table(table)
                n_rows += table.num_rows
    return n_rows


def read_accuracies(folder: Path) -> Any:
    """Right answers by cell, arm and λ, counted from samples.parquet, of which one cell is held at a time.

    Returns:
        A pandas data frame with the columns eval_id, metadata_arm, metadata_lam, right and n.
    """
    import pandas as pd
    import pyarrow.parquet as pq

    keys = ["eval_id", "metadata_arm", "metadata_lam"]
    counts = [("score_match", "sum"), ("score_match", "count")]
    counted = []
    with pq.ParquetFile(folder / SAMPLES) as file:
        for number in range(file.num_row_groups):
            rows = file.read_row_group(number, columns=[*keys, "score_match"])
            counted.append(rows.group_by(keys).aggregate(counts).to_pandas())
    if not counted:
        return pd.DataFrame(columns=[*keys, "right", "n"])
    renamed = {"score_match_sum": "right", "score_match_count": "n"}
    return pd.concat(counted).rename(columns=renamed).groupby(keys, as_index=False).sum()


def _schema() -> Any:
    import pyarrow as pa

    # A type is named once, so that `SAMPLE_FIELDS` can be read without pyarrow.
    return pa.schema(
        [(name, pa.bool_() if kind == "bool" else getattr(pa, kind)()) for name, kind in SAMPLE_FIELDS.items()]
    )


def _eval_row(result: CellResult, study: str) -> dict[str, Any]:
    cell = result.cell
    arguments = {f"task_arg_{name}": _plain(value) for name, value in cell.used.items()}
    scores = {f"score_{cell.measure}_{name}": value for name, value in result.figures.items()}
    return {
        "eval_id": result.key,
        "log": "",
        "eval_set_id": study,
        "run_id": study,
        "task_id": result.key,
        "created": datetime.fromisoformat(result.created),
        "tags": "",
        "packages": json.dumps(dict(result.packages)),
        "metadata": json.dumps({"details": result.details, "cell": cell.as_json()}, ensure_ascii=False),
        "task_name": short(cell.task or cell.concept),
        "task_display_name": cell.task or cell.concept,
        "task_version": "0",
        **arguments,
        "solver": cell.measure,
        "model": cell.child,
        "model_roles": json.dumps({"parent": list(cell.parents)}, ensure_ascii=False),
        "dataset_name": cell.task or "",
        "dataset_samples": result.n,
        "epochs": 1,
        "status": result.status,
        "error_message": result.reason,
        "total_samples": result.n_samples,
        "completed_samples": result.n_samples,
        "score_headline_name": cell.measure,
        "score_headline_metric": result.headline,
        "score_headline_value": result.figures.get(result.headline),
        "score_headline_stderr": result.stderr,
        **scores,
        "metadata_seconds": result.seconds,
    }


def _plain(value: Any) -> Any:
    return " + ".join(map(str, value)) if isinstance(value, tuple) else value
