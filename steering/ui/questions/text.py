"""Texts that the Tune λ and Vote tabs share: names of tasks, labels, shares and differences."""

import math
from collections.abc import Sequence

from steering.evaluation import Column
from steering.stats import Comparison
from steering.storage import TABLE_ENDINGS
from steering.tasks import WORDS, task_names

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
    *(
        (f"{name.removeprefix(WORDS).replace('-', ' ')}: pairs of words, bundled", name)
        for name in task_names()
        if name.startswith(WORDS)
    ),
)
"""The task menu: labels, and names for `tasks.load_task`."""

QUESTIONS = "Number of questions"
SHOTS = "Worked examples"
MOST_TOKENS = "Most tokens of an answer"

UNKNOWN_TASK = (
    "There is no task {name!r} here. Pick one from the menu, type reasoning-gym:NAME or word-forms:NAME, "
    f"or upload a file ({', '.join(f'.{ending}' for ending in TABLE_ENDINGS)})."
)

UPLOADED = "{name} holds {n} questions for tuning and {m} for the report."

BAD_LAMBDAS = "{word!r} among the strengths λ is not a number. Write them like this: -0.2, 0, 0.2"


def share(value: float) -> str:
    """A share in whole percent."""
    return f"{100 * value:.0f} %"


def change(comparison: Comparison) -> str:
    """A difference of two shares in whole percent, with its interval if there is one."""
    mean, low, high = (_signed_percent(value) for value in (comparison.change, comparison.low, comparison.high))
    return f"{mean} %" if math.isnan(comparison.low) else f"{mean} % ({low} to {high})"


def _signed_percent(value: float) -> str:
    if math.isnan(value):
        return ""
    whole = round(100 * value)
    return f"{whole:+d}".replace("-", "−") if whole else "0"


def right_answers(column: Column) -> str:
    """The number and share of right answers of a column, with the interval of the share."""
    low, high = column.interval
    right, n = sum(column.correct), len(column.correct)
    return f"{right} of {n} right ({share(column.accuracy)}, 95 % interval {100 * low:.0f} to {share(high)})"


def lambda_list(lambdas: Sequence[float]) -> str:
    """Strengths as text of their field."""
    return ", ".join(f"{lam:g}" for lam in lambdas)
