"""HTML of the Tune λ tab, as pure functions. Text of tasks and models is escaped here."""

from html import escape

from steering.evaluation import HEADINGS, RANDOM_SEEDS, Study, Tuning, notes, table
from steering.formatting import strength
from steering.ui import render
from steering.ui.questions.text import change, share
from steering.ui.tabs.tune import text

_SINGLE_RANDOM_VECTORS = tuple(f"random {number + 1}" for number in range(RANDOM_SEEDS))


def grid(tuning: Tuning) -> str:
    """A table with a row for every λ; the baseline and the best λ are marked by words."""
    evaluation = tuning.evaluation
    generated = evaluation.mode == "generate"
    headings = (*text.COLUMNS, *(text.WRITTEN_COLUMNS if generated else ()))
    rows = []
    for column, comparison, p in zip(evaluation.columns, evaluation.comparisons, evaluation.adjusted, strict=True):
        data = column.as_json()
        notices = ["◆ baseline"] * (column.lam == 0) + ["★ most right"] * (column.lam == tuning.best_lam)
        rows.append(
            (
                " ".join([strength(column.lam), *notices]),
                f"{sum(column.correct)} of {evaluation.n}",
                share(column.accuracy),
                f"{100 * data['low']:.0f} to {share(data['high'])}",
                *(("", "") if column.lam == 0 else (change(comparison), f"{p:.2g}")),
                *((share(data["no_answer"]), share(data["degenerate"])) if generated else ()),
            )
        )
    return render.rows_as_table(
        headings, rows, ["best" if column.lam == tuning.best_lam else "" for column in evaluation.columns]
    )


def study(result: Study) -> str:
    """The report: the main results, the exploratory ones in a folded table, and notes on how to read them."""
    rows = [tuple(words.replace("-0.", "−0.") for words in row) for row in table(result)]
    exploratory = [row for row in rows if row[0] == "exploration" or row[0].startswith(_SINGLE_RANDOM_VECTORS)]
    main = [row for row in rows if row not in exploratory]
    tones = ["best" if row[0] == "tuned" else "" for row in main]
    exploratory_table = render.rows_as_table(HEADINGS, exploratory)
    folded = f'<details class="lab-fold"><summary>{text.EXPLORATION}</summary>{exploratory_table}</details>'
    sentences = "".join(f'<p class="lab-note">{escape(sentence)}</p>' for sentence in notes(result))
    return render.rows_as_table(HEADINGS, main, tones) + folded + sentences


def prompt(words: str) -> str:
    """The exact prompt of the child in a box that can be folded."""
    return (
        f'<details class="lab-fold" open><summary>{text.PROMPT_SUMMARY}</summary>'
        f'<pre class="lab-pre">{escape(words)}</pre></details>'
    )
