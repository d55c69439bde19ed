"""Every sentence and label of the Tune λ tab."""

import math
from collections.abc import Sequence

from steering.evaluation import Evaluation, Tuning
from steering.grids import NEW_TOKENS
from steering.judging import Column
from steering.numerals import strength
from steering.significance import Comparison

TAB = "Tune λ"
INTRO = (
    "Does steering help with questions that have a right answer? Every question is put to the child at every λ. The best λ is "
    "chosen on one part of the task, and reported on another that was not looked at."
)

TASK = "Task"
TASK_INFO = "Pick one, or type reasoning-gym:NAME and press Enter"
TASKS = (
    ("questions: 240 with choices, bundled", "questions"),
    ("sums and differences, generated", "reasoning-gym:chain_sum"),
    ("arithmetic with brackets, generated", "reasoning-gym:basic_arithmetic"),
    ("products of two numbers, generated", "reasoning-gym:products"),
    ("legs of many animals, generated", "reasoning-gym:leg_counting"),
    ("letters in a text, generated", "reasoning-gym:letter_counting"),
    ("greatest common divisors, generated", "reasoning-gym:gcd"),
    ("word problems, generated", "reasoning-gym:gsm_symbolic"),
    ("gsm8k: word problems, from the Hub", "gsm8k"),
    ("math: competition problems, from the Hub", "math"),
    ("arc-easy: science with choices, from the Hub", "arc-easy"),
    ("arc-challenge: science with choices, from the Hub", "arc-challenge"),
)
"""Tasks on the menu: what it says, and their names."""

UNKNOWN_TASK = (
    "There is no task {name!r} here. Pick one from the menu, type reasoning-gym:NAME, "
    "or upload a .jsonl, .json or .csv file."
)
UPLOAD = "Upload a task"
UPLOADED = "{name} holds {n} questions for tuning and {m} for the report."
QUESTIONS = "Number of questions"
QUESTIONS_INFO = "Of each part, chosen at random"
LAMBDAS = "Strengths λ to try"
LAMBDAS_INFO = "With spaces or commas between them; 0, the baseline, is always tried"
BAD_LAMBDAS = "{word!r} among the strengths λ is not a number. Write them like this: -0.2, 0, 0.2"

ASKING = "How questions are put"
MODE = "Answers"
MODES = (("as it suits the task", "auto"), ("written out", "generate"), ("the likeliest choice", "likelihood"))
MODE_INFO = "Written answers are read by value; choices are weighed per character"
FRAME = "Prompt"
FRAMES = (("as it suits the answers", "auto"), ("as a chat", "chat"), ("plain", "plain"))
FRAME_INFO = "With or without the child's chat template"
SHOTS = "Worked examples"
SHOTS_INFO = "Stand before every question"
MOST_TOKENS = "Most tokens of an answer"
MOST_TOKENS_INFO = "0 takes " + ", ".join(
    f"{n} for {name}" for name, n in (("choices", NEW_TOKENS["choice"]), ("numbers", NEW_TOKENS["number"]),
                                      ("formulas", NEW_TOKENS["math"]), ("words", NEW_TOKENS["text"]))
)  # fmt: skip

RUN = "Run"
SHOW_PROMPT = "Show the prompt"
PROMPT_SHOWN = "This is the first prompt exactly as the child reads it. Nothing was scored."
PROMPT_SUMMARY = "The first prompt"
RESUMES = (
    "Rows are kept as they finish: a run that was stopped goes on where it was, and a smaller run serves a larger one."
)
NO_PLOT = "Press Run to score every question at every λ. With the bundled models and task that takes about a minute."
SCORING = "Scoring question {first} to {last} of {n} at {lams} λ"
STALE = "These figures were made with other settings. Press Run to bring them up to date."
USE = "Use λ = {lam} on the Steer tab"

REPORT_HEADING = "Report on unseen questions"
REPORT = "Report"
REPORT_INTRO = (
    "The tuned λ and the vote of all λ, on the test part of the task. Beside them, at the same cost, what else could explain a "
    "gain: random vectors, the flipped vector, asking the unsteered child again and again, and asking for the concept in words."
)
REPORT_FIRST = "Run the tuning first: then this says how long the report will take."
REPORT_STALE = "This report was made with other settings. Press Report to make it anew."
REPORTED = "Report on {n} questions made in {duration}."
EXPLORATION = "Every random vector, and every λ on the reported questions: to look at, not to choose from"
DOWNLOADS = {".html": "Download as a page", ".md": "Download as Markdown", ".json": "Download as JSON"}

COLUMNS = ("λ", "right", "share", "95 % interval", "change", "p, corrected")
WRITTEN_COLUMNS = ("no answer", "repeats itself")
"""Headings of the table; the last two where answers were written."""


def share(value: float) -> str:
    """A share in whole percent."""
    return f"{100 * value:.0f} %"


def change(against: Comparison) -> str:
    """A difference of two shares in whole percent, with its interval where there is one."""
    mean, low, high = (_signed_percent(value) for value in (against.change, against.low, against.high))
    return f"{mean} %" if math.isnan(against.low) else f"{mean} % ({low} to {high})"


def _signed_percent(value: float) -> str:
    if math.isnan(value):
        return ""
    whole = round(100 * value)
    return f"{whole:+d}".replace("-", "−") if whole else "0"


def of(column: Column) -> str:
    """How many answers of a column are right, with the interval of the share."""
    low, high = column.interval
    right, n = sum(column.correct), len(column.correct)
    return f"{right} of {n} right ({share(column.accuracy)}, 95 % interval {100 * low:.0f} to {share(high)})"


def verdict(found: Tuning) -> tuple[str, ...]:
    """What a tuning says, the most important first."""
    grid = found.evaluation
    if found.best_lam == 0:
        first = f"No λ does better than the baseline, λ = 0: {of(grid.baseline)}."
    else:
        best = f"Most right answers at λ = {strength(found.best_lam)}: {of(grid.at(found.best_lam))}."
        first = f"{best} The baseline, λ = 0, has {of(grid.baseline)}."
    chosen = (
        f"Task {grid.task}, {grid.split} split, n = {grid.n}, {len(grid.columns)} λ. The best of several looks better than it "
        "is: the report below tests it on other questions."
    )
    return first, found.verdict.replace("-", "−"), chosen


def finished(grid: Evaluation, computed: int, seconds: float) -> str:
    """What a tuning run did."""
    rows = grid.n * len(grid.columns)
    kept = rows - computed
    earlier = f", {kept} of them from earlier runs" if kept > 0 else ""
    return f"{grid.n} questions at {len(grid.columns)} λ: {rows} rows{earlier}, in {duration(seconds)}."


def estimate(n: int, rows: int, seconds_per_row: float | None) -> str:
    """What a report will take."""
    what = f"On {n} questions of the test split: at most {rows} rows to compute"
    if seconds_per_row is None:
        return f"{what}."
    return f"{what}, about {duration(rows * seconds_per_row)} at {seconds_per_row:.2g} s a row as in the last run."


def duration(seconds: float) -> str:
    """A length of time in the unit that suits it."""
    if seconds < 90:
        return f"{max(seconds, 0.1):.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def written(lambdas: Sequence[float]) -> str:
    """Strengths as they stand in the field."""
    return ", ".join(f"{lam:g}" for lam in lambdas)
