"""The errors that a user can cause, the check of whole numbers, and the way long work reports how far it is.

Every message says what is wrong, with the value, and what to do about it.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from numbers import Integral


class SteeringError(Exception):
    """Something that the user asked for cannot be done; the message says why and what to do."""


class ModelError(SteeringError):
    """A model cannot be found, fetched, read or steered."""


class ModelMemoryError(ModelError):
    """A model does not fit into the memory that is free."""


class MismatchError(SteeringError):
    """Two records that belong to different models, or different layouts, were put together."""


def check_whole(what: str, value: object, least: int, most: int | None = None) -> None:
    """Make sure that a value is a whole number within its bounds, before work begins that depends on it.

    Args:
        what: the beginning of the message, such as "The limit".
        value: what was given.
        least: the smallest number that can be used.
        most: the largest; None for no bound.

    Raises:
        SteeringError: it is no whole number, or lies outside.
    """
    whole = isinstance(value, Integral) and not isinstance(value, bool)
    if not whole or not least <= value or (most is not None and value > most):  # type: ignore[operator]
        bounds = f"{least} or more" if most is None else f"from {least} to {most}"
        raise SteeringError(f"{what} is {str(value)[:60]}; it must be a whole number, {bounds}.")


Progress = Callable[[str, float], None]
"""Called with what is being done and the fraction done so far (0 to 1).

A callback that raises stops the work: that is how a Stop button reaches a long computation.
"""


def silent(what: str, fraction: float) -> None:
    """Report nothing: the default `Progress`."""


def part_of(progress: Progress, low: float, high: float) -> Progress:
    """Fit a stage into a longer piece of work.

    Args:
        progress: the callback of the whole work.
        low: fraction of the whole at which the stage starts.
        high: fraction of the whole at which it ends.

    Returns:
        A callback for the stage, whose own 0 to 1 becomes `low` to `high`.
    """
    return lambda what, fraction: progress(what, low + (high - low) * fraction)


_interrupt: ContextVar[Callable[[], None]] = ContextVar("interrupt", default=lambda: None)


@contextmanager
def interruptible(check: Callable[[], None]) -> Iterator[None]:
    """Let work stop between two reports of its progress too, which may lie seconds apart.

    Inside, `check` is called behind every hooked block of a forward pass, and at other points of long computations.

    Args:
        check: raises an exception once the work is to stop.
    """
    token = _interrupt.set(check)
    try:
        yield
    finally:
        _interrupt.reset(token)


def check_interrupt() -> None:
    """Raise the exception of the `interruptible` work around, if it is to stop."""
    _interrupt.get()()
