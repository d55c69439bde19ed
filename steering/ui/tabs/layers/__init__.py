"""The Layers tab: which layers of parent and child correspond, and how well the vector was carried."""

from steering.ui.events.wiring import Room
from steering.ui.tabs.layers import handlers, layout, text

ROOM = Room("layers", text.TAB, layout.build, handlers.connect)
