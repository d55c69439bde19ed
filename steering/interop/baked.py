"""What a file of another tool holds: rows that are added to the residual stream, and what the file says about them."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import torch

from steering.errors import SteeringError
from steering.models import LanguageModel
from steering.steer import DEFAULT_SETTINGS, NO_OFFSETS, SteeringSettings, plan
from steering.vectors import SteeringVector


@dataclass(frozen=True)
class Baked:
    """A push, with λ, scale and profile multiplied in.

    Attributes:
        rows: float32 `[n_layers, d_model]`, what one λ = 1 adds at each layer.
        lam: the strength; what is added is `lam * rows`.
        vector: where it came from.
        scale: what λ means.
        weights: the layer profile, one weight a layer.
        child: the model that it is for; None where it was not needed.
        positions: which tokens are to be steered; few tools can be told.
    """

    rows: torch.Tensor
    lam: float
    vector: SteeringVector
    scale: str
    weights: tuple[float, ...]
    child: LanguageModel | None
    positions: str = "all"

    @cached_property
    def push(self) -> torch.Tensor:
        """What is added at each layer, float32 `[n_layers, d_model]`."""
        return self.lam * self.rows

    @cached_property
    def active(self) -> list[int]:
        """The layers at which something is added."""
        return self.push.any(dim=1).nonzero().flatten().tolist()

    @property
    def family(self) -> str:
        """The model's type as transformers calls it, or "unknown"."""
        return "unknown" if self.child is None else str(self.child.model.config.get_text_config().model_type)

    @property
    def statement(self) -> dict[str, Any]:
        """What a file says about its rows beside them; names and values that JSON can write."""
        return {
            "concept": self.vector.concept,
            "positive": self.vector.labels[0],
            "negative": self.vector.labels[1],
            "method": self.vector.method,
            "model": self.vector.model,
            "model_name": self.vector.model_name,
            "lam": self.lam,
            "scale": self.scale,
            "weights": list(self.weights),
        }


@dataclass(frozen=True)
class Foreign:
    """What was read from another tool's file.

    Attributes:
        rows: layer number to a float32 row `[width]`.
        family: type of the model that the file says it is for; None where it does not say.
        statement: what this library wrote beside the rows; empty for files of others.
        numbered: whether the file numbers its rows; otherwise they are counted from 0 and must be as many as the layers.
    """

    rows: Mapping[int, torch.Tensor]
    family: str | None = None
    statement: Mapping[str, Any] = field(default_factory=dict)
    numbered: bool = True

    def counted_from(self, first: int) -> "Foreign":
        """The same rows where the file gives the first block the number `first`."""
        return replace(self, rows={number - first: row for number, row in self.rows.items()}) if first else self


def bake(
    vector: SteeringVector,
    lam: float,
    *,
    child: LanguageModel | None = None,
    settings: SteeringSettings = DEFAULT_SETTINGS,
) -> Baked:
    """Multiply λ, scale and profile into a vector.

    Raises:
        MismatchError: the vector belongs to another model than the child.
        SteeringError: λ is not finite, the child is needed and missing, the operator does not add, or nothing would be added
            anywhere.
    """
    if settings.operator != "add":
        raise SteeringError(NO_OFFSETS.format(operator=settings.operator))
    if not math.isfinite(lam):
        raise SteeringError(f"λ is {lam}; give a finite number.")
    if child is not None:
        intervention = plan(child, vector, settings)
        rows, weights = intervention.offsets, intervention.weights
    elif settings.scale == "unit" and settings.profile == "all":
        rows, weights = vector.directions, tuple(map(float, vector.signal))
    else:
        raise SteeringError(
            f"The scale {settings.scale!r} with the profile {settings.profile!r} needs the model: give "
            f"{vector.model_name} as the child, or use the scale 'unit' with the profile 'all'."
        )
    baked = Baked(rows, lam, vector, settings.scale, weights, child, settings.positions)
    if not torch.isfinite(baked.push).all():
        raise SteeringError(f"λ = {lam} makes numbers that float32 cannot hold. Use a smaller λ.")
    if not baked.active:
        raise SteeringError(
            f"λ = {lam} adds nothing at any layer, so there is nothing to write. Use another λ or vector."
        )
    return baked
