"""Tables of the Tune λ tab as HTML: pure functions of records. Whatever a task or a model wrote is escaped here."""

from collections.abc import Sequence
from html import escape

from steering.evaluation import HEADINGS, RANDOM_SEEDS, Study, Tuning, notes, table
from steering.formatting import strength
from steering.ui.questions.text import change, share
from steering.ui.tabs.tune import text

_ONE_OF_SEVERAL = tuple(f"random {number + 1}" for number in range(RANDOM_SEEDS))


def grid(found: Tuning) -> str:
    """A row for every λ, the baseline and the best one marked by words."""
    evaluation = found.evaluation
    generated = evaluation.mode == "generate"
    headings = (*text.COLUMNS, *(text.WRITTEN_COLUMNS if generated else ()))
    rows = []
    for column, against, p in zip(evaluation.columns, evaluation.comparisons, evaluation.adjusted, strict=True):
        data = column.as_json()
        notices = ["◆ baseline"] * (column.lam == 0) + ["★ most right"] * (column.lam == found.best_lam)
        rows.append(
            (
                " ".join([strength(column.lam), *notices]),
                f"{sum(column.correct)} of {evaluation.n}",
                share(column.accuracy),
                f"{100 * data['low']:.0f} to {share(data['high'])}",
                *(("", "") if column.lam == 0 else (change(against), f"{p:.2g}")),
                *((share(data["no_answer"]), share(data["degenerate"])) if generated else ()),
            )
        )
    return rows_as_table(
        headings, rows, ["best" if column.lam == found.best_lam else "" for column in evaluation.columns]
    )


def study(found: Study) -> str:
    """The report: what counts first, every λ of the reported questions folded, and what must be known to read it."""
    rows = [tuple(words.replace("-0.", "−0.") for words in row) for row in table(found)]
    rest = [row for row in rows if row[0] == "exploration" or row[0].startswith(_ONE_OF_SEVERAL)]
    seen = [row for row in rows if row not in rest]
    tones = ["best" if row[0] == "tuned" else "" for row in seen]
    every = rows_as_table(HEADINGS, rest)
    folded = f'<details class="lab-fold"><summary>{text.EXPLORATION}</summary>{every}</details>'
    sentences = "".join(f'<p class="lab-note">{escape(sentence)}</p>' for sentence in notes(found))
    return rows_as_table(HEADINGS, seen, tones) + folded + sentences


def prompt(words: str) -> str:
    """A prompt as the child reads it."""
    return (
        f'<details class="lab-fold" open><summary>{text.PROMPT_SUMMARY}</summary>'
        f'<pre class="lab-pre">{escape(words)}</pre></details>'
    )


def rows_as_table(headings: Sequence[str], rows: Sequence[Sequence[str]], tones: Sequence[str] = ()) -> str:
    """Rows of words as a table that scrolls in its own box; the first cell of a row names it."""
    head = "".join(f'<th scope="col">{escape(words)}</th>' for words in headings)
    body = "".join(
        f'<tr class="{tone}"><th scope="row">{escape(first)}</th>'
        + "".join(f"<td>{escape(words)}</td>" for words in rest)
        + "</tr>"
        for (first, *rest), tone in zip(rows, tones or [""] * len(rows), strict=True)
    )
    return (
        f'<div class="lab-table" tabindex="0" role="region" aria-label="{escape(headings[0])}">'
        f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )
