"""A study's cells: every combination of what its measures use, each with a key from the content of all that it depends on."""

import itertools
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from steering.errors import SteeringError
from steering.storage import key
from steering.studies.identity import concept_content, model_content, task_content, text_content
from steering.studies.settings import AXES, FROM_TASK, ONE_LAYER, USES, Parents, StudySettings, short
from steering.tasks import SHOTS
from steering.transfer import BUNDLED_ANCHORS, CANONICAL, SEVERAL

_FORMAT = 2
"""Part of every key; raised when a measure begins to mean something else."""


@dataclass(frozen=True)
class Cell:
    """One combination; what its measure does not use has the default, whatever the study says.

    Attributes are those of `StudySettings`, with one value of every axis.
    """

    measure: str
    parents: Parents
    child: str
    task: str | None = None
    concept: str = FROM_TASK
    method: str = "mean"
    layers: str = SEVERAL
    width: str = CANONICAL
    profile: str = ONE_LAYER
    operator: str = "add"
    scale: str = "residual"
    budget: float | None = None
    seed: int = 0
    lambdas: tuple[float, ...] | None = None
    positions: str = "response"
    design: str = "shots"
    shots: int = SHOTS
    anchors: str | None = None
    metric: str = "scores"
    limit: int | None = None
    max_new_tokens: int | None = None
    controls: bool = True

    @property
    def parent(self) -> str:
        """The parents' names, shortened and joined."""
        return " + ".join(map(short, self.parents))

    @property
    def concept_task(self) -> str | None:
        """The task that the concept is made from; None where it is no task's."""
        if self.concept == FROM_TASK:
            return self.task
        head, sign, name = self.concept.partition(f"{FROM_TASK}:")
        return name if sign and not head else None

    @property
    def used(self) -> dict[str, Any]:
        """What the measure depends on, by name."""
        return {name: getattr(self, name) for name in USES[self.measure]}

    def as_json(self) -> dict[str, Any]:
        """The record as JSON can write it."""
        return asdict(self)

    @staticmethod
    def from_json(data: Mapping[str, Any]) -> "Cell":
        """The record that `as_json` wrote."""
        lambdas = data["lambdas"]
        return Cell(
            **{
                **data,
                "parents": tuple(data["parents"]),
                "lambdas": None if lambdas is None else tuple(lambdas),
            }
        )

    def described(self, varied: tuple[str, ...]) -> str:
        """The cell in a line: models, task, and what the study varies."""
        parts = [f"{self.parent} → {short(self.child)}"]
        if "task" in USES[self.measure]:
            parts.append(short(str(self.task)))
        parts += [self._word(name) for name in varied if name in USES[self.measure] and name not in _NAMED]
        return ", ".join([*parts, *([self.measure] if "measure" in varied else [])])

    def _word(self, name: str) -> str:
        value = getattr(self, name)
        if name == "concept":
            source = self.concept_task
            own = source is not None and source == self.task
            return "vector of the task itself" if own else f"vector of {short(source or self.concept)}"
        if name == "budget":
            return "λ chosen" if value is None else f"{value:g} nats"
        return f"{name} {value}" if isinstance(value, int | float) else str(value)


_NAMED = ("parents", "child", "task", "measure")

_UNMADE: Mapping[str, Any] = {"seed": 0, "design": "shots", "shots": SHOTS}

_CONSTANTS = tuple(
    each.name for each in fields(StudySettings) if each.name not in {*AXES, "name", "about", "expect", "variants"}
)  # What has one value in the whole study.


def expand(settings: StudySettings) -> tuple[Cell, ...]:
    """All cells of a study; those that differ in nothing that their measure uses are one."""
    return tuple(dict.fromkeys(cell for each in settings.alone for cell in _expand(each)))


def _expand(settings: StudySettings) -> list[Cell]:
    cells = []
    for values in itertools.product(*settings.axes.values()):
        chosen = dict(zip(AXES.values(), values, strict=True))
        chosen |= {name: getattr(settings, name) for name in _CONSTANTS}
        measure = chosen["measure"]
        if "task" not in USES[measure] and chosen["concept"] == FROM_TASK and chosen["task"] is not None:
            chosen["concept"] = f"{FROM_TASK}:{chosen['task']}"
        cell = Cell(measure, **{name: chosen[name] for name in USES[measure]})
        if "task" not in USES[measure] and cell.concept_task is None:
            cell = replace(cell, **_UNMADE)  # A concept that is written down is not made.
        cells.append(cell)
    for cell in cells:
        if "concept" in USES[cell.measure] and cell.concept == FROM_TASK and cell.task is None:
            raise SteeringError(
                f"The measure {cell.measure!r} has no task to make a concept from. Name concepts, such as concepts=sentiment, "
                f"or a task: concepts={FROM_TASK}:word-forms:plural"
            )
    return cells


def varied(cells: tuple[Cell, ...]) -> tuple[str, ...]:
    """Names of what is not the same in all cells that use it."""

    def values(name: str) -> set[object]:
        return {getattr(cell, name) for cell in cells if name == "measure" or name in USES[cell.measure]}

    return tuple(each.name for each in fields(Cell) if len(values(each.name)) > 1)


def keyed(settings: StudySettings) -> dict[str, Cell]:
    """All cells of a study by key, in order; of cells with the same content the first stays."""
    keys: dict[str, Cell] = {}
    for cell in expand(settings):
        keys.setdefault(cell_key(cell), cell)
    return keys


def cell_key(cell: Cell) -> str:
    """Hash of the content of everything that a cell depends on: models, questions, concept, anchors and settings.

    What is not on this machine stands for itself by its name.
    """
    content: dict[str, Any] = dict(cell.used)
    content["parents"] = [model_content(name) for name in cell.parents]
    content["child"] = model_content(cell.child)
    if "task" in content:
        content["task"] = task_content(str(cell.task))
    if "concept" in content:
        source = cell.concept_task
        content["concept"] = concept_content(cell.concept) if source is None else task_content(source)
    if cell.anchors is not None and cell.anchors not in BUNDLED_ANCHORS:
        content["anchors"] = text_content(cell.anchors)
    return key("cell", _FORMAT, cell.measure, content)
