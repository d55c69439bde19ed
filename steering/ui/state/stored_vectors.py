"""The vectors that pages steer with: those of bundled concepts for all pages, and a page's own ones as long as it is open."""

import threading
from collections import OrderedDict
from dataclasses import dataclass
from functools import cache
from typing import TypeVar
from weakref import WeakValueDictionary

from steering.concepts import Concept, bundled_concepts, load_concept
from steering.ui.state.session import Session
from steering.ui.state.settings import Settings
from steering.vectors import SteeringVector

T = TypeVar("T")

_Key = tuple[object, ...]

_MOST = 32
"""Vectors that are stored for all pages, and for one page; beyond that the one that was stored longest ago leaves."""


@dataclass(eq=False)
class Stored:
    """A vector in memory; pages that use the same one share the place, so that a newer one reaches all of them."""

    vector: SteeringVector


class StoredVectors:
    """Vectors by everything that they depend on. Safe to call from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._shared: OrderedDict[_Key, SteeringVector] = OrderedDict()
        self._own: WeakValueDictionary[_Key, Stored] = WeakValueDictionary()
        self._from_files: WeakValueDictionary[_Key, SteeringVector] = WeakValueDictionary()

    def get(self, settings: Settings, concept: Concept) -> SteeringVector | None:
        """The vector for these settings and pairs; None if there is none."""
        key = _key(settings, concept)
        with self._lock:
            if key in self._shared:
                self._shared.move_to_end(key)
            own = self._own.get(key)
            return self._shared.get(key) or (own.vector if own else None) or self._from_files.get(key)

    def keep(self, session: Session, settings: Settings, concept: Concept, vector: SteeringVector) -> None:
        """Store a vector for these settings and pairs.

        That of a bundled concept is stored for all pages; that of a concept which was written or changed on a page until the
        last page that used it is closed.

        Args:
            session: of the page that uses it.
            settings: of the sidebar.
            concept: that it was made from.
            vector: in the child's space.
        """
        key = _key(settings, concept)
        with self._lock:
            if key in self._from_files:
                return
            if concept in _bundled():
                _put(self._shared, key, vector)
                return
            stored = self._own.setdefault(key, Stored(vector))
            stored.vector = vector
            if not session.closed:
                _put(session.vectors, key, stored)

    def keep_from_file(self, session: Session, settings: Settings, concept: Concept, vector: SteeringVector) -> None:
        """Store a vector that was read from a file, until the last page that read it is closed.

        Args:
            session: of the page that read it.
            settings: that it is used with.
            concept: from `saved_vectors.as_concept`; its digest distinguishes files of the same name.
            vector: that was read.
        """
        key = _key(settings, concept)
        with self._lock:
            # Pages that read the same file share one object, so that it exists until the last of them is closed.
            session.file_vectors[key] = self._from_files.setdefault(key, vector)
            self._own.pop(key, None)

    def from_file(self, settings: Settings, concept: Concept) -> bool:
        """Whether the vector for these settings and pairs was read from a file."""
        with self._lock:
            return _key(settings, concept) in self._from_files

    @property
    def of_pages(self) -> int:
        """Number of vectors that are stored because of open pages."""
        with self._lock:
            return len(self._own) + len(self._from_files)


def _key(settings: Settings, concept: Concept) -> _Key:
    """What a vector depends on; it carries the names that its page gave to the concept and to its poles."""
    return (*settings.vector_key(concept), concept.name, concept.positive_label, concept.negative_label)


@cache
def _bundled() -> frozenset[Concept]:
    return frozenset(map(load_concept, bundled_concepts()))


def _put(vectors: "OrderedDict[_Key, T]", key: _Key, vector: T) -> None:
    vectors[key] = vector
    vectors.move_to_end(key)
    while len(vectors) > _MOST:
        vectors.popitem(last=False)
