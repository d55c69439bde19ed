"""A process of its own that parses and compares formulas, so that one that never ends can be ended from outside.

It is run as a script, by its path, and imports nothing of this package: that takes half a second instead of four. It reads
one JSON list a line, `[seconds, action, text, ...]`, and answers with one JSON value a line; the first line only says that
it is ready. An action that takes longer than its seconds ends the process without an answer.
"""

import contextlib
import faulthandler
import json
import signal
import sys
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from typing import Any

START_S = 120.0
"""Longest time for importing math-verify on a slow disk."""

MEMORY_BYTES = 2 * 1024**3
"""Most address space: a power of powers fills any memory before its time is over."""

PARSED = 256
"""Formulas kept in their parsed form: a question's right answer is compared with an answer at every λ."""


@lru_cache(PARSED)
def _parse(text: str) -> list[Any]:
    from math_verify import parse

    # No limit of its own: it would need signals, and time is kept by `_ended_after`.
    return list(parse(text, parsing_timeout=None))


def read(text: str) -> str | None:
    """The last formula of a text, None where there is none."""
    parsed = _parse(text)
    return str(parsed[-1]) if parsed else None


def same(left: str, right: str) -> bool:
    """Whether two formulas are equal."""
    from math_verify import verify

    sides = [_parse(f"${text}$") or _parse(text) for text in (left, right)]
    return all(sides) and bool(verify(*sides, timeout_seconds=None))


ACTIONS: Mapping[str, Callable[..., str | bool | None]] = {"read": read, "same": same}


@contextlib.contextmanager
def _ended_after(seconds: float) -> Iterator[None]:
    """End the process when the block takes longer, even inside one long operation of the interpreter."""
    faulthandler.dump_traceback_later(seconds, exit=True)
    try:
        yield
    finally:
        faulthandler.cancel_dump_traceback_later()


def _limit_memory() -> None:
    try:
        import resource
    except ImportError:  # Windows has no such limit; the time limit holds everywhere.
        return
    with contextlib.suppress(ValueError, OSError):  # A lower limit is set already.
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))


def main() -> None:
    """Answer until standard input is closed, which also happens when the process that asks has ended."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the process that asks.
    answers, sys.stdout = sys.stdout, sys.stderr  # What a library prints is no answer.
    _limit_memory()
    with _ended_after(START_S):
        import math_verify  # noqa: F401  # So that no question pays for it.
    answers.write("true\n")
    answers.flush()
    for line in sys.stdin:
        seconds, action, *texts = json.loads(line)
        answer = None
        with (
            _ended_after(seconds),
            contextlib.suppress(Exception),
        ):  # A formula that cannot be worked out has no answer.
            answer = ACTIONS[action](*texts)
        answers.write(f"{json.dumps(answer)}\n")
        answers.flush()


if __name__ == "__main__":
    main()
