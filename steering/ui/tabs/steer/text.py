"""Every sentence and label of the Steer tab."""

from steering.formatting import strength

TAB = "Steer"

PROMPT = "Prompt"
FIRST_PROMPT = "Describe the weather today."
EXAMPLES = ("Tell me about your morning.", "Write a short letter to a neighbour.", "What happened at the station?")
EXAMPLES_LABEL = "Or try"
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
REACH_INFO = "Generate writes 13 texts from −λ to +λ"
NEW_RANGE = "The range of λ changed. Press Generate to write texts up to ±{reach:g}."
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
