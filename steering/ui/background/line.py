"""The line in which long tasks wait for the models: one works at a time, the others wait in the order in which they came."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(eq=False)
class Ticket:
    """One task in the line.

    Attributes:
        title: what the task does, in words.
        started: time at which its turn came; None before.
    """

    title: str
    started: float | None = None


@dataclass(frozen=True)
class Place:
    """Where a task stands that has to wait.

    Attributes:
        before: number of tasks before it, with the one that works.
        running: title of the task that works.
        seconds: for which that one has been working.
    """

    before: int
    running: str
    seconds: float


class Line:
    """The tasks that work or wait. Safe to call from several threads."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._changed = threading.Condition()
        self._tickets: list[Ticket] = []

    def join(self, title: str) -> Ticket:
        """Join the end of the line; every ticket must be handed back with `leave`."""
        ticket = Ticket(title)
        with self._changed:
            self._tickets.append(ticket)
        return ticket

    def wait(self, ticket: Ticket, seconds: float) -> Place | None:
        """Wait until it is a task's turn, for some seconds at most.

        Returns:
            None if it is its turn, else its place.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._tickets[0] is ticket, seconds)
            first, now = self._tickets[0], self._clock()
            if first is ticket:
                ticket.started = now
                return None
            running = 0.0 if first.started is None else now - first.started
            return Place(self._tickets.index(ticket), first.title, running)

    def leave(self, ticket: Ticket) -> None:
        """Leave the line, whether it was the task's turn or not; a second time does nothing."""
        with self._changed:
            if ticket in self._tickets:
                self._tickets.remove(ticket)
                self._changed.notify_all()
