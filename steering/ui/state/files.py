"""Files that a page hands out: each in a temporary folder of its own, and only the newest of them are kept.

Gradio copies a file into its own cache as soon as a handler returns its path, so an earlier one is not needed any more.
"""

import tempfile
import threading
from collections import deque
from pathlib import Path

from steering.library import saved_vectors as library

MOST_FOLDERS = 16
"""Folders that one page keeps; with a new one the oldest is removed."""

_NAMELESS = "steering-lab"
"""What a file is called when nothing of its name can stand in a file name."""


class HandedOut:
    """The files that one page handed out. Safe to call from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._folders: deque[tempfile.TemporaryDirectory[str]] = deque()

    def path(self, name: str, ending: str) -> Path:
        """A path at which nothing lies yet, alone in a new temporary folder.

        Args:
            name: what to call the file; any text. What cannot stand in a file name becomes a dash.
            ending: of the file name, with its dot.
        """
        # Nobody reads a file that is being removed: what fails on the way is left to the system's own sweep.
        folder = tempfile.TemporaryDirectory(prefix="steering-lab-", ignore_cleanup_errors=True)
        with self._lock:
            self._folders.append(folder)
            oldest = self._folders.popleft() if len(self._folders) > MOST_FOLDERS else None
        if oldest is not None:
            oldest.cleanup()
        return Path(folder.name) / (library.safe_name(name, otherwise=_NAMELESS) + ending)

    def write(self, name: str, ending: str, contents: str) -> str:
        """Write text to a new file; see `path`.

        Returns:
            Its path.
        """
        path = self.path(name, ending)
        path.write_text(contents, "utf-8", errors="replace")  # Half of a surrogate pair is no UTF-8.
        return str(path)

    def remove(self) -> None:
        """Remove all of them."""
        with self._lock:
            folders, self._folders = self._folders, deque()
        for folder in folders:
            folder.cleanup()
