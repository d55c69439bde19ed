"""The Steer tab: a prompt, one press of Generate, and λ to drag."""

from steering.ui.steer import handlers, layout, text
from steering.ui.wiring import Room

ROOM = Room("steer", text.TAB, layout.build, handlers.connect)
