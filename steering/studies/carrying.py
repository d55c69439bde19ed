"""The concept and the vectors of a cell, from the functions that every other command uses."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from steering.concepts import Concept, load_concept
from steering.errors import Progress, part_of, silent
from steering.evaluation import anchors_for, first_layer, task_parts
from steering.models import LanguageModel
from steering.steer import SteeringSettings
from steering.studies.cells import Cell
from steering.studies.settings import ONE_LAYER
from steering.tasks import Style, Task, concept_from_task, pairs_from_task
from steering.transfer import SEVERAL, combine, transfer
from steering.vectors import SteeringVector, extract

PLAIN = Style(plain=True)
"""How questions are put: without a chat template, as in a gain."""


CONTINUATIONS = 12
"""Training questions that serve as continuations of a concept that a task makes: as many as bundled concepts have."""


@dataclass(frozen=True)
class Work:
    """A cell with what it runs on.

    Attributes:
        cell: the cell.
        parents: the parents that its entry names, in order.
        child: the child.
        store: file of the rows that are kept.
        progress: told how far the cell is.
    """

    cell: Cell
    parents: tuple[LanguageModel, ...]
    child: LanguageModel
    store: Path
    progress: Progress = field(default=silent)

    def part(self, low: float, high: float) -> Progress:
        """The progress of a stage."""
        return part_of(self.progress, low, high)

    @property
    def settings(self) -> SteeringSettings:
        """How the cell steers, where its profile is a named one."""
        profile = "all" if self.cell.profile == ONE_LAYER else self.cell.profile
        return SteeringSettings(self.cell.scale, profile, self.cell.positions, self.cell.operator)

    def concept(self) -> Concept:
        """The concept that the cell's vectors are made from."""
        source = self.cell.concept_task
        if source is None:
            return load_concept(self.cell.concept)
        return concept_from_task(self._pool(source), self.cell.design, shots=self.cell.shots, seed=self.cell.seed)

    def measured_concept(self) -> Concept:
        """The same with continuations: those of the training part, right against wrong, where the concept is a task's."""
        concept, source = self.concept(), self.cell.concept_task
        if concept.continuations or source is None:
            return concept
        pool = self._pool(source)
        pairs = pairs_from_task(pool, "right-wrong", limit=CONTINUATIONS, seed=self.cell.seed).concept.pairs
        return replace(concept, continuations=pairs)

    def _pool(self, source: str) -> Task:
        """A task whose pool is its training part."""
        return task_parts(source, None, self.cell.seed)[1]

    def carried(self, concept: Concept, progress: Progress) -> SteeringVector:
        """The vector that every parent of the cell gives the child, joined where there are several."""
        anchors = self.cell.anchors
        if anchors is None and self.cell.concept_task is not None:
            anchors = anchors_for(PLAIN, self._pool(self.cell.concept_task))
        # As in a gain: earlier layers are not tried, and their maps take time.
        first = first_layer(self.child) if (self.cell.layers, self.cell.profile) == (SEVERAL, ONE_LAYER) else 0
        vectors: list[SteeringVector] = []
        for number, parent in enumerate(self.parents):
            low, high = number / len(self.parents), (number + 1) / len(self.parents)
            stage = part_of(progress, low, high)
            source = extract(parent, concept, self.cell.method, progress=part_of(stage, 0.0, 0.2))
            carried = transfer(
                source,
                parent,
                self.child,
                layers=self.cell.layers,
                width=self.cell.width,
                anchors=anchors,
                first_layer=first,
                progress=part_of(stage, 0.2, 1.0),
            )
            vectors.append(carried)
        return vectors[0] if len(vectors) == 1 else combine(vectors)


def mean_of(values: Sequence[float | None]) -> float | None:
    """The mean of the values that are there; None where none is."""
    known = [value for value in values if value is not None and value == value]
    return sum(known) / len(known) if known else None
