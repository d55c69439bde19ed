"""How a vector steers: the operator, the scale of λ, the layer profile and the steered positions."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from steering.errors import SteeringError

SCALES = ("residual", "unit")
POSITIONS = ("all", "response", "first")
OPERATORS = ("add", "ablate", "rotate")

PROFILES: dict[str, Callable[[float], float]] = {
    "all": lambda _: 1.0,
    "middle": lambda depth: float(0.25 <= depth <= 0.75),
    "bell": lambda depth: math.exp(-(((depth - 0.5) / 0.2) ** 2) / 2),
    "late": lambda depth: float(depth >= 0.5),
}
"""Layer profiles by name: weight as a function of depth, 0 at the first block and 1 at the last."""

Profile = str | Sequence[float]

LARGEST_STRENGTH = 1e6
"""Of λ, either way: thirty times the largest median residual norm of the models at hand, so that no use of the scale "unit" is
refused, and small enough that squares of activations stay finite."""


@dataclass(frozen=True)
class SteeringSettings:
    """How a vector changes the residual stream.

    Attributes:
        scale: "residual": `λ · w_l · r_l · s_l` with the median residual norm r_l and weights w_l that sum to 1;
            "unit": `λ · w_l · s_l`, the formula of arXiv 2512.19069.
        profile: a key of `PROFILES`, or one weight a layer, none negative.
        positions: "all" tokens; the "response" alone, which begins with the prompt's last token; or that token alone, which
            decides the "first" new token.
        operator: "add": as the scale says; "ablate": the share `λ · w_l / max w` of the component along the direction is taken
            out, whatever the scale and the length or sign of the direction; "rotate": turned towards the direction by
            `λ · w_l · |s_l|` right angles, with the norm kept. The weights of "rotate" sum to 1 under "residual".

    Raises:
        SteeringError: unknown scale, profile, positions or operator, or a weight that is negative or not finite.
    """

    scale: str = "residual"
    profile: Profile = "all"
    positions: str = "all"
    operator: str = "add"

    def __post_init__(self) -> None:
        if self.scale not in SCALES:
            raise SteeringError(f"Unknown scale {self.scale!r}. Choose one of {', '.join(SCALES)}.")
        if self.positions not in POSITIONS:
            raise SteeringError(f"Unknown positions {self.positions!r}. Choose one of {', '.join(POSITIONS)}.")
        if self.operator not in OPERATORS:
            raise SteeringError(f"Unknown operator {self.operator!r}. Choose one of {', '.join(OPERATORS)}.")
        if isinstance(self.profile, str):
            if self.profile not in PROFILES:
                raise SteeringError(
                    f"Unknown layer profile {self.profile!r}. Choose one of {', '.join(PROFILES)}, or give weights."
                )
            return
        weights = _numbers(self.profile)
        if not weights or min(weights) < 0 or not math.isfinite(sum(weights)):
            raise SteeringError(
                "The weights of a layer profile must be finite and not negative, and so must their sum."
            )


DEFAULT_SETTINGS = SteeringSettings()


def check_strengths(lambdas: Sequence[float | str]) -> tuple[float, ...]:
    """The strengths as numbers, in their order.

    Raises:
        SteeringError: there is none, or one is not finite or beyond `LARGEST_STRENGTH`.
    """
    numbers = _numbers(lambdas)
    if not numbers or not all(abs(number) <= LARGEST_STRENGTH for number in numbers):  # False for NaN, too.
        raise SteeringError(
            f"λ must be one or more finite numbers from −{LARGEST_STRENGTH:,.0f} to {LARGEST_STRENGTH:,.0f}, "
            f"not {str(lambdas)[:60]}."
        )
    return numbers


def _numbers(values: object) -> tuple[float, ...]:
    """Some values as numbers; none at all where one of them is no number."""
    try:
        return tuple(float(value) for value in values)  # type: ignore[attr-defined]
    except (TypeError, ValueError, OverflowError):
        return ()
