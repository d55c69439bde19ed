"""The Tune λ tab: the λ with the most right answers, and a report on questions that it was not chosen on."""

from steering.ui.events.binder import Tab
from steering.ui.tabs.tune import handlers, layout, text

TAB = Tab("tune", text.TAB, layout.build, handlers.connect)
