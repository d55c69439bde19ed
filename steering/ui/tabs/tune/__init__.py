"""The Tune λ tab: the strength that answers most questions rightly, and a report on questions it was not chosen on."""

from steering.ui.events.binder import Tab
from steering.ui.tabs.tune import handlers, layout, text

TAB = Tab("tune", text.TAB, layout.build, handlers.connect)
