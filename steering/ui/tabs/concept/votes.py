"""The list of votes: what it shows of every pair, in words, and the component that shows it.

The component is a page fragment of its own. Texts reach the page as data and are written with `textContent` alone.
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

_OPENING = 3
"""Words of a pair's common beginning that the list shows."""

_MOST = 80
"""Characters of a difference that reach the list."""

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
    votes: Votes, pairs: Sequence[ContrastPair], left: Collection[ContrastPair], chosen: int | None
) -> dict[str, Any]:
    """The list's data: every pair, those that fight the others first.

    Args:
        votes: of the pairs.
        pairs: as they were when they were checked.
        left: the pairs that are still in the table.
        chosen: number of the chosen pair, from 0.
    """
    rows = []
    for pair in votes.scores.argsort().tolist():
        score, fights = float(votes.scores[pair]), bool(votes.fights[pair])
        low, high = votes.middle[pair].tolist()
        gone = pairs[pair] not in left
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
                "gone": gone,
                "label": text.vote_label(pair + 1, signed(score), fights, gone),
            }
        )
    legend = text.votes_legend(int(votes.layers.sum()), int(votes.fights.sum()))
    return empty() | {"rows": rows, "legend": legend, "chosen": None if chosen is None else chosen + 1}


def difference(pair: ContrastPair) -> tuple[str, str, str]:
    """How a pair opens, and what each side says where they differ."""
    positive, negative = pair.positive.split(), pair.negative.split()
    most = min(len(positive), len(negative))
    start = next((at for at in range(most) if positive[at] != negative[at]), most)
    end = next((at for at in range(most - start) if positive[-1 - at] != negative[-1 - at]), most - start)
    opening = " ".join(positive[: min(start, _OPENING)]) + (" …" if start > _OPENING else "")
    own, other = (" ".join(words[start : len(words) - end])[:_MOST] for words in (positive, negative))
    return opening, own, other
