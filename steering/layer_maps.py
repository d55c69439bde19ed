"""Layer maps: which parent layer feeds each child layer."""

from collections.abc import Callable, Sequence

import torch

from steering.errors import SteeringError

LayerMap = tuple[int | None, ...]
"""One entry a child layer: the parent layer that it reads, or None where it stays unsteered."""


def index(n_parent: int, n_child: int) -> LayerMap:
    """Layer n to layer n; child layers past the parent's depth stay unsteered. Source: arXiv 2512.19069."""
    return tuple(layer if layer < n_parent else None for layer in range(n_child))


def relative(n_parent: int, n_child: int) -> LayerMap:
    """The same fraction of depth: first to first, last to last."""
    step = (n_parent - 1) / max(n_child - 1, 1)
    return tuple(round(layer * step) for layer in range(n_child))


LAYER_MAPS: dict[str, Callable[[int, int], LayerMap] | None] = {"relative": relative, "index": index, "best": None}
"""By name; None where the map is not known from the depths alone but measured, see `best_path`."""


def best_path(matrix: torch.Tensor) -> LayerMap:
    """The parent layer for every child layer, never going back, along which the sum of the entries is largest.

    Args:
        matrix: how alike two layers are, `[n_parent_layers, n_child_layers]`.

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
        choice: a key of `LAYER_MAPS`, or one parent layer (or None) for every child layer.
        n_parent: number of parent layers.
        n_child: number of child layers.

    Raises:
        SteeringError: unknown name, wrong length, or a parent layer that does not exist.
    """
    if isinstance(choice, str):
        if choice not in LAYER_MAPS:
            raise SteeringError(f"Unknown layer map {choice!r}. Choose one of {', '.join(LAYER_MAPS)}, or give a list.")
        make = LAYER_MAPS[choice]
        if make is None:
            raise SteeringError(f"Layer map {choice!r} is measured on two models; it cannot be made from depths alone.")
        return make(n_parent, n_child)
    chosen = tuple(choice)
    if len(chosen) != n_child:
        raise SteeringError(f"The layer map has {len(chosen)} entries; the child has {n_child} layers.")
    for layer in chosen:
        if layer is not None and not 0 <= layer < n_parent:
            raise SteeringError(f"The layer map reads parent layer {layer}; the parent has layers 0 to {n_parent - 1}.")
    return chosen
