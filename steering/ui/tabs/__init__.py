"""The tabs of the page, a package each: what stands on it, its words, and its handlers."""

from steering.ui.events.wiring import Room
from steering.ui.tabs import concept, how, layers, library, steer, tune, vote

ROOMS: tuple[Room, ...] = (steer.ROOM, concept.ROOM, layers.ROOM, tune.ROOM, vote.ROOM, library.ROOM, how.ROOM)
"""From left to right. A new tab is a package here, and an entry in this list."""
