"""Width maps: linear maps from rows of one width to rows of another, at one pair of layers.

Each is a pure function of covariances; `layer_maps` pairs the layers, `alignment` chooses the texts.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch

from steering.transfer.covariance import LayerCovariance
from steering.vectors import EPSILON

PENALTIES = (1e-4, 1e-3, 1e-2, 1e-1, 1.0, 10.0, 1000.0)
"""Ridge penalties that are tried, as shares of the mean eigenvalue of the parent's scatter."""

Pair = tuple[torch.Tensor, torch.Tensor]
"""The parent's rows and the child's, of one layer each."""


@dataclass(frozen=True)
class Fit:
    """One child layer's linear map, with the penalty that was chosen for it, and its held-out R²."""

    linear: torch.Tensor
    penalty: float
    r2: float


def ridge(covariance: LayerCovariance, choosing: Pair, reporting: Pair) -> Fit:
    """Ridge regression with the penalty that has the highest R² on some held-out texts; R² is reported on others.

    Args:
        covariance: of the rows that the map is fitted on.
        choosing: held-out rows that choose the penalty, the parent's and the child's.
        reporting: held-out rows of other texts, on which R² is measured.
    """
    values, basis = covariance.source.spectrum
    projected = basis.T @ covariance.xy
    x, y = choosing
    rotated = ((x - covariance.source.mean) @ basis).float()

    def shrunk(penalty: float) -> torch.Tensor:
        return projected / (values + penalty * values.mean())[:, None]

    # Single precision is enough to compare penalties with each other; the winner's R² is computed in double.
    penalty = max(
        PENALTIES,
        key=lambda candidate: mean_r2(rotated @ shrunk(candidate).float() + covariance.mean_y.float(), y.float()),
    )
    linear = basis @ shrunk(penalty)
    return Fit(linear, penalty, held_out_r2(linear, covariance, reporting))


def procrustes(covariance: LayerCovariance, _choosing: Pair, reporting: Pair) -> Fit:
    """The (semi-)orthogonal map that brings the parent's rows nearest to the child's; lengths and angles are kept.

    Source: Schönemann 1966.
    """
    left, values, right = torch.linalg.svd(covariance.xy, full_matrices=False)
    linear = left @ right
    # The map has no scale, but predictions need one to be compared with the child's rows.
    scale = values.sum() / (linear * (covariance.source.xx @ linear)).sum()
    return Fit(linear, float("nan"), held_out_r2(linear * scale, covariance, reporting))


WIDTH_MAPS: dict[str, Callable[[LayerCovariance, Pair, Pair], Fit] | None] = {
    "ridge": ridge,
    "procrustes": procrustes,
    "truncate": None,
    "none": None,
}


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
