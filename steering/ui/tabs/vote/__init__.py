"""The Vote tab: what every λ answers, and what most of them say."""

from steering.ui.events.binder import Tab
from steering.ui.tabs.vote import handlers, layout, text

TAB = Tab("vote", text.TAB, layout.build, handlers.connect)
