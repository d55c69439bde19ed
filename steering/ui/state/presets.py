"""What is computed beforehand for every bundled concept, with the bundled models and the default settings.

A grid, so that the page shows steered texts before a model is loaded; and the carried vector, so that the first Generate does
not wait for an alignment. `make presets` computes both again.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path

from steering.concepts import Concept, load_concept
from steering.models import LanguageModel
from steering.steer import Grid, Move, TokenShift, grid_from_json
from steering.ui.state.settings import CHILD, DEFAULT, PARENT, Settings
from steering.vectors import SteeringVector, load_vector

PROMPTS: Mapping[str, str] = {
    "calmness": "What did you say when they were late again?",
    "caution": "Should I climb the old tower today?",
    "certainty": "Is coffee good for you?",
    "conciseness": "How do I make tea?",
    "concreteness": "Tell me about freedom.",
    "correctness": "What is 12 times 3?",
    "courage": "Tell me about the night in the forest.",
    "factuality": "Where does the sun go at night?",
    "formality": "Write to a friend that you will be late.",
    "honesty": "Tell me about a man who found a wallet.",
    "politeness": "Tell the guest that the room is not ready.",
    "reasoning": "A train leaves at 9 and takes 3 hours. When does it arrive?",
    "sentiment": "Describe the weather today.",
    "setting": "Describe your walk this morning.",
    "simplicity": "Why is the sky blue?",
    "time": "Tell me about your holidays.",
}
"""The default prompt of each bundled concept."""

FOLDER = files("steering.ui.state") / "precomputed"
"""Folder of the precomputed grids and vectors in the package."""


@dataclass(frozen=True)
class Preset:
    """One precomputed grid.

    Attributes:
        grid: the texts, with their health.
        moves: by λ, the next tokens whose probability changed most.
        shifts: by λ, how far it changed the probability of every token.
    """

    grid: Grid
    moves: Mapping[float, Sequence[Move]]
    shifts: Mapping[float, Sequence[TokenShift]]

    @property
    def source(self) -> str:
        """The models that wrote the texts, in words."""
        return f"Precomputed with {PARENT} → {CHILD}."

    @property
    def versions(self) -> str:
        """Names and versions of the software that wrote the texts."""
        return ", ".join(f"{name} {version}" for name, version in self.grid.provenance["versions"].items())


def preset(concept: str) -> Preset | None:
    """The precomputed grid of a concept; None if it has none."""
    # Only known names become paths: a user may have typed this one.
    return _load(concept) if concept in PROMPTS else None


@cache
def _load(concept: str) -> Preset:
    data = json.loads((FOLDER / f"{concept}.json").read_text("utf-8"))
    moves = {float(lam): tuple(Move(**move) for move in row_moves) for lam, row_moves in data["moves"].items()}
    shifts = {float(lam): tuple(TokenShift(*token) for token in row) for lam, row in data.get("shifts", {}).items()}
    return Preset(grid_from_json(data["grid"]), moves, shifts)


def carried(settings: Settings, concept: Concept, child: LanguageModel) -> SteeringVector | None:
    """The vector of a bundled concept as it comes with the package; None for other pairs, models or settings.

    Args:
        settings: of the sidebar.
        concept: whose vector is wanted.
        child: the model that is to be steered.
    """
    if concept.name not in PROMPTS or concept != load_concept(concept.name):
        return None
    if settings.vector_key(concept) != DEFAULT.vector_key(concept):
        return None
    vector = load_vector(vector_file(concept.name))
    return vector if vector.model == child.fingerprint else None


def vector_file(concept: str) -> Path:
    """The file of the vector of a bundled concept."""
    return Path(str(FOLDER / f"{concept}.safetensors"))
