"""Every sentence and label of the Library tab."""

from collections.abc import Sequence

TAB = "Library"

SAVED = "Saved vectors"
SAVED_INTRO = (
    "A saved vector is a file on this machine: its directions, the pairs behind it, and how it was made. "
    "Choose one to see where it came from; check it before you steer with it."
)
NOTHING_SAVED = "Nothing is saved yet. Press “Save the current vector”, or upload a file."
NAME = "Name of the file"
NAME_HINT = "Or empty: concept, models, method"
SAVE = "Save the current vector"
UPLOAD = "Upload a vector file"
CHECK = "Check"
USE = "Steer with it"
DOWNLOAD = "Download"
DELETE = "Delete"
UNDO = "Undo delete"
KEEP = "Keep in the library"
UNIT_LENGTH = "Bring every layer to length 1"
UNIT_LENGTH_INFO = "For files of other tools, so that they suit the scale residual. Press Check again after a change."
FROM_ONE = "The first block has number 1"
FROM_ONE_INFO = "For files that count hidden states, whose number 0 is the embeddings."
CHOOSE_FIRST = "Choose a vector in the table first."
CHECK_FIRST = "Check the vector first."
READING = "Reading the file"
COLUMNS = ("Name", "Concept", "Parent → child", "Method", "Layers", "Saved", "Size")
OWN_SPACE = "its own"
UNREADABLE = "cannot be read"
CANNOT_USE = "{name} cannot be used here."
FITS = "Everything that can be checked fits. Nothing stops it from being used."
STOPS = "It does not fit {model}, and cannot be used with it."
EXPECTED = "expected"
FOUND = "found"
STATUS = {"matches": "✓ matches", "differs": "✕ differs", "unknown": "? unknown"}
MAYBE = "▲ differs"

COMPARE = "Compare with another vector"
COMPARE_WITH = "Compare with"
NO_COMPARISON = "Choose a vector in the table, and here the one to compare it with."
NO_LAYERS = "The two carry signal at no layer in common."

EXPORT = "Write it for another tool"
EXPORT_INTRO = (
    "The current vector as a file of another tool. No other tool knows λ, scales or layer profiles, so the file holds the "
    "push itself: λ, the sidebar's scale and its layer profile are multiplied in. The tool's own strength then multiplies λ."
)
FORMAT = "Format"
FORMATS = {
    "gguf": "llama.cpp (control vector, .gguf)",
    "repeng": "repeng (.gguf)",
    "steering-vectors": "steering-vectors (.safetensors)",
    "lm-eval": "lm-evaluation-harness (.pt)",
    "vllm-lens": "vllm-lens for vLLM (.json)",
    "easysteer": "EasySteer for vLLM (.gguf and a spec)",
}
ENDINGS = {
    "gguf": ".gguf",
    "repeng": ".gguf",
    "steering-vectors": ".safetensors",
    "lm-eval": ".pt",
    "vllm-lens": ".json",
    "easysteer": ".gguf",
}
LAM = "λ"
LAM_INFO = "Multiplied into the file"
WRITE = "Write the file"
WRITING = "Writing the file"


def saved(name: str, folder: str) -> str:
    """The end of saving a vector; with "" for a folder that is not named."""
    return f"Saved as {name} in {folder}." if folder else f"Saved as {name}."


def used(name: str, concept: str) -> str:
    """The end of choosing a vector to steer with."""
    return f"Steering with {name} ({concept}) from now on. Press Generate on the Steer tab."


def removed(name: str) -> str:
    """The end of a deletion, and how to undo it."""
    return f"{name} was deleted. “{UNDO}” brings it back until another one is deleted."


def brought_back(name: str) -> str:
    """The end of undoing a deletion."""
    return f"{name} is back."


def written(file: str, layers: Sequence[int], lam: float, scale: str) -> str:
    """The end of writing a file for another tool."""
    return f"Wrote {file}: λ = {lam:g} on the scale {scale}, at {len(layers)} layers."


def agreement(median: float, layers: int, chance: float, inside: int) -> str:
    """The result of comparing two vectors."""
    return (
        f"Median cosine {median:+.2f} over {layers} layers. Of random directions of this width, 95 % stay within "
        f"±{chance:.2f}; {inside} of the {layers} layers do."
    )
