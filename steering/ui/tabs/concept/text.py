"""Every sentence and label of the Concept tab."""

import math
import statistics
from collections.abc import Mapping
from typing import Any

from steering.evaluation import OWN_DESIGNS, SideEffects
from steering.formatting import signed, strength
from steering.measure import DesignComparison, LeftOut, Votes
from steering.tasks import DESIGNS, TaskPairs
from steering.ui.questions.text import share

TAB = "Concept"

PAIRS_HEADERS = ("Positive", "Negative")
PAIRS_INTRO = (
    "Each row is a pair of texts that differ in the concept alone. The direction is read at the last token of each "
    "text. Click a cell and type; nothing runs until you press a button that says so."
)
POSITIVE_LABEL = "λ > 0 pushes towards"
NEGATIVE_LABEL = "λ < 0 pushes towards"
ADD_PAIR = "Add row"
DELETE_PAIR = "Delete row"
UNDO = "Undo"
UPLOAD = "Upload CSV"
DOWNLOAD = "Download CSV"
RESET = "Reset to bundled"
RESET_OWN = "Reset to first pairs"
SELECT_FIRST = "Click a cell of the row that you want to delete, then press Delete row."
NO_PROBLEMS = "No problems found."
PROBLEMS = "Problems"
NAME_COLUMNS = "Here, name the columns in the file: positive and negative."

PASTE = "Paste pairs, or start a new concept"
PASTED = "Pairs to paste"
PASTED_INFO = (
    "One pair a line: positive, then a tab or a bar ( | ), then negative. Two columns of a spreadsheet will do, and so will "
    "the contents of a CSV or JSON file."
)
ADDED = "{n} pairs were added. Undo takes them back."
PASTED_EXAMPLE = "The soup was a joy | The soup was a pity\nWe won the match | We lost the match"
NEW_NAME = "Name of the new concept"
FIRST_NAME = "my concept"
ADD_PASTED = "Add to these pairs"
NEW_CONCEPT = "Start new concept"
NOTHING_PASTED = "There is nothing to add. Paste a pair a line into the box first."
NO_NAME = "The new concept needs a name. Type one beside the button."

FROM_TASK = "Make pairs from a task"
FROM_TASK_INTRO = (
    "The two sides then differ in an ability and not in a topic. Only the training part of the task is read, never the "
    "questions that λ is tuned on or those that are reported."
)
FIRST_TASK = "word-forms:past-tense"
TASK = "Task"
TASK_INFO = "Or type reasoning-gym:NAME, and press Enter"
TASK_UPLOAD = "Upload a task"
TASK_DESIGN = "Design"
TASK_DESIGN_INFO = "The positive / the negative side of a pair"
TASK_DESIGNS = {name: design.about for name, design in DESIGNS.items()} | {
    name: design.about for name, design in OWN_DESIGNS.items()
}
MAKE_PAIRS = "Make pairs"
READING_TASK = "Reading the task"
UNKNOWN_TASK_DESIGN = "There is no design {name!r}. Pick one from the menu."

GAIN_HEADING = "What does the child gain from this task's vector?"
GAIN_INTRO = (
    "Pairs are made from the training part, the vector is carried, and layer and λ are chosen on the validation part. Then the "
    "carried vector, and everything else that could explain a gain, answer the test part once. The table of pairs stays as it "
    "is. It takes minutes."
)
GAIN_QUESTIONS = "Test questions"
GAIN_QUESTIONS_INFO = "At most so many are answered, chosen at random"
GAIN = "Measure the gain"
GAIN_USE = "Steer with this vector"
NO_GAIN = "No gain was measured on this page yet. Press Measure the gain first."
NO_GAIN_OF_OWN = (
    "The design {name!r} makes pairs from a model's own answers, and a gain is measured for pairs from the task alone. Choose "
    "one of {designs}."
)
MEASURED = "{arms} arms have answered the same {n} questions."
STALE_GAIN = (
    "Task, design, models or method changed since this gain was measured. Press Measure the gain to measure anew."
)
GAIN_COLUMNS = ("Arm", "Right", "95 % interval", "p, adjusted", "Chosen on the validation part")
CHOSEN = {
    "layer": "layer {}",
    "positions": "positions {}",
    "validation_right": "{} right there",
    "scale": "scale {}",
    "profile": "layers {}",
    "prompt": "“{}”",
    "shots": "{} solved questions",
    "samples": "{} samples",
    "temperature": "temperature {}",
}

CHECK_HEADING = "Which pairs fight the others?"
CHECK_INTRO = (
    "The parent reads all pairs. Then each pair is held against the direction that the other pairs give without it: "
    "a pair that points the other way fights them."
)
CHECK = "Check pairs"
NO_VOTES = "Press Check pairs. The first time the parent has to read them; after that it takes a second."
STALE_VOTES = "Pairs, parent or method changed since this check. Press Check pairs to bring it up to date."
ALONG = "with the others"
AGAINST = "fights them"
FINDING = "Holding each pair against the others"
CHOOSE_PAIR = "Choose a pair of the list to see what would change without it."
LEAVE_OUT = "Leave it out"
CHOOSE_FIRST = "Choose a pair of the list first."
GONE_PAIR = "This pair is not in the table any more. Press Check pairs to bring the list up to date."
PAIR_OF_CHECK = "As it was when the pairs were checked"

COMPARE = "Compare two designs"
COMPARE_INTRO = (
    "Keep the pairs above as A, change them, keep them as B: then see where both directions agree, how good each is, "
    "and what both make of the prompt of the Steer tab at the same λ."
)
KEEP = "Keep as {letter}"
LOAD = "or take a bundled concept as {letter}"
NO_DESIGN = "Empty. Press Keep as {letter}, or choose a bundled concept."
STRENGTH = "λ"
STRENGTH_INFO = "The same for A and B"
COMPARE_BUTTON = "Compare"
NEEDS_BOTH = "Design {letter} is empty. Press Keep as {letter}, or choose a bundled concept for it."
NEEDS_STRENGTH = "λ is empty. Type a number such as 0.3."
NO_COMPARISON = "Press Compare when both are filled."
STALE_COMPARISON = "A, B, λ, the prompt or the settings changed since. Press Compare to bring this up to date."
PREPARING_DESIGNS = "Comparing the directions of A and B"
WRITING = "Writing with A and B side by side"
WRITTEN = "Both designs compared, and three texts written side by side in one batch."
EMPTY_PROMPT = "The prompt on the Steer tab is empty. Write one there first."
COSINES = "Where both directions agree"
COSINES_INFO = (
    "1 is the same direction, 0 has nothing in common, −1 is the opposite. Random directions lie in the grey band. "
    "Hollow marks: there one of the two tells pairs apart no better than a coin."
)
QUALITY = "How good each direction is"
QUALITY_INFO = "On pairs that the direction never saw"
TEXTS = "Both at λ = {lam}, on “{prompt}”"
BASELINE = "Baseline"
DESIGN = "Design {letter}"


def made_pairs(made: TaskPairs) -> str:
    """How many pairs were made from a task, and how many training questions gave none."""
    more = f" {len(made.left_out)} more are left out: {made.reason}." if made.left_out else ""
    return f"The table holds {len(made.items)} pairs from as many training questions.{more} Undo brings the earlier pairs back."


def chosen(values: Mapping[str, Any]) -> str:
    """What an arm chose on the validation part; "–" where it has nothing to choose."""
    words = {
        name: f"λ = {strength(value)}" if name == "lam" else CHOSEN.get(name, f"{name} {{}}").format(value)
        for name, value in values.items()
    }
    return ", ".join(words.values()) or "–"


def side_effects(cost: SideEffects) -> str:
    """What the carried vector costs at the chosen setting, as one sentence."""
    return (
        f"Besides, it changes 95 % of the child's next tokens in other texts by less than {cost.kl:.2g} nats (KL), makes these "
        f"texts {cost.perplexity_ratio:.2f} times as perplexing, and has {share(cost.steered)} of {cost.n} questions of the "
        f"task “{cost.other_task}” answered rightly, {share(cost.unsteered)} without it."
    )


def steering_with(name: str, lam: float, layer: int) -> str:
    """The end of choosing the vector of a gain to steer with."""
    return (
        f"Steering with {name}, kept in the Library, at layer {layer} and λ = {strength(lam)}, on a question of the validation "
        "part. Press Generate."
    )


def vote_label(number: int, score: str, fights: bool, gone: bool) -> str:
    """Label of a row of the list, for screen readers and as its title."""
    verdict = "fights the others" if fights else "goes with the others"
    return f"Row {number}: {score}, {verdict}" + (", no longer in the table" if gone else "")


def votes_legend(layers: int, fighting: int) -> str:
    """The legend of the list."""
    mark = f"◆ fights the others ({fighting})" if fighting else "no pair fights the others"
    return (
        f"● mean over the {layers} layers that count; the bar holds the middle half of them. "
        f"1 is as far as is typical of these pairs at a layer; {mark}."
    )


def check_result(votes: Votes, model: str) -> tuple[str, str]:
    """The result of a check, and its kind for `render.message`."""
    pairs, fighting = len(votes.along), int(votes.fights.sum())
    clear, layers = int(votes.clear.sum()), int(votes.signal.sum())
    if not clear:
        words = (
            f"At no layer of {model} is the pairwise accuracy of these {pairs} pairs better than a coin: either they share too "
            "little, or there are too few of them."
        )
        return words, "warning"
    where = f"at the {clear} of {layers} layers of {model} that tell pairs apart better than a coin"
    if not fighting:
        return f"All {pairs} pairs go with the others {where}.", "good"
    who = "One pair fights" if fighting == 1 else f"{fighting} pairs fight"
    return f"{who} the others, of {pairs}, {where}.", "info"


def against(layers: int, counted: int) -> str:
    """The number of layers at which a pair points the other way.

    Args:
        layers: at which it does.
        counted: that count.
    """
    if not layers:
        return f"It goes with the others at all {counted} layers that count."
    return f"It points the other way at {layers} of the {counted} layers that count."


def without(left_out: LeftOut, others: int) -> str:
    """Says whether the other pairs are explained better without one pair."""
    gain, low, high = left_out.gain
    if math.isnan(gain):
        return "There are too few pairs to test the others without it."
    if low > 0:
        return f"Without it the other {others} pairs are explained better."
    if high < 0:
        return f"Without it the other {others} pairs are explained worse: they would miss it."
    return f"The other {others} pairs are explained about as well without it."


def turns(degrees: float) -> str:
    """The angle by which the direction turns without one pair."""
    if math.isnan(degrees):
        return "Without it no direction can be found."
    return f"Without it the direction turns by {degrees:.1f}° (mean over these layers)."


def comparison_sentences(comparison: DesignComparison) -> list[str]:
    """The result of comparing two designs, the verdict first."""
    signal = (
        f"A has {comparison.pairs[0]} pairs and carries signal at {comparison.signal[0]} layers of {comparison.model_name}; "
        f"B has {comparison.pairs[1]} pairs and signal at {comparison.signal[1]}."
    )
    clear = sorted(comparison.cosines[comparison.clear].tolist())
    if not clear:
        return [
            "At no layer do both designs tell pairs apart better than a coin, so there is nothing to compare.",
            signal,
        ]
    middle = statistics.median(clear)
    if middle >= 0.9:
        verdict = "Both designs point nearly the same way."
    elif middle >= 0.3:
        verdict = "Both designs point in related directions."
    elif middle > -0.3:
        verdict = "The designs have little in common."
    else:
        verdict = "The designs point against each other."
    numbers = (
        f"Median cosine {signed(middle)} over the {len(clear)} layers at which both tell pairs apart better than a coin, "
        f"from {signed(clear[0])} to {signed(clear[-1])}; 95 % of random directions of this width stay within "
        f"±{comparison.chance:.2f}."
    )
    return [verdict, numbers, signal]
