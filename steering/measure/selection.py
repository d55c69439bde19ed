"""Ways to carry, compared on many concepts, and how good the best of them is on a concept that had no say in the choice.

Effects are foretold from one gradient a concept, so that a way to carry costs its alignment and nothing else.
"""

import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from steering.concepts import Concept
from steering.errors import Progress, SteeringError, part_of, silent
from steering.measure.effects import expected_effect, score_gradient
from steering.models import LanguageModel
from steering.steer import plan
from steering.transfer import FIRST_POSITION, ROWS_PER_DIMENSION, align, carry
from steering.vectors import extract


@dataclass(frozen=True)
class Way:
    """One way to carry; the fields are arguments of `alignment.align`, but for the direction's `method`."""

    layers: str = "relative"
    width: str = "ridge"
    skip: int = FIRST_POSITION
    rows: int = ROWS_PER_DIMENSION
    method: str = "pca"

    def __str__(self) -> str:
        return f"{self.method}, {self.layers}, {self.width}, skip {self.skip}, {self.rows} rows a dimension"


WAYS = (
    Way(),
    Way(layers="best"),
    Way(layers="index"),
    Way(width="procrustes"),
    Way(width="truncate"),
    Way(skip=0),
    Way(skip=1),
    Way(rows=4),
    Way(rows=8),
    Way(method="mean"),
)
"""What `compare` tries by default: the default, and one change at a time."""


@dataclass(frozen=True)
class TransferComparison:
    """Expected share of the native effect that is kept, for every way and concept.

    Attributes:
        parent: name of the parent.
        child: name of the child.
        concepts: names of the concepts.
        ways: what was tried.
        kept: one tuple a way, one number a concept.
    """

    parent: str
    child: str
    concepts: tuple[str, ...]
    ways: tuple[Way, ...]
    kept: tuple[tuple[float, ...], ...]

    def chosen_without(self, concept: int) -> int:
        """Which way keeps most on average over all concepts but this one."""

        def others(way: int) -> float:
            return statistics.fmean(share for place, share in enumerate(self.kept[way]) if place != concept)

        return max(range(len(self.ways)), key=others)

    @property
    def left_out(self) -> tuple[float, ...]:
        """For every concept, what the way that was chosen without it keeps of it."""
        return tuple(self.kept[self.chosen_without(place)][place] for place in range(len(self.concepts)))

    def as_json(self) -> dict[str, Any]:
        """The record as JSON can write it."""
        chosen = [self.chosen_without(place) for place in range(len(self.concepts))]
        return {
            "parent": self.parent,
            "child": self.child,
            "concepts": list(self.concepts),
            "ways": [
                {**asdict(way), "kept": list(kept), "mean_kept": statistics.fmean(kept), "least": min(kept)}
                for way, kept in zip(self.ways, self.kept, strict=True)
            ],
            "left_out": {
                "chosen": chosen,
                "kept": list(self.left_out),
                "mean_kept": statistics.fmean(self.left_out),
                "least": min(self.left_out),
            },
        }


def compare_transfers(
    parent: LanguageModel,
    child: LanguageModel,
    concepts: Sequence[Concept],
    ways: Sequence[Way] = WAYS,
    *,
    progress: Progress = silent,
) -> TransferComparison:
    """Try ways to carry on many concepts.

    The native effect is that of the child's own vector by the default method, whatever method carries, so that all shares are
    of the same whole.

    Args:
        parent: the model that vectors are carried from.
        child: the model that would be steered.
        concepts: at least two concepts, with continuations.
        ways: what is tried.
        progress: told what is being measured.

    Raises:
        SteeringError: fewer than two concepts, no way, or a concept without continuations.
    """
    if len(concepts) < 2 or not ways:
        raise SteeringError(
            "A comparison needs at least two concepts and one way: one concept is left out of every choice."
        )
    gradients, native = [], []
    for number, concept in enumerate(concepts):
        stage = part_of(progress, 0.4 * number / len(concepts), 0.4 * (number + 1) / len(concepts))
        gradients.append(score_gradient(child, concept, progress=stage))
        native.append(expected_effect(plan(child, extract(child, concept)), gradients[-1]))
    kept = []
    for number, way in enumerate(ways):
        stage = part_of(progress, 0.4 + 0.6 * number / len(ways), 0.4 + 0.6 * (number + 1) / len(ways))
        alignment = align(
            parent, child, layers=way.layers, width=way.width, skip=way.skip, rows=way.rows, progress=stage
        )
        carried = [carry(extract(parent, concept, way.method), alignment) for concept in concepts]
        kept.append(
            tuple(
                expected_effect(plan(child, vector), gradient) / own
                for vector, gradient, own in zip(carried, gradients, native, strict=True)
            )
        )
    names = tuple(concept.name for concept in concepts)
    return TransferComparison(parent.name, child.name, names, tuple(ways), tuple(kept))
