"""Finished grids that come with the package: one a bundled concept, so that steered text is there before any model is.

`make presets` makes them again with the bundled models.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from steering.steer import Grid, Move, grid_from_json
from steering.ui.state.settings import CHILD, PARENT

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
"""What the child is asked for each bundled concept, until a person writes something else."""

FOLDER = files("steering.ui.state") / "precomputed"
"""Where they lie in the package."""


@dataclass(frozen=True)
class Preset:
    """One finished grid.

    Attributes:
        grid: the texts, with their health.
        moves: by λ, the next tokens that moved most.
    """

    grid: Grid
    moves: Mapping[float, Sequence[Move]]

    @property
    def source(self) -> str:
        """What made it, in words."""
        return f"Precomputed with {PARENT} → {CHILD}."

    @property
    def versions(self) -> str:
        """The versions that made it."""
        return ", ".join(f"{name} {version}" for name, version in self.grid.provenance["versions"].items())


def preset(concept: str) -> Preset | None:
    """The finished grid of a concept; None for one that has none."""
    # A name that somebody wrote never becomes a path: only those that are known here are looked for.
    return _read(concept) if concept in PROMPTS else None


@cache
def _read(concept: str) -> Preset:
    data = json.loads((FOLDER / f"{concept}.json").read_text("utf-8"))
    moves = {float(lam): tuple(Move(**move) for move in several) for lam, several in data["moves"].items()}
    return Preset(grid_from_json(data["grid"]), moves)
