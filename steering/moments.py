"""Sums over paired rows that are all a linear map needs: no row is kept, so any number of texts fits into memory."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import torch

from steering.layer_maps import LayerMap


@dataclass(frozen=True)
class LayerMoments:
    """Centred second moments of one child layer's rows and of the parent layer that it reads.

    Attributes:
        n: number of rows.
        mean_x: parent's mean `[d_parent]`.
        mean_y: child's mean `[d_child]`.
        xx: parent's scatter `[d_parent, d_parent]`.
        xy: cross scatter `[d_parent, d_child]`.
        control: cross scatter of shuffled pairs, of the same shape.
        yy: child's scatter of each coordinate `[d_child]`.
    """

    n: int
    mean_x: torch.Tensor
    mean_y: torch.Tensor
    xx: torch.Tensor
    xy: torch.Tensor
    control: torch.Tensor
    yy: torch.Tensor

    def shuffled(self) -> "LayerMoments":
        """The same rows paired at random."""
        return replace(self, xy=self.control)


@dataclass
class Moments:
    """Running sums over batches of paired rows, in float64 (the control in float32). The one record that grows in place.

    Attributes:
        layer_map: which parent layer feeds each child layer.
    """

    layer_map: LayerMap
    n: int = 0
    _x: dict[int, torch.Tensor] = field(default_factory=dict)
    _xx: dict[int, torch.Tensor] = field(default_factory=dict)
    _y: dict[int, torch.Tensor] = field(default_factory=dict)
    _yy: dict[int, torch.Tensor] = field(default_factory=dict)
    _xy: dict[int, torch.Tensor] = field(default_factory=dict)
    _control: dict[int, torch.Tensor] = field(default_factory=dict)

    def add(self, parent: Sequence[torch.Tensor], child: Sequence[torch.Tensor], order: torch.Tensor) -> None:
        """Add paired rows.

        Args:
            parent: per layer `[n_rows, d_parent]`.
            child: per layer `[n_rows, d_child]`.
            order: a permutation of the rows, which makes the shuffled pairs.
        """
        if not len(child[0]):
            return
        self.n += len(child[0])
        wide: dict[int, torch.Tensor] = {}
        for layer in {source for source in self.layer_map if source is not None}:
            wide[layer] = parent[layer].double()
            _accumulate(self._x, layer, wide[layer].sum(dim=0))
            _accumulate(self._xx, layer, wide[layer].T @ wide[layer])
        for layer, source in enumerate(self.layer_map):
            if source is not None:
                rows = child[layer].double()
                _accumulate(self._y, layer, rows.sum(dim=0))
                _accumulate(self._yy, layer, rows.square().sum(dim=0))
                _accumulate(self._xy, layer, wide[source].T @ rows)
                _accumulate(self._control, layer, parent[source].float().T @ child[layer][order].float())


def centred(parts: Sequence[Moments], child_layer: int) -> LayerMoments:
    """Centred moments of one child layer over one or more sets of rows."""
    source = parts[0].layer_map[child_layer]
    assert source is not None, "an unsteered layer has no moments"
    n = sum(part.n for part in parts)

    def total(name: str, layer: int) -> torch.Tensor:
        return torch.stack([getattr(part, name)[layer].double() for part in parts if part.n]).sum(dim=0)

    mean_x, mean_y = total("_x", source) / n, total("_y", child_layer) / n
    return LayerMoments(
        n=n,
        mean_x=mean_x,
        mean_y=mean_y,
        xx=total("_xx", source) - n * torch.outer(mean_x, mean_x),
        xy=total("_xy", child_layer) - n * torch.outer(mean_x, mean_y),
        control=total("_control", child_layer) - n * torch.outer(mean_x, mean_y),
        yy=(total("_yy", child_layer) - n * mean_y.square()).clamp(min=0),
    )


def _accumulate(sums: dict[int, torch.Tensor], layer: int, value: torch.Tensor) -> None:
    if layer in sums:
        sums[layer] += value
    else:
        sums[layer] = value
