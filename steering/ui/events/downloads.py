"""Files that the page hands out: written on the server when they are asked for, and downloaded by the browser at once."""

from collections.abc import Callable, Sequence
from typing import Any

from steering.ui.events.binder import EventBinder
from steering.ui.events.long_tasks import Changes
from steering.ui.state.workspace import Session


def hand_out(
    events: EventBinder, trigger: Callable[..., Any], make: Callable[..., str], inputs: Sequence[str], status: str
) -> None:
    """Have a button write a file anew and the browser download it; what goes wrong is said beside the button."""

    def made(session: Session, *values: Any) -> Changes:
        return {"lib_file": make(session, *values), status: ""}

    event = events.on(trigger, made, inputs, ["lib_file"], status=status)
    deliver(events, event)


def deliver(events: EventBinder, event: Any) -> None:
    """Have the browser download what an event put into the hidden file of the tab."""
    events.js(event.then, _DOWNLOAD, ["lib_file"], ["lib_file"])


_DOWNLOAD = """(file) => {
  const one = Array.isArray(file) ? file[0] : file;
  if (!one) return null;
  const link = document.createElement("a");
  link.href = one.url;
  link.download = one.orig_name || "";
  document.body.append(link);
  link.click();
  link.remove();
  return null;
}"""
