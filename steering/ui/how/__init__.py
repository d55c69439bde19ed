"""The tab How it works: the method in plain words, and what is known and what is not."""

from steering.ui.how import layout, text
from steering.ui.wiring import Room

ROOM = Room("how", text.TAB, layout.build, lambda _: None)
