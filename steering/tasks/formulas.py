"""Formulas, read and compared by math-verify in a process of its own, from any thread and within a time limit.

The process starts with the first formula, serves all that follow, and ends with the process that asks. A formula that takes
too long ends it; the next one starts another.
"""

import atexit
import contextlib
import json
import subprocess
import sys
import threading
from functools import lru_cache
from pathlib import Path

from steering.errors import SteeringError

LIMIT_S = 5.0
"""Longest time for one formula, or for two that are compared; ordinary ones take a few hundredths of a second."""

LONGEST = 2_000
"""Characters that are looked at: of a longer text the end alone, since an answer stands last. math-verify's own patterns take
time that grows faster than their text."""

REMEMBERED = 4096
"""Answers that are kept: the same answers are judged again whenever a growing table is drawn."""


@lru_cache(REMEMBERED)
def read_formula(text: str) -> str | None:
    """The last formula of a text; None where there is none, or where it cannot be worked out in time.

    Raises:
        SteeringError: math-verify cannot be started.
    """
    answer = _worker.ask("read", text[-LONGEST:])
    return answer if isinstance(answer, str) else None


@lru_cache(REMEMBERED)
def same_formula(left: str, right: str) -> bool:
    """Whether two formulas are equal; False where that cannot be worked out in time.

    Raises:
        SteeringError: math-verify cannot be started.
    """
    if left == right:
        return True
    return len(left) <= LONGEST and len(right) <= LONGEST and _worker.ask("same", left, right) is True


class _Worker:
    """The process, or none yet."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen[str] | None = None
        atexit.register(self.stop)

    def ask(self, action: str, *texts: str) -> object:
        """An action's answer; None where the process ended before it had one."""
        line = json.dumps([LIMIT_S, action, *texts]) + "\n"
        with self._lock:
            try:
                if self._process is None or self._process.poll() is not None:
                    self._end()
                    self._process = _started()
                answer = _round_trip(self._process, line)
            except (
                BaseException
            ):  # Stopped in between: the answer to come would be taken for that of the next question.
                self._end()
                raise
            if not answer:
                self._end()
            return json.loads(answer) if answer else None

    def stop(self) -> None:
        """End the process; the next question starts another."""
        with self._lock:
            self._end()

    def _end(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout):
            assert pipe is not None
            with contextlib.suppress(OSError):  # What was not sent cannot be sent any more.
                pipe.close()


def _started() -> "subprocess.Popen[str]":
    # By its path, and without this folder among those that imports are looked for in: it needs math-verify alone.
    command = [sys.executable, "-P", str(Path(__file__).with_name("formula_worker.py"))]
    try:
        process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            encoding="utf-8",
        )
    except OSError as error:
        raise SteeringError(f"Formulas cannot be compared: {sys.executable} cannot be started: {error}") from error
    assert process.stdout is not None
    if not process.stdout.readline():
        process.wait()
        raise SteeringError(
            "Formulas cannot be compared, because math-verify cannot be imported. Install requirements.txt again."
        )
    return process


def _round_trip(process: "subprocess.Popen[str]", line: str) -> str:
    assert process.stdin is not None
    assert process.stdout is not None
    with contextlib.suppress(BrokenPipeError):  # It has ended; so there is nothing to read either.
        process.stdin.write(line)
        process.stdin.flush()
    return process.stdout.readline()


_worker = _Worker()
