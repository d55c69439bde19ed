"""The errors that a user can cause, and the way long work reports how far it is.

Every message says what is wrong, with the value, and what to do about it.
"""

from collections.abc import Callable


class SteeringError(Exception):
    """Something that the user asked for cannot be done; the message says why and what to do."""


class ModelError(SteeringError):
    """A model cannot be found, fetched, read or steered."""


class MismatchError(SteeringError):
    """Two records that belong to different models, or different layouts, were put together."""


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
