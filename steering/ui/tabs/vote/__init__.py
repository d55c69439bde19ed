"""The Vote tab: the answers at every λ, and the majority vote over them."""

from steering.ui.events.binder import Tab
from steering.ui.tabs.vote import handlers, layout, text

TAB = Tab("vote", text.TAB, layout.build, handlers.connect)
