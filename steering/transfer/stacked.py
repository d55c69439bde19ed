"""Stacked parent layers: several layers of the parent side by side, which every child layer's map reads as one wide layer.

Models of different families form the same thing at different depths, and often over several layers. A regression on several
parent layers takes from each what it predicts best, so no pair of layers has to be chosen.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from steering.models import LanguageModel, residual_norms
from steering.vectors import EPSILON

DEPTHS = (0.47, 0.59, 0.71, 0.82)
"""Depths of the stacked layers as shares of the parent's depth: where what the model will say is being formed."""


@dataclass(frozen=True)
class Stack:
    """Parent layers that are read side by side.

    Attributes:
        layers: numbers of the parent layers.
        norms: residual norm of each `[n_layers]`. Rows are divided by it, so that layers of different norms count alike.
    """

    layers: tuple[int, ...]
    norms: torch.Tensor

    def rows(self, layers: Sequence[torch.Tensor]) -> torch.Tensor:
        """Rows of the stack, from the rows `[n_rows, d_parent]` of every parent layer: `[n_rows, n_layers * d_parent]`."""
        return torch.cat([layers[layer] / norm for layer, norm in zip(self.layers, self.norms, strict=True)], dim=1)


def stack_of(parent: LanguageModel) -> Stack:
    """The stack that the layer map "several" reads in a parent."""
    layers = tuple(sorted({round(depth * (parent.n_layers - 1)) for depth in DEPTHS}))
    return Stack(layers, residual_norms(parent)[list(layers)].clamp(min=EPSILON))
