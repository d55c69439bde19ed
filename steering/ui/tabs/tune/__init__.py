"""The Tune λ tab: the strength that answers most questions rightly, and a report on questions it was not chosen on."""

from steering.ui.events.wiring import Room
from steering.ui.tabs.tune import handlers, layout, text

ROOM = Room("tune", text.TAB, layout.build, handlers.connect)
