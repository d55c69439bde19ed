"""Long work behind the page: a job that can be stopped, and its progress as something to iterate over."""

import math
import threading
import time
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import wait
from dataclasses import dataclass, field
from typing import TypeVar

from steering.errors import Progress
from steering.ui.background import worker as worker

S = TypeVar("S")
T = TypeVar("T")

_TICK = 0.1
"""Seconds between two looks at the work."""

_BEAT = 1.0
"""Seconds after which the time on the page moves on although nothing was reported."""

_PACE = 0.3
"""Seconds between two pictures of what grows: live enough, and each one takes the processors from the model."""


class Stopped(Exception):
    """The user pressed Stop, or closed the page."""


@dataclass(frozen=True)
class Report:
    """How far a piece of work is.

    Attributes:
        what: what is being done.
        fraction: of the whole, 0 to 1.
        seconds: from the start of the work to this report.
        waited: since this report was made.
        stopping: whether Stop was pressed and the step under way is being waited for.
    """

    what: str
    fraction: float
    seconds: float = 0.0
    waited: float = 0.0
    stopping: bool = False

    @property
    def left(self) -> float | None:
        """Seconds that are probably left; None as long as that would be a guess."""
        if self.stopping or self.fraction < 0.15 or self.seconds < 2:
            return None
        left = self.seconds * (1 - self.fraction) / self.fraction - self.waited
        return left if left > 0 else None


@dataclass
class Job:
    """One run that somebody waits for."""

    stop: threading.Event = field(default_factory=threading.Event)

    def check(self) -> None:
        """Give up when Stop was pressed.

        Raises:
            Stopped: it was.
        """
        if self.stop.is_set():
            raise Stopped


def watched(work: Callable[[Progress], T], job: Job, show: Callable[[Report], S]) -> Generator[S, None, T]:
    """Have a piece of work done in the worker thread, and report how far it is.

    The work gets a `Progress` callback that raises `Stopped` as soon as the job is to stop.

    Args:
        work: called once.
        job: whose Stop button counts.
        show: turns a report into what is yielded.

    Yields:
        The newest report as `show` puts it, when it changed or a second went by.

    Returns:
        What the work returned.

    Raises:
        Stopped: the job was stopped. Whatever else the work raised is raised here too.
    """
    began = time.monotonic()
    newest: list[tuple[str, float, float]] = [("", 0.0, 0.0)]

    def progress(what: str, fraction: float) -> None:
        job.check()
        newest[0] = (what, fraction, time.monotonic() - began)

    def run() -> T:
        job.check()
        return work(progress)

    future = worker.submit(run)
    shown: object = None
    beat = began
    try:
        while not wait([future], _TICK).done:
            what, fraction, seconds = newest[0]
            now, stopping = time.monotonic(), job.stop.is_set()
            if what and ((what, fraction, stopping) != shown or now - beat > _BEAT):
                shown, beat = (what, fraction, stopping), now
                yield show(Report(what, fraction, seconds, now - began - seconds, stopping))
    except GeneratorExit:
        job.stop.set()
        raise
    return future.result()


def paced(steps: Iterator[T], job: Job, clock: Callable[[], float] = time.monotonic) -> Iterator[T]:
    """Take steps in the worker thread, and pass on as many as a page can show: the first, the last, and three a second.

    Args:
        steps: each holds all that the steps before it held.
        job: whose Stop button counts.
        clock: the time now, in seconds.

    Yields:
        A step that is to be shown.

    Raises:
        Stopped: the job was stopped.
    """
    latest, left, shown = None, False, -math.inf
    for latest in worker.iterate(steps):
        job.check()
        now = clock()
        left = now - shown < _PACE
        if not left:
            shown = now
            yield latest
    if left and latest is not None:
        yield latest
