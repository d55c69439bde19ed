"""Carrying a vector from a parent's residual stream into a child's, with a report that says how well."""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import torch

from steering.alignment import Alignment, align
from steering.errors import MismatchError, Progress, silent
from steering.models import LanguageModel
from steering.vectors import SteeringVector

WEAK = 0.15
"""A map is weak below this held-out R², and no better than shuffled where the control comes this near to it."""

_NOTHING = 1e-4


@dataclass(frozen=True)
class TransferReport:
    """How a vector was carried, and how good the map is.

    Attributes:
        parent: name of the parent.
        child: name of the child.
        layers: name of the layer map.
        width: name of the width map.
        sources: the parent layer that each child layer reads, or None.
        r2: held-out R² of each child layer's map; None where nothing was fitted.
        r2_shuffled: the same for shuffled pairs.
        share_kept: length of the carried direction over that of the parent's, both in units of their streams' spread.
        rows: paired rows behind the map.
        texts: anchor texts behind the map.
        verdict: one plain sentence.
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


def transfer(
    vector: SteeringVector,
    parent: LanguageModel,
    child: LanguageModel,
    *,
    layers: str | Sequence[int | None] = "relative",
    width: str = "ridge",
    anchors: str | Path | Sequence[str] | None = None,
    progress: Progress = silent,
) -> SteeringVector:
    """Carry a vector into the child's space.

    Args:
        vector: a vector in the parent's space.
        parent: the model that the vector belongs to.
        child: the model that is to be steered. The parent itself gets the vector back as it is.
        layers: see `alignment.align`.
        width: see `alignment.align`.
        anchors: see `alignment.align`.
        progress: told how far the alignment is.

    Returns:
        A vector in the child's space; its `report` says how well it was carried.

    Raises:
        MismatchError: the vector belongs to another model than the parent.
    """
    vector.check_model(parent)
    if parent.fingerprint == child.fingerprint:
        return vector
    alignment = align(parent, child, layers=layers, width=width, anchors=anchors, progress=progress)
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
    moved = alignment.map_directions(vector.directions)
    lengths = moved.norm(dim=-1)
    share = lengths * alignment.gain
    # A map that keeps nothing would leave rounding, blown up to length 1.
    directions = torch.where((share > _NOTHING)[:, None], torch.nn.functional.normalize(moved, dim=-1), 0.0)
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
    )
    return replace(
        vector,
        directions=directions,
        model=alignment.child,
        model_name=alignment.child_name,
        quality=(),
        projections=None,
        provenance={**vector.provenance, "parent": vector.model_name, "transfer": asdict(report)},
    )


def verdict(alignment: Alignment) -> str:
    """One plain sentence on how well the maps carry."""
    fitted = [layer for layer, value in enumerate(alignment.r2) if not math.isnan(value)]
    if not fitted:
        return f"Not measured: width '{alignment.width}' joins coordinates by number, which mean nothing to each other."
    bad = [
        layer
        for layer in fitted
        if alignment.r2[layer] < WEAK or alignment.r2[layer] - alignment.r2_shuffled[layer] < WEAK
    ]
    median = sorted(alignment.r2[layer] for layer in fitted)[len(fitted) // 2]
    if len(bad) > len(fitted) / 2:
        return (
            f"Does not carry: on held-out texts the map is hardly better than one for shuffled pairs (R² {median:.2f})."
        )
    if bad:
        return f"Carries, but weak at layers {ranges(bad)} (median held-out R² {median:.2f})."
    return f"Carries well: median held-out R² {median:.2f}."


def ranges(layers: Sequence[int]) -> str:
    """Write layer numbers as ranges: [0, 1, 2, 7] as "0–2, 7"."""
    parts: list[list[int]] = []
    for layer in layers:
        if parts and layer == parts[-1][-1] + 1:
            parts[-1].append(layer)
        else:
            parts.append([layer])
    return ", ".join(f"{part[0]}–{part[-1]}" if len(part) > 1 else str(part[0]) for part in parts)
