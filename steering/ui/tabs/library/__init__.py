"""The Library tab: saved vectors, and the export of the page."""

from steering.ui.events.binder import EventBinder, Tab
from steering.ui.tabs.export import handlers as export_handlers
from steering.ui.tabs.library import handlers, layout, text


def _connect(events: EventBinder) -> None:
    handlers.connect(events)
    export_handlers.connect(events)


TAB = Tab("library", text.TAB, layout.build, _connect)
