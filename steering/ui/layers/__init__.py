"""The Layers tab: which layers of parent and child correspond, and how well the vector was carried."""

from steering.ui.layers import handlers, layout, text
from steering.ui.wiring import Room

ROOM = Room("layers", text.TAB, layout.build, handlers.connect)
