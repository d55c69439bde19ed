"""The Steer tab: a prompt, and the texts that it gives at every λ."""

from steering.ui.events.binder import Tab
from steering.ui.tabs.steer import handlers, layout, text

TAB = Tab("steer", text.TAB, layout.build, handlers.connect)
