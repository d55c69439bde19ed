"""Runs of trackio: one a cell, with its settings and its figures, beside other experiments of the user's."""

import math
from collections.abc import Iterable
from typing import Any

from steering.errors import SteeringError
from steering.studies.results import SUCCESS, CellResult


def log_to_trackio(project: str, results: Iterable[CellResult]) -> int:
    """Log the cells that succeeded to trackio's local store; a cell that was logged before is logged again.

    Args:
        project: trackio's project; the name of the study.
        results: of its cells.

    Returns:
        How many runs were logged.

    Raises:
        SteeringError: trackio is not installed.
    """
    try:
        import trackio
    except ImportError as error:
        raise SteeringError(
            f"Trackio is not installed here ({error}). Install it with: pip install -r requirements-interop-trackio.txt"
        ) from error
    runs = [trackio_run(result) for result in results if result.status == SUCCESS]
    for run in runs:
        trackio.init(project=project, name=run["name"], config=run["config"], resume="allow")
        trackio.log(run["figures"])
        trackio.finish()
    return len(runs)


def trackio_run(result: CellResult) -> dict[str, Any]:
    """A cell as a run: name, config and figures."""
    cell = result.cell
    figures = {name: value for name, value in result.figures.items() if value is not None and math.isfinite(value)}
    return {
        "name": f"{cell.described(('measure', 'concept', 'layers', 'width', 'profile'))} {result.key[:8]}",
        "config": {"measure": cell.measure, "n": result.n, **cell.as_json()},
        "figures": figures,
    }
