"""The bundled ability: a task's vector that was carried to the child, what it gains, and texts at every λ.

`make presets` measures and writes it again.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import as_file, files
from typing import Any

from steering.steer import Grid, Move, grid_from_json
from steering.vectors import SteeringVector, load_vector

FOLDER = files("steering.ui.state") / "precomputed"
"""Folder of the bundled files in the package."""

DATA, VECTOR = "ability.json", "ability.safetensors"
"""What was measured, and the carried vector."""


@dataclass(frozen=True)
class Share:
    """Share of right answers on unseen questions, with Wilson's 95 % interval."""

    right: float
    low: float
    high: float


@dataclass(frozen=True)
class Ability:
    """An ability that was carried from the parent to the child.

    Attributes:
        task: name of the task.
        command: what measures it again.
        n: number of unseen questions.
        arms: by the name of an arm, its right answers on these questions.
        verdict: of the measurement, in words.
        lam: the λ that was chosen on the validation part.
        fields: the sidebar's fields that it was chosen with.
        question: the question that the texts answer.
        answer: the right answer.
        items: unseen questions in their order: question, right answer, what the child writes unsteered and steered.
        grid: texts at every λ.
        moves: by λ, the next tokens whose probability changed most.
    """

    task: str
    command: str
    n: int
    arms: Mapping[str, Share]
    verdict: str
    lam: float
    fields: Mapping[str, Any]
    question: str
    answer: str
    items: tuple[Mapping[str, str], ...]
    grid: Grid
    moves: Mapping[float, Sequence[Move]]

    @property
    def vector(self) -> SteeringVector:
        """The carried vector, read from its file."""
        with as_file(FOLDER / VECTOR) as path:
            return load_vector(path)


@cache
def bundled_ability() -> Ability | None:
    """The bundled ability; None where the package has none."""
    file = FOLDER / DATA
    if not file.is_file():
        return None
    data = json.loads(file.read_text("utf-8"))
    return Ability(
        **{name: data[name] for name in ("task", "command", "n", "verdict", "lam", "fields", "question", "answer")},
        arms={name: Share(**share) for name, share in data["arms"].items()},
        items=tuple(data["items"]),
        grid=grid_from_json(data["grid"]),
        moves={float(lam): tuple(Move(**move) for move in moves) for lam, moves in data["moves"].items()},
    )
