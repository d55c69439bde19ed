"""Many reports in one table: what every vector did on every task, beside its controls."""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from steering.errors import SteeringError
from steering.formatting import signed, strength

Report = Mapping[str, Any]
"""What `reporting.write_report` put into a .json file."""


def read_reports(paths: Sequence[Path]) -> list[Report]:
    """Read the .json reports of `evaluate --report`.

    Raises:
        SteeringError: one cannot be read, or holds something else.
    """
    reports: list[Report] = []
    for path in paths:
        try:
            data = json.loads(path.read_text("utf-8"))
        except (OSError, ValueError, RecursionError) as error:
            raise SteeringError(f"{path} cannot be read as JSON: {error}") from error
        if not (isinstance(data, dict) and {"task", "rows", "tuned", "vote", "controls"} <= data.keys()):
            raise SteeringError(f"{path} is no report of evaluate --report with a tuned λ, a vote and controls.")
        reports.append(data)
    return reports


def overview(reports: Sequence[Report]) -> pd.DataFrame:
    """One row a report: accuracies with 95 % intervals, and the change against the baseline with its p.

    Args:
        reports: from `read_reports`.

    Returns:
        Text cells, ready to be printed. p is exact McNemar's, not corrected for the number of rows.
    """
    return pd.DataFrame([dict(_row(report)) for report in reports]).fillna("")


def overview_markdown(table: pd.DataFrame) -> str:
    """The table as Markdown."""
    lines = [table.columns, ["---"] * table.shape[1], *table.itertuples(index=False)]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines)


def _row(report: Report) -> Iterator[tuple[str, str]]:
    vector, tuned, vote, controls = (report[key] for key in ("provenance", "tuned", "vote", "controls"))
    origin = vector["vector"]
    yield "task", str(report["task"])
    yield "vector from", str(origin.get("parent", origin["from"]))
    yield "concept", str(origin["concept"])
    yield "n", str(report["n"])
    yield "baseline", _accuracy(next(row for row in report["rows"] if row["lam"] == 0))
    for row in sorted(report["rows"], key=lambda row: row["lam"]):
        if row["lam"]:
            yield f"λ = {strength(row['lam'])}", _accuracy(row) + _p(row)
    tuned_row = next(row for row in report["rows"] if row["lam"] == tuned["lam"])
    yield "tuned λ", f"{strength(tuned['lam'])}: {_accuracy(tuned)}{_change(tuned_row)}"
    yield "vote", _accuracy(vote) + _change(vote)
    random = controls["random"]
    yield "random vectors: at tuned λ; vote", f"{_accuracy(random)}; {_accuracy(random['vote'])}"
    if flipped := controls.get("flipped"):  # Under the operator "ablate" it would be the vector itself.
        yield (
            "flipped vector: at tuned λ; vote",
            f"{_accuracy(flipped)}{_p(flipped)}; {_accuracy(flipped['vote'])}{_p(flipped['vote'])}",
        )
    voted = controls["self_consistency"]["vote"]
    yield "self-consistency, vote", _accuracy(voted) + _p(voted)
    yield "asked in words", _accuracy(controls["prompt_only"]) + _p(controls["prompt_only"])


def _accuracy(data: Mapping[str, Any]) -> str:
    return f"{data['accuracy']:.3f} ({data['low']:.2f}–{data['high']:.2f})"


def _change(data: Mapping[str, Any]) -> str:
    change = round(data["change"]["mean"], 3)
    return f", {signed(change, 3) if change else 0}{_p(data)}"


def _p(data: Mapping[str, Any]) -> str:
    return f", p = {data['p']:.2f}"
