"""The Library tab: vectors that are kept, and everything that can be taken away from the page."""

from steering.ui.library import handlers, layout, text
from steering.ui.wiring import Room

ROOM = Room("library", text.TAB, layout.build, handlers.connect)
