"""The Chat tab: a conversation with the child as it is and with the steered child, side by side."""

from steering.ui.events.binder import Tab
from steering.ui.tabs.chat import handlers, layout, text

TAB = Tab("chat", text.TAB, layout.build, handlers.connect)
