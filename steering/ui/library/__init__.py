"""The Library tab: vectors that are kept, and everything that can be taken away from the page."""

from steering.ui.library import handlers, layout, takeaway_handlers, text
from steering.ui.wiring import Room, Wire


def _connect(wire: Wire) -> None:
    handlers.connect(wire)
    takeaway_handlers.connect(wire)


ROOM = Room("library", text.TAB, layout.build, _connect)
