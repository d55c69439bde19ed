"""The kinds of work that are cut off: what is done again and again, and what must hold whenever it was cut off."""

import json
import shutil
import sqlite3
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from safetensors.torch import load_file
from tiny import save_tiny

from steering.concepts import load_concept
from steering.errors import Progress
from steering.evaluation import Setup, evaluate
from steering.interop.export import EXPORTS, export_vector
from steering.library import Shelf
from steering.models import load_model
from steering.models.bundled import gguf_folder
from steering.models.language_model import LanguageModel
from steering.steer import SteeringSettings
from steering.storage import cache_in, discard
from steering.studies import ROWS, StudySettings, kept_results, run_study
from steering.studies.results import SUCCESS, CellResult
from steering.transfer import transfer
from steering.vectors import SteeringVector, extract, random_like

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
    def exports(self) -> Path:
        """Where files for other tools are written."""
        folder = self.home / "exports"
        folder.mkdir(exist_ok=True)
        return folder

    @property
    def wide(self) -> SteeringVector:
        """A vector of a large model, so that its files are larger than a full disk takes."""
        return random_like(replace(self.own, directions=torch.ones(32, 64)), 0)

    @property
    def shelf(self) -> Shelf:
        """Where vectors are saved."""
        return Shelf(self.home / "shelf")

    @property
    def rows(self) -> Path:
        """Where scored rows are kept."""
        return self.home / "rows.sqlite"

    @property
    def study(self) -> Path:
        """Where a study is kept."""
        return self.home / "study"

    def load(self, name: str, _progress: Progress) -> LanguageModel:
        """One of the two models."""
        return {model.name: model for model in (self.parent, self.child)}[name]


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


def study(place: Place, say: Say) -> None:
    """A study is run with one more λ after the other; cells that are kept are not computed again."""
    with cache_in(place.home / "cache"):
        for number in range(1, 10**6):
            for result in run_study(_settings(place, number), place.study, load=place.load):
                say(_as_row(result))


def check_studied(place: Place, said: list[str]) -> str:
    """The folder is whole, holds every cell that was reported, and the study goes on in it."""
    with cache_in(place.home / "cache"):
        kept = set(map(_as_row, kept_results(place.study).values())) if place.study.is_dir() else set()
        results = run_study(_settings(place, 1), place.study, load=place.load)
    failed = [result.reason for result in results if result.status != SUCCESS]
    with closing(sqlite3.connect(place.study / ROWS)) as connection:
        (whole,) = connection.execute("PRAGMA integrity_check").fetchone()
        (twice,) = connection.execute("SELECT count(*) FROM results WHERE attempts > 1").fetchone()
    if whole != "ok" or failed or twice:
        return f"the file of rows is {whole}, {twice} cells were computed twice, and these failed: {failed}"
    return f"cells that were reported are gone: {lost[:3]}" if (lost := sorted(set(said) - kept)) else ""


def export_to(folder: Path, place: Place, format: str) -> str:
    """Write a vector for another tool, and return the name of the file."""
    if format == "lm-eval":  # Its files name the model's modules.
        return export_vector(place.own, folder / "lm-eval.pt", format, child=place.child).path.name
    path, settings = folder / f"{format}.gguf", SteeringSettings(scale="unit")
    return export_vector(place.wide, path, format, lam=1.0, settings=settings).path.name


def export(place: Place, say: Say) -> None:
    """A vector is written for all other tools, again and again over the same files."""
    while True:
        say(" ".join(export_to(place.exports, place, format) for format in EXPORTS))


def check_exported(place: Place, said: list[str]) -> str:
    """Every file that was reported as written is there, and every file is whole."""
    again, broken = place.home / "again", []
    for format in EXPORTS:
        name = export_to(again, place, format)
        if (place.exports / name).exists() and _content(place.exports / name) != _content(again / name):
            broken.append(name)
    lost = [name for names in said for name in names.split() if not (place.exports / name).exists()]
    return f"lost {lost[:3]}, broken {broken}" if lost or broken else ""


def _content(path: Path) -> object:
    # The order of the metadata in a safetensors file is not the same every time.
    if path.stem == "steering-vectors":
        return {name: row.tolist() for name, row in load_file(path).items()}
    return path.read_bytes()


def _settings(place: Place, number: int) -> StudySettings:
    return StudySettings(
        "killed",
        measures=("grid",),
        parents=((place.parent.name,),),
        children=(place.child.name,),
        tasks=(TASK,),
        layers=("relative",),
        profiles=("all",),
        lambdas=(0.0, number / 1000),
        shots=QUESTIONS,
        limit=QUESTIONS,
        max_new_tokens=4,
        controls=False,
    )


def _as_row(result: CellResult) -> str:
    return json.dumps([result.key, result.status, dict(result.figures)])


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
    "study": Stage(study, check_studied),
    "export": Stage(export, check_exported),
}
