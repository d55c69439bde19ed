"""Numbers as people read them: signs with a minus as wide as a plus, lengths of time, and ranges of layers."""

from collections.abc import Sequence


def signed(value: float, digits: int = 2) -> str:
    """A number with its sign, such as +0.83."""
    return f"{value:+.{digits}f}".replace("-", "−")


def strength(lam: float) -> str:
    """A strength λ, such as +0.2; 0 has no sign."""
    return f"{lam:+g}".replace("-", "−") if lam else "0"


def number(words: str) -> float:
    """Read a number as people write it, or as it is written here.

    Raises:
        ValueError: it is none.
    """
    return float(words.replace("−", "-"))


def duration(seconds: float) -> str:
    """A length of time in the unit that suits it."""
    if seconds < 90:
        return f"{max(seconds, 0.1):.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def ranges(layers: Sequence[int]) -> str:
    """Write layer numbers as ranges: [0, 1, 2, 7] as "0–2, 7"."""
    parts: list[list[int]] = []
    for layer in layers:
        if parts and layer == parts[-1][-1] + 1:
            parts[-1].append(layer)
        else:
            parts.append([layer])
    return ", ".join(f"{part[0]}–{part[-1]}" if len(part) > 1 else str(part[0]) for part in parts)
