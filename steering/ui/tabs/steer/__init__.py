"""The Steer tab: a prompt, one press of Generate, and λ to drag."""

from steering.ui.events.wiring import Room
from steering.ui.tabs.steer import handlers, layout, text

ROOM = Room("steer", text.TAB, layout.build, handlers.connect)
