"""What a person keeps: saved vectors, and sessions of the page as files."""

from steering.library import saved_vectors
from steering.library.saved_vectors import Entry, carried_from
from steering.library.sessions import SavedSession, parse_session, session_text

__all__ = [
    "Entry",
    "SavedSession",
    "carried_from",
    "parse_session",
    "saved_vectors",
    "session_text",
]
