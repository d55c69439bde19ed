"""Which layers of two models correspond: matrices of parent layers × child layers.

Every metric is defined for models of different widths, and comes with its number of texts and its chance level.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from sklearn.model_selection import KFold

from steering.concepts import Concept, check_pairs
from steering.errors import Progress, SteeringError, part_of, silent
from steering.measure.effects import neutral_prompts, score_gradient
from steering.models import LanguageModel, record
from steering.stats import CONFIDENCE
from steering.transfer import carry_everywhere, measured_r2, paired_sample
from steering.vectors import EPSILON, NO_DIFFERENCE, extract, fit, rounding_share

_FOLDS = 4
"""Folds of the pairs: each is projected on directions that are fitted to the other folds."""

_SHUFFLES = 20
"""Random pairings of the texts for a chance level: with hundreds of cells each, thousands of numbers."""

_CHANCE_QUANTILE = 0.95
"""Quantile of the shuffled cells that is the chance level."""

_MIN_DEVIATION = 1e-9
"""Projections with a smaller standard deviation are constant, and have no correlation."""


@dataclass(frozen=True)
class Similarity:
    """One number for every pair of a parent layer and a child layer.

    Attributes:
        metric: a key of `METRICS`.
        matrix: float32 `[parent layers, child layers]`, at most 1.
        chance: 95 % of the cells stay at or below this when the two models' texts are paired at random.
        parent: name of the parent.
        child: name of the child.
        concept: name of the concept whose texts were read.
        n_texts: number of held-out texts that each number is computed from.
    """

    metric: str
    matrix: torch.Tensor
    chance: float
    parent: str
    child: str
    concept: str
    n_texts: int

    def best_child_layers(self) -> tuple[int, ...]:
        """For every parent layer, the child layer with the largest similarity."""
        return tuple(self.matrix.argmax(dim=1).tolist())


@dataclass(frozen=True)
class Projections:
    """Projections of a concept's texts on both models' own directions, which are fitted without the projected text.

    Attributes:
        parent: float64 `[n_texts, parent layers]`, centred, in units of the parent's activations.
        child: float64 `[n_texts, child layers]`, likewise.
        texts: positive texts first, then as many negative ones.
        labels: what the positive and the negative pole are called.
    """

    parent: torch.Tensor
    child: torch.Tensor
    texts: tuple[str, ...]
    labels: tuple[str, str]


@dataclass(frozen=True)
class TextCorrelation:
    """How far two layers agree on the texts.

    Attributes:
        r: Pearson correlation of the two projections.
        low: lower end of its 95 % interval.
        high: upper end.
        n: number of texts.
        within: the same correlation within the positive and within the negative texts, without the difference between poles.
    """

    r: float
    low: float
    high: float
    n: int
    within: tuple[float, float]


@dataclass(frozen=True)
class _Result:
    matrix: torch.Tensor
    shuffled: torch.Tensor
    n_texts: int


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
        concept: gives the texts and vectors that are compared; "cka" and "r2" do not depend on it.
        metric: a key of `METRICS`. "scores": Pearson r between held-out texts' projections on the two models' own vectors.
            "cka": linear centred kernel alignment of the anchor texts' activations. "aligned": cosine between the parent's
            vector, carried from i to j, and the child's own at j. "r2": held-out R² of the map from i to j. "gradient": cosine
            between the carried vector and minus the gradient, at j, of the loss that prefers positive continuations.
        progress: told how far the reading is.

    Raises:
        SteeringError: unknown metric, pairs that cannot be used, or no continuations for "gradient".
    """
    check_pairs(concept)
    if metric not in METRICS:
        raise SteeringError(f"Unknown similarity {metric!r}. Choose one of {', '.join(METRICS)}.")
    result = METRICS[metric](parent, child, concept, progress)
    chance = float(result.shuffled.float().flatten().quantile(_CHANCE_QUANTILE))
    return Similarity(metric, result.matrix.float(), chance, parent.name, child.name, concept.name, result.n_texts)


def projections(
    parent: LanguageModel, child: LanguageModel, concept: Concept, *, progress: Progress = silent
) -> Projections:
    """Project a concept's texts on both models' own directions, which are fitted to other pairs than the text's.

    Args:
        parent: one model.
        child: the other.
        concept: gives the texts.
        progress: told how far the reading is.
    """
    texts = [pair.positive for pair in concept.pairs] + [pair.negative for pair in concept.pairs]
    rows = record(parent, texts, progress=part_of(progress, 0.0, 0.5)).values.double()
    columns = record(child, texts, progress=part_of(progress, 0.5, 1.0)).values.double()
    labels = (concept.positive_label, concept.negative_label)
    return Projections(
        _held_out_projections(rows, rounding_share(parent)),
        _held_out_projections(columns, rounding_share(child)),
        tuple(texts),
        labels,
    )


def text_correlation(projected: Projections, parent_layer: int, child_layer: int) -> TextCorrelation | None:
    """How far one parent layer and one child layer agree on the texts; None where either is constant.

    The interval is by Fisher's z and takes texts as independent of each other.
    """
    # Slow to import, and needed for single pairs of layers only.
    from scipy.stats import pearsonr

    left, right = projected.parent[:, parent_layer], projected.child[:, child_layer]
    half = len(left) // 2
    parts = [(side[:half], child_part[:half]) for side, child_part in ((left, right), (left.flip(0), right.flip(0)))]
    if any(part.std() <= _MIN_DEVIATION for pair in parts for part in pair):
        return None
    correlation = pearsonr(left.numpy(), right.numpy())
    low, high = correlation.confidence_interval(CONFIDENCE)
    within = [float(pearsonr(parent_part.numpy(), child_part.numpy()).statistic) for parent_part, child_part in parts]
    return TextCorrelation(float(correlation.statistic), float(low), float(high), len(left), (within[0], within[1]))


def scores(parent: torch.Tensor, child: torch.Tensor) -> torch.Tensor:
    """Pearson r between the texts' projections on the parent's vector at i and on the child's own vector at j.

    The vectors are fitted on other pairs than those whose texts are projected, fold by fold.

    Args:
        parent: activations `[2 · n_pairs, parent layers, d_parent]`, positive texts first.
        child: activations of the same texts in the child.

    Returns:
        `[parent layers, child layers]`.
    """
    return _correlation(_held_out_projections(parent, NO_DIFFERENCE), _held_out_projections(child, NO_DIFFERENCE))


def cka(parent: torch.Tensor, child: torch.Tensor) -> torch.Tensor:
    """Linear centred kernel alignment between the texts' activations at i and at j.

    Args:
        parent: activations `[n_texts, parent layers, d_parent]`.
        child: activations of the same texts in the child.

    Returns:
        `[parent layers, child layers]`, from 0 to 1.

    Source: Kornblith et al. 2019, "Similarity of Neural Network Representations Revisited".
    """
    return _alignment(_centred_kernels(parent), _centred_kernels(child))


def _scores(parent: LanguageModel, child: LanguageModel, concept: Concept, progress: Progress) -> _Result:
    projected = projections(parent, child, concept, progress=progress)
    left, right = projected.parent, projected.child
    shuffled = [_correlation(left, right[order]) for order in _permutations(len(left))]
    return _Result(_correlation(left, right), torch.stack(shuffled), len(left))


def _cka(parent: LanguageModel, child: LanguageModel, _concept: Concept, progress: Progress) -> _Result:
    sample = paired_sample(parent, child, progress=progress).one_row_a_text()
    left, right = _centred_kernels(sample.parent.double()), _centred_kernels(sample.child.double())
    shuffled = [_alignment(left, right[:, order][:, :, order]) for order in _permutations(len(sample.text))]
    return _Result(_alignment(left, right), torch.stack(shuffled), len(sample.text))


def _r2(parent: LanguageModel, child: LanguageModel, _concept: Concept, progress: Progress) -> _Result:
    matrix = measured_r2(parent, child, progress=part_of(progress, 0.0, 0.8))
    shuffled = measured_r2(parent, child, shuffle=0, progress=part_of(progress, 0.8, 1.0))
    return _Result(matrix, shuffled, paired_sample(parent, child).n_held_out_texts)


def _aligned(parent: LanguageModel, child: LanguageModel, concept: Concept, progress: Progress) -> _Result:
    targets = extract(child, concept, progress=part_of(progress, 0.0, 0.1)).directions
    # The maps are fitted on anchor texts, so all texts of the concept are held out.
    return _carried_against(parent, child, concept, targets, 2 * len(concept.pairs), part_of(progress, 0.1, 1.0))


def _gradient(parent: LanguageModel, child: LanguageModel, concept: Concept, progress: Progress) -> _Result:
    targets = score_gradient(child, concept, progress=part_of(progress, 0.0, 0.4))
    n_texts = 2 * len(concept.continuations) * len(neutral_prompts())
    return _carried_against(parent, child, concept, targets, n_texts, part_of(progress, 0.4, 1.0))


def _carried_against(
    parent: LanguageModel,
    child: LanguageModel,
    concept: Concept,
    targets: torch.Tensor,
    n_texts: int,
    progress: Progress,
) -> _Result:
    """Cosine between the parent's vector, carried from every layer to every layer, and a target at each child layer."""
    directions = extract(parent, concept, progress=part_of(progress, 0.0, 0.2)).directions
    sample = paired_sample(parent, child, progress=part_of(progress, 0.2, 1.0))
    matrix = _cosines(carry_everywhere(sample, directions), targets)
    return _Result(matrix, _cosines(carry_everywhere(sample, directions, shuffle=0), targets), n_texts)


Metric = Callable[[LanguageModel, LanguageModel, Concept, Progress], _Result]

METRICS: dict[str, Metric] = {"scores": _scores, "cka": _cka, "aligned": _aligned, "r2": _r2, "gradient": _gradient}


def _held_out_projections(values: torch.Tensor, noise: float) -> torch.Tensor:
    positive, negative = values.chunk(2)
    by_side = torch.zeros(2, *positive.shape[:2], dtype=values.dtype)
    for train, test in KFold(_FOLDS, shuffle=True, random_state=0).split(positive):
        directions = fit(positive[train], negative[train], "pca", noise).directions.to(values)
        middle = (positive[train].mean(dim=0) + negative[train].mean(dim=0)) / 2
        for side, half in enumerate((positive, negative)):
            by_side[side, test] = torch.einsum("nld,ld->nl", half[test] - middle, directions)
    projections = by_side.flatten(0, 1)
    return projections - projections.mean(dim=0)


def _correlation(left: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
    left, right = (side / side.norm(dim=0).clamp(min=EPSILON) for side in (left, right))
    return left.T @ right


def _centred_kernels(values: torch.Tensor) -> torch.Tensor:
    """Centred Gram matrices of the texts at Frobenius length 1, `[n_layers, n_texts, n_texts]`."""
    centred = (values - values.mean(dim=0)).transpose(0, 1)
    kernels = centred @ centred.transpose(1, 2)
    return kernels / kernels.flatten(1).norm(dim=1)[:, None, None].clamp(min=EPSILON)


def _alignment(left: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
    return left.flatten(1) @ right.flatten(1).T


def _cosines(carried: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    units = torch.nn.functional.normalize(carried, dim=-1, eps=EPSILON)
    return torch.einsum("ijd,jd->ij", units, torch.nn.functional.normalize(targets, dim=-1, eps=EPSILON))


def _permutations(n: int) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return [torch.randperm(n, generator=generator) for _ in range(_SHUFFLES)]
