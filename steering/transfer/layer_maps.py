"""Layer maps: the parent layer that is mapped to each child layer."""

import re
from collections.abc import Callable, Sequence

import torch

from steering.errors import SteeringError

LayerMap = tuple[int | None, ...]
"""One entry a child layer: the parent layer that is mapped to it, or None where it stays unsteered."""


def index(n_parent: int, n_child: int) -> LayerMap:
    """Layer n to layer n; child layers past the parent's depth stay unsteered. Source: arXiv 2512.19069."""
    return tuple(layer if layer < n_parent else None for layer in range(n_child))


def relative(n_parent: int, n_child: int) -> LayerMap:
    """The same fraction of depth: first to first, last to last."""
    step = (n_parent - 1) / max(n_child - 1, 1)
    return tuple(round(layer * step) for layer in range(n_child))


SEVERAL = "several"
"""The layer map in which every child layer reads the same parent layers at once, see `stacked`."""

LAYER_MAPS: dict[str, Callable[[int, int], LayerMap] | None] = {
    "relative": relative,
    SEVERAL: relative,
    "index": index,
    "best": None,
}
"""By name; None where the map is not known from the depths alone but measured, see `best_path`."""


def pair_name(parent_layer: int, child_layer: int) -> str:
    """Name of the layer map with a single pair of layers, such as "12-to-14"."""
    return f"{parent_layer}-to-{child_layer}"


def named_pair(name: str) -> tuple[int, int] | None:
    """Parent layer and child layer of a layer map with a single pair; None for any other name."""
    match = re.fullmatch(r"(\d{1,4})-to-(\d{1,4})", name)
    return (int(match[1]), int(match[2])) if match else None


def best_path(matrix: torch.Tensor) -> LayerMap:
    """The monotone layer map with the largest sum of entries.

    Args:
        matrix: similarity of two layers, such as R², `[n_parent_layers, n_child_layers]`.

    Source: dynamic programming, as in sequence alignment (Needleman and Wunsch 1970), without a cost for gaps.
    """
    total = matrix[:, 0].double()
    came_from = []
    for column in matrix.double().T[1:]:
        best, origin = total.cummax(dim=0)
        came_from.append(origin)
        total = best + column
    path = [int(total.argmax())]
    for origin in reversed(came_from):
        path.append(int(origin[path[-1]]))
    return tuple(reversed(path))


def layer_map(choice: str | Sequence[int | None], n_parent: int, n_child: int) -> LayerMap:
    """A layer map by name, or one given by hand.

    Args:
        choice: a key of `LAYER_MAPS`, a single pair such as "12-to-14", or one parent layer (or None) for every child layer.
        n_parent: number of parent layers.
        n_child: number of child layers.

    Raises:
        SteeringError: unknown name, wrong length, or a layer that does not exist.
    """
    chosen = _named(choice, n_parent, n_child) if isinstance(choice, str) else tuple(choice)
    if len(chosen) != n_child:
        raise SteeringError(f"The layer map has {len(chosen)} entries; the child has {n_child} layers.")
    for layer in chosen:
        if layer is not None and not 0 <= layer < n_parent:
            raise SteeringError(f"The layer map reads parent layer {layer}; the parent has layers 0 to {n_parent - 1}.")
    return chosen


def _named(name: str, n_parent: int, n_child: int) -> LayerMap:
    pair = named_pair(name)
    if pair is not None:
        source, target = pair
        if target >= n_child:
            raise SteeringError(f"The layer map feeds child layer {target}; the child has layers 0 to {n_child - 1}.")
        return tuple(source if layer == target else None for layer in range(n_child))
    if name not in LAYER_MAPS:
        raise SteeringError(
            f"Unknown layer map {name!r}. Choose one of {', '.join(LAYER_MAPS)}, or name one pair, such as '12-to-14'."
        )
    make = LAYER_MAPS[name]
    if make is None:
        raise SteeringError(f"Layer map {name!r} is measured on two models; it cannot be made from depths alone.")
    return make(n_parent, n_child)
