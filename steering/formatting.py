"""Numbers as people read them: with a sign, and a minus that is as wide as a plus."""


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
