"""The Studies tab: many cells from one file, run here or on the command line, their figures, and steering with one of them."""

from steering.ui.events.binder import Tab
from steering.ui.tabs.studies import handlers, layout, text

TAB = Tab("studies", text.TAB, layout.build, handlers.connect)
