"""Alignments: for every child layer, a linear map from the residual stream of one parent layer.

A map is fitted on paired rows of anchor texts. Its quality is measured on texts that the fit never saw, beside the same fit on
shuffled pairs. A direction is carried by the linear part of a map only; the means belong to points.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from steering.errors import MismatchError, Progress, SteeringError, part_of, silent
from steering.models import LanguageModel, anchor_texts, read_anchors
from steering.storage import cached, key
from steering.transfer.all_pairs import judges_layers, measured_r2
from steering.transfer.covariance import CovarianceSums, HeldOut
from steering.transfer.layer_maps import LayerMap, best_path, layer_map
from steering.transfer.paired_rows import FIRST_POSITION, token_ends, visit_pairs
from steering.transfer.width_maps import WIDTH_MAPS

ROWS_PER_DIMENSION = 16
"""Bundled anchor texts are read until there are about this many paired rows for every dimension of the parent."""

_HELD_OUT = 6
_HELD_OUT_TEXTS = 24
# Every sixth text is held out, up to 24 of them: about a thousand rows, which are kept in memory as they are. Every second of
# them chooses the penalty, and the others say how good the map is.
_FORMAT = 4


@dataclass(frozen=True)
class Alignment:
    """A linear map for every child layer, with its held-out quality.

    Attributes:
        parent: fingerprint of the parent.
        child: fingerprint of the child.
        parent_name: what the parent is called.
        child_name: what the child is called.
        layers: name of the layer map, or "by hand".
        layer_map: the parent layer that each child layer reads, or None.
        width: a key of `WIDTH_MAPS`.
        maps: float32 `[n_child_layers, d_parent, d_child]`, zero where a child layer reads nothing.
        parent_means: `[n_child_layers, d_parent]`.
        child_means: `[n_child_layers, d_child]`.
        gain: per child layer, the ratio of the two streams' total standard deviations, parent over child.
        r2: per child layer, share of variance explained on held-out texts, averaged over coordinates; NaN if not fitted.
        r2_shuffled: the same after fitting on shuffled pairs: the control.
        rows: paired rows in all.
        texts: anchor texts read.
        penalties: per child layer, the chosen penalty; NaN where there is none.
        cut: anchor texts that were read only as far as both models' contexts reach.
    """

    parent: str
    child: str
    parent_name: str
    child_name: str
    layers: str
    layer_map: LayerMap
    width: str
    maps: torch.Tensor
    parent_means: torch.Tensor
    child_means: torch.Tensor
    gain: torch.Tensor
    r2: tuple[float, ...]
    r2_shuffled: tuple[float, ...]
    rows: int
    texts: int
    penalties: tuple[float, ...]
    cut: int = 0

    def map_directions(self, directions: torch.Tensor) -> torch.Tensor:
        """Carry directions by the linear part alone, `[n_parent_layers, d_parent]` to `[n_child_layers, d_child]`."""
        carried = torch.zeros(len(self.layer_map), self.maps.shape[2])
        for layer, source in enumerate(self.layer_map):
            if source is not None:
                carried[layer] = directions[source].float() @ self.maps[layer]
        return carried

    def map_points(self, points: torch.Tensor, child_layer: int) -> torch.Tensor:
        """Predict the child's activations at one layer, `[n, d_parent]` to `[n, d_child]`."""
        moved = (points.float() - self.parent_means[child_layer]) @ self.maps[child_layer]
        return moved + self.child_means[child_layer]


def align(
    parent: LanguageModel,
    child: LanguageModel,
    *,
    layers: str | Sequence[int | None] = "relative",
    width: str = "ridge",
    anchors: str | Path | Sequence[str] | None = None,
    skip: int = FIRST_POSITION,
    rows: int = ROWS_PER_DIMENSION,
    progress: Progress = silent,
) -> Alignment:
    """Fit the maps from a parent to a child; kept in the cache.

    Args:
        parent: gives directions.
        child: takes them.
        layers: a key of `LAYER_MAPS`, a single pair such as "12-to-14", or one parent layer (or None) for every child
            layer. "best" is the monotone path along which maps between the two explain most of held-out texts.
        width: a key of `WIDTH_MAPS`.
        anchors: your own anchor texts, as a file with one text a line or as a list; the bundled ones by default.
        skip: positions at the beginning of a text that make no pair.
        rows: bundled anchor texts are read until there are about this many pairs for every dimension.
        progress: told how far the reading and fitting is.

    Raises:
        SteeringError: unknown choice, or too few anchor texts.
        MismatchError: width "none" for models of different widths.
    """
    if width not in WIDTH_MAPS:
        raise SteeringError(f"Unknown width map {width!r}. Choose one of {', '.join(WIDTH_MAPS)}.")
    if width == "none" and parent.d_model != child.d_model:
        raise MismatchError(
            f"Width 'none' needs equal widths: {parent.name} has {parent.d_model}, {child.name} has {child.d_model}. "
            "Choose 'ridge'."
        )
    reading = progress
    if layers == "best":
        reading = part_of(progress, 0.4, 1.0)
        chosen: LayerMap = best_path(measured_r2(parent, child, progress=part_of(progress, 0.0, 0.4)))
    else:
        chosen = layer_map(layers, parent.n_layers, child.n_layers)
    fitted = WIDTH_MAPS[width] is not None
    texts = _texts(parent, child, anchors, rows) if fitted else ()
    digest = key(
        "alignment",
        _FORMAT,
        parent.fingerprint,
        str(parent.dtype),
        child.fingerprint,
        str(child.dtype),
        chosen,
        width,
        texts,
        skip,
    )

    def make() -> tuple[dict[str, torch.Tensor], dict[str, object]]:
        made = _fit(parent, child, chosen, width, texts, skip, reading) if fitted else _unfitted(parent, child, chosen)
        return {**made[0], "maps": made[0]["maps"][_fed(chosen)]}, made[1]

    tensors, header = cached("alignments", digest, make)
    return Alignment(
        parent=parent.fingerprint,
        child=child.fingerprint,
        parent_name=parent.name,
        child_name=child.name,
        layers=layers if isinstance(layers, str) else "by hand",
        layer_map=chosen,
        width=width,
        maps=_spread(tensors["maps"], chosen),
        parent_means=tensors["parent_means"],
        child_means=tensors["child_means"],
        gain=tensors["gain"],
        r2=tuple(tensors["r2"].tolist()),
        r2_shuffled=tuple(tensors["r2_shuffled"].tolist()),
        rows=int(header["rows"]),
        texts=len(texts),
        penalties=tuple(tensors["penalties"].tolist()),
        cut=int(header.get("cut", 0)),
    )


def _fed(chosen: LayerMap) -> list[int]:
    return [layer for layer, source in enumerate(chosen) if source is not None]


def _spread(maps: torch.Tensor, chosen: LayerMap) -> torch.Tensor:
    """Maps of all child layers from those of the fed ones alone, which is what the cache keeps: a map is large."""
    if len(maps) == len(chosen):
        return maps
    every = maps.new_zeros(len(chosen), *maps.shape[1:])
    every[_fed(chosen)] = maps
    return every


def _texts(
    parent: LanguageModel, child: LanguageModel, anchors: str | Path | Sequence[str] | None, rows: int
) -> tuple[str, ...]:
    if anchors is not None:
        own = read_anchors(anchors) if isinstance(anchors, str | Path) else tuple(anchors)
        if len(own) < 2 * _HELD_OUT:
            raise SteeringError(f"There are {len(own)} anchor texts; an alignment needs at least {2 * _HELD_OUT}.")
        return own
    # The file is in random order, so its beginning is a fair sample of it.
    wanted = rows * max(parent.d_model, child.d_model)
    taken: list[str] = []
    found = 0
    for text in anchor_texts():
        if found >= wanted and len(taken) >= 2 * _HELD_OUT:
            break
        taken.append(text)
        found += len(token_ends(child, text)[0])
    return tuple(taken)


def _fit(
    parent: LanguageModel,
    child: LanguageModel,
    chosen: LayerMap,
    width: str,
    texts: Sequence[str],
    skip: int,
    progress: Progress,
) -> tuple[dict[str, torch.Tensor], dict[str, object]]:
    seen, choosing, reporting = CovarianceSums(chosen), HeldOut(), HeldOut()
    generator = torch.Generator().manual_seed(0)
    rows = 0

    def visit(text: torch.Tensor, left: list[torch.Tensor], right: list[torch.Tensor]) -> None:
        nonlocal rows
        rows += len(text)
        parts = held_out_parts(text)
        for held, part in zip(parts, (choosing, reporting), strict=True):
            part.add([side[held] for side in left], [side[held] for side in right])
        held = parts[0] | parts[1]
        order = torch.randperm(int((~held).sum()), generator=generator)
        seen.add([side[~held] for side in left], [side[~held] for side in right], order)

    cut = visit_pairs(parent, child, texts, visit, skip=skip, progress=part_of(progress, 0.0, 0.8))
    if not len(choosing) or not len(reporting):
        raise SteeringError(
            f"The anchor texts that are held out of the fit (every {_HELD_OUT}th) share no position in {parent.name} and "
            f"{child.name}, so the map cannot be judged. Add longer anchor texts."
        )
    fit = WIDTH_MAPS[width]
    assert fit is not None, "only fitted width maps come here"
    tensors, _ = _unfitted(parent, child, chosen)
    for layer, source in enumerate(chosen):
        progress(f"Fitting the map to layer {layer} of {child.name}", 0.8 + 0.2 * layer / len(chosen))
        if source is None:
            continue
        inside, parts = seen.layer(layer), [part.layer(source, layer) for part in (choosing, reporting)]
        held = fit(inside, *parts)
        control = fit(inside.shuffled(), *((x, y[torch.randperm(len(y), generator=generator)]) for x, y in parts))
        tensors["maps"][layer] = held.linear.float()
        tensors["parent_means"][layer] = inside.source.mean.float()
        tensors["child_means"][layer] = inside.mean_y.float()
        tensors["gain"][layer] = (inside.source.xx.trace() / inside.yy.sum()).sqrt().float()
        tensors["r2"][layer] = held.r2
        tensors["r2_shuffled"][layer] = control.r2
        tensors["penalties"][layer] = held.penalty
    return tensors, {"rows": rows, "cut": cut}


def held_out_parts(text: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Which rows choose (the penalty, and the layers of the layer map "best") and which rows say how good a map is.

    Args:
        text: number of the text that each row is from, `[n_rows]`.

    Returns:
        Two masks `[n_rows]` of different texts, none of which the map is fitted on.
    """
    held = (text % _HELD_OUT == 0) & (text < _HELD_OUT * _HELD_OUT_TEXTS)
    chooses = (text // _HELD_OUT % 2 == 0) | judges_layers(text)
    return held & chooses, held & ~chooses


def _unfitted(
    parent: LanguageModel, child: LanguageModel, chosen: LayerMap
) -> tuple[dict[str, torch.Tensor], dict[str, object]]:
    """Cut or zero-pad: the only literal reading of adding a vector of one width to a stream of another."""
    n, unknown = len(chosen), torch.full((len(chosen),), float("nan"))
    cut = torch.eye(parent.d_model, child.d_model).repeat(n, 1, 1)
    tensors = {
        "maps": cut * torch.tensor([source is not None for source in chosen])[:, None, None],
        "parent_means": torch.zeros(n, parent.d_model),
        "child_means": torch.zeros(n, child.d_model),
        "gain": torch.ones(n),
        "r2": unknown.clone(),
        "r2_shuffled": unknown.clone(),
        "penalties": unknown.clone(),
    }
    return tensors, {"rows": 0}
