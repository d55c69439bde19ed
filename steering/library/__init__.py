"""What a person keeps: saved vectors on a shelf, and sessions of the page as files."""

from steering.library import saved_vectors
from steering.library.saved_vectors import carried_from
from steering.library.sessions import SavedSession, parse_session, session_text
from steering.library.shelf import Entry, Shelf

__all__ = [
    "Entry",
    "SavedSession",
    "Shelf",
    "carried_from",
    "parse_session",
    "saved_vectors",
    "session_text",
]
