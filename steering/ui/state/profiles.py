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
"""Layers of a profile; more than any model has."""

_QUOTED_CHARACTERS = 60
"""Characters of a field that a message repeats."""


def read(field: str) -> Profile:
    """Parse a field: a key of `PROFILES`, or one weight per layer.

    Raises:
        SteeringError: it is neither.
    """
    field = field.strip()
    if field in PROFILES:
        return field
    parts = [_repeated_weight(part) for part in field.split(maxsplit=_MAX_WEIGHTS)]
    # Counted before it is written out: a short field can ask for millions of layers.
    if not all(parts) or not 0 < sum(count for count, _ in filter(None, parts)) <= _MAX_WEIGHTS:
        quoted = field if len(field) <= _QUOTED_CHARACTERS else f"{field[:_QUOTED_CHARACTERS]}…"
        raise SteeringError(text.UNREADABLE_PROFILE.format(profile=quoted))
    return tuple(weight for count, weight in filter(None, parts) for _ in range(count))


def _repeated_weight(part: str) -> tuple[int, float] | None:
    """How many layers a part is for, and their weight; None where it cannot be read."""
    match = _REPEATED_WEIGHT.fullmatch(part)
    return (int(match[1] or 1), float(match[2])) if match else None


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
