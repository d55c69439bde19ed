"""The tab How it works: the method in plain words, and what is known and what is not."""

from steering.ui.events.binder import Tab
from steering.ui.tabs.how import layout, text

TAB = Tab("how", text.TAB, layout.build, lambda _: None)
