"""One layer's direction: the methods that find it from contrast pairs, and how well it stands for pairs it never saw.

Pure functions of differences, positive side minus negative side, at one layer. `extraction` puts the layers together.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import KFold

EPSILON = 1e-30
"""Least divisor: a row of zeros divided by it stays zero, and every length that activations have is far above it."""

NO_DIFFERENCE = 1e-5
"""A difference shorter than this share of the activations' length is rounding, not signal (float32)."""

FOLDS = 5
"""Parts of the pairs that are left out in turn, where quality is measured."""


@dataclass(frozen=True)
class LayerQuality:
    """How well one layer's direction stands for the concept, on pairs left out of the fit.

    Attributes:
        pairwise_accuracy: share of held-out pairs whose positive side lies further along the direction.
        explained_variance: share of the differences' squared length that lies along the direction.
        split_half_cosine: cosine between the directions of two halves of the pairs.
        dropped: pairs whose two sides do not differ at this layer.
    """

    pairwise_accuracy: float
    explained_variance: float
    split_half_cosine: float
    dropped: int


def pca(differences: torch.Tensor) -> torch.Tensor:
    """First right singular vector of the unit differences, not centred, `[n_pairs, d]` to `[d]`.

    Source: arXiv 2512.19069, read so that the mean direction is kept.
    """
    return torch.linalg.svd(units(differences), full_matrices=False).Vh[0]


def pca_centred(differences: torch.Tensor) -> torch.Tensor:
    """First principal component of the unit differences, centred as textbooks do, `[n_pairs, d]` to `[d]`.

    The mean of the differences, which is the concept, is what centring takes away; offered because it is a literal
    reading of arXiv 2512.19069.
    """
    rows = units(differences)
    return torch.linalg.svd(rows - rows.mean(dim=0), full_matrices=False).Vh[0]


def mean(differences: torch.Tensor) -> torch.Tensor:
    """Mean of the differences, `[n_pairs, d]` to `[d]`."""
    return differences.mean(dim=0)


def logistic(differences: torch.Tensor) -> torch.Tensor:
    """Normal of a logistic regression that tells a difference from its opposite, `[n_pairs, d]` to `[d]`.

    Working on differences takes each pair's topic away; the two signs make the classifier pass through the origin.
    """
    size = differences.norm(dim=1).median()
    rows = torch.cat([differences, -differences]) / size
    signs = [1] * len(differences) + [-1] * len(differences)
    fit = LogisticRegression(fit_intercept=False, max_iter=1000).fit(rows.numpy(), signs)
    return torch.from_numpy(fit.coef_[0])


DIRECTION_METHODS: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "pca": pca,
    "pca_centred": pca_centred,
    "mean": mean,
    "logistic": logistic,
}


def units(rows: torch.Tensor) -> torch.Tensor:
    """Rows `[..., d]` brought to length 1; a row of zeros stays one."""
    return torch.nn.functional.normalize(rows, dim=-1, eps=EPSILON)


def differing(positive: torch.Tensor, negative: torch.Tensor, noise: float = NO_DIFFERENCE) -> torch.Tensor:
    """Which pairs differ by more than rounding: bool `[...]` from two sides `[..., d]`.

    Args:
        positive: activations of the positive sides.
        negative: activations of the negative sides.
        noise: a difference counts from this share of the activations' length on.
    """
    lengths = (positive.norm(dim=-1) + negative.norm(dim=-1)) / 2
    return (positive - negative).norm(dim=-1) > noise * lengths


def direction(kept: torch.Tensor, method: str, total: int) -> torch.Tensor:
    """A layer's direction, towards the positive pole: `[n_kept, d]` to `[d]`, of length 1.

    Args:
        kept: the differences that are no rounding.
        method: a key of `DIRECTION_METHODS`.
        total: number of pairs that there were; where fewer than half of them are kept the direction is zero.
    """
    return _fitted(kept, method) if len(kept) >= max(2, total / 2) else torch.zeros(kept.shape[-1]).double()


def held_out(differences: torch.Tensor, method: str, also: torch.Tensor | None = None) -> torch.Tensor:
    """How each pair lies along the direction of pairs in other folds, `[n_pairs]`, as a cosine.

    Args:
        differences: `[n_pairs, d]`, at least as many as there are folds.
        method: a key of `DIRECTION_METHODS`.
        also: `[n, d]`, further differences that every fit sees and that are not tested.
    """
    along = differences.new_empty(len(differences))
    for train, test in KFold(FOLDS, shuffle=True, random_state=0).split(differences):
        seen = differences[train] if also is None else torch.cat([differences[train], also])
        along[test] = units(differences[test]) @ _fitted(seen, method)
    return along


def measured(kept: torch.Tensor, method: str, total: int) -> LayerQuality:
    """The quality of a layer's direction; that of a coin where too few pairs are kept.

    Args:
        kept: the differences that are no rounding, `[n_kept, d]`.
        method: a key of `DIRECTION_METHODS`.
        total: number of pairs that there were.
    """
    if len(kept) < max(FOLDS, total / 2):
        return LayerQuality(0.5, 0.0, 0.0, total - len(kept))
    along = held_out(kept, method)
    halves: Sequence[torch.Tensor] = [_fitted(kept[start::2], method) for start in (0, 1)]
    return LayerQuality(
        pairwise_accuracy=float((along > 0).double().mean()),
        explained_variance=float(along.square().mean()),
        split_half_cosine=float(halves[0] @ halves[1]),
        dropped=total - len(kept),
    )


def _fitted(differences: torch.Tensor, method: str) -> torch.Tensor:
    found = DIRECTION_METHODS[method](differences)
    # Positive λ must push towards the positive pole, whatever sign the decomposition chose.
    if (units(differences) @ found).mean() < 0:
        found = -found
    return torch.nn.functional.normalize(found, dim=0, eps=EPSILON)
