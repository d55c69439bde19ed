"""The Library tab: vectors that are kept, and everything that can be taken away from the page."""

from steering.ui.events.wiring import Room, Wire
from steering.ui.tabs.export import handlers as takeaway_handlers
from steering.ui.tabs.library import handlers, layout, text


def _connect(wire: Wire) -> None:
    handlers.connect(wire)
    takeaway_handlers.connect(wire)


ROOM = Room("library", text.TAB, layout.build, _connect)
