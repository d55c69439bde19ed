"""Every sentence and label of the Steer tab."""

from steering.formatting import strength
from steering.ui.questions.text import share
from steering.ui.state.abilities import Ability

TAB = "Steer"

GALLERY = "Ready examples, the strongest first. A click opens one; then drag λ."
NO_EXAMPLE = "There is no example “{name}”. Choose one of the cards."
ABILITY_CARD = "An ability: {task}"
WITHOUT, WITH = "λ = 0:", "steered:"
MEASURED_WITH = "Precomputed with {parent} → {child}."
ABILITY_SHARES = "Right answers on {n} unseen words"
ABILITY_ARMS = {
    "baseline": "unsteered",
    "random": "random vector",
    "carried": "carried vector",
    "own": "its own vector",
    "few-shot": "solved examples in the prompt",
}
ABILITY_NOTE = "With 95 % intervals. Measured by: {command}"
ABILITY_ITEMS = "The first {n} of these words, right or wrong"
ABILITY_COLUMNS = ("word", "unsteered", "steered")

PROMPT = "Prompt"
FIRST_PROMPT = "Describe the weather today."
EXAMPLES = ("Tell me about your morning.", "Write a short letter to a neighbour.", "What happened at the station?")
EXAMPLES_LABEL = "Other prompts"
GENERATE = "Generate"
EMPTY_PROMPT = "The prompt is empty. Write what the child should answer or continue."
READY = "Drag λ to see what it does. The models are being loaded behind the page."
EXACT = "λ of one more text"
WRITING_ONE = "Writing at this λ"
EXACT_NEEDS_GRID = "The texts were made with other settings. Press Generate first; then other λ can be added."
LOADING = "Loading the models"
PREPARING = "Getting the child ready to write"
WRITING = "Writing at every λ"
MEASURING = "Measuring perplexity and next-token probabilities"
COLOURING = "Measuring every token with and without λ"
REACH_INFO = "Generate writes 13 texts from −λ to +λ"
NEW_RANGE = "The range of λ changed. Press Generate to write texts up to ±{reach:g}."
BASE_MODEL = (
    "{child} is a base model: it completes a text and does not chat, so begin a text that it can go on with. What it writes is "
    "not filtered."
)
KL_LABEL = "KL budget (nats)"
KL_INFO = "How far steering may change the child's next tokens: 95 % of them stay below it."
SET_BY_KL = "Set λ by KL"
FIRST_TEXTS = "Generate writes one text for every λ at once."
STALE_GRID = "These texts were made with other settings. Press Generate to bring them up to date."


def earlier_texts(prompt: str) -> str:
    """Marks texts of an earlier run while new ones are being prepared."""
    short = prompt if len(prompt) <= 60 else prompt[:59] + "…"
    return (
        f"These are still the earlier texts, for “{short}”. The new ones take their place as soon as they are written."
    )


def task_name(task: str) -> str:
    """A task of word pairs, as people call it."""
    return task.rpartition(":")[2].replace("-", " ")


def ability_lead(ability: Ability) -> str:
    """One sentence on what the texts of the ability show."""
    carried, few, plain = (share(ability.arms[name].right) for name in ("carried", "few-shot", "baseline"))
    return (
        f"{ability.fields['child']} is given “{ability.question}” with no instruction. At λ = 0 it does not know what to do; "
        f"pushed along a direction from {ability.fields['parent']}, it writes “{ability.answer}”. On {ability.n} words that "
        f"nothing was chosen on, {carried} are right, {plain} without the push, {few} with solved examples in the prompt."
    )


def first_run(parent: str, child: str, concept: str, pairs: int) -> str:
    """What the first Generate will do, for the empty viewer."""
    models = f"loads {parent}" if parent == child else f"loads {parent} and {child}"
    carried = "" if parent == child else f", carries it over to {child}"
    return (
        f"The first Generate {models}, reads the direction of “{concept}” from {pairs} pairs{carried}, and then writes "
        "one text for every λ at once. That takes a minute or so; after that only the writing is left."
    )


def finished(texts: int, seconds: float) -> str:
    """What Generate has done."""
    return f"{texts} texts written side by side in {seconds:.1f} s. Drag λ to compare them."


def set_by_kl(lam: float, budget: float) -> str:
    """The end of the search for the λ of a KL budget."""
    return f"λ = {strength(lam)} is the strength for a KL budget of {budget:g} nats."


def wrote_one(lam: float) -> str:
    """The end of adding one text."""
    return f"A text at λ = {strength(lam)} was added."


def loaded(parent: str, child: str) -> str:
    """The end of loading the models, and what the user can do next."""
    models = f"{parent} is" if parent == child else f"{parent} and {child} are"
    return f"{models} loaded. Write a prompt, or press Generate."
