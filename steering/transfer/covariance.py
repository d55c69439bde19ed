"""Covariance sums over the paired rows that linear maps are fitted on, a sample of those rows, and the held-out rows.

The rows of the fit are not kept beyond a sample of fixed size, so memory does not grow with the number of texts.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import torch

from steering.errors import check_interrupt
from steering.transfer.layer_maps import LayerMap

Rows = Sequence[torch.Tensor]
"""Per layer, `[n_rows, d]`."""


@dataclass(frozen=True)
class ParentCovariance:
    """Centred second moments of one parent layer's rows.

    Attributes:
        mean: `[d_parent]`.
        xx: scatter `[d_parent, d_parent]`.
    """

    mean: torch.Tensor
    xx: torch.Tensor

    @cached_property
    def spectrum(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Eigenvalues `[d_parent]` and eigenvectors of the scatter, computed once for all mapped child layers."""
        values, basis = torch.linalg.eigh(self.xx)
        return values.clamp(min=0), basis


@dataclass(frozen=True)
class LayerCovariance:
    """Centred second moments of one child layer's rows and of the parent layer that is mapped to it.

    Attributes:
        n: number of rows.
        source: of the parent layer.
        mean_y: child's mean `[d_child]`.
        xy: cross scatter `[d_parent, d_child]`.
        control: cross scatter of shuffled pairs, of the same shape.
        yy: child's scatter of each coordinate `[d_child]`.
    """

    n: int
    source: ParentCovariance
    mean_y: torch.Tensor
    xy: torch.Tensor
    control: torch.Tensor
    yy: torch.Tensor

    def shuffled(self) -> "LayerCovariance":
        """The same rows paired at random."""
        return replace(self, xy=self.control)


@dataclass
class CovarianceSums:
    """Running sums over batches of paired rows, in float64 (the control in float32). It grows in place.

    Attributes:
        layer_map: the parent layer that is mapped to each child layer.
        n: rows so far.
    """

    layer_map: LayerMap
    n: int = 0
    _x: dict[int, torch.Tensor] = field(default_factory=dict)
    _xx: dict[int, torch.Tensor] = field(default_factory=dict)
    _y: dict[int, torch.Tensor] = field(default_factory=dict)
    _yy: dict[int, torch.Tensor] = field(default_factory=dict)
    _xy: dict[int, torch.Tensor] = field(default_factory=dict)
    _control: dict[int, torch.Tensor] = field(default_factory=dict)
    _sources: dict[int, ParentCovariance] = field(default_factory=dict)

    def add(self, parent: Rows, child: Rows, order: torch.Tensor) -> None:
        """Add paired rows.

        Args:
            parent: per layer `[n_rows, d_parent]`.
            child: per layer `[n_rows, d_child]`.
            order: a permutation of the rows, which makes the shuffled pairs.
        """
        self.n += len(order)
        self._sources.clear()
        for source in {source for source in self.layer_map if source is not None}:
            parent_rows = parent[source].double()
            _add(self._x, source, parent_rows.sum(dim=0))
            _add_product(self._xx, source, parent_rows, parent_rows)
            for layer in (layer for layer, mapped in enumerate(self.layer_map) if mapped == source):
                child_rows = child[layer].double()
                _add(self._y, layer, child_rows.sum(dim=0))
                _add(self._yy, layer, child_rows.square().sum(dim=0))
                _add_product(self._xy, layer, parent_rows, child_rows)
                _add_product(self._control, layer, parent[source].float(), child[layer][order].float())

    def layer(self, child_layer: int) -> LayerCovariance:
        """Centred moments of one child layer."""
        source = self.layer_map[child_layer]
        assert source is not None, "only mapped layers have moments"
        parent, mean_y = self._source(source), self._y[child_layer] / self.n
        outer = self.n * torch.outer(parent.mean, mean_y)
        return LayerCovariance(
            n=self.n,
            source=parent,
            mean_y=mean_y,
            xy=self._xy[child_layer] - outer,
            control=self._control[child_layer].double() - outer,
            yy=(self._yy[child_layer] - self.n * mean_y.square()).clamp(min=0),
        )

    def _source(self, layer: int) -> ParentCovariance:
        if layer not in self._sources:
            mean = self._x[layer] / self.n
            self._sources[layer] = ParentCovariance(mean, self._xx[layer] - self.n * torch.outer(mean, mean))
        return self._sources[layer]


@dataclass
class HeldOut:
    """Paired rows of the few held-out texts. It grows in place."""

    _parent: list[list[torch.Tensor]] = field(default_factory=list)
    _child: list[list[torch.Tensor]] = field(default_factory=list)

    def add(self, parent: Rows, child: Rows) -> None:
        """Add paired rows, per layer `[n_rows, d]`, one side each."""
        self._parent.append(list(parent))
        self._child.append(list(child))

    def __len__(self) -> int:
        """Number of rows."""
        return sum(len(batch[0]) for batch in self._child)

    def layer(self, parent_layer: int, child_layer: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Rows of one pair of layers, float64 `[n_rows, d_parent]` and `[n_rows, d_child]`."""
        x = torch.cat([batch[parent_layer] for batch in self._parent])
        y = torch.cat([batch[child_layer] for batch in self._child])
        return x.double(), y.double()


@dataclass
class SampledRows:
    """A random sample of the paired rows, every row as likely as any other. It grows in place, up to a limit.

    Source: Vitter 1985, algorithm R.

    Attributes:
        limit: largest number of rows.
        layer_map: the parent layer that is mapped to each child layer; rows of no other layers are kept.
        generator: draws the sample.
    """

    limit: int
    layer_map: LayerMap
    generator: torch.Generator
    _seen: int = 0
    _parent: dict[int, torch.Tensor] = field(default_factory=dict)
    _child: dict[int, torch.Tensor] = field(default_factory=dict)

    def add(self, parent: Rows, child: Rows) -> None:
        """Add paired rows, per layer `[n_rows, d]`, one side each."""
        if not self.limit:
            return
        kept: dict[int, int] = {}
        for row in range(len(child[0])):
            place = self._seen
            if place >= self.limit:
                place = int(torch.randint(self._seen + 1, (), generator=self.generator))
            if place < self.limit:
                kept[place] = row  # A later row of this batch may take the same place.
            self._seen += 1
        places, rows = list(kept), list(kept.values())
        for layer, source in enumerate(self.layer_map):
            if source is not None:
                _store(self._child, layer, self.limit, places, child[layer][rows])
        for source in {source for source in self.layer_map if source is not None}:
            _store(self._parent, source, self.limit, places, parent[source][rows])

    def layer(self, child_layer: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Sampled rows of one child layer and its parent layer, float32 `[n_rows, d_parent]` and `[n_rows, d_child]`."""
        source = self.layer_map[child_layer]
        assert source is not None, "only mapped layers have rows"
        if not self.limit:
            return torch.empty(0), torch.empty(0)
        n = min(self._seen, self.limit)
        return self._parent[source][:n], self._child[child_layer][:n]


def _store(kept: dict[int, torch.Tensor], layer: int, limit: int, places: list[int], rows: torch.Tensor) -> None:
    """Write rows at their places, into a tensor that is made at the first call."""
    if layer not in kept:
        kept[layer] = rows.new_zeros(limit, rows.shape[1])
    kept[layer][places] = rows


def _add(sums: dict[int, torch.Tensor], layer: int, value: torch.Tensor) -> None:
    if layer in sums:
        sums[layer] += value
    else:
        sums[layer] = value


def _add_product(sums: dict[int, torch.Tensor], layer: int, left: torch.Tensor, right: torch.Tensor) -> None:
    """Add `left.T @ right` in place, without a temporary product for every batch."""
    check_interrupt()  # A batch has dozens of products, which together may take longer than its forward passes.
    if layer not in sums:
        sums[layer] = left.new_zeros(left.shape[1], right.shape[1])
    sums[layer].addmm_(left.T, right)
