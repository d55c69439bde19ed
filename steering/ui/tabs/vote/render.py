"""HTML of the Vote tab, as pure functions. Text of models and tasks is escaped here."""

from collections.abc import Sequence
from html import escape

from steering.evaluation import Answer, Ballot, Evaluation
from steering.formatting import strength
from steering.tasks import SAME, Item, letter
from steering.ui.tabs.vote import text
from steering.ui.tabs.vote.question import answer_label

_SUMMARY_LENGTH = 72
"""Characters of a text that its summary shows."""


def answers(grid: Evaluation, item: Item, winner: str | None = None, *, placeholder: str = "") -> str:
    """A table with a row for every λ: the answer, and the text or scores that it was read from.

    Args:
        grid: one question at every λ.
        item: the question.
        winner: the answer whose rows are marked.
        placeholder: shown in place of every answer while texts are unfinished, with the ends of the texts; "" if they are
            finished.
    """
    rows = "".join(_row(column.lam, column.answers[0], winner, grid.kind, item, placeholder) for column in grid.columns)
    head = "".join(f'<th scope="col">{words}</th>' for words in (*text.COLUMNS, text.SOURCES[grid.mode]))
    return (
        f'<div class="lab-table lab-answers"><table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>'
    )


def verdict(ballot: Ballot, comparisons: Sequence[tuple[str, str]], item: Item) -> str:
    """A card with the vote over λ.

    Args:
        ballot: the vote.
        comparisons: name and sentence of each answer to compare it with.
        item: the question.
    """
    lines = "".join(f'<p class="lab-note"><b>{escape(name)}</b> · {escape(words)}</p>' for name, words in comparisons)
    words = f"{text.mode(ballot, answer_label(ballot.winner, item))}{right_or_wrong(ballot.correct, item)}"
    return f'<div class="lab-card verdict"><p><b>{escape(text.STEERED.capitalize())}</b> · {escape(words)}</p>{lines}</div>'


def right_or_wrong(correct: bool, item: Item) -> str:
    """Says whether an answer is right; "" if the right answer is not known."""
    if not item.answer:
        return ""
    return " · ✓ right" if correct else f" · ✕ wrong, the right one is {answer_label(item.answer, item)}"


def _row(lam: float, answer: Answer, winner: str | None, kind: str, item: Item, placeholder: str) -> str:
    wins = answer.answer is not None and winner is not None and SAME[kind](answer.answer, winner)
    mark = f" {'✓' if answer.outcome == 'right' else '✕'}" if item.answer else ""
    name = f"{strength(lam)} ◆ baseline" if lam == 0 else strength(lam)
    answer_cell = placeholder or f"{'★ ' * wins}{answer_label(answer.answer, item)}{mark}"
    return (
        f'<tr class="{"best" if wins else ""}"><th scope="row">{name}</th><td>{escape(answer_cell)}</td>'
        f"<td>{_source(answer, item, placeholder)}</td></tr>"
    )


def _source(answer: Answer, item: Item, placeholder: str) -> str:
    if answer.scores:
        return escape(
            " · ".join(
                f"{letter(place)} {score / len(choice):.2f}".replace("-", "−")
                for place, (score, choice) in enumerate(zip(answer.scores, item.choices, strict=True))
            )
        )
    flat = " ".join(answer.text.split())
    if len(flat) <= _SUMMARY_LENGTH:
        return escape(flat)
    summary = f"… {flat[-_SUMMARY_LENGTH:]}" if placeholder else f"{flat[:_SUMMARY_LENGTH]} …"
    return f'<details><summary>{escape(summary)}</summary><div class="lab-pre">{escape(answer.text)}</div></details>'
