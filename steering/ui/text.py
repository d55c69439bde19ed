"""Every sentence and label of the page, in one place."""

from steering.similarity import Similarity

TITLE = "Steering Lab"
SUBTITLE = "Take a concept from a large model, steer a small one with it."

PARENT = "Parent model"
PARENT_INFO = "The concept is read here"
CHILD = "Child model"
CHILD_INFO = "Steering acts here"
MODEL_FREE = "Pick a bundled model, or type a Hub id (owner/name), a folder or a .gguf file and press Enter."
CONCEPT = "Concept"

METHOD_SETTINGS = "Method settings"
DIRECTION = "Direction"
DIRECTION_INFO = "How a layer's direction is found from the pairs"
LAYER_MAP = "Layer map"
LAYER_MAP_INFO = "Which parent layer feeds which child layer"
WIDTH_MAP = "Width map"
WIDTH_MAP_INFO = "How a direction fits the child's width"
SCALE = "Scale of λ"
SCALE_INFO = "residual: λ counts in whole residual norms. unit: λ times a unit vector"
PROFILE = "Layer profile"
PROFILE_INFO = "How the push is spread over the child's layers"
POSITIONS = "Positions"
POSITIONS_INFO = "Which tokens are steered"

GENERATION_SETTINGS = "Generation settings"
MAX_NEW_TOKENS = "Most new tokens"
TEMPERATURE = "Temperature"
TEMPERATURE_INFO = "0 takes the likeliest token"
TOP_P = "Top-p"
TOP_K = "Top-k"
TOP_K_INFO = "0 keeps all tokens"
REPETITION_PENALTY = "Repetition penalty"
SEED = "Seed"
SEED_INFO = "Every λ draws the same random numbers"
CHAT = "Use the child's chat template"

PROMPT = "Prompt"
FIRST_PROMPT = "Describe the weather today."
EXAMPLES = ("Tell me about your morning.", "Write a short letter to a neighbour.", "What happened at the station?")
EXAMPLES_LABEL = "Or try"
GENERATE = "Generate"
STOP = "Stop"

STEER_TAB = "Steer"
CONCEPT_TAB = "Concept"
LAYERS_TAB = "Layers"

BUSY = "The model is busy with another run; yours starts when it is free."
READY = "Nothing is loaded yet. Press Generate when you like."
STARTING = "Starting"
STOPPING = "Stopping after the step that is under way"
STOPPED = "Stopped. Nothing is running, and what was written so far stays."
CLOSED = "The page that asked for this was closed."
UNEXPECTED = "Something unexpected happened. The log of the program has the details."
PREPARING = "Getting the child ready to write"
WRITING = "Writing at every λ"
MEASURING = "Measuring perplexity under the unsteered child"
STALE_GRID = "These texts were made with other settings. Press Generate to bring them up to date."
STALE_PLOT = "This map was computed for other models, pairs or another metric. Press Compute to bring it up to date."

PAIRS_HEADERS = ("Positive", "Negative")
PAIRS_INTRO = (
    "Each row is a pair of texts that differ in the concept alone. The direction is read at the last token of each "
    "text. Click a cell and type; nothing runs until you press Generate."
)
POSITIVE_LABEL = "λ > 0 pushes towards"
NEGATIVE_LABEL = "λ < 0 pushes towards"
ADD_PAIR = "Add row"
DELETE_PAIR = "Delete row"
UNDO = "Undo"
UPLOAD = "Upload CSV"
DOWNLOAD = "Download CSV"
RESET = "Reset to bundled"
SELECT_FIRST = "Click a cell of the row that you want to delete, then press Delete row."
NO_PROBLEMS = "No problems found."
PROBLEMS = "Problems"
MODIFIED = "modified"

LAYERS_INTRO = (
    "Each cell compares one parent layer with one child layer on this concept. "
    "A dot marks the best child layer for each parent layer."
)
METRIC = "Metric"
METRIC_INFO = {
    "scores": "Pearson r between the projections of held-out texts on both models' own directions",
    "cka": "Linear CKA between activations on the anchor texts",
    "aligned": "Cosine between the carried direction and the child's own",
    "r2": "Held-out R² of the map from parent layer to child layer",
    "gradient": "Cosine between the carried direction and what moves the child towards the concept’s held-out continuations",
}
COMPUTE = "Compute"
NO_PLOT = "Press Compute to compare every layer of the parent with every layer of the child. It takes about a minute."
REPORT = "How well the vector was carried"
NO_REPORT = "The report appears when a vector has been carried to the child: press Generate on the Steer tab."
SAME_MODEL_REPORT = "Parent and child are the same model, so the vector is used as it is: nothing was carried."

MEASURE_EFFECT = "Measure the effect that is kept"
MEASURED = "Effect measured, see the report below."

NOT_ALLOWED = "{name} is not on this page's list of models. Choose one of {allowed}."
NEEDS_NUMBER = "{label} is empty. Type a number."
EMPTY_PROMPT = "The prompt is empty. Write what the child should answer or continue."
UNREADABLE_UPLOAD = "{name} cannot be read as UTF-8 text. Save it as UTF-8 and upload it again."
NO_MODEL = "Choose a {role} model first."


def first_run(parent: str, child: str, concept: str, pairs: int) -> str:
    """What the first Generate will do, for the empty page."""
    models = f"loads {parent}" if parent == child else f"loads {parent} and {child}"
    carried = "" if parent == child else f", carries it over to {child}"
    return (
        f"The first Generate {models}, reads the direction of “{concept}” from {pairs} pairs{carried}, and then writes "
        "one text for every λ at once. That takes a minute or so; after that only the writing is left."
    )


def finished(texts: int, seconds: float) -> str:
    """What was done, at the end of a run."""
    return f"{texts} texts written side by side in {seconds:.1f} s. Drag λ to compare them."


def licence(name: str, terms: str) -> str:
    """The line about a bundled model's terms."""
    return f"{name} comes under the {terms}."


def compared(found: Similarity) -> str:
    """What a map of layers rests on, and what its numbers would be by chance."""
    about = "anchor texts" if found.metric in ("cka", "r2") else f"texts of “{found.concept}”"
    return (
        f"{found.parent} (rows) against {found.child} (columns), on {found.n_texts} {about}. By chance, with texts "
        f"paired at random, 95 % of the cells stay below {found.chance:.2f}."
    )
