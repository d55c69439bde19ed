"""Comparison of transfer configurations on many concepts, with leave-one-concept-out selection of the best.

Effects are estimated to first order from one gradient a concept, so that a configuration only costs its alignment.
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
class TransferConfig:
    """How a vector is transferred; the fields are arguments of `alignment.align`, but for the direction's `method`."""

    layers: str = "relative"
    width: str = "ridge"
    skip: int = FIRST_POSITION
    rows: int = ROWS_PER_DIMENSION
    method: str = "pca"

    def __str__(self) -> str:
        return f"{self.method}, {self.layers}, {self.width}, skip {self.skip}, {self.rows} rows a dimension"


TRANSFER_CONFIGS = (
    TransferConfig(),
    TransferConfig(layers="best"),
    TransferConfig(layers="index"),
    TransferConfig(width="procrustes"),
    TransferConfig(width="truncate"),
    TransferConfig(skip=0),
    TransferConfig(skip=1),
    TransferConfig(rows=4),
    TransferConfig(rows=8),
    TransferConfig(method="mean"),
)
"""What `compare` tries by default: the default, and one change at a time."""


@dataclass(frozen=True)
class TransferComparison:
    """Expected share of the native effect that is kept, for every configuration and concept.

    Attributes:
        parent: name of the parent.
        child: name of the child.
        concepts: names of the concepts.
        configs: the configurations.
        kept: one tuple a configuration, one number a concept.
    """

    parent: str
    child: str
    concepts: tuple[str, ...]
    configs: tuple[TransferConfig, ...]
    kept: tuple[tuple[float, ...], ...]

    def chosen_without(self, concept: int) -> int:
        """Index of the configuration that keeps most on average over all other concepts."""

        def mean_of_others(config: int) -> float:
            return statistics.fmean(share for number, share in enumerate(self.kept[config]) if number != concept)

        return max(range(len(self.configs)), key=mean_of_others)

    @property
    def left_out(self) -> tuple[float, ...]:
        """For every concept, what the configuration that was chosen without it keeps."""
        return tuple(self.kept[self.chosen_without(place)][place] for place in range(len(self.concepts)))

    def as_json(self) -> dict[str, Any]:
        """The record as JSON can write it."""
        chosen = [self.chosen_without(place) for place in range(len(self.concepts))]
        configs = [
            {**asdict(config), "kept": list(kept), "mean_kept": statistics.fmean(kept), "least": min(kept)}
            for config, kept in zip(self.configs, self.kept, strict=True)
        ]
        return {
            "parent": self.parent,
            "child": self.child,
            "concepts": list(self.concepts),
            "configs": configs,
            "ways": configs,  # The key's earlier name, kept for one release.
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
    configs: Sequence[TransferConfig] = TRANSFER_CONFIGS,
    *,
    progress: Progress = silent,
) -> TransferComparison:
    """Compare transfer configurations on many concepts.

    The native effect is that of the child's own vector by the default method, whatever the configuration's method, so that all
    shares refer to the same effect.

    Args:
        parent: the model that vectors are carried from.
        child: the model that would be steered.
        concepts: at least two concepts, with continuations.
        configs: the configurations to compare.
        progress: told what is being measured.

    Raises:
        SteeringError: fewer than two concepts, no configuration, or a concept without continuations.
    """
    if len(concepts) < 2 or not configs:
        raise SteeringError(
            "A comparison needs at least two concepts and one configuration: one concept is left out of every choice."
        )
    gradients, native = [], []
    for number, concept in enumerate(concepts):
        stage = part_of(progress, 0.4 * number / len(concepts), 0.4 * (number + 1) / len(concepts))
        gradients.append(score_gradient(child, concept, progress=stage))
        native.append(expected_effect(plan(child, extract(child, concept)), gradients[-1]))
    kept = []
    for number, config in enumerate(configs):
        stage = part_of(progress, 0.4 + 0.6 * number / len(configs), 0.4 + 0.6 * (number + 1) / len(configs))
        alignment = align(
            parent, child, layers=config.layers, width=config.width, skip=config.skip, rows=config.rows, progress=stage
        )
        carried = [carry(extract(parent, concept, config.method), alignment) for concept in concepts]
        kept.append(
            tuple(
                expected_effect(plan(child, vector), gradient) / native_effect
                for vector, gradient, native_effect in zip(carried, gradients, native, strict=True)
            )
        )
    names = tuple(concept.name for concept in concepts)
    return TransferComparison(parent.name, child.name, names, tuple(configs), tuple(kept))
