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
SHOW_KEPT = "Show these texts"
KEPT_SHOWN = "The texts of the run before the reload. Drag λ to compare them."
NOT_KEPT = "The texts of the run before the reload are not kept any more. Press Generate."
SECOND_FOLD = "Add a second concept"
SECOND_INTRO = (
    "Its vector is added to every text of this tab, at a strength that stays the same while λ of the first concept varies. The "
    "baseline stays unsteered. The other tabs steer with the first concept alone."
)
SECOND_INFO = "A concept of the page, or a saved vector"
SECOND_LAM_INFO = "0 adds nothing"
NO_SECOND = "none"
SECOND_NEEDS_LAM = "Give it a strength other than 0; then press Generate."
SECOND_NOT_MADE = "Press Generate. Once both vectors are made, how they lie to each other is said here."
KL_LABEL = "KL budget (nats)"
KL_INFO = "How far steering may change the child's next tokens: 95 % of them stay below it."
SET_BY_KL = "Set λ by KL"
FIRST_TEXTS = "Generate writes one text for every λ at once."
STALE_GRID = "These texts were made with other settings. Press Generate to bring them up to date."


def kept_run(concept: str, prompt: str, *, finished: bool) -> str:
    """Offers the texts of a run after its page was loaded again."""
    short = prompt if len(prompt) <= 60 else prompt[:59] + "…"
    run = f"a run of “{concept}” for “{short}”"
    return f"Before the reload, {run} had finished." if finished else f"The reload stopped {run}; its texts end early."


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


def set_by_kl(lam: float, budget: float, *, alone: bool = False) -> str:
    """The end of the search for the λ of a KL budget; with a second concept it is that of the first one alone."""
    without = ", without the second concept" if alone else ""
    return f"λ = {strength(lam)} is the strength for a KL budget of {budget:g} nats{without}."


def conflict(pole: str, poles: tuple[str, str], cosine: float, layers: int, chance: float) -> str:
    """How the second concept lies to the first one.

    Args:
        pole: that the second concept pushes towards.
        poles: of the first concept, the positive one first.
        cosine: mean over the layers that act.
        layers: number of these layers.
        chance: what 95 % of random directions stay below.
    """
    if layers == 0:
        return "The two act at no layer in common, so that neither adds to the other's direction."
    number = f"cosine {cosine:+.2f} on average over {layers} layers".replace("-", "−") + (
        f"; 95 % of random directions stay within ±{chance:.2f}"
    )
    near, far = poles if cosine > 0 else poles[::-1]
    if abs(cosine) <= chance:
        return f"“{pole}” and “{poles[0]}” lie at right angles, as far as can be told ({number}): neither takes from the other."
    return (
        f"“{pole}” lies on the side of “{near}” ({number}). Towards “{near}” the two pushes add up; towards “{far}” they work "
        "against each other."
    )


def wrote_one(lam: float) -> str:
    """The end of adding one text."""
    return f"A text at λ = {strength(lam)} was added."


def loaded(parent: str, child: str) -> str:
    """The end of loading the models, and what the user can do next."""
    models = f"{parent} is" if parent == child else f"{parent} and {child} are"
    return f"{models} loaded. Write a prompt, or press Generate."
