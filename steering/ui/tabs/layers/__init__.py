"""The Layers tab: similarity of parent and child layers, the layer profile, and the transfer report."""

from steering.ui.events.binder import Tab
from steering.ui.tabs.layers import handlers, layout, text

TAB = Tab("layers", text.TAB, layout.build, handlers.connect)
