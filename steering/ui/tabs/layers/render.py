"""HTML of the Layers tab, as pure functions. Text of models is escaped here."""

from html import escape

from steering.formatting import strength
from steering.measure import TextCorrelation
from steering.steer import Grid, Row
from steering.ui.tabs.layers import text


def pair(cell: str, correlation: TextCorrelation | None, labels: tuple[str, str]) -> str:
    """A card about a pair of layers."""
    words = text.NO_PAIR if correlation is None else text.agree(correlation, labels)
    return f'<div class="lab-card"><p><b>{escape(cell)}</b></p><p>{escape(words)}</p></div>'


def preview(grid: Grid) -> str:
    """Baseline and steered text side by side, finished or not."""
    baseline, steered = grid.rows[0], grid.rows[-1]
    heading = text.STEERED.format(lam=strength(steered.lam))
    return f'<div class="lab-side-by-side">{_text(text.BASELINE, baseline)}{_text(heading, steered)}</div>'


def _text(heading: str, row: Row) -> str:
    state = ""
    if row.health.degenerate:
        state = text.BROKEN
    elif row.health.same_as_baseline and row.ended:
        state = text.SAME
    badge = f' <span class="lab-mark">{escape(state)}</span>' if state else ""
    return (
        f'<article class="lab-card"><h3>{escape(heading)}{badge}</h3><p>{escape(row.text.strip()) or "…"}</p></article>'
    )
