"""Processes that are killed, and disks that are full, in the middle of work: all starts afterwards, nothing kept is lost.

A process is forked for every fault, so that it begins with everything imported; it says over a pipe what it kept.
"""

import os
import random
import resource
import shutil
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from multiprocessing.connection import Connection

from forks import FORK

from soak.stages import STAGES, Place, Say, Stage
from steering.errors import SteeringError

PATIENT_S = 120.0
SMALL = 1_000
"""Largest size of a file, in bytes, that a full disk is imitated with; every stage writes more than that."""


@dataclass
class Survived:
    """How often a stage was cut off, and what was wrong afterwards, as sentences."""

    faults: int = 0
    wrong: list[str] = field(default_factory=list)


def kill_often(place: Place, name: str, times: int, seed: int = 0, longest_s: float = 1.5) -> Survived:
    """Kill a stage at random moments, and check after every time.

    Args:
        place: what the stage works with.
        name: of the stage.
        times: number of kills.
        seed: of the moments.
        longest_s: latest moment, in seconds after the beginning.
    """
    stage, chance, result = STAGES[name], random.Random(f"{name} {seed}"), Survived()
    for _ in range(times):
        said = _run_and_kill(lambda say: stage.work(place, say), chance.uniform(0.0, longest_s))
        problem = _checked(stage, place, said)
        result.faults += 1
        result.wrong += [f"{name}: {problem}"] if problem else []
    return result


def _checked(stage: Stage, place: Place, said: list[str]) -> str:
    try:
        return stage.check(place, said)
    except Exception as error:
        return f"{type(error).__name__}: {error}"


def _run_and_kill(work: Callable[[Say], None], seconds: float) -> list[str]:
    """Everything that some work reported before its process was killed."""
    receive, send = FORK.Pipe(duplex=False)
    process = FORK.Process(target=_work, args=(work, send))
    process.start()
    send.close()
    time.sleep(seconds)
    assert process.pid is not None
    os.kill(process.pid, signal.SIGKILL)
    process.join(PATIENT_S)
    said = []
    while True:
        try:
            said.append(receive.recv())
        except EOFError:
            return said


def _work(work: Callable[[Say], None], send: Connection) -> None:
    sys.stderr = sys.stdout = open(os.devnull, "w")  # noqa: SIM115 - until it is killed
    work(send.send)


def fill_disk(place: Place, name: str) -> str:
    """Let a stage run on a full disk.

    Returns:
        The sentence that it ends with; "" where it can go on without what could not be written.
    """
    shutil.rmtree(place.home / "cache", ignore_errors=True)  # What is there already is not written again.
    receive, send = FORK.Pipe(duplex=False)
    process = FORK.Process(target=_fill, args=(STAGES[name], place, send))
    process.start()
    send.close()
    words = receive.recv() if receive.poll(PATIENT_S) else "it hangs"
    process.kill()
    process.join(PATIENT_S)
    return str(words)


class _Went(Exception):
    """The stage reported a result."""


def _fill(stage: Stage, place: Place, send: Connection) -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (SMALL, SMALL))

    def say(_what: str) -> None:
        raise _Went

    try:
        stage.work(place, say)
    except _Went:
        send.send("")
    except SteeringError as error:
        send.send(str(error))
    except BaseException as error:
        send.send(f"{type(error).__name__}, which is no sentence for a person: {error}")
