"""Events of saved vectors: keeping, checking, using, comparing and exporting them."""

import shutil
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr

from steering.errors import Progress, SteeringError, part_of
from steering.interop import Card, export_vector
from steering.library import Entry
from steering.library import saved_vectors as library
from steering.ui.background.jobs import Job
from steering.ui.events.binder import EventBinder
from steering.ui.events.downloads import download_on_click, start_download
from steering.ui.events.long_tasks import Changes, LongTask
from steering.ui.render import message, note
from steering.ui.state.drafts import Draft
from steering.ui.state.settings import FIELDS, FILE_PREFIX, Settings, required_number
from steering.ui.state.workspace import Session, Workspace
from steering.ui.tabs.library import render, text
from steering.ui.tabs.library.comparing import COMPARED, compared
from steering.vectors import DIRECTION_METHODS, SteeringVector

LONG_TASK = LongTask("library", ("lib_save", "lib_upload", "lib_check", "lib_write"), "lib_stop", "lib_status")

_SAVED = (
    "lib_table", "lib_chosen", "lib_details", "lib_card", "lib_check", "lib_use", "lib_download", "lib_delete", "lib_undo",
    "lib_other",
)  # fmt: skip


def connect(events: EventBinder) -> None:
    """Connect the tab."""
    page, saved = events.page, SavedVectors(events.workspace)
    events.on(events.demo.load, saved.shown, outputs=_SAVED, status=LONG_TASK.status)
    picked = events.js(page["lib_table"].select, _PICKED, outputs=["lib_chosen"])
    events.on(picked.then, saved.choose, ["lib_chosen", "lib_other"], (*_SAVED, *COMPARED), status=LONG_TASK.status)
    events.on(page["lib_other"].input, compared, ["lib_chosen", "lib_other"], COMPARED, status=LONG_TASK.status)
    events.long_task(page["lib_save"].click, LONG_TASK, saved.save, ["lib_name"], (*_SAVED, "lib_name"))
    events.long_task(page["lib_upload"].upload, LONG_TASK, saved.upload, ["lib_upload"], ["lib_card", "lib_uploaded"])
    events.long_task(page["lib_check"].click, LONG_TASK, saved.check, ["lib_chosen"], ["lib_card", "lib_use"])
    events.long_task(page["lib_keep"].click, LONG_TASK, saved.keep, ["lib_unit"], (*_SAVED, "lib_uploaded"))
    events.on(page["lib_use"].click, saved.use, FIELDS, FIELDS, status=LONG_TASK.status, update_notices=True)
    events.on(page["lib_delete"].click, saved.delete, ["lib_chosen"], (*_SAVED, *COMPARED), status=LONG_TASK.status)
    events.on(page["lib_undo"].click, saved.undo, outputs=_SAVED, status=LONG_TASK.status)
    download_on_click(events, page["lib_download"].click, saved.download, ["lib_chosen"], "lib_status")
    written = events.long_task(
        page["lib_write"].click, LONG_TASK, saved.write, ["lib_format", "lib_lam"], ["lib_notes", "lib_file"]
    )
    start_download(events, written)
    events.stop(LONG_TASK)


@dataclass
class LibraryState:
    """What the tab remembers.

    Attributes:
        name: of the vector that is chosen in the table.
        checked: the vector that was checked last and fits, with the child that it was checked for.
        uploaded: a file that was uploaded and fits; None where there is none.
    """

    name: str = ""
    checked: tuple[str, SteeringVector] | None = None
    uploaded: Path | None = None


class SavedVectors:
    """The events of the saved vectors of one running app."""

    def __init__(self, workspace: Workspace) -> None:
        self.workspace = workspace

    def shown(self, session: Session) -> Changes:
        """The table, and what goes with the vector that is chosen in it."""
        found, chosen = library.entries(), session.record(LibraryState)
        entry = next((entry for entry in found if entry.name == chosen.name), None)
        chosen.name, chosen.checked = (entry.name if entry else ""), None
        there = entry is not None
        return {
            "lib_table": render.rows(found, chosen.name),
            "lib_chosen": chosen.name,
            "lib_details": render.details(entry) if entry else "",
            "lib_card": "",
            "lib_check": gr.update(interactive=entry is not None and entry.vector is not None),
            "lib_use": gr.update(interactive=False),
            "lib_download": gr.update(interactive=there),
            "lib_delete": gr.update(interactive=there),
            "lib_undo": gr.update(interactive=bool(library.deleted())),
            "lib_other": gr.update(choices=[one.name for one in found if one.vector and one.name != chosen.name]),
        }

    def choose(self, session: Session, name: str, other: str | None) -> Changes:
        """Show what the vector says that was chosen in the table."""
        session.record(LibraryState).name = name
        return self.shown(session) | compared(session, name, other)

    def save(self, session: Session, job: Job, settings: Settings, name: str) -> Iterator[Changes]:
        """Save the vector of the sidebar's settings, made when it is missing."""
        concept = session.draft(settings.concept).concept

        def work(progress: Progress) -> SteeringVector:
            return self.workspace.vector(settings, concept, progress)

        vector = yield from LONG_TASK.step(job, work)
        session.vector_key = settings.vector_key(concept)
        entry = library.keep(vector, name)
        yield {"lib_name": ""} | self._saved(session, entry)

    def upload(self, session: Session, job: Job, settings: Settings, path: str | None) -> Iterator[Changes]:
        """Check a file that was uploaded against the child."""
        chosen = session.record(LibraryState)
        chosen.uploaded = None
        yield {"lib_uploaded": gr.update(visible=False), "lib_card": ""}
        if not path:
            return
        found, _ = yield from self._inspect(job, settings, Path(path))
        if found.fits:
            chosen.uploaded = Path(path)
        yield {"lib_card": render.card(found), "lib_uploaded": gr.update(visible=found.fits)} | _fit_message(found)

    def keep(self, session: Session, job: Job, settings: Settings, unit_length: bool) -> Iterator[Changes]:
        """Keep the file that was uploaded and checked."""
        path = session.record(LibraryState).uploaded
        if path is None:
            raise SteeringError(text.CHECK_FIRST)

        def work(progress: Progress) -> SteeringVector:
            child = self.workspace.models(settings, progress)[1]
            return library.open_file(path, child, unit_length=unit_length)

        vector = yield from LONG_TASK.step(job, work)
        entry = library.keep(vector, library.safe_name(path.stem, otherwise=library.proposed_name(vector)))
        session.record(LibraryState).uploaded = None
        yield {"lib_uploaded": gr.update(visible=False)} | self._saved(session, entry)

    def check(self, session: Session, job: Job, settings: Settings, name: str) -> Iterator[Changes]:
        """Check the chosen vector against the child; only what fits can be used."""
        if not name:
            raise SteeringError(text.CHOOSE_FIRST)
        path = library.entry(name).path
        session.record(LibraryState).checked = None
        found, vector = yield from self._inspect(job, settings, path)
        if vector is not None:
            session.record(LibraryState).checked = (settings.child, vector)
        yield {"lib_card": render.card(found), "lib_use": gr.update(interactive=found.fits)} | _fit_message(found)

    def use(self, session: Session, *fields: Any) -> Changes:
        """Steer with the vector that was checked: the sidebar says what made it, and its concept menu names the file."""
        settings, chosen = Settings.read(*fields), session.record(LibraryState)
        if chosen.checked is None or chosen.checked[0] != settings.child:
            return {"lib_status": message(text.CHECK_FIRST, "error")}
        vector = chosen.checked[1]
        report = vector.report or {}
        concept = library.as_concept(vector, FILE_PREFIX + chosen.name)
        made = {
            "method": vector.method if vector.method in DIRECTION_METHODS else settings.method,
            "layers": str(report.get("layers", settings.layers)),
            "width": str(report.get("width", settings.width)),
        }
        settings = Settings.read(
            *({**dict(zip(FIELDS, fields, strict=True)), **made, "concept": concept.name}[name] for name in FIELDS)
        )
        session.drafts[concept.name] = Draft(concept, concept)
        self.workspace.keep_file_vector(session, settings, concept, vector)
        session.vector_key = settings.vector_key(concept)
        menu = gr.update(choices=session.concepts, value=concept.name)
        status = message(text.used(chosen.name, vector.concept), "good")
        return {**made, "concept": menu, "lib_status": status}

    def delete(self, session: Session, name: str) -> Changes:
        """Delete the chosen vector; the last one can be brought back."""
        try:
            library.delete(name)
        except SteeringError as error:
            return self.shown(session) | {"lib_status": message(str(error), "error")}
        status = {"lib_status": message(text.removed(name), "good")}
        return self.shown(session) | compared(session, "", None) | status

    def undo(self, session: Session) -> Changes:
        """Bring back what was deleted last."""
        session.record(LibraryState).name = library.restore().name
        status = {"lib_status": message(text.brought_back(session.record(LibraryState).name), "good")}
        return self.shown(session) | status

    def download(self, session: Session, name: str) -> str:
        """The chosen file, where the browser may fetch it."""
        path = library.entry(name).path
        return str(shutil.copy(path, session.files.path(path.stem, path.suffix)))

    def write(
        self, session: Session, job: Job, settings: Settings, format: str, lam: float | None
    ) -> Iterator[Changes]:
        """Write the current vector as a file of another tool."""
        strength = required_number(text.LAM, lam)
        concept = session.draft(settings.concept).concept
        yield {"lib_file": None, "lib_notes": ""}

        def work(progress: Progress) -> Any:
            vector = self.workspace.vector(settings, concept, part_of(progress, 0.0, 0.95))
            progress(text.WRITING, 0.95)
            path = session.files.path(library.proposed_name(vector), text.ENDINGS[format])
            child = self.workspace.models(settings)[1]
            return export_vector(vector, path, format, lam=strength, child=child, settings=settings.steering)

        done = yield from LONG_TASK.step(job, work)
        words = text.written(done.path.name, done.layers, done.lam, done.scale)
        yield {"lib_file": str(done.path), "lib_notes": "".join(map(note, done.notes))} | LONG_TASK.message(words)

    def _saved(self, session: Session, entry: Entry) -> Changes:
        """The table with a new file, which is chosen."""
        session.record(LibraryState).name = entry.name
        return self.shown(session) | LONG_TASK.message(text.saved(entry.path.name, str(entry.path.parent)))

    def _inspect(
        self, job: Job, settings: Settings, path: Path
    ) -> Generator[Changes, None, tuple[Card, SteeringVector | None]]:
        """How a file fits the child; and its vector, where it does."""

        def work(progress: Progress) -> tuple[Card, SteeringVector | None]:
            child = self.workspace.models(settings, part_of(progress, 0.0, 0.9))[1]
            progress(text.READING, 0.9)
            found = library.inspect(path, child)
            return found, library.open_file(path, child) if found.fits else None

        return LONG_TASK.step(job, work)


def _fit_message(found: Card) -> Changes:
    return LONG_TASK.message(
        text.FITS if found.fits else text.STOPS.format(model=found.model), "good" if found.fits else "error"
    )


_PICKED = """() => document.querySelector("#lib-table .vectors").dataset.chosen"""
