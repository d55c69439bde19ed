"""Handlers of "Make pairs from a task": the pairs replace those of the table, in one step that can be undone."""

from collections.abc import Iterator, Sequence

import gradio as gr

from steering.errors import Progress, SteeringError, part_of
from steering.evaluation import OWN_DESIGNS, pairs_from_answers
from steering.tasks import DESIGNS, TaskPairs, load_task, pairs_from_task
from steering.ui.background.jobs import Job
from steering.ui.events.binder import EventBinder
from steering.ui.events.long_tasks import Changes, LongTask, toast
from steering.ui.questions.form import Uploads, add_upload, known_task, task_menu
from steering.ui.render import message
from steering.ui.state.ready import check_models
from steering.ui.state.settings import Settings
from steering.ui.state.workspace import Session, Workspace
from steering.ui.tabs.concept import text
from steering.ui.tabs.concept.checking import WriteTable

LONG_TASK = LongTask("from_task", ("task_make",), "task_stop", "task_status")


def connect(events: EventBinder, table: Sequence[str], write_table: WriteTable) -> None:
    """Connect the form.

    Args:
        events: of the app.
        table: names of the components that `write_table` changes.
        write_table: writes the table and returns the changes.
    """
    page, making = events.page, MakingPairs(events.workspace, write_table)
    form = ["task_source", "task_design"]
    events.long_task(page["task_make"].click, LONG_TASK, making.make, form, table, check=making.check)
    events.stop(LONG_TASK)
    events.on(
        page["task_upload"].upload, upload, ["task_upload"], ["task_source", "tune_task"], status=LONG_TASK.status
    )


def upload(session: Session, path: str | None) -> Changes:
    """Add an uploaded task file to the menus, and choose it here."""
    if not path:
        return {}
    files = session.record(Uploads).files
    try:
        words = add_upload(files, path)
    except SteeringError as error:
        toast(str(error))
        return {"task_status": message(str(error), "error")}
    menu = task_menu(files)
    return {
        "task_source": gr.update(choices=menu, value=path),
        "tune_task": gr.update(choices=menu),
        "task_status": message(words, "good"),
    }


class MakingPairs:
    """The handlers of one app."""

    def __init__(self, workspace: Workspace, write_table: WriteTable) -> None:
        self.workspace = workspace
        self.write_table = write_table

    def check(self, session: Session, settings: Settings, source: object, design: object) -> tuple[str, str]:
        """Check what can be checked before anything long begins, and return the task and the design."""
        name, chosen = known_task(session.record(Uploads).files, source), str(design or "")
        if chosen not in text.TASK_DESIGNS:
            raise SteeringError(text.UNKNOWN_TASK_DESIGN.format(name=chosen))
        if chosen not in DESIGNS:
            check_models(self.workspace, settings)
        return name, chosen

    def make(self, session: Session, job: Job, settings: Settings, source: object, design: object) -> Iterator[Changes]:
        """Make pairs from the training part of a task, and put them into the table with their name and poles."""
        name, chosen = self.check(session, settings, source, design)
        pairs = yield from LONG_TASK.step(job, lambda progress: self._pairs(settings, name, chosen, progress))
        session.drafts[settings.concept] = session.draft(settings.concept).replaced(pairs.concept)
        yield self.write_table(session, settings.concept) | LONG_TASK.message(text.made_pairs(pairs))

    def _pairs(self, settings: Settings, source: str, design: str, progress: Progress) -> TaskPairs:
        progress(text.READING_TASK, 0.0)
        task, seed = load_task(source, "validation"), settings.sampling.seed
        if design in DESIGNS:
            return pairs_from_task(task, design, seed=seed)
        parent, child = self.workspace.models(settings, part_of(progress, 0.0, 0.2))
        return pairs_from_answers(
            task,
            design,
            child,
            parent if OWN_DESIGNS[design].needs_parent else None,
            seed=seed,
            progress=part_of(progress, 0.2, 1.0),
        )
