"""The Vote tab: what every λ answers, and what most of them say."""

from steering.ui.events.wiring import Room
from steering.ui.tabs.vote import handlers, layout, text

ROOM = Room("vote", text.TAB, layout.build, handlers.connect)
