"""The tab How it works: an explanation of the method, and what is known about it."""

from steering.ui.events.binder import Tab
from steering.ui.tabs.how import layout, text

TAB = Tab("how", text.TAB, layout.build, lambda _: None)
