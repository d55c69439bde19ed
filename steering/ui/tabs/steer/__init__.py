"""The Steer tab: a prompt, one press of Generate, and λ to drag."""

from steering.ui.events.binder import Tab
from steering.ui.tabs.steer import handlers, layout, text

TAB = Tab("steer", text.TAB, layout.build, handlers.connect)
