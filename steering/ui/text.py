"""Sentences and labels of the sidebar and of the whole page; each tab has a text module of its own."""

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
DIRECTION_INFO = "How a layer's direction is found from the pairs; gradient trains for minutes"
LAYER_MAP = "Layer map"
LAYER_MAP_INFO = "Which parent layer feeds which child layer; 12-to-14 joins one pair of layers"
LAYER_WORDS = {
    "relative": "Each child layer gets the direction of the parent layer at the same share of depth",
    "several": "Each child layer gets the direction of the four parent layers around the same share of depth, read together",
    "index": "Each child layer gets the direction of the parent layer with the same number",
    "best": "Each child layer gets the direction of the parent layer that resembles it most",
}
ONE_PAIR = "One child layer gets the direction of one parent layer"
WIDTH_WORDS = {
    "ridge": "it is fitted to the child by regression on texts that both read",
    "procrustes": "it is turned into the child's space, lengths and angles kept",
    "canonical": "it is fitted to the child by what both models share",
    "anchors": "it is fitted to the child by how near it lies to texts that both read",
    "autoencoder": "it is fitted to the child by a small network",
    "truncate": "it is cut or padded to the child's width, a control",
    "none": "it must have the child's width already",
}
LAYER_PAIR = "{parent} → {child}"
UNKNOWN_LAYER_MAP = "Layer map “{layers}” is not known. Choose one from the menu, or name one pair of layers: 12-to-14."
WIDTH_MAP = "Width map"
WIDTH_MAP_INFO = "How a direction fits the child's width"
SCALE = "Scale of λ"
SCALE_INFO = (
    "residual: λ = 1 adds, over all layers, as much as the child's own states are long. unit: λ times a unit vector"
)
PROFILE = "Layer profile"
PROFILE_INFO = "How the push is spread over the child's layers; the Layers tab has a bar for each"
ONE_LAYER = "layer {layer}"
OWN_PROFILE = "own bars"
UNREADABLE_PROFILE = (
    "Layer profile “{profile}” cannot be read. Choose one from the menu, or write a weight for every layer: "
    "“14x0 1 15x0” is layer 14 of 30 alone."
)
POSITIONS = "Positions"
POSITIONS_INFO = "Which tokens are steered; first: what decides the first new token"
OPERATOR = "Operator"
OPERATOR_INFO = (
    "add: add the vector. ablate: take its component out, all at λ = 1. rotate: turn towards it, length kept"
)

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
SYSTEM = "System prompt"
SYSTEM_INFO = (
    "For texts; the questions of Tune λ and Vote have none. In the first turn where the child has no system role"
)

SECOND = "Second concept"
SECOND_LAM = "λ of the second concept"
SECOND_IS_ADDED = (
    "A second concept is added, and the operator {operator} does not add. Choose the operator add in the method settings, or "
    "set the λ of the second concept to 0."
)

REACH = "Range of λ (±)"
BAD_REACH = "The range of λ is {value}, but it must be above 0. Type how far λ goes to both sides, such as 0.6."

STOP = "Stop"
COPY_LINK = "Copy link"
LINK_COPIED = "Link copied"
ADDRESS_PROBLEMS = {
    "choice": "The address has “{value}” for {name}, which is none of {allowed}; the default is used.",
    "range": "The address has “{value}” for {name}, which is outside {allowed}; the default is used.",
    "flag": "The address has “{value}” for {name}, which is neither true nor false; the default is used.",
    "number": "The address has “{value}” for {name}, which is not a number; the default is used.",
    "kept": "Before this page was loaded again, {name} was “{value}”, which is not here any more; the default is used.",
    "unknown": "The address has a setting {name} that this page does not know.",
}
LINK_SHOWN = "See the address bar"

NO_LAYER = "The layer map names {role} layer {layer}, but the last one of this {role} is {last}. Choose another map."
WRONG_PROFILE = "The layer profile has {weights} weights, but this child has {layers} layers. Choose another one."
STARTING = "Starting"
STOPPING = "Stopping after the step that is under way"
STOPPED = "Stopped. Nothing is running, and what was written so far stays."
CLOSED = "This page was closed, so nothing is done for it any more. Load it again to go on."
FULL_DISK = "The disk of the server is full, so nothing more can be written. What was saved before is unchanged."
UNEXPECTED = "Something unexpected happened. The log of the program has the details."

NOT_MADE = "not made yet"
MODIFIED = "modified"
JOINED = "Joined of parts that were carried from {parents}; each part has its own transfer report."
FROM_FILE = "Read from a file; with another method, or other models or pairs, Generate makes it anew from its pairs."

NOT_ALLOWED = "{name} is not on this page's list of models. Choose one of {allowed}."
TOO_MANY_RUNS = "You have {runs} runs under way, as many as one visitor may have. Wait until one ends, or stop it."
ENDING = "This app is about to end, so no run begins any more. Load the page again in a minute."
OTHER_VISITOR = "This page belongs to another visitor. Load it again."
LIMITS = "Limits of this page"
NEEDS_NUMBER = "{label} is empty. Type a number."
NO_NUMBER = "{label} is {value}, which is no finite number. Type a number."
NO_CONCEPT = "This page has no concept “{name}”. Choose one from the menu, or load the session that holds it."
NO_MODEL = "Choose a {role} model first."


def in_line(before: int, running: str, seconds: float) -> str:
    """The place of a run that waits for the models."""
    place = "Yours is next" if before == 1 else f"{before} runs are before yours"
    return f"{place}. “{running}” has been running for {seconds:.0f} s."


def licence(name: str, terms: str) -> str:
    """The sentence about the licence of a bundled model."""
    return f"{name} comes under the {terms}."
