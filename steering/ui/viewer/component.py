"""The λ viewer: what it shows of a grid, in words, and the component that shows it.

The component is a page fragment of its own: it receives all rows, and dragging λ is a look-up inside the page. Model
text reaches the page as data and is written with `textContent` alone.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from importlib.resources import files
from typing import Any

import gradio as gr

from steering.steer import DOMINANT, PERPLEXITY_RATIO, REPEATED, Grid, Move, Row
from steering.ui.state.settings import LAMBDAS

_ASSETS = files("steering.ui.viewer")

WORDS = {
    "none": "not written yet",
    "writing": "being written",
    "baseline": "baseline",
    "healthy": "healthy",
    "same": "identical to baseline",
    "broken": "falls apart",
}
"""What each state of a text is called."""

MARKS = {"none": "○", "writing": "…", "baseline": "◆", "healthy": "●", "same": "=", "broken": "▲"}
"""The shape that goes with each state, so that colour is never needed."""


def component() -> gr.HTML:
    """The viewer, empty."""
    return gr.HTML(
        value=empty(("positive", "negative"), ""),
        html_template=(_ASSETS / "viewer.html").read_text("utf-8"),
        css_template=(_ASSETS / "viewer.css").read_text("utf-8"),
        js_on_load=(_ASSETS / "viewer.js").read_text("utf-8"),
        apply_default_css=False,
        elem_id="viewer",
    )


def empty(labels: tuple[str, str], note: str, lambdas: Sequence[float] = LAMBDAS) -> dict[str, Any]:
    """The viewer before anything was written.

    Args:
        labels: positive and negative pole.
        note: what will happen on Generate, shown in the cards.
        lambdas: strengths of the grid to come.
    """
    rows = [{"lam": lam, "text": "", **_looks("none"), "badges": []} for lam in lambdas]
    return {"labels": list(labels), "note": note, "rows": rows, "phase": "empty"}


def show(
    grid: Grid,
    labels: tuple[str, str],
    most: int,
    phase: str = "done",
    *,
    moves: Mapping[float, Sequence[Move]] | None = None,
    source: tuple[str, str] = ("", ""),
    choose: float | None = None,
) -> dict[str, Any]:
    """The viewer's data for a grid, finished or not.

    Args:
        grid: the rows.
        labels: positive and negative pole.
        most: most new tokens a row may get.
        phase: "running", "done" or "stopped".
        moves: by λ, the next tokens that moved most.
        source: where the texts come from, in words; and what made them, in more detail.
        choose: the λ to go to; None leaves the slider where it is.
    """
    baseline = next((row for row in grid.rows if row.lam == 0), None)
    rows = [
        {
            "lam": row.lam,
            "text": row.text,
            **_looks(state(row, phase)),
            "badges": badges(row, baseline, most, phase),
            "moves": [asdict(move) for move in (moves or {}).get(row.lam, ())],
        }
        for row in sorted(grid.rows, key=lambda row: row.lam)
    ]
    shown = {"labels": list(labels), "note": "", "rows": rows, "phase": phase, "source": list(source)}
    return shown | {"exact": phase == "done", "choose": choose}


def state(row: Row, phase: str) -> str:
    """A key of `WORDS`: how a text is doing."""
    if row.health.degenerate:
        return "broken"
    if not row.ended and phase == "running":
        return "writing"
    if row.lam == 0:
        return "baseline"
    return "same" if row.health.same_as_baseline else "healthy"


def badges(row: Row, baseline: Row | None, most: int, phase: str) -> list[dict[str, str]]:
    """What stands beside a text's heading: each badge has words and a tone (good, bad or plain)."""
    health = row.health
    found = []
    if health.degenerate:
        found.append(_badge(f"{MARKS['broken']} {WORDS['broken']}", "bad", why(row, baseline)))
    elif health.same_as_baseline and (row.ended or phase != "running"):
        found.append(_badge(f"{MARKS['same']} {WORDS['same']}", "plain", "The same tokens as at λ = 0."))
    if health.perplexity is not None:
        tone = "bad" if _strange(row, baseline) else "good"
        found.append(
            _badge(f"perplexity {_short(health.perplexity)}", tone, "Under the unsteered child; lower reads smoother.")
        )
    if row.token_ids:
        tone = "bad" if health.repeated > REPEATED else "good"
        found.append(
            _badge(f"repeats {100 * health.repeated:.0f} %", tone, "Share of 3-token runs that occurred before.")
        )
    length = len(row.token_ids)
    if row.ended == "length":
        found.append(_badge(f"cut at {length} tokens", "plain", "The limit in the generation settings."))
    elif row.ended:
        found.append(_badge(f"ended after {length} tokens", "plain", "The child ended the text itself."))
    elif phase == "stopped":
        found.append(_badge(f"stopped at {length}/{most}", "plain", "Stop was pressed."))
    elif length:
        found.append(_badge(f"{length}/{most} tokens", "plain", "Still being written."))
    return found


def why(row: Row, baseline: Row | None) -> str:
    """Which limits a degenerate text passed."""
    health = row.health
    reasons = []
    if health.repeated > REPEATED:
        reasons.append(f"{100 * health.repeated:.0f} % of its 3-token runs are repeats (limit {100 * REPEATED:.0f} %)")
    if health.dominant > DOMINANT:
        reasons.append(f"one token makes up {100 * health.dominant:.0f} % of it (limit {100 * DOMINANT:.0f} %)")
    if _strange(row, baseline):
        reasons.append(f"its perplexity is more than {PERPLEXITY_RATIO:.0f} times the baseline's")
    return "; ".join(reasons).capitalize() + "."


def _strange(row: Row, baseline: Row | None) -> bool:
    own, reference = row.health.perplexity, baseline.health.perplexity if baseline else None
    return own is not None and reference is not None and own > PERPLEXITY_RATIO * reference


def _looks(key: str) -> dict[str, str]:
    return {"state": key, "mark": MARKS[key], "word": WORDS[key]}


def _badge(words: str, tone: str, title: str) -> dict[str, str]:
    return {"words": words, "tone": tone, "title": title}


def _short(number: float) -> str:
    return f"{number:.1f}" if number < 100 else f"{number:,.0f}".replace(",", " ")
