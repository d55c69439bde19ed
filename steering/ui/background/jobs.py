"""Jobs: work in the worker thread that can be stopped, with its progress as an iterator."""

import math
import threading
import time
import uuid
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import wait
from dataclasses import dataclass, field
from typing import TypeVar, cast

from steering.errors import Progress, interruptible
from steering.ui.background import worker

S = TypeVar("S")
T = TypeVar("T")

_POLL_SECONDS = 0.1
"""Seconds between two checks whether the work is done."""

_REFRESH_SECONDS = 1.0
"""Seconds after which the time on the page is updated although the work reported nothing new."""

_REDRAW_SECONDS = 0.3
"""Seconds between two updates of a growing result. Drawing takes processor time from the model."""


class Stopped(Exception):
    """The job was stopped: the user pressed Stop or closed the page, or a newer job replaced it."""


@dataclass(frozen=True)
class ProgressReport:
    """Progress of some work.

    Attributes:
        what: the current step, in words.
        fraction: share of the work that is done, 0 to 1.
        seconds: from the start of the work to this report.
        age: seconds since this report was made.
        stopping: whether Stop was pressed and the current step has not ended yet.
    """

    what: str
    fraction: float
    seconds: float = 0.0
    age: float = 0.0
    stopping: bool = False

    @property
    def seconds_left(self) -> float | None:
        """Estimated seconds until the end; None as long as there is too little to estimate from."""
        if self.stopping or self.fraction < 0.15 or self.seconds < 2:
            return None
        estimate = self.seconds * (1 - self.fraction) / self.fraction - self.age
        return estimate if estimate > 0 else None


@dataclass
class Job:
    """One execution of a long task, which can be stopped.

    Attributes:
        stop: set when the job is to stop.
        id: hexadecimal digits that name the job in the log.
        begun: time on the monotonic clock at which it was asked for.
        refusal: why it may not run; "" where it may.
        skipped: whether a check refused it and said so already, so that nothing is to be done.
        ended: whether it has ended.
    """

    stop: threading.Event = field(default_factory=threading.Event)
    id: str = field(default_factory=lambda: uuid.uuid4().hex[:8])
    begun: float = field(default_factory=time.monotonic)
    refusal: str = ""
    skipped: bool = False
    ended: bool = False

    def refuse(self, why: str) -> None:
        """Stop the job before it runs, and keep the sentence that says why."""
        self.refusal = why
        self.stop.set()

    def raise_if_stopped(self) -> None:
        """Raise an exception if the job is to stop.

        Raises:
            Stopped: the job is to stop.
        """
        if self.stop.is_set():
            raise Stopped


def work_with_progress(
    work: Callable[[Progress], T], job: Job, show: Callable[[ProgressReport], S]
) -> Generator[S, None, T]:
    """Do some work in the worker thread, and yield its progress.

    The work gets a `Progress` callback that raises `Stopped` as soon as the job is to stop; so does every hooked block.

    Args:
        work: called once.
        job: stops the work.
        show: converts a report to the value that is yielded.

    Yields:
        The newest report, converted by `show`, when it has changed or `_REFRESH_SECONDS` have passed.

    Returns:
        The result of the work.

    Raises:
        Stopped: the job was stopped. Any other error of the work is raised here too.
    """
    started = time.monotonic()
    latest: list[tuple[str, float, float]] = [("", 0.0, 0.0)]

    def progress(what: str, fraction: float) -> None:
        job.raise_if_stopped()
        latest[0] = (what, fraction, time.monotonic() - started)

    def checked_work() -> T:
        job.raise_if_stopped()
        with interruptible(job.raise_if_stopped):
            return work(progress)

    future = worker.submit(checked_work)
    last_state: object = None
    last_report = started
    try:
        while not wait([future], _POLL_SECONDS).done:
            what, fraction, seconds = latest[0]
            now, stopping = time.monotonic(), job.stop.is_set()
            if (what and (what, fraction, stopping) != last_state) or now - last_report > _REFRESH_SECONDS:
                last_state, last_report = (what, fraction, stopping), now
                yield show(ProgressReport(what, fraction, seconds, now - started - seconds, stopping))
    except GeneratorExit:
        job.stop.set()
        raise
    return future.result()


def _interruptible(steps: Iterator[T], job: Job) -> Iterator[T]:
    end = object()
    while True:
        with interruptible(job.raise_if_stopped):
            step = next(steps, end)
        if step is end:
            return
        yield cast(T, step)


def throttled(steps: Iterator[T], job: Job, clock: Callable[[], float] = time.monotonic) -> Iterator[T]:
    """Iterate over steps in the worker thread, and yield only some of them: the first, the last, and about three a second.

    Args:
        steps: states of a growing result; each contains the ones before it.
        job: stops the iteration.
        clock: returns the current time in seconds.

    Yields:
        The steps to show.

    Raises:
        Stopped: the job was stopped.
    """
    latest, pending, last_yield = None, False, -math.inf
    for latest in worker.iterate(_interruptible(steps, job)):
        job.raise_if_stopped()
        now = clock()
        pending = now - last_yield < _REDRAW_SECONDS
        if not pending:
            last_yield = now
            yield latest
    if pending and latest is not None:
        yield latest
