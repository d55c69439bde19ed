"""The Library tab: vectors that are kept, and everything that can be taken away from the page."""

from steering.ui.events.binder import EventBinder, Tab
from steering.ui.tabs.export import handlers as takeaway_handlers
from steering.ui.tabs.library import handlers, layout, text


def _connect(events: EventBinder) -> None:
    handlers.connect(events)
    takeaway_handlers.connect(events)


TAB = Tab("library", text.TAB, layout.build, _connect)
