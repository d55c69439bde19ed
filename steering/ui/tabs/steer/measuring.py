"""What is measured of texts when they are finished: their health, moves of the next token, and shifts of every token."""

from dataclasses import dataclass, replace

from steering.errors import Progress
from steering.models import LanguageModel
from steering.steer import Grid, SteeringSettings, assess, next_tokens, token_shifts
from steering.ui.tabs.steer import text
from steering.ui.viewer.texts import ConceptTexts, Moves, Shifts
from steering.vectors import SteeringVector

Vectors = tuple[SteeringVector, SteeringVector | None]
"""The vector of the sidebar's concept, and that of the second one times its λ."""


@dataclass(frozen=True)
class Measurements:
    """Rows with their health, and by λ what changed at the next token and at every token."""

    grid: Grid
    moves: Moves
    shifts: Shifts


def measure(
    child: LanguageModel, grid: Grid, vectors: Vectors, settings: SteeringSettings, progress: Progress
) -> Measurements:
    """Measure the rows of a grid, which holds the baseline too."""
    vector, also = vectors
    progress(text.MEASURING, 1.0)
    measured, lambdas = assess(child, grid), [row.lam for row in grid.rows]
    moves = next_tokens(child, grid.prompt_token_ids, vector, lambdas, settings=settings, also=also)
    progress(text.COLOURING, 1.0)
    shifts = token_shifts(child, grid, vector, settings, also=also)
    return Measurements(measured, dict(zip(lambdas, moves, strict=True)), dict(zip(lambdas, shifts, strict=True)))


def put_into(written: ConceptTexts, measurements: Measurements) -> None:
    """Update texts with what was measured of some of their rows."""
    measured_rows = {row.lam: row for row in measurements.grid.rows}
    rows = tuple(measured_rows.get(row.lam, row) for row in written.grid.rows)
    written.grid = replace(written.grid, rows=rows, unsteered=measurements.grid.unsteered)
    written.moves = {**written.moves, **measurements.moves}
    written.shifts = {**written.shifts, **measurements.shifts}
