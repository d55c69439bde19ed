"""Alignments: for every child layer, a linear map from the residual stream of one parent layer.

A map is fitted on paired rows of anchor texts. Its quality is measured on held-out texts and compared with a fit on shuffled
pairs. A direction is carried by the linear part of a map only; the means are used for points.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from steering.errors import MismatchError, Progress, SteeringError, check_interrupt, part_of, silent
from steering.models import HELD_OUT_STEP, HELD_OUT_TEXTS, LanguageModel
from steering.storage import cached, key
from steering.transfer.all_pairs import layer_r2_mask, measured_r2
from steering.transfer.anchors import ROWS_PER_DIMENSION, chosen_anchors, unread_prompts
from steering.transfer.covariance import CovarianceSums, HeldOut, SampledRows
from steering.transfer.layer_maps import SEVERAL, LayerMap, best_path, layer_map
from steering.transfer.paired_rows import FIRST_POSITION, visit_pairs
from steering.transfer.stacked import Stack, stack_of
from steering.transfer.stretch import Stretch, fit_stretch, relation_differences
from steering.transfer.width_maps import SAMPLE_ROWS, WIDTH_MAPS, LayerRows

_FITTED = 0.95
"""Of the progress bar, where a stretch is measured after the fit."""

_FORMAT = 4
"""Part of the cache key; raised when the cached numbers change their meaning."""


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
        gain: per child layer, the ratio of the two residual streams' total standard deviations, parent over child.
        r2: per child layer, share of variance explained on held-out texts, averaged over coordinates; NaN if not fitted.
        r2_shuffled: the same after fitting on shuffled pairs: the control.
        rows: number of paired rows.
        texts: number of anchor texts read.
        penalties: per child layer, the chosen penalty; NaN where there is none.
        cut: anchor texts that were read only as far as both models' contexts reach.
        stack: the parent layers that every map reads side by side; `d_parent` is then the width of the stack. None where each
            map reads one layer.
        stretch: undoes how much the maps shrink what tells tasks apart; None for anchors other than solved ones.
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
    stack: Stack | None = None
    stretch: Stretch | None = None

    def source_rows(self, directions: torch.Tensor) -> torch.Tensor:
        """What the map of each child layer reads, `[n_child_layers, d_parent]`; zero where it reads nothing.

        Args:
            directions: one a parent layer, `[n_parent_layers, width of the parent]`.
        """
        rows = directions.new_zeros(self.maps.shape[:2])
        whole = None if self.stack is None else self.stack.rows(list(directions[:, None]))[0]
        for layer, source in enumerate(self.layer_map):
            if source is not None:
                rows[layer] = directions[source] if whole is None else whole
        return rows

    def linear(self, directions: torch.Tensor) -> torch.Tensor:
        """Carry directions by the linear part alone, one a parent layer, to `[n_child_layers, d_child]`."""
        return (self.source_rows(directions)[:, None].float() @ self.maps)[:, 0]

    def map_directions(self, directions: torch.Tensor) -> torch.Tensor:
        """The same, and stretched where the anchors give a stretch."""
        carried = self.linear(directions)
        return carried if self.stretch is None else self.stretch.of(carried)

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
    first_layer: int = 0,
    progress: Progress = silent,
) -> Alignment:
    """Fit the maps from a parent to a child; kept in the cache.

    Args:
        parent: the model that directions are carried from.
        child: the model that they are carried to.
        layers: a key of `LAYER_MAPS`, a single pair such as "12-to-14", or one parent layer (or None) for every child
            layer. "best" is the monotone path with the largest sum of held-out R² between layers; in "several" every child
            layer reads the same parent layers at once, see `stacked`.
        width: a key of `WIDTH_MAPS`.
        anchors: a name of `BUNDLED_ANCHORS`, or your own anchor texts, as a file with one text a line or as a list; the
            bundled prose by default.
        skip: positions at the beginning of a text that make no pair.
        rows: bundled anchor texts are read until there are about this many pairs for every dimension.
        first_layer: child layers before it are left unsteered, and take no time.
        progress: told how far the reading and fitting is.

    Raises:
        SteeringError: unknown choice, layers "several" with a width map that is not fitted, or too few anchor texts.
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
    chosen = tuple(source if layer >= first_layer else None for layer, source in enumerate(chosen))
    fitted = WIDTH_MAPS[width] is not None
    stack = stack_of(parent) if layers == SEVERAL else None
    if stack and not fitted:
        raise SteeringError(f"Width {width!r} cannot read several parent layers at once. Choose 'ridge'.")
    texts = chosen_anchors(parent, child, anchors, rows) if fitted else ()
    relations = unread_prompts(anchors) if fitted else ()
    if relations:
        reading = part_of(reading, 0.0, _FITTED)
    digest = key(
        "alignment",
        _FORMAT,
        parent.fingerprint,
        parent.precision,
        child.fingerprint,
        child.precision,
        chosen,
        width,
        texts,
        skip,
        *(() if stack is None else stack.layers),
    )

    def make() -> tuple[dict[str, torch.Tensor], dict[str, object]]:
        if fitted:
            tensors, header = _fit(parent, child, chosen, stack, width, texts, skip, reading)
        else:
            tensors, header = _unfitted(parent.d_model, child.d_model, chosen)
        return {**tensors, "maps": tensors["maps"][_mapped_layers(chosen)]}, header

    tensors, header = cached("alignments", digest, make)
    alignment = Alignment(
        parent=parent.fingerprint,
        child=child.fingerprint,
        parent_name=parent.name,
        child_name=child.name,
        layers=layers if isinstance(layers, str) else "by hand",
        layer_map=chosen,
        width=width,
        maps=_for_all_layers(tensors["maps"], chosen),
        parent_means=tensors["parent_means"],
        child_means=tensors["child_means"],
        gain=tensors["gain"],
        r2=tuple(tensors["r2"].tolist()),
        r2_shuffled=tuple(tensors["r2_shuffled"].tolist()),
        rows=int(header["rows"]),
        texts=len(texts),
        penalties=tuple(tensors["penalties"].tolist()),
        cut=int(header.get("cut", 0)),
        stack=stack,
    )
    if not relations:
        return alignment
    return _stretched(alignment, parent, child, relations, part_of(progress, _FITTED, 1.0))


def _stretched(
    alignment: Alignment,
    parent: LanguageModel,
    child: LanguageModel,
    relations: Sequence[Sequence[tuple[str, str]]],
    progress: Progress,
) -> Alignment:
    """The alignment with the stretch that its maps need, measured on relations that they were not fitted on."""
    source = relation_differences(parent, relations, progress=part_of(progress, 0.0, 0.5))
    own = relation_differences(child, relations, progress=part_of(progress, 0.5, 1.0))
    carried = torch.stack([alignment.linear(differences) for differences in source])
    return replace(alignment, stretch=fit_stretch(carried, own))


def _mapped_layers(chosen: LayerMap) -> list[int]:
    return [layer for layer, source in enumerate(chosen) if source is not None]


def _for_all_layers(maps: torch.Tensor, chosen: LayerMap) -> torch.Tensor:
    """Maps of all child layers, zero where nothing is mapped; the cache holds the mapped layers alone, since maps are large."""
    if len(maps) == len(chosen):
        return maps
    expanded = maps.new_zeros(len(chosen), *maps.shape[1:])
    expanded[_mapped_layers(chosen)] = maps
    return expanded


def _fit(
    parent: LanguageModel,
    child: LanguageModel,
    chosen: LayerMap,
    stack: Stack | None,
    width: str,
    texts: Sequence[str],
    skip: int,
    progress: Progress,
) -> tuple[dict[str, torch.Tensor], dict[str, object]]:
    d_parent = parent.d_model
    if stack is not None:  # The stack is one wide layer, which every map reads.
        chosen, d_parent = tuple(None if source is None else 0 for source in chosen), len(stack.layers) * d_parent
    sums, choosing, reporting = CovarianceSums(chosen), HeldOut(), HeldOut()
    generator = torch.Generator().manual_seed(0)
    sampled = SampledRows(SAMPLE_ROWS.get(width, 0), chosen, torch.Generator().manual_seed(0))
    rows = 0

    def visit(text: torch.Tensor, parent_rows: list[torch.Tensor], child_rows: list[torch.Tensor]) -> None:
        nonlocal rows
        rows += len(text)
        if stack is not None:
            parent_rows = [stack.rows(parent_rows)]
        chooses, reports = held_out_masks(text)
        for mask, sample in ((chooses, choosing), (reports, reporting)):
            sample.add([layer[mask] for layer in parent_rows], [layer[mask] for layer in child_rows])
        fits = ~(chooses | reports)
        order = torch.randperm(int(fits.sum()), generator=generator)
        fitted = [layer[fits] for layer in parent_rows], [layer[fits] for layer in child_rows]
        sums.add(*fitted, order)
        sampled.add(*fitted)

    cut = visit_pairs(parent, child, texts, visit, skip=skip, progress=part_of(progress, 0.0, 0.8))
    if not len(choosing) or not len(reporting):
        raise SteeringError(
            f"The anchor texts that are held out of the fit (every {HELD_OUT_STEP}th) share no position in {parent.name} and "
            f"{child.name}, so the map cannot be judged. Add longer anchor texts."
        )
    fit = WIDTH_MAPS[width]
    assert fit is not None, "only fitted width maps come here"
    tensors, _ = _unfitted(d_parent, child.d_model, chosen)
    for layer, source in enumerate(chosen):
        progress(f"Fitting the map to layer {layer} of {child.name}", 0.8 + 0.2 * layer / len(chosen))
        if source is None:
            continue
        covariance = sums.layer(layer)
        held_out = [sample.layer(source, layer) for sample in (choosing, reporting)]
        layer_rows = LayerRows(covariance, sampled.layer(layer), *held_out)
        fitted = fit(layer_rows)
        check_interrupt()
        control = fit(layer_rows.shuffled(generator))
        tensors["maps"][layer] = fitted.linear.float()
        tensors["parent_means"][layer] = covariance.source.mean.float()
        tensors["child_means"][layer] = covariance.mean_y.float()
        tensors["gain"][layer] = (covariance.source.xx.trace() / covariance.yy.sum()).sqrt().float()
        tensors["r2"][layer] = fitted.r2
        tensors["r2_shuffled"][layer] = control.r2
        tensors["penalties"][layer] = fitted.penalty
    return tensors, {"rows": rows, "cut": cut}


def held_out_masks(text: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Masks of the rows that choose (the penalty, and the layers of the layer map "best") and of the rows that measure R².

    Args:
        text: number of the text that each row is from, `[n_rows]`.

    Returns:
        Two boolean masks `[n_rows]` of different texts; no map is fitted on either.
    """
    held_out = (text % HELD_OUT_STEP == 0) & (text < HELD_OUT_STEP * HELD_OUT_TEXTS)
    choosing = (text // HELD_OUT_STEP % 2 == 0) | layer_r2_mask(text)
    return held_out & choosing, held_out & ~choosing


def _unfitted(d_parent: int, d_child: int, chosen: LayerMap) -> tuple[dict[str, torch.Tensor], dict[str, object]]:
    """Maps that truncate or zero-pad: the literal reading of adding a vector of one width to a residual stream of another."""
    n, unknown = len(chosen), torch.full((len(chosen),), float("nan"))
    truncation = torch.eye(d_parent, d_child).repeat(n, 1, 1)
    tensors = {
        "maps": truncation * torch.tensor([source is not None for source in chosen])[:, None, None],
        "parent_means": torch.zeros(n, d_parent),
        "child_means": torch.zeros(n, d_child),
        "gain": torch.ones(n),
        "r2": unknown.clone(),
        "r2_shuffled": unknown.clone(),
        "penalties": unknown.clone(),
    }
    return tensors, {"rows": 0}
