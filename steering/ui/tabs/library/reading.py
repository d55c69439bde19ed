"""Vector files compared with the child: at once where the child is in memory, else after it was loaded."""

from collections.abc import Callable, Generator
from pathlib import Path
from typing import TypeVar

from steering.errors import Progress, part_of
from steering.interop import Card
from steering.library import saved_vectors as library
from steering.models import LanguageModel
from steering.ui.background.jobs import Job
from steering.ui.events.long_tasks import Changes, LongTask
from steering.ui.state.settings import Settings
from steering.ui.state.workspace import Workspace
from steering.ui.tabs.library import text
from steering.vectors import SteeringVector

T = TypeVar("T")


def inspect_file(
    workspace: Workspace, task: LongTask, job: Job, settings: Settings, path: Path
) -> Generator[Changes, None, tuple[Card, SteeringVector | None]]:
    """Check whether the vector in a file fits the child; returns the check card, and the vector if it fits."""

    def read(child: LanguageModel) -> tuple[Card, SteeringVector | None]:
        card = library.inspect(path, child)
        return card, library.open_file(path, child) if card.fits else None

    return with_child(workspace, task, job, settings, read)


def with_child(
    workspace: Workspace, task: LongTask, job: Job, settings: Settings, read: Callable[[LanguageModel], T]
) -> Generator[Changes, None, T]:
    """Do something with the child that needs no forward pass; shows progress while it is being loaded."""
    child = workspace.loaded_model(settings.child)
    if child is not None:
        return read(child)

    def work(progress: Progress) -> T:
        loaded = workspace.models(settings, part_of(progress, 0.0, 0.9))[1]
        progress(text.READING, 0.9)
        return read(loaded)

    return (yield from task.step(job, work))
