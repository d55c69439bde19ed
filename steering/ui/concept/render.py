"""Pieces of the Concept tab as HTML: whatever a user wrote is escaped here."""

from collections.abc import Sequence
from html import escape

from steering.concepts import Problem
from steering.ui.concept import text
from steering.ui.drafts import Draft
from steering.ui.text import MODIFIED


def problems(found: Sequence[Problem]) -> str:
    """The linter's findings, worst first, each with its row."""
    if not found:
        return f'<div class="lab-problems"><p class="fine">✓ {text.NO_PROBLEMS}</p></div>'
    worst_first = sorted(found, key=lambda problem: not problem.serious)
    items = "".join(
        f'<li class="{"serious" if problem.serious else "mild"}"><b>{_kind(problem)}</b>'
        f"{escape(_sentence(problem.message))}</li>"
        for problem in worst_first
    )
    return f'<div class="lab-problems"><p>{text.PROBLEMS}: {len(found)}</p><ul>{items}</ul></div>'


def pairs_heading(draft: Draft) -> str:
    """Name of the concept, number of pairs, and the mark of an edited one."""
    mark = f'<span class="lab-mark">{MODIFIED}</span>' if draft.modified else ""
    about = f"<p>{escape(draft.concept.description)}</p>" if draft.concept.description else ""
    title = f"{escape(draft.concept.name)} <small>{len(draft.concept.pairs)} pairs</small> {mark}"
    return f'<div class="lab-heading"><h2>{title}</h2>{about}</div>'


def _kind(problem: Problem) -> str:
    where = "" if problem.row is None else f", row {problem.row}"
    return ("✕ Must be mended" if problem.serious else "▲ Worth a look") + where


def _sentence(words: str) -> str:
    return words[:1].upper() + words[1:]
