"""The answers at every λ as HTML: a pure function of records. Whatever the child or a task wrote is escaped here."""

from collections.abc import Sequence
from html import escape

from steering.evaluation import Answer, Ballot, Evaluation
from steering.formatting import strength
from steering.tasks import SAME, Item, letter
from steering.ui.tabs.vote import text
from steering.ui.tabs.vote.question import answer_label

_SEEN = 72
"""Letters of a folded text."""


def answers(grid: Evaluation, item: Item, winner: str | None = None, *, unread: str = "") -> str:
    """A row for every λ: the answer that was read, and what it was read from, folded.

    Args:
        grid: one question at every λ.
        item: the question.
        winner: the answer whose rows are marked.
        unread: what stands instead of the answers of unfinished texts, whose ends are shown; "" for finished ones.
    """
    rows = "".join(_row(column.lam, column.answers[0], winner, grid.kind, item, unread) for column in grid.columns)
    head = "".join(f'<th scope="col">{words}</th>' for words in (*text.COLUMNS, text.SOURCES[grid.mode]))
    return (
        f'<div class="lab-table lab-answers"><table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>'
    )


def verdict(first: Ballot, rest: Sequence[tuple[str, str]], item: Item) -> str:
    """The vote over λ in large, and below it what others say: pairs of a name and a sentence."""
    lines = "".join(f'<p class="lab-note"><b>{escape(name)}</b> · {escape(words)}</p>' for name, words in rest)
    words = f"{text.mode(first, answer_label(first.winner, item))}{right(first.correct, item)}"
    return f'<div class="lab-card verdict"><p><b>{escape(text.STEERED.capitalize())}</b> · {escape(words)}</p>{lines}</div>'


def right(correct: bool, item: Item) -> str:
    """Whether an answer is right, where that is known."""
    if not item.answer:
        return ""
    return " · ✓ right" if correct else f" · ✕ wrong, the right one is {answer_label(item.answer, item)}"


def _row(lam: float, found: Answer, winner: str | None, kind: str, item: Item, unread: str) -> str:
    wins = found.answer is not None and winner is not None and SAME[kind](found.answer, winner)
    known = f" {'✓' if found.outcome == 'right' else '✕'}" if item.answer else ""
    name = f"{strength(lam)} ◆ baseline" if lam == 0 else strength(lam)
    shown = unread or f"{'★ ' * wins}{answer_label(found.answer, item)}{known}"
    return (
        f'<tr class="{"best" if wins else ""}"><th scope="row">{name}</th><td>{escape(shown)}</td>'
        f"<td>{_source(found, item, unread)}</td></tr>"
    )


def _source(found: Answer, item: Item, unread: str) -> str:
    if found.scores:
        return escape(
            " · ".join(
                f"{letter(place)} {score / len(choice):.2f}".replace("-", "−")
                for place, (score, choice) in enumerate(zip(found.scores, item.choices, strict=True))
            )
        )
    flat = " ".join(found.text.split())
    if len(flat) <= _SEEN:
        return escape(flat)
    seen = f"… {flat[-_SEEN:]}" if unread else f"{flat[:_SEEN]} …"
    return f'<details><summary>{escape(seen)}</summary><div class="lab-pre">{escape(found.text)}</div></details>'
