"""The worker thread: the one thread in which models work.

One at a time, so that no two runs add up in memory. And always the same thread: PyTorch keeps a team of helpers for every
thread that computes, and two teams on the same processors get in each other's way, which makes every step about twice as slow.
"""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from functools import cache, partial
from queue import SimpleQueue
from typing import Any, TypeVar

T = TypeVar("T")

_Piece = tuple[Callable[[], Any], Future[Any]]

_opening = threading.Lock()
_END = object()


def submit(work: Callable[[], T]) -> Future[T]:
    """Have a piece of work done when its turn comes.

    Args:
        work: called once, in the worker thread. It must not wait for other work of that thread.

    Returns:
        Its result, or what it raised, to wait for.
    """
    future: Future[T] = Future()
    with _opening:
        _queue().put((work, future))
    return future


def iterate(steps: Iterator[T]) -> Iterator[T]:
    """Iterate over steps that are each taken in the worker thread."""
    while (step := submit(partial(next, steps, _END)).result()) is not _END:
        yield step


@cache
def _queue() -> SimpleQueue[_Piece]:
    pieces: SimpleQueue[_Piece] = SimpleQueue()
    # A daemon, so that Ctrl+C does not wait for a model.
    threading.Thread(target=_work_off, args=[pieces], name="steering-worker", daemon=True).start()
    return pieces


def _work_off(pieces: SimpleQueue[_Piece]) -> None:
    while True:
        work, future = pieces.get()
        try:
            future.set_result(work())
        except BaseException as error:  # handed over to the thread that waits
            future.set_exception(error)
        del work, future  # They hold models, which must not stay while the thread waits.
