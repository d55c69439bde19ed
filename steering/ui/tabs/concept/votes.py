"""The list of votes: a custom HTML component with one row per pair, and its data.

Texts are part of the data and are inserted with `textContent` only.
"""

from collections.abc import Collection, Sequence
from importlib.resources import files
from typing import Any

import gradio as gr

from steering.concepts import ContrastPair
from steering.formatting import signed
from steering.measure import Votes
from steering.ui.tabs.concept import text

_ASSETS = files("steering.ui.tabs.concept")

_OPENING_WORDS = 3
"""Number of words of a pair's common beginning that the list shows."""

_MAX_CHARACTERS = 80
"""Limit of characters per text in the list."""

FIGHTS, AGREES = "▲", "●"


def component() -> gr.HTML:
    """The list, empty."""
    return gr.HTML(
        value=empty(),
        html_template=(_ASSETS / "votes.html").read_text("utf-8"),
        css_template=(_ASSETS / "votes.css").read_text("utf-8"),
        js_on_load=(_ASSETS / "votes.js").read_text("utf-8"),
        apply_default_css=False,
        elem_id="votes",
    )


def empty() -> dict[str, Any]:
    """The list before any pair was checked."""
    return {"rows": [], "note": text.NO_VOTES, "legend": "", "left": text.AGAINST, "right": text.ALONG, "chosen": None}


def show(
    votes: Votes, pairs: Sequence[ContrastPair], table_pairs: Collection[ContrastPair], chosen: int | None
) -> dict[str, Any]:
    """The list's data: every pair, those that fight the others first.

    Args:
        votes: of the pairs.
        pairs: that were checked.
        table_pairs: the pairs in the table.
        chosen: index of the chosen pair, from 0; None if none is chosen.
    """
    rows = []
    for pair in votes.scores.argsort().tolist():
        score, fights = float(votes.scores[pair]), bool(votes.fights[pair])
        low, high = votes.middle[pair].tolist()
        deleted = pairs[pair] not in table_pairs
        rows.append(
            {
                "number": pair + 1,
                **dict(zip(("opening", "positive", "negative"), difference(pairs[pair]), strict=True)),
                "score": score,
                "low": low,
                "high": high,
                "words": signed(score),
                "fights": fights,
                "mark": FIGHTS if fights else AGREES,
                "gone": deleted,
                "label": text.vote_label(pair + 1, signed(score), fights, deleted),
            }
        )
    legend = text.votes_legend(int(votes.layers.sum()), int(votes.fights.sum()))
    return empty() | {"rows": rows, "legend": legend, "chosen": None if chosen is None else chosen + 1}


def difference(pair: ContrastPair) -> tuple[str, str, str]:
    """The common beginning of a pair's texts, and the parts in which they differ."""
    positive, negative = pair.positive.split(), pair.negative.split()
    shorter = min(len(positive), len(negative))
    start = next((i for i in range(shorter) if positive[i] != negative[i]), shorter)
    end = next((i for i in range(shorter - start) if positive[-1 - i] != negative[-1 - i]), shorter - start)
    opening = " ".join(positive[: min(start, _OPENING_WORDS)]) + (" …" if start > _OPENING_WORDS else "")
    positive_part, negative_part = (
        " ".join(words[start : len(words) - end])[:_MAX_CHARACTERS] for words in (positive, negative)
    )
    return opening, positive_part, negative_part
