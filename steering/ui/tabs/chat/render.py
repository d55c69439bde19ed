"""HTML of the Chat tab, as pure functions. Text of users and models is escaped here."""

from collections.abc import Sequence
from html import escape

from steering.formatting import strength
from steering.steer import Turn
from steering.ui.tabs.chat import text


def log(turns: Sequence[Turn]) -> str:
    """The conversation: every message across, and both answers side by side below it."""
    inside = "".join(map(_turn, turns)) or f'<li class="blank">{escape(text.EMPTY)}</li>'
    return f'<div class="lab-chat" role="log" aria-label="{escape(text.LOG)}"><ol>{inside}</ol></div>'


def _turn(turn: Turn) -> str:
    steered = text.STEERED.format(lam=strength(turn.lam))
    answers = zip((text.BASELINE, steered), (turn.baseline, turn.steered), turn.ended, strict=True)
    cards = "".join(
        f'<article class="lab-card"><h3>{escape(heading)}</h3><p>{escape(answer.strip()) or "…"}'
        f"{'' if ended else ' ▍'}</p></article>"
        for heading, answer, ended in answers
    )
    asked = f'<p class="user"><b>{escape(text.USER)}</b> {escape(turn.user)}</p>'
    return f'<li>{asked}<div class="lab-side-by-side">{cards}</div></li>'
