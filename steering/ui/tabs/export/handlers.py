"""Handlers of the export: download texts, session and report, load a session, and keep the script up to date."""

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
from steering.ui.tabs.export import files as exports
from steering.ui.tabs.export import text


def connect(events: EventBinder) -> None:
    """Connect the components of the export."""
    page = events.page

    def csv(session: Session, *fields: Any) -> str:
        return exports.write_texts(session, Settings.read(*fields))

    def session(session: Session, prompt: str, *fields: Any) -> str:
        return exports.write_session(session, fields, prompt)

    def report(session: Session, prompt: str, *fields: Any) -> str:
        return exports.write_report(session, events.workspace, Settings.read(*fields), prompt)

    download_on_click(events, page["take_csv"].click, csv, FIELDS, "take_status")
    download_on_click(events, page["take_session"].click, session, ["prompt", *FIELDS], "take_status")
    download_on_click(events, page["take_report"].click, report, ["prompt", *FIELDS], "take_status")
    # A session may bring its own concept, which is not in the menu.
    choices = {name: menu_values(page[name]) for name in FIELDS} | {"concept": None}
    events.on(
        page["take_load"].upload,
        partial(load_session, choices=choices),
        ["take_load"],
        (*FIELDS, "prompt", "viewer"),
        status="take_status",
        update_notices=True,
    )
    events.notice(partial(update_script, events.workspace), ["prompt"], ["take_script", "take_stale"])


def load_session(session: Session, path: str | None, *, choices: Mapping[str, Sequence[str] | None]) -> Changes:
    """Restore a session from its file."""
    if not path:
        return {}
    try:
        changes, words = exports.restore_session(session, Path(path), choices)
    except SteeringError as error:
        return {"take_status": message(str(error), "error")}
    return changes | {"take_status": message(words, "good")}


def update_script(workspace: Workspace, session: Session, settings: Settings, prompt: str) -> Changes:
    """Update the script, and mark texts that were generated with other settings."""
    try:
        script, stale = exports.current_script(session, workspace, settings, prompt)
    except SteeringError as error:
        return {"take_stale": message(str(error), "error")}
    return {"take_script": script, "take_stale": message(text.PYTHON_STALE if stale else "", "warning")}
