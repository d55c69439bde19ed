"""A concept: contrast pairs with a label for each pole. A pair is two texts that differ in one thing."""

import re
from dataclasses import asdict, dataclass, replace

from steering.errors import SteeringError
from steering.storage import key

_SURROGATE = re.compile("[\ud800-\udfff]")


def half_character(text: str) -> str | None:
    """Description of a lone surrogate in a text, which is half of a cut character; None where there is none."""
    half = _SURROGATE.search(text)
    return f"half a character (U+{ord(half[0]):04X}), such as an emoji that was cut" if half else None


@dataclass(frozen=True)
class ContrastPair:
    """Two texts that differ in one concept alone."""

    positive: str
    negative: str

    def swapped(self) -> "ContrastPair":
        """The pair with its poles exchanged."""
        return ContrastPair(self.negative, self.positive)


@dataclass(frozen=True)
class Concept:
    """Contrast pairs with a name and a label for each pole.

    Attributes:
        name: short name, also the name of a bundled concept's file.
        positive_label: the pole that λ > 0 steers towards.
        negative_label: the pole that λ < 0 steers towards.
        pairs: texts that the direction is extracted from.
        continuations: held-out short texts that measure a direction's effect; extraction never sees them.
        description: one sentence on what the direction means.
    """

    name: str
    positive_label: str
    negative_label: str
    pairs: tuple[ContrastPair, ...]
    continuations: tuple[ContrastPair, ...] = ()
    description: str = ""

    def __post_init__(self) -> None:
        if not self.name.strip():
            raise SteeringError("A concept needs a name.")

    @property
    def digest(self) -> str:
        """Hash of the pairs, for cache keys and provenance."""
        return key([asdict(pair) for pair in self.pairs])

    def swapped(self) -> "Concept":
        """The opposite concept: poles, labels and continuations exchanged."""
        return replace(
            self,
            positive_label=self.negative_label,
            negative_label=self.positive_label,
            pairs=tuple(pair.swapped() for pair in self.pairs),
            continuations=tuple(pair.swapped() for pair in self.continuations),
        )
