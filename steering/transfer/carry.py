"""Carrying a vector from a parent's residual stream into a child's, with a report that says how well."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch

from steering.errors import MismatchError, Progress, SteeringError, silent
from steering.formatting import ranges
from steering.models import LanguageModel
from steering.transfer.alignment import Alignment, align
from steering.transfer.layer_maps import named_pair
from steering.vectors import EPSILON, SteeringVector

WEAK = 0.15
"""A map is weak where its held-out R², or its lead over the R² of the shuffled control, is below this."""

_FAILED_SHARE = 0.5
"""A transfer does not carry where more than this share of its fitted maps is weak."""

_MIN_SHARE = 1e-4
"""A carried or summed direction shorter than this share of the original is rounding, and set to zero."""


@dataclass(frozen=True)
class TransferReport:
    """How a vector was carried, and how good the map is.

    Attributes:
        parent: name of the parent.
        child: name of the child.
        layers: name of the layer map.
        width: name of the width map.
        sources: the parent layer that is mapped to each child layer, or None.
        r2: held-out R² of each child layer's map; None where nothing was fitted.
        r2_shuffled: the same for shuffled pairs.
        share_kept: length of the carried direction over that of the parent's, each relative to its residual stream's deviation.
        rows: paired rows behind the map.
        texts: anchor texts behind the map.
        cut: how many of them were read only as far as both models' contexts reach.
        stacked: the parent layers that every map reads at once, instead of `sources`; none where each reads its own.
        stretch: per child layer, the factor by which what tells tasks apart was stretched, see `stretch`; none without one.
        verdict: one plain sentence.
        effect_kept: share of the effect of the child's own vector at the same λ, see `retention.measure`; None until measured.
        effect_kept_at_matched_kl: the same, both at λ with the same KL divergence: the fairer number.
    """

    parent: str
    child: str
    layers: str
    width: str
    sources: tuple[int | None, ...]
    r2: tuple[float | None, ...]
    r2_shuffled: tuple[float | None, ...]
    share_kept: tuple[float, ...]
    rows: int
    texts: int
    verdict: str
    cut: int = 0
    stacked: tuple[int, ...] = ()
    stretch: tuple[float, ...] = ()
    effect_kept: float | None = None
    effect_kept_at_matched_kl: float | None = None


def transfer(
    vector: SteeringVector,
    parent: LanguageModel,
    child: LanguageModel,
    *,
    layers: str | Sequence[int | None] = "relative",
    width: str = "ridge",
    anchors: str | Path | Sequence[str] | None = None,
    first_layer: int = 0,
    progress: Progress = silent,
) -> SteeringVector:
    """Carry a vector into the child's space.

    Args:
        vector: a vector in the parent's space.
        parent: the model that the vector belongs to.
        child: the model that is to be steered. The parent itself gets the vector back as it is, unless one pair of layers
            is named.
        layers: see `alignment.align`.
        width: see `alignment.align`.
        anchors: see `alignment.align`.
        first_layer: see `alignment.align`.
        progress: told how far the alignment is.

    Returns:
        A vector in the child's space; its `report` says how well it was carried.

    Raises:
        MismatchError: the vector belongs to another model than the parent.
    """
    vector = vector.adopted(parent)
    if parent.fingerprint == child.fingerprint and not (isinstance(layers, str) and named_pair(layers)):
        return vector
    alignment = align(
        parent, child, layers=layers, width=width, anchors=anchors, first_layer=first_layer, progress=progress
    )
    return carry(vector, alignment)


def carry(vector: SteeringVector, alignment: Alignment) -> SteeringVector:
    """Carry a vector through a fitted alignment.

    Raises:
        MismatchError: the alignment starts from another model.
    """
    if vector.model != alignment.parent:
        raise MismatchError(
            f"The vector belongs to {vector.model_name}, the alignment starts from {alignment.parent_name}."
        )
    directions = vector.directions
    if alignment.stack is not None and vector.sizes is not None:
        # Each stacked layer counts as much as it holds of the concept.
        directions = directions * torch.tensor(vector.sizes)[:, None]
    carried = alignment.map_directions(directions)
    # The share is that of the map: what a stretch adds is not kept of the parent's direction.
    lengths, read = alignment.linear(directions).norm(dim=-1), alignment.source_rows(directions).norm(dim=-1)
    parent_lengths = vector.lengths
    source_lengths = torch.stack(
        [parent_lengths.new_zeros(()) if source is None else parent_lengths[source] for source in alignment.layer_map]
    )
    share = lengths * alignment.gain / read.clamp(min=EPSILON)
    # Without the limit, normalising would scale rounding up to length 1.
    directions = torch.where((share > _MIN_SHARE)[:, None], torch.nn.functional.normalize(carried, dim=-1), 0.0)
    # The scale of a map has no meaning for strength; the length of a multiplied vector has.
    directions = directions * source_lengths[:, None]
    report = TransferReport(
        parent=alignment.parent_name,
        child=alignment.child_name,
        layers=alignment.layers,
        width=alignment.width,
        sources=alignment.layer_map,
        r2=tuple(None if math.isnan(value) else value for value in alignment.r2),
        r2_shuffled=tuple(None if math.isnan(value) else value for value in alignment.r2_shuffled),
        share_kept=tuple(share.tolist()),
        rows=alignment.rows,
        texts=alignment.texts,
        verdict=verdict(alignment),
        cut=alignment.cut,
        stacked=() if alignment.stack is None else alignment.stack.layers,
        stretch=() if alignment.stretch is None else tuple(alignment.stretch.factors.tolist()),
    )
    return replace(
        vector,
        directions=directions,
        model=alignment.child,
        model_name=alignment.child_name,
        quality=(),
        projections=None,
        # Sizes are those of the parent's layers.
        provenance={
            **{name: value for name, value in vector.provenance.items() if name != "sizes"},
            "parent": vector.model_name,
            "transfer": asdict(report),
        },
    )


def combine(vectors: Sequence[SteeringVector], weights: Sequence[float] | None = None) -> SteeringVector:
    """Combine several vectors in one child's space, such as those carried from several parents.

    Args:
        vectors: vectors in the same child's space; one of them may be the child's own.
        weights: one a vector, all 1 by default. A negative one subtracts.

    Returns:
        At every layer the weighted sum of the unit directions, at length 1. Its provenance names every part and its weight.

    Raises:
        SteeringError: no vectors, not one finite weight for each, or nothing left of them.
        MismatchError: vectors of different models.
    """
    shares = [1.0] * len(vectors) if weights is None else [float(weight) for weight in weights]
    if not vectors or len(shares) != len(vectors) or not all(map(math.isfinite, shares)):
        raise SteeringError(
            f"There are {len(vectors)} vectors and {len(shares)} weights; give one finite weight a vector."
        )
    first = vectors[0]
    for vector in vectors[1:]:
        if vector.model != first.model or vector.directions.shape != first.directions.shape:
            raise MismatchError(
                f"A vector for {first.model_name} and one for {vector.model_name} cannot be joined. Carry both to one child."
            )
    units = [torch.nn.functional.normalize(vector.directions.double(), dim=-1) for vector in vectors]
    total = torch.stack([share * unit for share, unit in zip(shares, units, strict=True)]).sum(dim=0)
    lengths = total.norm(dim=-1, keepdim=True)
    directions = torch.where(lengths > _MIN_SHARE, total / lengths.clamp(min=EPSILON), 0.0).float()
    if not directions.any():
        raise SteeringError("The vectors cancel each other at every layer. Change the weights.")
    parts = [
        {"parent": vector.provenance.get("parent", vector.model_name), "weight": share, **dict(vector.provenance)}
        for vector, share in zip(vectors, shares, strict=True)
    ]
    return replace(first, directions=directions, quality=(), projections=None, provenance={"combined": parts})


def verdict(alignment: Alignment) -> str:
    """One plain sentence on how well the maps carry."""
    fitted = [layer for layer, value in enumerate(alignment.r2) if not math.isnan(value)]
    if not fitted:
        return f"Not measured: width '{alignment.width}' joins coordinates by number, which mean nothing to each other."
    weak = [
        layer
        for layer in fitted
        if alignment.r2[layer] < WEAK or alignment.r2[layer] - alignment.r2_shuffled[layer] < WEAK
    ]
    median = sorted(alignment.r2[layer] for layer in fitted)[len(fitted) // 2]
    if len(weak) > _FAILED_SHARE * len(fitted):
        return (
            f"Does not carry: on held-out texts the map is hardly better than one for shuffled pairs (R² {median:.2f})."
        )
    if weak:
        return f"Carries, but weak at layers {ranges(weak)} (median held-out R² {median:.2f})."
    return f"Carries well: median held-out R² {median:.2f}."


def describe(report: Mapping[str, Any]) -> list[str]:
    """A transfer report in words, one sentence a line.

    Args:
        report: the fields of `TransferReport`, as `SteeringVector.report` gives them; none for a model's own vector.
    """
    if not report:
        return ["The model's own vector: nothing was carried."]
    lines = [str(report["verdict"])]
    fitted = [value for value in report["r2"] if value is not None and math.isfinite(value)]
    control = [value for value in report["r2_shuffled"] if value is not None and math.isfinite(value)]
    if fitted:
        lines.append(
            f"Held-out R² {_range_text(fitted)}; for shuffled pairs at most {round(max(control), 2) + 0.0:.2f}. "
            f"Fitted on {report['rows']:,} paired positions of {report['texts']} texts."
        )
        shares = sorted(
            share for share, source in zip(report["share_kept"], report["sources"], strict=True) if source is not None
        )
        if report.get("stacked"):
            lines.append(f"Every map reads the parent's layers {ranges(report['stacked'])} at once.")
        if report.get("stretch"):
            lines.append(
                f"What tells tasks apart was stretched by up to {max(report['stretch']):.1f}, since maps shrink it."
            )
        if report.get("cut"):
            lines.append(f"{report['cut']} of the anchor texts were longer than both models read, and were cut there.")
        lines.append(f"The maps keep {shares[len(shares) // 2]:.0%} of the vector's length (median over layers).")
    if report.get("effect_kept") is not None:
        # Vectors that were saved by an earlier version have the second name.
        matched = report.get("effect_kept_at_matched_kl", report.get("effect_kept_at_equal_fluency"))
        lines.append(
            f"Effect kept: {matched:.2f} of what the child's own vector does at the same KL divergence, "
            f"{report['effect_kept']:.2f} at the same λ."
        )
    return lines


def _range_text(values: Sequence[float]) -> str:
    if len(values) == 1:
        return f"{values[0]:.2f} at one layer"
    return f"{min(values):.2f} to {max(values):.2f} over {len(values)} layers"
