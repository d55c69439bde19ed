"""Layer profiles as text in the page's field: a name from the menu, or one weight for every layer.

Weights are separated by spaces, and equal neighbours are written with their count: "14x0 1 15x0" is layer 14 of 30 alone.
This is short enough for an address and simple enough to type.
"""

import re
from collections.abc import Sequence
from itertools import groupby

from steering.errors import SteeringError
from steering.steer import PROFILES, Profile
from steering.ui import text

_REPEATED_WEIGHT = re.compile(r"(?:(\d{1,4})x)?(\d{1,6}(?:\.\d{1,6})?)")
_MAX_WEIGHTS = 1000


def read(field: str) -> Profile:
    """Parse a field: a key of `PROFILES`, or one weight per layer.

    Raises:
        SteeringError: it is neither.
    """
    field = field.strip()
    if field in PROFILES:
        return field
    parts = [_REPEATED_WEIGHT.fullmatch(word) for word in field.split()]
    weights = tuple(weight for part in parts if part for weight in [float(part[2])] * int(part[1] or 1))
    if not all(parts) or not 0 < len(weights) <= _MAX_WEIGHTS:
        raise SteeringError(text.UNREADABLE_PROFILE.format(profile=field))
    return weights


def write(weights: Sequence[float]) -> str:
    """Write one weight per layer as a field, rounded to two digits; the inverse of `read`."""
    repeats = [(len(list(group)), weight) for weight, group in groupby(f"{weight:.2f}" for weight in weights)]
    short = [(count, weight.rstrip("0").rstrip(".")) for count, weight in repeats]
    return " ".join(weight if count == 1 else f"{count}x{weight}" for count, weight in short)


def one_layer(layer: int, layers: int) -> str:
    """The field for a profile with weight 1 at one layer and 0 at the others.

    Args:
        layer: from 0.
        layers: number of layers.
    """
    return write([float(index == layer) for index in range(layers)])


def label(profile: Profile) -> str:
    """The name of a profile in a menu."""
    if isinstance(profile, str):
        return profile
    steered = [layer for layer, weight in enumerate(profile) if weight]
    return text.ONE_LAYER.format(layer=steered[0]) if len(steered) == 1 else text.OWN_PROFILE


def choices(field: str) -> list[str | tuple[str, str]]:
    """Choices of the menu: all named profiles, and the profile of the field if it has no name."""
    return [*PROFILES, *([] if field in PROFILES else [(label(read(field)), field)])]
