"""HTML of the Studies tab, as pure functions."""

from collections.abc import Sequence

from steering.formatting import duration
from steering.studies import CellResult, varied
from steering.ui.render import rows_as_table

HEADINGS = ("cell", "figure", "value", "n", "time")


def cells(results: Sequence[CellResult]) -> list[tuple[str, str]]:
    """What every cell is called, and its key."""
    names = varied(tuple(result.cell for result in results))
    return [(result.cell.described(names), result.key) for result in results]


def table(results: Sequence[CellResult]) -> str:
    """A row a cell with its headline, or with the reason why it failed."""
    rows = []
    for (name, _), result in zip(cells(results), results, strict=True):
        value = result.figures.get(result.headline)
        shown = result.reason or ("–" if value is None else f"{value:+.3f}")
        headline = result.headline.replace("_", " ") or result.status
        rows.append((name, headline, shown, str(result.n), duration(result.seconds)))
    return rows_as_table(HEADINGS, rows)
