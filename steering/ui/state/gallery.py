"""The gallery of concepts: the strongest texts of each precomputed grid, chosen by a measured rule.

`make presets` chooses them again.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

FILE = "gallery.json"
FOLDER = files("steering.ui.state") / "precomputed"

SMALLEST_SHIFT = 0.5
"""A concept is in the gallery where each of its two texts is moved by so many standard deviations of its pairs' texts."""


@dataclass(frozen=True)
class Strongest:
    """The two texts of a concept that differ most from the baseline, each towards its own pole.

    Attributes:
        low: λ below 0 of the text that lies furthest towards the negative pole.
        high: λ above 0 of the other one.
        shift_low: distance of the first from the baseline, see `measure.expression`; positive towards the negative pole.
        shift_high: distance of the second from the baseline, towards the positive pole.
    """

    low: float
    high: float
    shift_low: float
    shift_high: float

    @property
    def strength(self) -> float:
        """The smaller of both shifts: a slider is as strong as its weaker side."""
        return min(self.shift_low, self.shift_high)

    @property
    def shown(self) -> bool:
        """Whether the gallery shows the concept."""
        return self.strength >= SMALLEST_SHIFT


@cache
def gallery() -> Mapping[str, Strongest]:
    """The strongest texts of every bundled concept, the strongest concept first."""
    data = json.loads((FOLDER / FILE).read_text("utf-8"))
    return {name: Strongest(**values) for name, values in data.items()}


def opening() -> str:
    """The concept that the page opens with: the strongest one."""
    return next(iter(gallery()))
