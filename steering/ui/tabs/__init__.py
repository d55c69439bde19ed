"""The tabs of the page. Each is a package with its layout, its sentences and its handlers."""

from steering.ui.events.binder import Tab
from steering.ui.tabs import chat, concept, how, layers, library, steer, studies, tune, vote

TABS: tuple[Tab, ...] = (
    steer.TAB,
    chat.TAB,
    concept.TAB,
    layers.TAB,
    tune.TAB,
    vote.TAB,
    studies.TAB,
    library.TAB,
    how.TAB,
)
"""All tabs from left to right. A new tab is a package here and an entry in this tuple."""
