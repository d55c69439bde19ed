"""Stretch: what tells relations apart, brought back to its length after a map has shrunk it.

Vectors of different tasks have most of their length in common: what any solved list does to a model. A map that is fitted on
solved lists carries that part well, and what is a task's own worse. So the carried vector of every task would be mostly the
common part, which no λ can undo. Relations that the map was not fitted on show by how much.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from steering.errors import Progress, part_of, silent
from steering.models import LanguageModel, record
from steering.vectors import EPSILON

MOST = 4.0
"""Largest factor: where a map carries next to nothing of what tells relations apart, the rest is noise."""


@dataclass(frozen=True)
class Stretch:
    """A factor for all that is orthogonal to a common direction, at every child layer.

    Attributes:
        common: unit directions `[n_child_layers, d_child]`; zero where nothing is mapped.
        factors: `[n_child_layers]`, between 1 and `MOST`; 1 where nothing is mapped.
    """

    common: torch.Tensor
    factors: torch.Tensor

    def of(self, directions: torch.Tensor) -> torch.Tensor:
        """Stretch carried directions `[..., n_child_layers, d_child]`."""
        along = _along(directions, self.common)
        return along + self.factors[:, None] * (directions - along)


def fit_stretch(carried: torch.Tensor, own: torch.Tensor) -> Stretch:
    """Find the common direction of carried differences, and how far the rest of them falls short of the child's own.

    Stretched by the factor, what differs between relations has the length of the child's own differences *along* these, on
    average: a factor that only restored lengths would count what the map adds at random as well.

    Args:
        carried: differences of relations that the map was not fitted on, carried, `[n_relations, n_child_layers, d_child]`.
        own: the same differences in the child.
    """
    common = torch.nn.functional.normalize(carried.mean(dim=0), dim=-1)
    carried_rest, own_rest = (each - _along(each, common) for each in (carried, own))
    reached = (own_rest * carried_rest).sum(dim=(0, 2))
    factors = own_rest.square().sum(dim=(0, 2)) / reached.clamp(min=EPSILON)
    factors = torch.where(common.any(dim=-1), factors.clamp(1.0, MOST), 1.0)
    return Stretch(common, factors)


def relation_differences(
    model: LanguageModel, relations: Sequence[Sequence[tuple[str, str]]], *, progress: Progress = silent
) -> torch.Tensor:
    """What solved lines before a prompt change at its last token, `[n_relations, n_layers, d_model]`.

    Args:
        model: the parent or the child.
        relations: equally many prompts of each, every one behind solved lines of its relation, and alone.
        progress: told how far the reading is.
    """
    prompts = [prompt for relation in relations for prompt in relation]
    solved, alone = (
        record(model, texts, progress=part_of(progress, place / 2, (place + 1) / 2)).values
        for place, texts in enumerate(zip(*prompts, strict=True))
    )
    return (solved - alone).reshape(len(relations), -1, *solved.shape[1:]).mean(dim=1)


def _along(directions: torch.Tensor, common: torch.Tensor) -> torch.Tensor:
    return (directions * common).sum(dim=-1, keepdim=True) * common
