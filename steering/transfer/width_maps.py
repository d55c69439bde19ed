"""Width maps: linear maps from rows of one width to rows of another, at one pair of layers.

Each is a pure function of `LayerRows`; `layer_maps` pairs the layers, `alignment` chooses the texts.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch

from steering.transfer.autoencoder import Autoencoder, train
from steering.transfer.covariance import LayerCovariance
from steering.vectors import EPSILON, units

PENALTIES = (1e-4, 1e-3, 1e-2, 1e-1, 1.0, 10.0, 1000.0)
"""Ridge penalties that are tried, as shares of the mean eigenvalue of the scatter."""

_CANONICAL_PENALTY = 1e-2
"""Added to both models' covariances before they are whitened, as a share of the mean eigenvalue."""

Pair = tuple[torch.Tensor, torch.Tensor]
"""The parent's rows and the child's, of one layer each."""


@dataclass(frozen=True)
class LayerRows:
    """What one child layer's map is fitted to, chosen by and judged on.

    Attributes:
        covariance: of the rows that the map is fitted on.
        sample: as many of those rows as `SAMPLE_ROWS` names for the width map; none by default.
        choosing: held-out rows that choose a penalty.
        reporting: held-out rows of other texts, on which R² is measured.
    """

    covariance: LayerCovariance
    sample: Pair
    choosing: Pair
    reporting: Pair

    def shuffled(self, generator: torch.Generator) -> "LayerRows":
        """The same rows paired at random: the control."""

        def pair_anew(rows: Pair) -> Pair:
            x, y = rows
            return x, y[torch.randperm(len(y), generator=generator)]

        return replace(
            self,
            covariance=self.covariance.shuffled(),
            choosing=pair_anew(self.choosing),
            reporting=pair_anew(self.reporting),
            sample=pair_anew(self.sample),
        )


@dataclass(frozen=True)
class Fit:
    """One child layer's linear map, with the penalty that was chosen for it, and its held-out R²."""

    linear: torch.Tensor
    penalty: float
    r2: float


def ridge(rows: LayerRows) -> Fit:
    """Ridge regression with the penalty that has the highest R² on some held-out texts; R² is reported on others."""
    covariance = rows.covariance
    values, basis = covariance.source.spectrum
    projected = basis.T @ covariance.xy
    x, y = rows.choosing
    rotated = ((x - covariance.source.mean) @ basis).float()

    def shrunk(penalty: float) -> torch.Tensor:
        return projected / (values + penalty * values.mean())[:, None]

    # Single precision is enough to compare penalties with each other; the winner's R² is computed in double.
    penalty = max(
        PENALTIES,
        key=lambda candidate: mean_r2(rotated @ shrunk(candidate).float() + covariance.mean_y.float(), y.float()),
    )
    linear = basis @ shrunk(penalty)
    return Fit(linear, penalty, held_out_r2(linear, covariance, rows.reporting))


def procrustes(rows: LayerRows) -> Fit:
    """The (semi-)orthogonal map that brings the parent's rows nearest to the child's; lengths and angles are kept.

    Source: Schönemann 1966.
    """
    left, _, right = torch.linalg.svd(rows.covariance.xy, full_matrices=False)
    linear = left @ right
    return Fit(linear, float("nan"), held_out_r2(_to_scale(linear, rows.covariance), rows.covariance, rows.reporting))


def canonical(rows: LayerRows) -> Fit:
    """Regression on canonical variables with every canonical correlation set to 1: what the models share is not shrunk.

    A regression predicts rows, so it shrinks what it is unsure of. A direction is brought to length 1 afterwards, so that
    shrinking some of its parts more than others only turns it.

    Source: Hotelling 1936; the penalty is that of Vinod 1976, on both models.
    """
    covariance = rows.covariance
    _, y = rows.sample
    centred = y.double() - covariance.mean_y
    child_values, child_basis = torch.linalg.eigh(centred.T @ centred)
    roots = []
    for values in (covariance.source.spectrum[0], child_values.clamp(min=0)):
        roots.append((values + _CANONICAL_PENALTY * values.mean()).clamp(min=EPSILON).sqrt())
    parent_root, child_root = roots
    basis = covariance.source.spectrum[1]
    whitened = (basis.T @ covariance.xy @ child_basis) / parent_root[:, None] / child_root
    left, _, right = torch.linalg.svd(whitened, full_matrices=False)
    linear = _to_scale(basis @ (left / parent_root[:, None]) @ (right * child_root) @ child_basis.T, covariance)
    return Fit(linear, _CANONICAL_PENALTY, held_out_r2(linear, covariance, rows.reporting))


def anchors(rows: LayerRows) -> Fit:
    """The direction whose cosines with the child's sampled rows are those of the parent's direction with the parent's.

    The rows, centred and at length 1, are the anchors. The cosines are met in the least-squares sense with a ridge penalty,
    which is chosen as for `ridge`; an infinite one gives the sum of the child's anchors, weighted with the cosines.

    Source: relative representations, arXiv 2209.15430; of concept directions, arXiv 2605.09875.
    """
    covariance = rows.covariance
    x, y = rows.sample
    x, y = units(x.double() - covariance.source.mean), units(y.double() - covariance.mean_y)
    values, basis = torch.linalg.eigh(y.T @ y)
    projected = x.T @ y @ basis

    def rebuilt(penalty: float) -> torch.Tensor:
        return projected / (values.clamp(min=0) + penalty * values.mean()) @ basis.T

    def chosen_r2(penalty: float) -> float:
        return held_out_r2(_to_scale(rebuilt(penalty), covariance), covariance, rows.choosing)

    penalty = max(PENALTIES, key=chosen_r2)
    linear = _to_scale(rebuilt(penalty), covariance)
    return Fit(linear, penalty, held_out_r2(linear, covariance, rows.reporting))


def autoencoder(rows: LayerRows) -> Fit:
    """The linear part of a network with one hidden layer of ReLU units: its mean Jacobian over held-out rows.

    Training begins at the ridge map and is stopped by the rows that chose its penalty; R² is that of the linear part.

    Source: arXiv 2503.04429, whose map moves points; directions need a linear part.
    """
    covariance, start = rows.covariance, ridge(rows)
    network = train(Autoencoder.from_linear(start.linear, covariance), rows.sample, rows.choosing)
    linear = network.mean_jacobian(rows.choosing[0])
    return Fit(linear, start.penalty, held_out_r2(linear, covariance, rows.reporting))


CANONICAL = "canonical"
"""The width map for a task's vector: the others shrink most what tells tasks apart."""

WIDTH_MAPS: dict[str, Callable[[LayerRows], Fit] | None] = {
    "ridge": ridge,
    "procrustes": procrustes,
    CANONICAL: canonical,
    "anchors": anchors,
    "autoencoder": autoencoder,
    "truncate": None,
    "none": None,
}

SAMPLE_ROWS = {CANONICAL: 4096, "anchors": 2048, "autoencoder": 4096}
"""How many of the fitted rows a width map reads besides their covariances; the others read none."""


def _to_scale(linear: torch.Tensor, covariance: LayerCovariance) -> torch.Tensor:
    """A map times the number that makes its predictions best: the directions of some maps have no scale of their own."""
    scale = (linear * covariance.xy).sum() / (linear * (covariance.source.xx @ linear)).sum().clamp(min=EPSILON)
    return linear * scale


def held_out_r2(linear: torch.Tensor, covariance: LayerCovariance, rows: Pair) -> float:
    """Share of variance that a map explains on held-out rows, with the means of the fit.

    Args:
        linear: `[d_parent, d_child]`.
        covariance: of the rows that the map was fitted on.
        rows: held-out rows, the parent's and the child's.
    """
    x, y = rows
    return mean_r2((x - covariance.source.mean) @ linear + covariance.mean_y, y)


def mean_r2(predicted: torch.Tensor, actual: torch.Tensor) -> float:
    """R² of predicted rows `[n_rows, d]`, averaged over coordinates, relative to the mean of the actual rows."""
    errors = (predicted - actual).square().sum(dim=0)
    return float((1 - errors / (actual - actual.mean(dim=0)).square().sum(dim=0).clamp(min=EPSILON)).mean())
