"""Every sentence and label of the Vote tab."""

from steering.evaluation import Ballot, Evaluation, Vote
from steering.formatting import duration, strength
from steering.ui.questions.text import change, share

TAB = "Vote"
INTRO = (
    "The paper's way to spend more at answering: ask the child at every λ, and take the answer that most of them give. Beside "
    "it stands the vote of the unsteered child, asked as often at random: voting can help without any steering."
)

QUESTION = "Question"
FIRST_QUESTION = "A farmer has 3 baskets with 4 apples each. She sells 2 apples. How many apples are left?"
FIRST_ANSWER = "10"
CHOICES = "Choices"
CHOICES_INFO = "One a line; empty for a free answer"
ANSWER = "Right answer"
ANSWER_INFO = "If you know it: a letter or the text of a choice, a number, or words"
KIND = "The answer is"
KINDS = (("a number", "number"), ("words", "text"), ("a formula", "math"))
KIND_INFO = "For questions without choices"
TAKE = "Take one from the task"
ASK = "Ask at every λ"
SAMPLES = "Also ask the unsteered child as often at random (self-consistency)"

NO_QUESTION = "The question is empty. Write one, or take one from the task."
BAD_CHOICES = "There are {n} choices, {distinct} of them different. Write between 2 and 26, all different, one a line."
BAD_ANSWER = (
    "The right answer {answer!r} is none of the choices. Write a letter from A to {last}, or the choice itself."
)
TAKEN = "Question {id} of {task}, validation split: number {place} of {n}."
ANSWERING = "Answering at {n} λ"
SAMPLING = "Asking the unsteered child {n} times"
STALE = "These answers were given to another question, or with other settings. Press “Ask at every λ” to bring them up to date."
EMPTY = "Press “Ask at every λ”: the answers appear here while they are being written."
NO_ANSWER = "no answer"
WRITING = "being written"
STOPPED = "stopped"

STEERED, SAMPLED = "every λ", "unsteered, at random"
COLUMNS = ("λ", "answer")
SOURCES = {"generate": "what was written", "likelihood": "log-probability per character of each choice"}
"""Heading of the column with what an answer was read from, by mode."""

TASK_HEADING = "Votes on a whole task"
TASK_INTRO = "The questions of the Tune λ tab. Rows that were scored there are not computed again."
PART = "Questions"
PARTS = (("of the validation part", "validation"), ("of the test part", "test"))
PART_INFO = "Decide on the validation part; look at the test part last"
COUNT = "Count the votes"
TASK_STALE = "These votes were counted with other settings. Press “Count the votes” to bring them up to date."
SHOWN = "The picture shows the first {n} of them."


def about(lambdas: tuple[float, ...], tie_lam: float) -> str:
    """Says that λ and prompt style come from the Tune λ tab, and which λ decides a tie."""
    grid = f"{len(lambdas)} λ from {strength(lambdas[0])} to {strength(lambdas[-1])}"
    decides = f"λ = {strength(tie_lam)}, as tuned there" if tie_lam else "λ = 0"
    return (
        f"{grid} and the way questions are put come from the Tune λ tab. A tie goes to the answer nearest to {decides}."
    )


def mode(ballot: Ballot, name: str) -> str:
    """The winner of a vote, and its number of votes.

    Args:
        ballot: the votes on one question.
        name: of the winner, for display.
    """
    n = len(ballot.answers)
    if ballot.winner is None:
        return f"No answer could be read from any of {n}"
    tied = ", a tie" if ballot.tied else ""
    return f"{name} · {ballot.votes} of {n}, agreement {share(ballot.agreement)}{tied}"


def counted(grid: Evaluation, votes: Vote) -> tuple[str, ...]:
    """The result of a vote on a task, the most important sentence first."""
    comparison, baseline = votes.comparison, grid.baseline
    low, high = votes.interval
    baseline_low, baseline_high = baseline.interval
    data = votes.as_json()
    ties = f"{data['ties']} {'tie' if data['ties'] == 1 else 'ties'}"
    return (
        f"The vote is right on {share(votes.accuracy)} of {grid.n} questions (95 % interval {100 * low:.0f} to {share(high)}); "
        f"the baseline, λ = 0, on {share(baseline.accuracy)} ({100 * baseline_low:.0f} to {share(baseline_high)}).",
        f"Change, with its 95 % interval: {change(comparison)}. "
        f"{comparison.gained} questions gained, {comparison.lost} lost, p = {comparison.p:.2g} (exact McNemar).",
        f"{len(votes.voters)} λ vote, {ties}, mean agreement {share(data['agreement'])}; {grid.split} split of {grid.task}.",
    )


def finished(seconds: float) -> str:
    """The duration of the task."""
    return f"Done in {duration(seconds)}."
