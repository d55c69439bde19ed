"""Several parent layers into one child layer: the mean of what maps from parent layers about the same depth carry.

Models of different families form the same thing at different depths, and the errors of maps from different layers differ, so
their mean is nearer to the child's own direction than the best of them.
"""

from collections.abc import Sequence
from pathlib import Path

from steering.errors import Progress, part_of, silent
from steering.models import LanguageModel
from steering.transfer.carry import combine, transfer
from steering.transfer.layer_maps import LayerMap, relative
from steering.vectors import SteeringVector

SHIFTS = (-0.22, -0.11, 0.0, 0.11)
"""Of the parent's depth, from the parent layer at the child layer's relative depth. More lie before it: a child layer acts on
what is formed before it."""


def shifted(n_parent: int, n_child: int, shift: float, first_layer: int = 0) -> LayerMap:
    """The layer map "relative", moved by a share of the parent's depth.

    Args:
        n_parent: number of parent layers.
        n_child: number of child layers.
        shift: share of the parent's depth; negative reads earlier parent layers.
        first_layer: child layers before it are left unsteered.
    """
    moved = (
        min(max((source or 0) + round(shift * n_parent), 0), n_parent - 1) for source in relative(n_parent, n_child)
    )
    return tuple(None if layer < first_layer else source for layer, source in enumerate(moved))


def transfer_from_several(
    vector: SteeringVector,
    parent: LanguageModel,
    child: LanguageModel,
    *,
    first_layer: int = 0,
    anchors: str | Path | Sequence[str] | None = None,
    progress: Progress = silent,
) -> SteeringVector:
    """Carry a vector into the child's space from several parent layers at once.

    Args:
        vector: a vector in the parent's space.
        parent: the model that the vector belongs to.
        child: the model that is to be steered.
        first_layer: the first child layer that is to be steered; earlier ones cost no map.
        anchors: see `alignment.align`.
        progress: told how far the alignments are.

    Returns:
        At every child layer the mean of the carried unit directions, of length 1. Its provenance names every part.

    Raises:
        MismatchError: the vector belongs to another model than the parent.
    """
    if parent.fingerprint == child.fingerprint:
        return transfer(vector, parent, child)
    parts = []
    for number, shift in enumerate(SHIFTS):
        stage = part_of(progress, number / len(SHIFTS), (number + 1) / len(SHIFTS))
        layers = shifted(parent.n_layers, child.n_layers, shift, first_layer)
        parts.append(transfer(vector, parent, child, layers=layers, anchors=anchors, progress=stage))
    return combine(parts)
