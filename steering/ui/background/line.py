"""The line in which long tasks wait for the models, in the order in which they came.

One task works at a time; but tasks that can share the models work together as long as no other one stands between them.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(eq=False)
class Ticket:
    """One task in the line.

    Attributes:
        title: what the task does, in words.
        shares: whether the task can work beside others of which this is true.
        started: time at which its turn came; None before.
    """

    title: str
    shares: bool = False
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
            self._changed.wait_for(lambda: self._its_turn(ticket), seconds)
            first, now = self._tickets[0], self._clock()
            if self._its_turn(ticket):
                ticket.started = now
                self._changed.notify_all()
                return None
            running = 0.0 if first.started is None else now - first.started
            return Place(self._tickets.index(ticket), first.title, running)

    def share(self, ticket: Ticket, shares: bool = True) -> None:
        """Say whether a task can work beside others."""
        with self._changed:
            ticket.shares = shares
            self._changed.notify_all()

    def _its_turn(self, ticket: Ticket) -> bool:
        before = self._tickets[: self._tickets.index(ticket)]
        return not before or (ticket.shares and all(each.started is not None and each.shares for each in before))

    def leave(self, ticket: Ticket) -> None:
        """Leave the line, whether it was the task's turn or not; a second time does nothing."""
        with self._changed:
            if ticket in self._tickets:
                self._tickets.remove(ticket)
                self._changed.notify_all()
