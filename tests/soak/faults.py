"""Processes that are killed, and disks that are full, in the middle of work: all starts afterwards, nothing kept is lost.

A process is forked for every fault, so that it begins with everything imported; it says over a pipe what it kept.
"""

import multiprocessing
import os
import random
import resource
import shutil
import signal
import sqlite3
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path

import torch
from tiny import save_tiny

from steering.concepts import load_concept
from steering.errors import SteeringError
from steering.evaluation import Setup, evaluate
from steering.library import Shelf
from steering.models import load_model
from steering.models.bundled import gguf_folder
from steering.models.language_model import LanguageModel
from steering.storage import cache_in, discard
from steering.transfer import transfer
from steering.vectors import SteeringVector, extract

FORK = multiprocessing.get_context("fork")
PATIENT_S = 120.0
SMALL = 4_000
"""Largest size of a file, in bytes, that a full disk is imitated with; every stage writes more than that."""

TASK, QUESTIONS = "word-forms:past-tense", 3

Say = Callable[[str], None]
"""Called with what was reported as saved."""


@dataclass
class Place:
    """What all stages work with.

    Attributes:
        home: folder of everything that is written.
        gguf: a model file to convert.
        parent: a tiny model.
        child: another one.
        own: a vector of the child.
    """

    home: Path
    gguf: Path
    parent: LanguageModel
    child: LanguageModel
    own: SteeringVector

    @staticmethod
    def make(home: Path, write_gguf: Callable[[Path], None]) -> "Place":
        """Two tiny models, a GGUF file and a vector in a folder."""
        gguf = home / "tiny.gguf"
        write_gguf(gguf)
        parent = load_model(str(save_tiny(home / "first", "llama", layers=3, width=32)))
        child = load_model(str(save_tiny(home / "second", "qwen2", layers=4, width=40, seed=1)))
        return Place(home, gguf, parent, child, extract(child, load_concept("sentiment"), "mean"))

    @property
    def shelf(self) -> Shelf:
        """Where vectors are saved."""
        return Shelf(self.home / "shelf")

    @property
    def rows(self) -> Path:
        """Where scored rows are kept."""
        return self.home / "rows.sqlite"


def convert(place: Place, say: Say) -> None:
    """A GGUF file is converted, again and again in an empty cache; what is there is a whole model."""
    with cache_in(place.home / "cache"):
        while True:
            folder = gguf_folder(place.gguf)
            say(str(folder))
            discard(folder)


def check_converted(place: Place, _said: list[str]) -> str:
    """Converting works, and gives the model."""
    with cache_in(place.home / "cache"):
        folder = gguf_folder(place.gguf)
        return "" if load_model(str(folder)).n_layers else "the converted model has no layers"


def align(place: Place, say: Say) -> None:
    """A vector is carried, again and again without the alignment of the run before."""
    with cache_in(place.home / "cache"):
        for _ in iter(int, 1):
            vector = transfer(place.own, place.child, place.parent)
            say(vector.digest)
            for kind in ("alignments", "activations", "norms"):
                shutil.rmtree(place.home / "cache" / kind, ignore_errors=True)


def check_aligned(place: Place, said: list[str]) -> str:
    """Carrying works, and gives what it gave before."""
    with cache_in(place.home / "cache"):
        digest = transfer(place.own, place.child, place.parent).digest
    return "" if set(said) <= {digest} else f"the vector is {digest}, and was {set(said)}"


def score(place: Place, say: Say) -> None:
    """Questions are answered at one more λ after the other; what is kept is not answered again."""
    with cache_in(place.home / "cache"):
        for number in range(1, 10**6):
            lam, setup = number / 1000, Setup(max_new_tokens=4)
            evaluate(place.child, place.own, TASK, [lam], limit=QUESTIONS, setup=setup, store=place.rows, resume=True)
            say(str(number))


def check_scored(place: Place, said: list[str]) -> str:
    """The file of rows is whole, and holds every row of the runs that had ended."""
    if not place.rows.is_file():
        return f"{len(said)} runs had ended, and there is no file" if said else ""
    with closing(sqlite3.connect(place.rows)) as connection:
        (whole,) = connection.execute("PRAGMA integrity_check").fetchone()
        tables = connection.execute("SELECT count(*) FROM sqlite_master WHERE name = 'rows'").fetchone()[0]
        kept = connection.execute("SELECT count(*) FROM rows").fetchone()[0] if tables else 0
    if whole != "ok":
        return f"the file of rows is damaged: {whole}"
    ended = max(map(int, said), default=0)
    return "" if kept >= QUESTIONS * ended else f"{kept} rows are kept, and {ended} runs of {QUESTIONS} had ended"


def save(place: Place, say: Say) -> None:
    """Vectors are saved under one name."""
    while True:
        say(place.shelf.keep(place.own, "mine").name)


def check_saved(place: Place, said: list[str]) -> str:
    """Every vector that was reported as saved is there and whole."""
    kept = {entry.name: entry.vector.digest if entry.vector else entry.problem for entry in place.shelf.entries()}
    lost = [name for name in said if kept.get(name) != place.own.digest]
    broken = [problem for problem in kept.values() if problem != place.own.digest]
    shutil.rmtree(place.shelf.folder, ignore_errors=True)
    return f"lost {lost[:3]}, broken {broken[:3]}" if lost or broken else ""


@dataclass(frozen=True)
class Stage:
    """One kind of work: what is done again and again, and what must hold whenever it was cut off."""

    work: Callable[[Place, Say], None]
    check: Callable[[Place, list[str]], str]


STAGES: Mapping[str, Stage] = {
    "conversion": Stage(convert, check_converted),
    "alignment": Stage(align, check_aligned),
    "scoring": Stage(score, check_scored),
    "saving": Stage(save, check_saved),
}


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
    torch.set_num_threads(1)
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
    torch.set_num_threads(1)
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
