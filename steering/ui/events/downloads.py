"""Downloads: a button writes a file on the server, and the browser then downloads it."""

from collections.abc import Callable, Sequence
from typing import Any

from steering.ui.events.binder import EventBinder
from steering.ui.events.long_tasks import Changes
from steering.ui.state.workspace import Session


def download_on_click(
    events: EventBinder, trigger: Callable[..., Any], write_file: Callable[..., str], inputs: Sequence[str], status: str
) -> None:
    """Write a file when an event occurs, and download it.

    Args:
        events: of the app.
        trigger: an event, usually a click on a button.
        write_file: called with the session and the values of the inputs; returns the path of the file.
        inputs: names of components.
        status: name of the component that shows errors.
    """

    def write(session: Session, *values: Any) -> Changes:
        return {"lib_file": write_file(session, *values), status: ""}

    event = events.on(trigger, write, inputs, ["lib_file"], status=status)
    start_download(events, event)


def start_download(events: EventBinder, event: Any) -> None:
    """Download the file in the hidden component "lib_file" after an event."""
    events.js(event.then, _DOWNLOAD, ["lib_file"], ["lib_file"])


_DOWNLOAD = """(file) => {
  const first = Array.isArray(file) ? file[0] : file;
  if (!first) return null;
  const link = document.createElement("a");
  link.href = first.url;
  link.download = first.orig_name || "";
  document.body.append(link);
  link.click();
  link.remove();
  return null;
}"""
