"""Handlers of saved vectors: save, check, use, compare, delete and export them."""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr

from steering.errors import Progress, SteeringError, part_of
from steering.interop import FROM_EMBEDDINGS, Card, export_vector
from steering.library import Entry
from steering.library import saved_vectors as library
from steering.models import LanguageModel
from steering.ui.background.jobs import Job
from steering.ui.events.binder import EventBinder
from steering.ui.events.downloads import download_on_click, start_download
from steering.ui.events.long_tasks import Changes, LongTask
from steering.ui.render import message, note
from steering.ui.state.file_vectors import use_file_vector
from steering.ui.state.ready import check_models, check_writing
from steering.ui.state.settings import FIELDS, Settings, required_number
from steering.ui.state.workspace import Session, Workspace
from steering.ui.tabs.library import render, text
from steering.ui.tabs.library.comparing import COMPARISON_OUTPUTS, compare_vectors
from steering.ui.tabs.library.reading import inspect_file, with_child
from steering.vectors import SteeringVector

LONG_TASK = LongTask("library", ("lib_save", "lib_upload", "lib_check", "lib_write"), "lib_stop", "lib_status")

_TABLE_OUTPUTS = (
    "lib_table", "lib_chosen", "lib_details", "lib_card", "lib_check", "lib_use", "lib_download", "lib_delete", "lib_undo",
    "lib_other",
)  # fmt: skip

_UPLOADED = ("lib_card", "lib_uploaded", "lib_from_one")
_KEPT = (*_TABLE_OUTPUTS, "lib_uploaded")


def connect(events: EventBinder) -> None:
    """Connect the tab."""
    page, vectors = events.page, SavedVectors(events.workspace)
    events.on(events.demo.load, vectors.table_changes, outputs=_TABLE_OUTPUTS, status=LONG_TASK.status)
    if "gain_used" in page:
        events.on(page["gain_used"].change, vectors.table_changes, outputs=_TABLE_OUTPUTS, status=LONG_TASK.status)
    name_read = events.js(page["lib_table"].select, _READ_CHOSEN_NAME, outputs=["lib_chosen"])
    events.on(
        name_read.then,
        vectors.choose,
        ["lib_chosen", "lib_other"],
        (*_TABLE_OUTPUTS, *COMPARISON_OUTPUTS),
        status=LONG_TASK.status,
    )
    events.on(
        page["lib_other"].input,
        compare_vectors,
        ["lib_chosen", "lib_other"],
        COMPARISON_OUTPUTS,
        status=LONG_TASK.status,
        latest=True,
    )
    saved = (*_TABLE_OUTPUTS, "lib_name")
    light: dict[str, Any] = {"light": vectors.has_child, "check": vectors.check_models}
    events.long_task(
        page["lib_save"].click,
        LONG_TASK,
        vectors.save,
        ["lib_name"],
        saved,
        check=vectors.check_save,
        light=vectors.has_vector,
    )
    events.long_task(page["lib_upload"].upload, LONG_TASK, vectors.upload, ["lib_upload"], _UPLOADED, **light)
    check = ["lib_card", "lib_use"]
    events.long_task(page["lib_check"].click, LONG_TASK, vectors.check, ["lib_chosen"], check, **light)
    events.long_task(page["lib_keep"].click, LONG_TASK, vectors.keep, ["lib_unit", "lib_from_one"], _KEPT, **light)
    events.on(page["lib_use"].click, vectors.use, FIELDS, FIELDS, status=LONG_TASK.status, update_notices=True)
    events.on(
        page["lib_delete"].click,
        vectors.delete,
        ["lib_chosen"],
        (*_TABLE_OUTPUTS, *COMPARISON_OUTPUTS),
        status=LONG_TASK.status,
    )
    events.on(page["lib_undo"].click, vectors.undo, outputs=_TABLE_OUTPUTS, status=LONG_TASK.status)
    download_on_click(events, page["lib_download"].click, vectors.download, ["lib_chosen"], "lib_status")
    export = events.long_task(
        page["lib_write"].click,
        LONG_TASK,
        vectors.write,
        ["lib_format", "lib_lam"],
        ["lib_notes", "lib_file"],
        check=vectors.check_write,
    )
    start_download(events, export)
    events.stop(LONG_TASK)


@dataclass
class LibraryState:
    """State of the tab.

    Attributes:
        name: of the vector that is chosen in the table; "" for none.
        checked: the name of the child and the vector of the last check, if the vector fits; None otherwise.
        uploaded: the last uploaded file if its vector fits, or may fit when it is counted from 1; None otherwise.
    """

    name: str = ""
    checked: tuple[str, SteeringVector] | None = None
    uploaded: Path | None = None


class SavedVectors:
    """The handlers of one app."""

    def __init__(self, workspace: Workspace) -> None:
        self.workspace = workspace

    def table_changes(self, session: Session) -> Changes:
        """Update the table, and all components that depend on the vector that is chosen in it."""
        entries, state = session.shelf.entries(), session.record(LibraryState)
        entry = next((entry for entry in entries if entry.name == state.name), None)
        state.name, state.checked = (entry.name if entry else ""), None
        has_entry = entry is not None
        return {
            "lib_table": render.rows(entries, state.name),
            "lib_chosen": state.name,
            "lib_details": render.details(entry) if entry else "",
            "lib_card": "",
            "lib_check": gr.update(interactive=entry is not None and entry.vector is not None),
            "lib_use": gr.update(interactive=False),
            "lib_download": gr.update(interactive=has_entry),
            "lib_delete": gr.update(interactive=has_entry),
            "lib_undo": gr.update(interactive=bool(session.shelf.deleted())),
            "lib_other": gr.update(
                choices=[candidate.name for candidate in entries if candidate.vector and candidate.name != state.name]
            ),
        }

    def choose(self, session: Session, name: str, other_name: str | None) -> Changes:
        """Show the details of the vector that was chosen in the table."""
        session.record(LibraryState).name = name
        return self.table_changes(session) | compare_vectors(session, name, other_name)

    def has_vector(self, session: Session, settings: Settings, *_values: Any) -> bool:
        """Whether the vector of the sidebar's settings is ready, so that no model is needed."""
        return self.workspace.vectors.get(settings, session.draft(settings.concept).concept) is not None

    def has_child(self, _session: Session, settings: Settings, *_values: Any) -> bool:
        """Whether the child is loaded; a file is compared with it without a forward pass."""
        return self.workspace.loaded_model(settings.child) is not None

    def check_models(self, _session: Session, settings: Settings, *_values: Any) -> None:
        """Check that the models can be loaded."""
        check_models(self.workspace, settings)

    def check_save(self, session: Session, settings: Settings, _name: str) -> None:
        """Check that there is a vector, or that one can be made."""
        check_writing(self.workspace, session, settings)

    def check_write(self, session: Session, settings: Settings, _format: str, lam: float | None) -> None:
        """Check what can be checked before the file of another tool is written."""
        required_number(text.LAM, lam)
        check_writing(self.workspace, session, settings)

    def save(self, session: Session, job: Job, settings: Settings, name: str) -> Iterator[Changes]:
        """Save the vector of the sidebar's settings; it is computed if it is missing."""
        concept = session.draft(settings.concept).concept

        def work(progress: Progress) -> SteeringVector:
            return self.workspace.vector(session, settings, concept, progress)

        vector = self.workspace.vectors.get(settings, concept)
        if vector is None:
            vector = yield from LONG_TASK.step(job, work)
        session.vector_key = settings.vector_key(concept)
        entry = session.shelf.keep(vector, name)
        yield {"lib_name": ""} | self._saved(session, entry)

    def upload(self, session: Session, job: Job, settings: Settings, path: str | None) -> Iterator[Changes]:
        """Check whether the vector in an uploaded file fits the child."""
        state = session.record(LibraryState)
        state.uploaded = None
        yield {"lib_uploaded": gr.update(visible=False), "lib_card": ""}
        if not path:
            return
        card, _ = yield from inspect_file(self.workspace, LONG_TASK, job, settings, Path(path))
        usable = card.fits or any(finding.advice == FROM_EMBEDDINGS for finding in card.findings)
        if usable:
            state.uploaded = Path(path)
        yield {
            "lib_card": render.fit_card(card),
            "lib_uploaded": gr.update(visible=usable),
            "lib_from_one": False,
        } | _fit_message(card)

    def keep(
        self, session: Session, job: Job, settings: Settings, unit_length: bool, from_one: bool = False
    ) -> Iterator[Changes]:
        """Save the vector of the uploaded file, which was checked before."""
        path = session.record(LibraryState).uploaded
        if path is None:
            raise SteeringError(text.CHECK_FIRST)

        def read(child: LanguageModel) -> SteeringVector:
            return library.open_file(path, child, unit_length=unit_length, count_from=int(from_one))

        vector = yield from with_child(self.workspace, LONG_TASK, job, settings, read)
        entry = session.shelf.keep(vector, library.safe_name(path.stem, otherwise=library.proposed_name(vector)))
        session.record(LibraryState).uploaded = None
        yield {"lib_uploaded": gr.update(visible=False)} | self._saved(session, entry)

    def check(self, session: Session, job: Job, settings: Settings, name: str) -> Iterator[Changes]:
        """Check whether the chosen vector fits the child; only then it can be used."""
        if not name:
            raise SteeringError(text.CHOOSE_FIRST)
        path = session.shelf.entry(name).path
        session.record(LibraryState).checked = None
        card, vector = yield from inspect_file(self.workspace, LONG_TASK, job, settings, path)
        if vector is not None:
            session.record(LibraryState).checked = (settings.child, vector)
        yield {"lib_card": render.fit_card(card), "lib_use": gr.update(interactive=card.fits)} | _fit_message(card)

    def use(self, session: Session, *fields: Any) -> Changes:
        """Steer with the checked vector: the sidebar shows its method and maps, and its name in the concept menu."""
        settings, state = Settings.read(*fields), session.record(LibraryState)
        if state.checked is None or state.checked[0] != settings.child:
            return {"lib_status": message(text.CHECK_FIRST, "error")}
        vector = state.checked[1]
        values = use_file_vector(self.workspace, session, dict(zip(FIELDS, fields, strict=True)), vector, state.name)
        menu = gr.update(choices=session.concepts, value=values["concept"])
        status = message(text.used(state.name, vector.concept), "good")
        return {name: values[name] for name in ("method", "layers", "width")} | {"concept": menu, "lib_status": status}

    def delete(self, session: Session, name: str) -> Changes:
        """Delete the chosen vector; the last deletion can be undone."""
        try:
            session.shelf.delete(name)
        except SteeringError as error:
            return self.table_changes(session) | {"lib_status": message(str(error), "error")}
        status = {"lib_status": message(text.removed(name), "good")}
        return self.table_changes(session) | compare_vectors(session, "", None) | status

    def undo(self, session: Session) -> Changes:
        """Restore the vector that was deleted last."""
        session.record(LibraryState).name = session.shelf.restore().name
        status = {"lib_status": message(text.brought_back(session.record(LibraryState).name), "good")}
        return self.table_changes(session) | status

    def download(self, session: Session, name: str) -> str:
        """Copy the chosen file to a folder from which Gradio serves files; returns the path of the copy."""
        path = session.shelf.entry(name).path
        return str(shutil.copy(path, session.files.path(path.stem, path.suffix)))

    def write(
        self, session: Session, job: Job, settings: Settings, format: str, lam: float | None
    ) -> Iterator[Changes]:
        """Write the current vector in the file format of another tool."""
        strength = required_number(text.LAM, lam)
        concept = session.draft(settings.concept).concept
        yield {"lib_file": None, "lib_notes": ""}

        def work(progress: Progress) -> Any:
            vector = self.workspace.vector(session, settings, concept, part_of(progress, 0.0, 0.95))
            progress(text.WRITING, 0.95)
            path = session.files.path(library.proposed_name(vector), text.ENDINGS[format])
            child = self.workspace.models(settings)[1]
            return export_vector(vector, path, format, lam=strength, child=child, settings=settings.steering)

        export = yield from LONG_TASK.step(job, work)
        words = text.written(export.path.name, export.layers, export.lam, export.scale)
        yield {"lib_file": str(export.path), "lib_notes": "".join(map(note, export.notes))} | LONG_TASK.message(words)

    def _saved(self, session: Session, entry: Entry) -> Changes:
        """Update the table after a vector was saved, and choose it."""
        session.record(LibraryState).name = entry.name
        folder = "" if session.visitor.name else str(entry.path.parent)  # A visitor cannot look there.
        return self.table_changes(session) | LONG_TASK.message(text.saved(entry.path.name, folder))


def _fit_message(card: Card) -> Changes:
    return LONG_TASK.message(
        text.FITS if card.fits else text.STOPS.format(model=card.model), "good" if card.fits else "error"
    )


_READ_CHOSEN_NAME = """() => document.querySelector("#lib-table .vectors").dataset.chosen"""
