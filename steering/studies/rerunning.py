"""A study done again from nothing, and what differs: on the same machine with the same versions nothing may."""

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from steering.errors import Progress, SteeringError, silent
from steering.studies.report import REPORT
from steering.studies.results import CellResult, samples_part
from steering.studies.running import STUDY, Load, kept_results, load_here, run_study
from steering.studies.settings import read_study


@dataclass(frozen=True)
class Rerun:
    """A study that was done again.

    Attributes:
        name: of the study.
        n_cells: how many cells were done again.
        n_rows: how many rows of questions were compared.
        differences: a sentence each; none where every figure and every row is the same.
    """

    name: str
    n_cells: int
    n_rows: int
    differences: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        """The record as JSON can write it."""
        return {**vars(self), "differences": list(self.differences)}

    def text(self) -> str:
        """What there is to say, a line each."""
        head = f"{self.name}: {self.n_cells} cells and {self.n_rows} rows done again"
        return "\n".join([f"{head}, {len(self.differences) or 'no'} differences.", *self.differences])


def rerun(source: Path, out: Path | None = None, *, load: Load = load_here, progress: Progress = silent) -> Rerun:
    """Do a study again in another folder, where nothing of it is kept, and compare.

    Args:
        source: the folder of a study, or the report in it.
        out: a folder for the second run, which must hold no study; by default one that is deleted afterwards.
        load: see `run_study`.
        progress: see `run_study`.

    Raises:
        SteeringError: there is no study, or the second folder holds one.
    """
    folder = source.parent if source.name == REPORT else source
    if not (folder / STUDY).is_file():
        raise SteeringError(f"{source} is no study: there is no {STUDY} in {folder}. Give the folder of `study --out`.")
    if out is not None and (out / STUDY).exists():
        raise SteeringError(f"{out} holds a study already, so nothing would be done again. Give an empty folder.")
    settings = read_study(folder / STUDY)
    before = kept_results(folder)
    with tempfile.TemporaryDirectory() as temporary:
        second = out or Path(temporary)
        after = run_study(settings, second, load=load, progress=progress)
        differences, n_rows = [], 0
        for result in after:
            first = before.get(result.key)
            if first is None:
                differences.append(f"{_name(result)}: was not run before, or what it depends on has changed.")
                continue
            rows = [_rows(place, result.key) for place in (folder, second)]
            n_rows += len(rows[1])
            differences += [f"{_name(result)}: {words}" for words in _differences(first, result)]
            changed = sum(old != new for old, new in zip(*rows, strict=False)) + abs(len(rows[0]) - len(rows[1]))
            if changed:
                differences.append(f"{_name(result)}: {changed} of {len(rows[1])} rows differ.")
    return Rerun(settings.name, len(after), n_rows, tuple(differences))


def _name(result: CellResult) -> str:
    return f"{result.key[:8]} {result.cell.described(('layers', 'profile', 'concept', 'measure', 'seed'))}"


def _differences(first: CellResult, second: CellResult) -> Iterator[str]:
    if (first.status, first.reason) != (second.status, second.reason):
        yield f"was {first.status} ({first.reason}), is {second.status} ({second.reason})."
    for name in dict.fromkeys([*first.figures, *second.figures]):
        old, new = first.figures.get(name), second.figures.get(name)
        if old != new:
            yield f"{name} was {old}, is {new}."
    for name in dict.fromkeys([*first.packages, *second.packages]):
        versions = first.packages.get(name), second.packages.get(name)
        if versions[0] != versions[1]:
            yield f"{name} was {versions[0]}, is {versions[1]}."


def _rows(folder: Path, key: str) -> Sequence[Any]:
    import pyarrow.parquet as pq

    path = samples_part(folder, key)
    rows: list[Any] = pq.read_table(path).to_pylist() if path.is_file() else []
    return rows
