"""The tab How it works: the method in plain words, and what is known and what is not."""

from steering.ui.events.wiring import Room
from steering.ui.tabs.how import layout, text

ROOM = Room("how", text.TAB, layout.build, lambda _: None)
