"""The worker thread: the only thread in which models compute.

Work is done one piece at a time, so that the memory of two tasks does not add up. It is always the same thread because
PyTorch keeps a pool of helper threads for every thread that computes: two pools compete for the same processors, which makes
every step about twice as slow.
"""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from functools import cache, partial
from queue import SimpleQueue
from typing import Any, TypeVar

T = TypeVar("T")

_WorkItem = tuple[Callable[[], Any], Future[Any]]

_queue_lock = threading.Lock()
_unfinished: set[Future[Any]] = set()
_END = object()


def submit(work: Callable[[], T]) -> Future[T]:
    """Queue some work for the worker thread.

    Args:
        work: called once, in the worker thread. It must not wait for other work of that thread.

    Returns:
        A future with the result or the error of the work.
    """
    future: Future[T] = Future()
    with _queue_lock:
        _unfinished.add(future)
        _queue().put((work, future))
    return future


def unfinished() -> int:
    """Number of pieces of work that are done now or wait, whether anybody still waits for the result or not."""
    return len(_unfinished)


def iterate(steps: Iterator[T]) -> Iterator[T]:
    """Iterate over steps; each call of `next` on them happens in the worker thread."""
    while (step := submit(partial(next, steps, _END)).result()) is not _END:
        yield step


@cache
def _queue() -> SimpleQueue[_WorkItem]:
    items: SimpleQueue[_WorkItem] = SimpleQueue()
    # A daemon thread, so that Ctrl+C does not wait for a model.
    threading.Thread(target=_process, args=[items], name="steering-worker", daemon=True).start()
    return items


def _process(items: SimpleQueue[_WorkItem]) -> None:
    while True:
        work, future = items.get()
        tell: Callable[[], None]
        try:
            tell = partial(future.set_result, work())
        except BaseException as error:  # raised again in the thread that waits for the future
            tell = partial(future.set_exception, error)
        with _queue_lock:
            _unfinished.discard(future)
        tell()
        del work, future, tell  # They refer to models, which must not stay in memory while the thread waits.
