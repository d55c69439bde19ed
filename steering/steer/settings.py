"""How a vector is added: what λ means, at which layers, and to which tokens; one record for all that steer."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from steering.errors import SteeringError

SCALES = ("residual", "unit")
POSITIONS = ("all", "response")

PROFILES: dict[str, Callable[[float], float]] = {
    "all": lambda _: 1.0,
    "middle": lambda depth: float(0.25 <= depth <= 0.75),
    "bell": lambda depth: math.exp(-(((depth - 0.5) / 0.2) ** 2) / 2),
    "late": lambda depth: float(depth >= 0.5),
}
"""Layer profiles by name: weight as a function of depth, 0 at the first block and 1 at the last."""

Profile = str | Sequence[float]


@dataclass(frozen=True)
class SteeringSettings:
    """How a vector is added to the residual stream.

    Attributes:
        scale: "residual": `λ · w_l · r_l · s_l` with the median residual norm r_l and weights w_l that sum to 1;
            "unit": `λ · w_l · s_l`, the formula of arXiv 2512.19069.
        profile: a key of `PROFILES`, or one weight a layer, none negative.
        positions: "all" tokens, or the "response" alone, which begins with the prompt's last token.

    Raises:
        SteeringError: unknown scale, profile or positions, or a weight that is negative or not finite.
    """

    scale: str = "residual"
    profile: Profile = "all"
    positions: str = "all"

    def __post_init__(self) -> None:
        if self.scale not in SCALES:
            raise SteeringError(f"Unknown scale {self.scale!r}. Choose one of {', '.join(SCALES)}.")
        if self.positions not in POSITIONS:
            raise SteeringError(f"Unknown positions {self.positions!r}. Choose one of {', '.join(POSITIONS)}.")
        if isinstance(self.profile, str):
            if self.profile not in PROFILES:
                raise SteeringError(
                    f"Unknown layer profile {self.profile!r}. Choose one of {', '.join(PROFILES)}, or give weights."
                )
        elif any(weight < 0 or not math.isfinite(weight) for weight in self.profile):
            raise SteeringError("The weights of a layer profile must be finite and not negative.")


DEFAULT_SETTINGS = SteeringSettings()
