"""The Concept tab: contrast pairs to edit, checks of the pairs, and the comparison of two sets of pairs."""

from steering.ui.events.binder import Tab
from steering.ui.tabs.concept import handlers, layout, text

TAB = Tab("concept", text.TAB, layout.build, handlers.connect)
