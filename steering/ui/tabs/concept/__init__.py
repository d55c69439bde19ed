"""The Concept tab: contrast pairs to edit, and what is wrong with them."""

from steering.ui.events.binder import Tab
from steering.ui.tabs.concept import handlers, layout, text

TAB = Tab("concept", text.TAB, layout.build, handlers.connect)
