"""Which layers of two models correspond: matrices of parent layers × child layers.

Every metric is defined for models of different widths, and says on how many texts it rests.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from sklearn.model_selection import KFold

from steering.activations import record
from steering.concepts import Concept, lint
from steering.errors import Progress, SteeringError, part_of, silent
from steering.models import LanguageModel
from steering.vectors import fit

_FOLDS = 4


@dataclass(frozen=True)
class Similarity:
    """One number for every pair of a parent layer and a child layer.

    Attributes:
        metric: a key of `METRICS`.
        matrix: float32 `[parent layers, child layers]`, from −1 to 1.
        parent: name of the parent.
        child: name of the child.
        concept: name of the concept whose texts were read.
        n_texts: how many held-out texts each number rests on.
    """

    metric: str
    matrix: torch.Tensor
    parent: str
    child: str
    concept: str
    n_texts: int

    def best_child_layers(self) -> tuple[int, ...]:
        """For every parent layer, the child layer that resembles it most."""
        return tuple(self.matrix.argmax(dim=1).tolist())


def similarity(
    parent: LanguageModel,
    child: LanguageModel,
    concept: Concept,
    metric: str = "scores",
    *,
    progress: Progress = silent,
) -> Similarity:
    """Compare every parent layer with every child layer.

    Args:
        parent: gives the rows.
        child: gives the columns.
        concept: its texts are what both models read.
        metric: a key of `METRICS`.
        progress: told how far the reading is.

    Raises:
        SteeringError: unknown metric, or pairs that cannot be used.
    """
    serious = [str(problem) for problem in lint(concept.pairs) if problem.serious]
    if serious:
        raise SteeringError(f"The pairs of {concept.name} cannot be used. " + " ".join(serious))
    if metric not in METRICS:
        raise SteeringError(f"Unknown similarity {metric!r}. Choose one of {', '.join(METRICS)}.")
    texts = [pair.positive for pair in concept.pairs] + [pair.negative for pair in concept.pairs]
    rows = record(parent, texts, progress=part_of(progress, 0.0, 0.5)).values.double()
    columns = record(child, texts, progress=part_of(progress, 0.5, 1.0)).values.double()
    matrix = METRICS[metric](rows, columns)
    return Similarity(metric, matrix.float(), parent.name, child.name, concept.name, len(texts))


def scores(parent: torch.Tensor, child: torch.Tensor) -> torch.Tensor:
    """Pearson r between the texts' projections on the parent's vector at i and on the child's own vector at j.

    The vectors are fitted on other pairs than those whose texts are projected, fold by fold.

    Args:
        parent: activations `[2 · n_pairs, parent layers, d_parent]`, positive texts first.
        child: activations of the same texts in the child.

    Returns:
        `[parent layers, child layers]`.
    """
    left, right = _held_out_projections(parent), _held_out_projections(child)
    left, right = (side / side.norm(dim=0).clamp(min=1e-30) for side in (left, right))
    return left.T @ right


def cka(parent: torch.Tensor, child: torch.Tensor) -> torch.Tensor:
    """Linear centred kernel alignment between the texts' activations at i and at j.

    Args:
        parent: activations `[n_texts, parent layers, d_parent]`.
        child: activations of the same texts in the child.

    Returns:
        `[parent layers, child layers]`, from 0 to 1.

    Source: Kornblith et al. 2019, "Similarity of Neural Network Representations Revisited".
    """
    left, right = _centred_kernels(parent), _centred_kernels(child)
    return left @ right.T


METRICS: dict[str, Callable[[torch.Tensor, torch.Tensor], torch.Tensor]] = {"scores": scores, "cka": cka}


def _held_out_projections(values: torch.Tensor) -> torch.Tensor:
    positive, negative = values.chunk(2)
    found = torch.zeros(2, *positive.shape[:2], dtype=values.dtype)
    for train, test in KFold(_FOLDS, shuffle=True, random_state=0).split(positive):
        directions = fit(positive[train], negative[train], "pca").directions.to(values)
        middle = (positive[train].mean(dim=0) + negative[train].mean(dim=0)) / 2
        for side, half in enumerate((positive, negative)):
            found[side, test] = torch.einsum("nld,ld->nl", half[test] - middle, directions)
    projections = found.flatten(0, 1)
    return projections - projections.mean(dim=0)


def _centred_kernels(values: torch.Tensor) -> torch.Tensor:
    """Unit-length centred Gram matrices of the texts, one flattened row a layer."""
    centred = (values - values.mean(dim=0)).transpose(0, 1)
    kernels = (centred @ centred.transpose(1, 2)).flatten(1)
    return kernels / kernels.norm(dim=1, keepdim=True).clamp(min=1e-30)
