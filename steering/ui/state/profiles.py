"""Layer profiles as the page's field writes them: a name from the menu, or one weight for every layer.

Weights stand side by side, and a run of equal ones is counted: "14x0 1 15x0" is layer 14 of 30 alone. That is short enough
for an address and plain enough to be typed.
"""

import re
from collections.abc import Sequence
from itertools import groupby

from steering.errors import SteeringError
from steering.steer import PROFILES, Profile
from steering.ui import text

_RUN = re.compile(r"(?:(\d{1,4})x)?(\d{1,6}(?:\.\d{1,6})?)")
_MOST = 1000
"""Layers of a profile; more than any model has."""

_SHOWN = 60
"""Characters of a field that a message repeats."""


def read(field: str) -> Profile:
    """What a field says: a key of `PROFILES`, or a weight a layer.

    Raises:
        SteeringError: neither.
    """
    field = field.strip()
    if field in PROFILES:
        return field
    runs = [_run(part) for part in field.split(maxsplit=_MOST)]
    # Counted before it is written out: a short field can ask for millions of layers.
    if not all(runs) or not 0 < sum(count for count, _ in filter(None, runs)) <= _MOST:
        shown = field if len(field) <= _SHOWN else f"{field[:_SHOWN]}…"
        raise SteeringError(text.UNREADABLE_PROFILE.format(profile=shown))
    return tuple(weight for count, weight in filter(None, runs) for _ in range(count))


def _run(part: str) -> tuple[int, float] | None:
    """How many layers a part is for, and their weight; None where it cannot be read."""
    run = _RUN.fullmatch(part)
    return (int(run[1] or 1), float(run[2])) if run else None


def write(weights: Sequence[float]) -> str:
    """The field for weights of every layer, to two digits; `read` takes it back."""
    runs = [(len(list(run)), words) for words, run in groupby(f"{weight:.2f}" for weight in weights)]
    short = [(count, words.rstrip("0").rstrip(".")) for count, words in runs]
    return " ".join(words if count == 1 else f"{count}x{words}" for count, words in short)


def alone(layer: int, layers: int) -> str:
    """The field for one layer alone."""
    return write([float(other == layer) for other in range(layers)])


def label(profile: Profile) -> str:
    """What a profile is called in a menu."""
    if isinstance(profile, str):
        return profile
    raised = [layer for layer, weight in enumerate(profile) if weight]
    return text.ONE_LAYER.format(layer=raised[0]) if len(raised) == 1 else text.OWN_PROFILE


def menu(field: str) -> list[str | tuple[str, str]]:
    """The menu's choices: those with a name, and the one that a field holds."""
    return [*PROFILES, *([] if field in PROFILES else [(label(read(field)), field)])]
