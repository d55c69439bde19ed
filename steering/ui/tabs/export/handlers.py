"""Events of taking the page away and bringing it back: its texts, the session, the report, and the script."""

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from steering.errors import SteeringError
from steering.ui.events.binder import EventBinder
from steering.ui.events.downloads import download_on_click
from steering.ui.events.long_tasks import Changes
from steering.ui.render import message
from steering.ui.sidebar.layout import menu_values
from steering.ui.state.settings import FIELDS, Settings
from steering.ui.state.workspace import Session, Workspace
from steering.ui.tabs.export import files as takeaway
from steering.ui.tabs.export import text


def connect(events: EventBinder) -> None:
    """Connect the lower part of the tab."""
    page = events.page

    def csv(session: Session, *fields: Any) -> str:
        return takeaway.texts_file(session, Settings.read(*fields))

    def session(session: Session, prompt: str, *fields: Any) -> str:
        return takeaway.session_file(session, fields, prompt)

    def report(session: Session, prompt: str, *fields: Any) -> str:
        return takeaway.report_file(session, events.workspace, Settings.read(*fields), prompt)

    download_on_click(events, page["take_csv"].click, csv, FIELDS, "take_status")
    download_on_click(events, page["take_session"].click, session, ["prompt", *FIELDS], "take_status")
    download_on_click(events, page["take_report"].click, report, ["prompt", *FIELDS], "take_status")
    choices = {name: menu_values(page[name]) for name in FIELDS} | {"concept": None}  # a session brings its own
    events.on(
        page["take_load"].upload,
        partial(load, choices=choices),
        ["take_load"],
        (*FIELDS, "prompt", "viewer"),
        status="take_status",
        update_notices=True,
    )
    events.notice(partial(python, events.workspace), ["prompt"], ["take_script", "take_stale"])


def load(session: Session, path: str | None, *, choices: Mapping[str, Sequence[str] | None]) -> Changes:
    """Bring a session back from its file."""
    if not path:
        return {}
    try:
        changes, words = takeaway.load(session, Path(path), choices)
    except SteeringError as error:
        return {"take_status": message(str(error), "error")}
    return changes | {"take_status": message(words, "good")}


def python(workspace: Workspace, session: Session, settings: Settings, prompt: str) -> Changes:
    """Keep the script up to date."""
    try:
        script, stale = takeaway.script_of(session, workspace, settings, prompt)
    except SteeringError as error:
        return {"take_stale": message(str(error), "error")}
    return {"take_script": script, "take_stale": message(text.PYTHON_STALE if stale else "", "warning")}
