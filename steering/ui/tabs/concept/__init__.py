"""The Concept tab: contrast pairs to edit, and what is wrong with them."""

from steering.ui.events.wiring import Room
from steering.ui.tabs.concept import handlers, layout, text

ROOM = Room("concept", text.TAB, layout.build, handlers.connect)
