"""One layer's direction: the methods that fit it to contrast pairs, and its quality on held-out pairs.

Pure functions of differences, positive side minus negative side, at one layer. `extraction` applies them to every layer.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from sklearn.covariance import LedoitWolf
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import KFold

from steering.errors import SteeringError

EPSILON = 1e-30
"""Smallest divisor: a row of zeros divided by it stays zero, and norms of activations are far above it."""

NO_DIFFERENCE = 1e-5
"""A difference shorter than this share of the activations' length is rounding, not signal (float32)."""

FOLDS = 5
"""Folds of the cross-validation over pairs that measures a direction's quality."""

CHANCE_ACCURACY = 0.5
"""Pairwise accuracy of a random direction."""

_MIN_USABLE_SHARE = 0.5
"""A layer carries no signal where fewer than this share of the pairs differ by more than rounding."""


@dataclass(frozen=True)
class LayerQuality:
    """How well one layer's direction represents the concept, measured on held-out pairs.

    Attributes:
        pairwise_accuracy: share of held-out pairs whose positive side lies further along the direction.
        explained_variance: share of the differences' squared length that lies along the direction.
        split_half_cosine: cosine between the directions of two halves of the pairs; not a number where it was not measured.
        dropped: pairs that were not tested: their two sides do not differ at this layer, or a vector was trained on them.
    """

    pairwise_accuracy: float
    explained_variance: float
    split_half_cosine: float
    dropped: int


def pca(differences: torch.Tensor) -> torch.Tensor:
    """First right singular vector of the unit differences, not centred, `[n_pairs, d]` to `[d]`.

    Source: arXiv 2512.19069, read as a decomposition without centring, which preserves the mean of the differences.
    """
    return torch.linalg.svd(units(differences), full_matrices=False).Vh[0]


def pca_centred(differences: torch.Tensor) -> torch.Tensor:
    """First principal component of the unit differences, centred, `[n_pairs, d]` to `[d]`.

    Centring removes the mean of the differences, which carries the concept; offered because it is a literal reading of
    arXiv 2512.19069.
    """
    rows = units(differences)
    return torch.linalg.svd(rows - rows.mean(dim=0), full_matrices=False).Vh[0]


def mean(differences: torch.Tensor) -> torch.Tensor:
    """Mean of the differences, `[n_pairs, d]` to `[d]`."""
    return differences.mean(dim=0)


def logistic(differences: torch.Tensor) -> torch.Tensor:
    """Normal of a logistic regression that separates the differences from their negatives, `[n_pairs, d]` to `[d]`.

    Differences do not depend on a pair's topic; with both signs the classifier passes through the origin.
    """
    size = differences.norm(dim=1).median()
    rows = torch.cat([differences, -differences]) / size
    signs = [1] * len(differences) + [-1] * len(differences)
    fit = LogisticRegression(fit_intercept=False, max_iter=1000).fit(rows.numpy(), signs)
    return torch.from_numpy(fit.coef_[0])


def lda(differences: torch.Tensor) -> torch.Tensor:
    """Mean of the differences, whitened by their covariance about it, `[n_pairs, d]` to `[d]`.

    The covariance is shrunk by Ledoit and Wolf's estimate towards a multiple of the identity, in the dimensions that the
    differences span, and all is computed in float64: with fewer pairs than dimensions there is nothing else to estimate.
    Source: Ledoit and Wolf 2004, as scikit-learn computes it.
    """
    rows = differences.double()
    _, lengths, basis = torch.linalg.svd(rows, full_matrices=False)
    basis = basis[lengths > lengths[0] * max(rows.shape) * torch.finfo(rows.dtype).eps]
    coordinates = rows @ basis.T
    covariance = torch.from_numpy(LedoitWolf().fit(coordinates.numpy()).covariance_)
    scale = covariance.diagonal().mean()
    if scale <= EPSILON:  # All differences are equal.
        return rows.mean(dim=0)
    # Two pairs vary along one line, which is not shrunk. What lies across it separates them best, and is kept finite.
    ridge = torch.finfo(rows.dtype).eps ** 0.5 * torch.eye(len(covariance), dtype=rows.dtype)
    return torch.linalg.solve(covariance / scale + ridge, coordinates.mean(dim=0)) @ basis


DIRECTION_METHODS: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "pca": pca,
    "pca_centred": pca_centred,
    "mean": mean,
    "logistic": logistic,
    "lda": lda,
}
"""Methods that fit a direction to differences."""

TRAINED = "gradient"
"""The method that trains a direction through the model itself, see `training`."""

METHODS = (*DIRECTION_METHODS, TRAINED)
"""All methods that `extraction.extract` takes."""


def check_method(method: str) -> None:
    """Check the name of a direction method.

    Raises:
        SteeringError: unknown method.
    """
    if method not in METHODS:
        raise SteeringError(f"Unknown direction method {method!r}. Choose one of {', '.join(METHODS)}.")


def method_of_folds(method: str) -> str:
    """The method for work that fits a direction hundreds of times, such as the check of every pair.

    Training would take hours there, so "mean", the plainest method, stands in for it.
    """
    check_method(method)
    return "mean" if method == TRAINED else method


def units(rows: torch.Tensor) -> torch.Tensor:
    """Rows `[..., d]` scaled to length 1; a row of zeros stays zero."""
    return torch.nn.functional.normalize(rows, dim=-1, eps=EPSILON)


def differ_beyond_rounding(
    positive: torch.Tensor, negative: torch.Tensor, noise: float = NO_DIFFERENCE
) -> torch.Tensor:
    """Which pairs differ by more than rounding: bool `[...]` from two sides `[..., d]`.

    Args:
        positive: activations of the positive sides.
        negative: activations of the negative sides.
        noise: differences up to this share of the activations' length are rounding.
    """
    lengths = (positive.norm(dim=-1) + negative.norm(dim=-1)) / 2
    return (positive - negative).norm(dim=-1) > noise * lengths


def direction(differences: torch.Tensor, method: str, n_pairs: int) -> torch.Tensor:
    """A layer's direction, towards the positive pole: `[n_usable, d]` to `[d]`, of length 1.

    Args:
        differences: those that exceed rounding.
        method: a key of `DIRECTION_METHODS`.
        n_pairs: number of pairs in all; where fewer than half of them differ the direction is zero.
    """
    if len(differences) < max(2, _MIN_USABLE_SHARE * n_pairs):
        return torch.zeros(differences.shape[-1]).double()
    return _fit_direction(differences, method)


def held_out(differences: torch.Tensor, method: str, always_train: torch.Tensor | None = None) -> torch.Tensor:
    """Cosine of each difference with the direction fitted to the other folds, `[n_pairs]`.

    Args:
        differences: `[n_pairs, d]`, at least as many as there are folds.
        method: a key of `DIRECTION_METHODS`.
        always_train: `[n, d]`, further differences that are in every fit and are not tested.
    """
    cosines = differences.new_empty(len(differences))
    for train, test in KFold(FOLDS, shuffle=True, random_state=0).split(differences):
        training = differences[train] if always_train is None else torch.cat([differences[train], always_train])
        cosines[test] = units(differences[test]) @ _fit_direction(training, method)
    return cosines


def layer_quality(differences: torch.Tensor, method: str, n_pairs: int) -> LayerQuality:
    """The quality of a layer's direction; that of a random direction where too few pairs differ.

    Args:
        differences: those that exceed rounding, `[n_usable, d]`.
        method: a key of `DIRECTION_METHODS`.
        n_pairs: number of pairs in all.
    """
    if len(differences) < max(FOLDS, _MIN_USABLE_SHARE * n_pairs):
        return LayerQuality(CHANCE_ACCURACY, 0.0, 0.0, n_pairs - len(differences))
    cosines = held_out(differences, method)
    halves: Sequence[torch.Tensor] = [_fit_direction(differences[start::2], method) for start in (0, 1)]
    return LayerQuality(
        pairwise_accuracy=float((cosines > 0).double().mean()),
        explained_variance=float(cosines.square().mean()),
        split_half_cosine=float(halves[0] @ halves[1]),
        dropped=n_pairs - len(differences),
    )


def trained_quality(differences: torch.Tensor, trained: torch.Tensor, n_pairs: int) -> LayerQuality:
    """The quality of a direction that was trained on other pairs than these.

    Args:
        differences: those of held-out pairs that exceed rounding, `[n_usable, d]`.
        trained: the direction, `[d]`, of any length.
        n_pairs: number of pairs in all, those that it was trained on included.

    Returns:
        Its quality, with all pairs but these as dropped. The split-half cosine would take two more trainings, and is not a
        number.
    """
    if not len(differences) or not trained.any():
        return LayerQuality(CHANCE_ACCURACY, 0.0, math.nan, n_pairs - len(differences))
    cosines = units(differences) @ units(trained.to(differences))
    return LayerQuality(
        pairwise_accuracy=float((cosines > 0).double().mean()),
        explained_variance=float(cosines.square().mean()),
        split_half_cosine=math.nan,
        dropped=n_pairs - len(differences),
    )


def _fit_direction(differences: torch.Tensor, method: str) -> torch.Tensor:
    fitted = DIRECTION_METHODS[method](differences)
    # Positive λ must steer towards the positive pole; the sign of a singular vector is arbitrary.
    if (units(differences) @ fitted).mean() < 0:
        fitted = -fitted
    return torch.nn.functional.normalize(fitted, dim=0, eps=EPSILON)
