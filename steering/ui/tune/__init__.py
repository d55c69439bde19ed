"""The Tune λ tab: the strength that answers most questions rightly, and a report on questions it was not chosen on."""

from steering.ui.tune import handlers, layout, text
from steering.ui.wiring import Room

ROOM = Room("tune", text.TAB, layout.build, handlers.connect)
