"""The Concept tab: contrast pairs to edit, and what is wrong with them."""

from steering.ui.concept import handlers, layout, text
from steering.ui.wiring import Room

ROOM = Room("concept", text.TAB, layout.build, handlers.connect)
