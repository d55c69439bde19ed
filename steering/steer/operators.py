"""What steering does to a hidden state besides adding: taking a direction out of it, and turning it towards a direction.

Both are written as a step that is added, which is exactly zero where the amount is: so a row at λ = 0 is the unsteered model.
"""

import math
from collections.abc import Callable, Mapping

import torch

_SMALLEST_SINE = 1e-6
"""A state whose sine of the angle to the direction is below this spans no plane with it in float32, and is not turned."""


def ablate(hidden: torch.Tensor, direction: torch.Tensor, share: torch.Tensor) -> torch.Tensor:
    """Step that takes a share of a direction's component out: `−share · (h · s) s`.

    Args:
        hidden: hidden states h, float32 `[rows, seq, d_model]`.
        direction: s, of length 1, `[rows or 1, 1, d_model]`.
        share: of the component, `[rows, 1, 1]`; 1 leaves none of it, and a share below 0 makes it larger.

    Source: arXiv 2406.11717.
    """
    return -share * (hidden * direction).sum(dim=-1, keepdim=True) * direction


def rotate(hidden: torch.Tensor, direction: torch.Tensor, angle: torch.Tensor) -> torch.Tensor:
    """Step that turns states towards a direction in the plane of both, and leaves their norm as it is.

    A state is turned as far as the direction and no further; for an angle below 0 as far as the opposite direction.

    Args:
        hidden: hidden states h, float32 `[rows, seq, d_model]`.
        direction: s, of length 1, `[rows or 1, 1, d_model]`.
        angle: in radians, `[rows, 1, 1]`.
    """
    along = (hidden * direction).sum(dim=-1, keepdim=True)
    rest = hidden - along * direction
    across = rest.norm(dim=-1, keepdim=True)
    between = torch.atan2(across, along)
    turn = torch.minimum(torch.maximum(angle, between - math.pi), between)
    turn = torch.where(across > _SMALLEST_SINE * along.abs(), turn, 0.0)
    cosine, sine = turn.cos(), turn.sin()
    new_along = along * cosine + across * sine
    shrinkage = cosine - sine * along / across.clamp(min=torch.finfo(across.dtype).tiny)
    return (new_along - along) * direction + (shrinkage - 1) * rest


STEPS: Mapping[str, Callable[[torch.Tensor, torch.Tensor, torch.Tensor], torch.Tensor]] = {
    "ablate": ablate,
    "rotate": rotate,
}
"""Operators that look at the hidden state: states, direction and amount to what is added. "add" needs none of the states."""
