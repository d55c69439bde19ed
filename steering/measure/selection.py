"""Comparison of transfer configurations at one KL budget, and the choice of the best on concepts left out of the choice.

Every vector has its own λ for the budget. Its effect there is estimated to first order from one gradient a concept, so that a
configuration only costs its alignment and its strengths.
"""

import itertools
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch

from steering.concepts import Concept
from steering.errors import Progress, SteeringError, part_of, silent
from steering.measure.budgets import KL_BUDGET, UnsteeredTexts, check_budget, strength_at, unsteered_texts
from steering.measure.effects import expected_effect, score_gradient
from steering.models import LanguageModel
from steering.steer import plan
from steering.transfer import FIRST_POSITION, LAYER_MAPS, ROWS_PER_DIMENSION, WIDTH_MAPS, align, carry
from steering.vectors import DIRECTION_METHODS, SteeringVector, extract, random_like


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


_EQUAL_WIDTHS = frozenset({"none"})
"""Width maps that two models of different width cannot use, compared only where they are named."""

TRANSFER_CONFIGS = tuple(
    dict.fromkeys(
        [
            TransferConfig(),
            *(TransferConfig(layers=layers) for layers in LAYER_MAPS),
            *(TransferConfig(width=width) for width in WIDTH_MAPS if width not in _EQUAL_WIDTHS),
            *(TransferConfig(skip=skip) for skip in (0, 1)),
            *(TransferConfig(rows=rows) for rows in (4, 8)),
            *(TransferConfig(method=method) for method in DIRECTION_METHODS),
        ]
    )
)
"""What `compare` tries by default: the default, and one change at a time. "gradient" is tried only where it is named: each
concept costs a training."""


@dataclass(frozen=True)
class Case:
    """One concept carried from one model into another."""

    parent: str
    child: str
    concept: str


@dataclass(frozen=True)
class TransferComparison:
    """Expected share of the native effect that is kept at equal KL, for every configuration and case.

    Attributes:
        kl: the KL budget in nats.
        cases: concepts, with the two models; all concepts of one pair of models follow one another.
        configs: the configurations.
        kept: one tuple a configuration, one number a case.
        random: effect of random vectors as a share of the native one, root mean square, one number a case.
    """

    kl: float
    cases: tuple[Case, ...]
    configs: tuple[TransferConfig, ...]
    kept: tuple[tuple[float, ...], ...]
    random: tuple[float, ...]

    def chosen_without(self, case: int) -> int:
        """Index of the configuration that keeps most on average over the cases of all concepts but that of one case."""

        def mean_of_others(config: int) -> float:
            shares = zip(self.cases, self.kept[config], strict=True)
            return statistics.fmean(share for other, share in shares if other.concept != self.cases[case].concept)

        return max(range(len(self.configs)), key=mean_of_others)

    @property
    def left_out(self) -> tuple[float, ...]:
        """For every case, what the configuration that was chosen without its concept keeps."""
        return tuple(self.kept[self.chosen_without(case)][case] for case in range(len(self.cases)))

    def as_json(self) -> dict[str, Any]:
        """The record as JSON can write it."""
        configs = [
            {**asdict(config), "kept": list(kept), "mean_kept": statistics.fmean(kept), "least": min(kept)}
            for config, kept in zip(self.configs, self.kept, strict=True)
        ]
        return {
            "parent": self.cases[0].parent,
            "child": self.cases[0].child,
            "kl": self.kl,
            "concepts": list(dict.fromkeys(case.concept for case in self.cases)),
            "cases": [asdict(case) for case in self.cases],
            "configs": configs,
            "ways": configs,  # The key's earlier name.
            "random": list(self.random),
            "left_out": {
                "chosen": [self.chosen_without(case) for case in range(len(self.cases))],
                "kept": list(self.left_out),
                "mean_kept": statistics.fmean(self.left_out),
                "least": min(self.left_out),
            },
        }


def all_configs(methods: Iterable[str], layers: Iterable[str], widths: Iterable[str]) -> tuple[TransferConfig, ...]:
    """Every combination of direction methods, layer maps and width maps."""
    return tuple(
        TransferConfig(layer_map, width, method=method)
        for method, layer_map, width in itertools.product(methods, layers, widths)
    )


def compare_transfers(
    parent: LanguageModel,
    child: LanguageModel,
    concepts: Sequence[Concept],
    configs: Sequence[TransferConfig] = TRANSFER_CONFIGS,
    *,
    kl: float = KL_BUDGET,
    both: bool = False,
    random_seeds: int = 3,
    progress: Progress = silent,
) -> TransferComparison:
    """Compare transfer configurations on many concepts, every vector at its own λ for one KL budget.

    The native effect is that of the child's own vector by the default method, whatever the configuration's method, so that all
    shares refer to the same effect.

    Args:
        parent: the model that vectors are carried from.
        child: the model that would be steered.
        concepts: at least two concepts, with continuations.
        configs: the configurations to compare.
        kl: the KL budget in nats.
        both: also carry from child to parent; a choice then rests on both.
        random_seeds: how many random vectors a concept has as the control.
        progress: told what is being measured.

    Raises:
        SteeringError: fewer than two concepts, no configuration, a concept without continuations, or a budget that cannot be
            reached.
    """
    if len({concept.name for concept in concepts}) < 2 or not configs:
        raise SteeringError(
            "A comparison needs at least two concepts and one configuration: one concept is left out of every choice."
        )
    budget = check_budget(kl)
    pairs = [(parent, child), (child, parent)] if both else [(parent, child)]
    cases: list[Case] = []
    kept: list[list[float]] = [[] for _ in configs]
    random: list[float] = []
    for place, (source, target) in enumerate(pairs):
        part = part_of(progress, place / len(pairs), (place + 1) / len(pairs))
        measured = _Target(target, concepts, budget, part_of(part, 0.0, 0.3))
        controls = [measured.control(number, random_seeds) for number in range(len(concepts))]
        for number, config in enumerate(configs):
            stage = part_of(part, 0.3 + 0.7 * number / len(configs), 0.3 + 0.7 * (number + 1) / len(configs))
            kept[number] += measured.shares(source, config, stage)
        cases += [Case(source.name, target.name, concept.name) for concept in concepts]
        random += controls
    return TransferComparison(budget, tuple(cases), tuple(configs), tuple(map(tuple, kept)), tuple(random))


class _Target:
    """A model that is steered, with what every share of its native effects needs."""

    def __init__(self, child: LanguageModel, concepts: Sequence[Concept], kl: float, progress: Progress) -> None:
        self.child, self.concepts, self.kl = child, concepts, kl
        self.texts: UnsteeredTexts = unsteered_texts(child)
        self.gradients: list[torch.Tensor] = []
        self.own: list[SteeringVector] = []
        self.native: list[float] = []
        for number, concept in enumerate(concepts):
            stage = part_of(progress, number / len(concepts), (number + 1) / len(concepts))
            self.gradients.append(score_gradient(child, concept, progress=part_of(stage, 0.0, 0.7)))
            self.own.append(extract(child, concept))
            self.native.append(self.effect(number, self.own[-1], part_of(stage, 0.7, 1.0)))

    def effect(self, concept: int, vector: SteeringVector, progress: Progress = silent) -> float:
        """First-order estimate of a vector's effect at its own λ for the budget; 0 where no layer carries signal."""
        if not any(vector.signal):
            return 0.0
        lam = strength_at(self.child, vector, self.kl, texts=self.texts, side=0, progress=progress).lam
        return expected_effect(plan(self.child, vector), self.gradients[concept], lam)

    def control(self, concept: int, seeds: int) -> float:
        first = int(self.concepts[concept].digest[:8], 16)
        vectors = (random_like(self.own[concept], first + seed) for seed in range(seeds))
        squares = [(self.effect(concept, vector) / self.native[concept]) ** 2 for vector in vectors]
        return statistics.fmean(squares) ** 0.5 if squares else 0.0

    def shares(self, parent: LanguageModel, config: TransferConfig, progress: Progress) -> list[float]:
        """What a configuration keeps of each concept."""
        alignment = align(
            parent,
            self.child,
            layers=config.layers,
            width=config.width,
            skip=config.skip,
            rows=config.rows,
            progress=part_of(progress, 0.0, 0.5),
        )
        found = []
        for number, concept in enumerate(self.concepts):
            low = 0.5 + 0.5 * number / len(self.concepts)
            vector = carry(extract(parent, concept, config.method), alignment)
            share = self.effect(number, vector, part_of(progress, low, low + 0.5 / len(self.concepts)))
            found.append(share / self.native[number])
        return found
