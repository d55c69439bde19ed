"""Every sentence and label of the Tune λ tab."""

from steering.evaluation import NEW_TOKENS, Evaluation, Tuning
from steering.formatting import duration, strength
from steering.ui.questions.text import right_answers

TAB = "Tune λ"
INTRO = (
    "Does steering help with questions that have a right answer? Every question is put to the child at every λ. The best λ is "
    "chosen on one part of the task, and reported on another that was not looked at."
)

TASK = "Task"
TASK_INFO = "Pick one, or type reasoning-gym:NAME and press Enter"

UPLOAD = "Upload a task"
QUESTIONS_INFO = "Of each part, chosen at random"
LAMBDAS = "Strengths λ to try"
LAMBDAS_INFO = "With spaces or commas between them; 0, the baseline, is always tried"

ASKING = "How questions are put"
MODE = "Answers"
MODES = (("as it suits the task", "auto"), ("written out", "generate"), ("the likeliest choice", "likelihood"))
MODE_INFO = "Written answers are read by value; choices are weighed per character"
FRAME = "Prompt"
FRAMES = (("as it suits the answers", "auto"), ("as a chat", "chat"), ("plain", "plain"))
FRAME_INFO = "With or without the child's chat template"
SHOTS_INFO = "Stand before every question"
MOST_TOKENS_INFO = "0 takes " + ", ".join(
    f"{n} for {name}" for name, n in (("choices", NEW_TOKENS["choice"]), ("numbers", NEW_TOKENS["number"]),
                                      ("formulas", NEW_TOKENS["math"]), ("words", NEW_TOKENS["text"]),
                                      ("pairs of words", NEW_TOKENS["line"]))
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
"""Further headings of the table if answers were written out."""


def verdict(tuning: Tuning) -> tuple[str, ...]:
    """The result of a tuning, the most important sentence first."""
    grid = tuning.evaluation
    if tuning.best_lam == 0:
        first = f"No λ does better than the baseline, λ = 0: {right_answers(grid.baseline)}."
    else:
        best = f"Most right answers at λ = {strength(tuning.best_lam)}: {right_answers(grid.at(tuning.best_lam))}."
        first = f"{best} The baseline, λ = 0, has {right_answers(grid.baseline)}."
    caution = (
        f"Task {grid.task}, {grid.split} split, n = {grid.n}, {len(grid.columns)} λ. The best of several looks better than it "
        "is: the report below tests it on other questions."
    )
    return first, tuning.verdict.replace("-", "−"), caution


def finished(grid: Evaluation, computed: int, seconds: float) -> str:
    """What a tuning run has done."""
    rows = grid.n * len(grid.columns)
    stored = rows - computed
    earlier = f", {stored} of them from earlier runs" if stored > 0 else ""
    return f"{grid.n} questions at {len(grid.columns)} λ: {rows} rows{earlier}, in {duration(seconds)}."


def estimate(n: int, rows: int, seconds_per_row: float | None) -> str:
    """The estimated cost of a report."""
    what = f"On {n} questions of the test split: at most {rows} rows to compute"
    if seconds_per_row is None:
        return f"{what}."
    return f"{what}, about {duration(rows * seconds_per_row)} at {seconds_per_row:.2g} s a row as in the last run."
