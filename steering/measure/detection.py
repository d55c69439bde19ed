"""Detection: how well a direction tells apart the poles of texts on which nothing was fitted or chosen.

The pairs of a concept are split into folds. A vector is extracted from the other folds, in the child itself or in a parent from
which it is carried; its layer is chosen on the same texts, as the child reads them; then the texts of the left-out pairs are
ranked by their projections on its direction.
"""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

import torch
from sklearn.model_selection import KFold

from steering.concepts import Concept
from steering.errors import Progress, SteeringError, part_of, silent
from steering.models import LanguageModel
from steering.transfer import SEVERAL, align
from steering.vectors import (
    DIRECTION_METHODS,
    EPSILON,
    differ_beyond_rounding,
    direction,
    record_pairs,
    rounding_share,
    units,
)

FOLDS = 5
"""Folds of the pairs of every concept."""

SOURCES = ("own", "carried", "random", "truncate")
"""Where a direction is from: the child itself, the parent by the width map asked for, chance, the parent by truncation."""

Sides = tuple[torch.Tensor, torch.Tensor]
"""A model's activations of the positive and the negative sides of some pairs, `[n_pairs, n_layers, d_model]` each."""


@dataclass(frozen=True)
class ConceptDetection:
    """How well one concept's directions detect it in the child; every mapping has the keys `SOURCES`.

    Attributes:
        name: the concept.
        auroc: area under the ROC curve with which projections rank the left-out texts, mean over folds; 0.5 is chance.
        layers: the child layer that was chosen, one a fold.
        recognised: share of left-out pairs whose difference has a larger cosine with this concept's direction than with that of
            any other concept, at one layer a fold; one over the number of concepts is chance.
    """

    name: str
    auroc: Mapping[str, float]
    layers: Mapping[str, tuple[int, ...]]
    recognised: Mapping[str, float]


@dataclass(frozen=True)
class Detection:
    """Detection of several concepts.

    Attributes:
        parent: name of the parent.
        child: name of the child.
        method: how directions are extracted.
        width: the width map of the source "carried".
        concepts: one record a concept.
    """

    parent: str
    child: str
    method: str
    width: str
    concepts: tuple[ConceptDetection, ...]

    def mean_auroc(self, source: str) -> float:
        """Average over concepts of the AUROC of directions from one of `SOURCES`."""
        return statistics.fmean(concept.auroc[source] for concept in self.concepts)

    def mean_recognised(self, source: str) -> float:
        """Average over concepts of the share of left-out pairs recognised among all concepts."""
        return statistics.fmean(concept.recognised[source] for concept in self.concepts)

    def as_json(self) -> dict[str, Any]:
        """The record as JSON can write it."""
        return {
            **asdict(self),
            "mean_auroc": {source: self.mean_auroc(source) for source in SOURCES},
            "mean_recognised": {source: self.mean_recognised(source) for source in SOURCES},
        }


def detect(
    parent: LanguageModel,
    child: LanguageModel,
    concepts: Sequence[Concept],
    *,
    method: str = "pca",
    layers: str = "relative",
    width: str = "ridge",
    anchors: str | Path | None = None,
    progress: Progress = silent,
) -> Detection:
    """Measure how well carried directions detect concepts in the child, beside its own, random and truncated ones.

    Args:
        parent: the model that the directions are carried from.
        child: the model whose activations are ranked.
        concepts: concepts with at least `FOLDS` pairs each; of different names.
        method: how directions are extracted, in both models; a key of `DIRECTION_METHODS`.
        layers: see `alignment.align`.
        width: see `alignment.align`.
        anchors: see `alignment.align`.
        progress: told what is being measured.

    Raises:
        SteeringError: unknown choice, no concept, or one with fewer pairs than folds.
    """
    if not concepts:
        raise SteeringError("There is no concept to detect. Name at least one.")
    if method not in DIRECTION_METHODS:
        raise SteeringError(
            f"Detection fits directions to activations of some pairs, so the method is one of {', '.join(DIRECTION_METHODS)}, "
            f"not {method!r}."
        )
    for concept in concepts:
        if len(concept.pairs) < FOLDS:
            raise SteeringError(
                f"{concept.name} has {len(concept.pairs)} pairs; detection leaves out a fold at a time and needs {FOLDS}."
            )
    alignment = align(parent, child, layers=layers, width=width, anchors=anchors, progress=part_of(progress, 0.0, 0.5))
    # Several layers at once cannot be truncated: the control reads one.
    truncation = align(parent, child, layers="relative" if layers == SEVERAL else layers, width="truncate")
    reading = part_of(progress, 0.5, 0.8)
    read: dict[str, list[Sides]] = {"parent": [], "child": []}
    for number, concept in enumerate(concepts):
        stage = part_of(reading, number / len(concepts), (number + 1) / len(concepts))
        read["parent"].append(record_pairs(parent, concept, progress=part_of(stage, 0.0, 0.5)))
        read["child"].append(record_pairs(child, concept, progress=part_of(stage, 0.5, 1.0)))

    splits = [list(KFold(FOLDS, shuffle=True, random_state=0).split(concept.pairs)) for concept in concepts]
    generators = [torch.Generator().manual_seed(int(concept.digest[:8], 16)) for concept in concepts]
    results: dict[str, list[_FoldResult]] = {source: [] for source in SOURCES}
    for fold in range(FOLDS):
        progress(f"Detecting concepts in {child.name}", 0.8 + 0.2 * fold / FOLDS)
        train, test = ([split[fold][part] for split in splits] for part in (0, 1))
        seen, unseen = _take(read["child"], train), _take(read["child"], test)
        own = [_directions(child, sides, method) for sides in seen]
        source = [_directions(parent, sides, method) for sides in _take(read["parent"], train)]
        directions = {
            "own": own,
            "carried": [alignment.map_directions(each).double() for each in source],
            "random": [torch.randn(own[0].shape, generator=generator).double() for generator in generators],
            "truncate": [truncation.map_directions(each).double() for each in source],
        }
        for name in SOURCES:
            results[name].append(_judge(directions[name], seen, unseen))
    records = [
        ConceptDetection(
            name=concept.name,
            auroc={source: statistics.fmean(fold.auroc[number] for fold in results[source]) for source in SOURCES},
            layers={source: tuple(fold.layers[number] for fold in results[source]) for source in SOURCES},
            recognised={
                source: statistics.fmean(fold.recognised[number] for fold in results[source]) for source in SOURCES
            },
        )
        for number, concept in enumerate(concepts)
    ]
    return Detection(parent.name, child.name, method, width, tuple(records))


def auroc(positive: torch.Tensor, negative: torch.Tensor) -> torch.Tensor:
    """Area under the ROC curve, column by column: the chance that a positive's score exceeds a negative's; ties count half.

    Args:
        positive: scores `[n_positive, ...]`.
        negative: scores `[n_negative, ...]` of the same columns.

    Returns:
        float64 `[...]`.
    """
    differences = positive[:, None] - negative[None]
    return ((differences > 0).double() + (differences == 0).double() / 2).mean(dim=(0, 1))


class _FoldResult(NamedTuple):
    """One number a concept."""

    auroc: list[float]
    layers: list[int]
    recognised: list[float]


def _judge(directions: Sequence[torch.Tensor], train: Sequence[Sides], test: Sequence[Sides]) -> _FoldResult:
    """Choose layers on the training part of every concept's pairs, and measure on the rest."""
    aurocs, layers = [], []
    for each, seen, unseen in zip(directions, train, test, strict=True):
        # Many layers have an AUROC of 1 on the texts that the direction is from, so the distance of the poles chooses.
        layer = int(_distance(*_projections(each, seen)).argmax())
        positive, negative = _projections(each[layer : layer + 1], _at(unseen, layer))
        aurocs.append(float(auroc(positive, negative)))
        layers.append(layer)
    # A single layer is chosen for all concepts, because cosines of different layers cannot be compared.
    seen_margins = torch.cat(_margins(directions, train))
    shares, means = (seen_margins > 0).double().mean(dim=0).tolist(), seen_margins.mean(dim=0).tolist()
    common = max(range(len(shares)), key=lambda layer: (shares[layer], means[layer]))
    margins = _margins([each[common : common + 1] for each in directions], [_at(sides, common) for sides in test])
    return _FoldResult(aurocs, layers, [float((margin > 0).double().mean()) for margin in margins])


def _projections(directions: torch.Tensor, sides: Sides) -> Sides:
    """Projections of both sides' activations on a direction a layer, `[n_pairs, n_layers]` each."""
    positive, negative = (torch.einsum("nld,ld->nl", side, directions) for side in sides)
    return positive, negative


def _distance(positive: torch.Tensor, negative: torch.Tensor) -> torch.Tensor:
    """Distance of the two sides' means in their pooled standard deviations, per layer `[n_layers]`."""
    spread = ((positive.var(dim=0) + negative.var(dim=0)) / 2).sqrt()
    return (positive.mean(dim=0) - negative.mean(dim=0)) / spread.clamp(min=EPSILON)


def _margins(directions: Sequence[torch.Tensor], sides: Sequence[Sides]) -> list[torch.Tensor]:
    """Per concept, the cosine of each pair's difference with its own concept's direction, minus the largest with another's.

    Args:
        directions: one a concept, `[n_layers, d_model]`.
        sides: of the same concepts.

    Returns:
        `[n_pairs, n_layers]` a concept; infinite where there is no other concept.
    """
    all_directions = units(torch.stack(list(directions)))
    margins = []
    for number, (positive, negative) in enumerate(sides):
        cosines = torch.einsum("nld,cld->cnl", units(positive - negative), all_directions)
        own = cosines[number].clone()
        cosines[number] = -torch.inf
        margins.append(own - cosines.amax(dim=0))
    return margins


def _directions(model: LanguageModel, sides: Sides, method: str) -> torch.Tensor:
    """A direction a layer from some pairs, `[n_layers, d_model]`; zero where they carry no signal."""
    positive, negative = sides
    usable = differ_beyond_rounding(positive, negative, rounding_share(model))
    layers = zip(usable.T, (positive - negative).unbind(dim=1), strict=True)
    return torch.stack([direction(differences[pairs], method, len(positive)) for pairs, differences in layers])


def _take(sides: Sequence[Sides], rows: Sequence[Sequence[int]]) -> list[Sides]:
    """Of every concept's activations, those of some pairs."""
    return [(positive[chosen], negative[chosen]) for (positive, negative), chosen in zip(sides, rows, strict=True)]


def _at(sides: Sides, layer: int) -> Sides:
    """Both sides' activations at one layer, which stays a dimension of its own."""
    return sides[0][:, layer : layer + 1], sides[1][:, layer : layer + 1]
