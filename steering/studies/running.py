"""Running a study on one machine, in this process: cell by cell, each kept as soon as it is finished.

A run that was stopped or killed goes on with what is missing, and so does one to whose file cells were added. A cell that fails
is a result with its reason; it is tried again by the next run.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from steering.errors import Progress, SteeringError, check_interrupt, part_of, silent
from steering.evaluation import Store
from steering.formatting import duration
from steering.models import LanguageModel, load_model
from steering.studies.carrying import Work
from steering.studies.cells import Cell, keyed
from steering.studies.measures import MEASURES
from steering.studies.results import (
    ERROR,
    EVALS,
    SUCCESS,
    CellResult,
    now,
    packages,
    write_evals,
    write_samples,
    write_samples_of,
)
from steering.studies.settings import StudySettings, write_settings
from steering.vectors import save_vector

ROWS = "rows.sqlite"
"""The store of a study, in its folder: rows of questions, and results of cells."""

STUDY = "study.yaml"
"""The study as it was run, in its folder."""

Load = Callable[[str, Progress], LanguageModel]


class Models:
    """The models of the cell at hand, loaded when they are asked for; what no cell at hand uses is let go."""

    def __init__(self, load: Load) -> None:
        self._load = load
        self._held: dict[str, LanguageModel] = {}

    def of(self, cell: Cell, progress: Progress) -> tuple[tuple[LanguageModel, ...], LanguageModel]:
        """Parents and child of a cell."""
        wanted = dict.fromkeys((*cell.parents, cell.child))
        self._held = {name: model for name, model in self._held.items() if name in wanted}
        for name in wanted:
            if name not in self._held:
                self._held[name] = self._load(name, progress)
        return tuple(self._held[name] for name in cell.parents), self._held[cell.child]


def load_here(name: str, progress: Progress) -> LanguageModel:
    """Load a model as every command does."""
    return load_model(name, progress=progress)


def kept_results(folder: Path) -> dict[str, CellResult]:
    """Results of all cells that were ever run in a folder, by key."""
    path = folder / ROWS
    if not path.is_file():
        return {}
    kept = Store.open(path, resume=True).results()
    return {key: CellResult.from_json(data) for key, data in kept.items()}


def missing(keys: Mapping[str, Cell], kept: Mapping[str, CellResult]) -> dict[str, Cell]:
    """Cells that were not run yet, or failed."""
    return {key: cell for key, cell in keys.items() if key not in kept or kept[key].status != SUCCESS}


def run_study(
    settings: StudySettings,
    folder: Path,
    *,
    load: Load = load_here,
    kept: Callable[[], None] = lambda: None,
    progress: Progress = silent,
) -> tuple[CellResult, ...]:
    """Run the cells of a study that are missing in a folder, and write its tables.

    Args:
        settings: the study.
        folder: where everything is kept.
        load: brings a model by its name.
        kept: called after every cell whose result was kept.
        progress: told how many cells are done, and how long the others will take.

    Returns:
        The results of all cells of the study, in their order.

    Raises:
        SteeringError: a study without cells, or a folder that cannot be written.
    """
    keys = keyed(settings)
    store = Store.open(folder / ROWS, resume=True)
    todo = missing(keys, kept_results(folder))
    models, started = Models(load), time.monotonic()
    write_settings(settings, folder / STUDY)
    store.describe({key: cell.as_json() for key, cell in todo.items()})
    try:
        for number, (key, cell) in enumerate(todo.items()):
            low, high = number / len(todo), (number + 1) / len(todo)
            left = f", about {duration((time.monotonic() - started) * (len(todo) / number - 1))} left" if number else ""
            heading = f"Cell {number + 1} of {len(todo)}{left}"
            stage = part_of(progress, low, high)
            result = run_cell(key, cell, models, folder, _headed(stage, heading))
            store.keep_result(key, result.as_json())
            kept()
    finally:
        results = write_tables(settings, folder, keys)
    return results


def _headed(progress: Progress, heading: str) -> Progress:
    return lambda what, fraction: progress(f"{heading}: {what}", fraction)


def run_cell(key: str, cell: Cell, models: Models, folder: Path, progress: Progress = silent) -> CellResult:
    """Run one cell, and keep its samples; whatever goes wrong in it is its reason. What `progress` raises stops the study."""
    started = time.monotonic()

    def failed(reason: str) -> CellResult:
        seconds = time.monotonic() - started
        return CellResult(key, cell, ERROR, reason, created=now(), seconds=seconds, packages=packages())

    watched = _Watched(progress)
    try:
        parents, child = models.of(cell, watched)
        started = time.monotonic()
        measured = MEASURES[cell.measure](Work(cell, parents, child, folder / ROWS, watched))
    except Exception as error:
        check_interrupt()
        if error is watched.raised:
            raise  # The user's Stop, not the cell's failure.
        return failed(str(error) if isinstance(error, SteeringError) else f"{type(error).__name__}: {error}")
    write_samples_of(folder, key, measured.samples)
    if measured.vector is not None:
        save_vector(measured.vector, vector_of(folder, key))
    return CellResult(
        key=key,
        cell=cell,
        status=SUCCESS,
        headline=measured.headline,
        figures={name: _number(value) for name, value in measured.figures.items()},
        n=measured.n,
        n_samples=len(measured.samples),
        details=measured.details,
        created=now(),
        seconds=time.monotonic() - started,
        packages=packages(),
    )


def vector_of(folder: Path, key: str) -> Path:
    """File of a cell's carried vector; there is one where the cell chose how to steer with it."""
    return folder / "vectors" / f"{key}.safetensors"


def write_tables(settings: StudySettings, folder: Path, keys: Mapping[str, Cell]) -> tuple[CellResult, ...]:
    """Write both tables from what the folder keeps of the study's cells."""
    kept = kept_results(folder)
    results = tuple(kept[key] for key in keys if key in kept)
    if results:
        write_evals(results, settings.name, folder / EVALS)
        write_samples(folder, [result.key for result in results if result.status == SUCCESS])
    return results


def study_results(settings: StudySettings, folder: Path) -> tuple[CellResult, ...]:
    """What a folder holds of a study's cells, in their order."""
    kept = kept_results(folder)
    return tuple(kept[key] for key in keyed(settings) if key in kept)


def failures(results: Sequence[CellResult]) -> tuple[CellResult, ...]:
    """The cells that failed."""
    return tuple(result for result in results if result.status == ERROR)


class _Watched:
    """A progress callback that remembers what it raised, so that a Stop is told from a failure."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self.raised: Exception | None = None

    def __call__(self, what: str, fraction: float) -> None:
        try:
            self._progress(what, fraction)
        except Exception as error:
            self.raised = error
            raise


def _number(value: float | None) -> float | None:
    """A number that JSON can write; None for one that is none."""
    return None if value is None or value != value or abs(value) == float("inf") else float(value)
