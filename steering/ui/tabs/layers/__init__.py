"""The Layers tab: which layers of parent and child correspond, and how well the vector was carried."""

from steering.ui.events.binder import Tab
from steering.ui.tabs.layers import handlers, layout, text

TAB = Tab("layers", text.TAB, layout.build, handlers.connect)
