"""The λ viewer: a custom HTML component that shows the texts of a grid, and its data.

The component gets all rows at once, so dragging λ needs no request to the server. Text of models is part of the data and is
inserted with `textContent` only.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from importlib.resources import files
from typing import Any

import gradio as gr

from steering.steer import FEWEST_TOKENS, PERPLEXITY, REPEATED, Grid, Move, Row, TokenShift, improbable
from steering.ui.state.settings import LAMBDAS

_ASSETS = files("steering.ui.viewer")

WORDS = {
    "none": "not written yet",
    "writing": "being written",
    "baseline": "baseline",
    "healthy": "passes the checks",
    "short": "too short to judge",
    "same": "identical to baseline",
    "broken": "fails a check",
}
"""Names of the states of a text."""

MARKS = {"none": "○", "writing": "…", "baseline": "◆", "healthy": "●", "short": "·", "same": "=", "broken": "▲"}
"""Symbols of the states, so that they can be told apart without colour."""


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


def empty(
    labels: tuple[str, str], note: str, lambdas: Sequence[float] = LAMBDAS, *, choose: float | None = None
) -> dict[str, Any]:
    """The viewer's data before any text is written.

    Args:
        labels: positive and negative pole.
        note: what Generate will do; shown in the cards.
        lambdas: strengths on the slider.
        choose: the λ to select; None leaves the slider unchanged.
    """
    rows = [{"lam": lam, "text": "", **_state_fields("none"), "badges": []} for lam in lambdas]
    return {"labels": list(labels), "note": note, "rows": rows, "phase": "empty", "choose": choose}


def show(
    grid: Grid,
    labels: tuple[str, str],
    max_tokens: int,
    phase: str = "done",
    *,
    moves: Mapping[float, Sequence[Move]] | None = None,
    source: tuple[str, str] = ("", ""),
    choose: float | None = None,
    lead: str = "",
    shifts: Mapping[float, Sequence[TokenShift]] | None = None,
    also: str = "",
) -> dict[str, Any]:
    """The viewer's data for a grid, finished or not.

    Args:
        grid: the rows.
        labels: positive and negative pole.
        max_tokens: limit of new tokens per row.
        phase: "running", "done" or "stopped".
        moves: by λ, the next tokens whose probability changed most.
        source: where the texts come from, in a few words; and the software that wrote them.
        choose: the λ to select; None leaves the slider unchanged.
        lead: one sentence on what the texts show.
        shifts: by λ, how far it changed the probability of every token of its text.
        also: the second concept that acts in every row, in words; "" where there is none.
    """
    baseline = grid.baseline

    def data_of(row: Row) -> dict[str, Any]:
        return {
            "lam": row.lam,
            "text": row.text,
            **_state_fields(state(row, phase, baseline)),
            "badges": badges(row, max_tokens, phase),
        }

    rows = [
        data_of(row)
        | {
            "tokens": [[each.piece, each.before, each.after, each.along] for each in (shifts or {}).get(row.lam, ())],
            "moves": [asdict(move) for move in (moves or {}).get(row.lam, ())],
        }
        for row in sorted(grid.rows, key=lambda row: row.lam)
    ]
    data = {"labels": list(labels), "note": "", "rows": rows, "phase": phase, "source": list(source)}
    second = {"also": also, "baseline": data_of(grid.unsteered)} if grid.unsteered else {}
    return data | {"exact": phase == "done", "choose": choose, "lead": lead} | second


def state(row: Row, phase: str, baseline: Row | None) -> str:
    """The state of a text, a key of `WORDS`.

    Args:
        row: the text.
        phase: see `show`.
        baseline: the unsteered text; None where there is none.
    """
    if row.health.degenerate:
        return "broken"
    if not row.ended and phase == "running":
        return "writing"
    if row is baseline:
        return "baseline"
    if row.health.same_as_baseline:
        return "same"
    return "healthy" if len(row.token_ids) >= FEWEST_TOKENS else "short"


def badges(row: Row, max_tokens: int, phase: str) -> list[dict[str, str]]:
    """The badges beside a text's heading.

    Args:
        row: the text.
        max_tokens: limit of new tokens per row.
        phase: see `show`.

    Returns:
        For each badge its words, its tone ("good", "bad" or "plain") and its title.
    """
    health, judged = row.health, len(row.token_ids) >= FEWEST_TOKENS
    result = []
    if health.degenerate:
        result.append(_badge(f"{MARKS['broken']} {WORDS['broken']}", "bad", degeneration_reasons(row)))
    elif health.same_as_baseline and (row.ended or phase != "running"):
        result.append(_badge(f"{MARKS['same']} {WORDS['same']}", "plain", "The same tokens as at λ = 0."))
    if health.perplexity is not None:
        tone = ("bad" if improbable(health.perplexity) else "good") if judged else "plain"
        title = f"Under the unsteered child; above {PERPLEXITY:.0f} few texts make sense."
        result.append(_badge(f"perplexity {_format_number(health.perplexity)}", tone, title))
    if row.token_ids:
        tone = ("bad" if health.repeated > REPEATED else "good") if judged else "plain"
        title = f"Share of 3-token runs that occurred before; a loop is above {100 * REPEATED:.0f} %."
        result.append(_badge(f"repeats {100 * health.repeated:.0f} %", tone, title))
    length = len(row.token_ids)
    if row.ended == "length":
        result.append(_badge(f"cut at {length} tokens", "plain", "The limit in the generation settings."))
    elif row.ended:
        result.append(_badge(f"ended after {length} tokens", "plain", "The child ended the text itself."))
    elif phase == "stopped":
        result.append(_badge(f"stopped at {length}/{max_tokens}", "plain", "Its run was stopped."))
    elif length:
        result.append(_badge(f"{length}/{max_tokens} tokens", "plain", "Still being written."))
    return result


def degeneration_reasons(row: Row) -> str:
    """The limits that a degenerate text exceeds, as a sentence."""
    health = row.health
    reasons = []
    if health.repeated > REPEATED:
        reasons.append(f"{100 * health.repeated:.0f} % of its 3-token runs are repeats (limit {100 * REPEATED:.0f} %)")
    if health.perplexity is not None and improbable(health.perplexity):
        value = _format_number(health.perplexity)
        reasons.append(f"the unsteered child's perplexity of it is {value} (limit {PERPLEXITY:.0f})")
    return "; ".join(reasons or ["by the limits of an earlier version"]).capitalize() + "."


def _state_fields(key: str) -> dict[str, str]:
    return {"state": key, "mark": MARKS[key], "word": WORDS[key]}


def _badge(words: str, tone: str, title: str) -> dict[str, str]:
    return {"words": words, "tone": tone, "title": title}


def _format_number(number: float) -> str:
    return f"{number:.1f}" if number < 100 else f"{number:,.0f}".replace(",", " ")
