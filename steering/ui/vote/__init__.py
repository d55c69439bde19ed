"""The Vote tab: what every λ answers, and what most of them say."""

from steering.ui.vote import handlers, layout, text
from steering.ui.wiring import Room

ROOM = Room("vote", text.TAB, layout.build, handlers.connect)
