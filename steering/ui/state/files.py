"""Files for download: each is written to a temporary folder of its own, and only the newest folders are kept.

Gradio copies a file into its own cache as soon as a handler returns its path, so earlier files are not needed any more.
"""

import tempfile
import threading
from collections import deque
from pathlib import Path

from steering.library import saved_vectors as library

MAX_FOLDERS = 16
"""Folders that are kept per session; a further one replaces the oldest."""

_DEFAULT_NAME = "steering-lab"
"""Name of a file whose own name has no character that is allowed in file names."""


class DownloadFiles:
    """The files that one session wrote for download. Safe to call from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._folders: deque[tempfile.TemporaryDirectory[str]] = deque()

    def path(self, name: str, suffix: str) -> Path:
        """A path for a new file in a new temporary folder.

        Args:
            name: of the file; any text. Characters that are not allowed in file names become a dash.
            suffix: of the file name, with its dot.
        """
        # An error while a folder is removed is ignored: the system cleans its temporary folder itself.
        folder = tempfile.TemporaryDirectory(prefix="steering-lab-", ignore_cleanup_errors=True)
        with self._lock:
            self._folders.append(folder)
            oldest = self._folders.popleft() if len(self._folders) > MAX_FOLDERS else None
        if oldest is not None:
            oldest.cleanup()
        return Path(folder.name) / (library.safe_name(name, otherwise=_DEFAULT_NAME) + suffix)

    def write(self, name: str, suffix: str, contents: str) -> str:
        """Write text to a new file; see `path`.

        Returns:
            Its path.
        """
        path = self.path(name, suffix)
        path.write_text(contents, "utf-8", errors="replace")  # Half of a surrogate pair is no UTF-8.
        return str(path)

    def remove(self) -> None:
        """Remove all files."""
        with self._lock:
            folders, self._folders = self._folders, deque()
        for folder in folders:
            folder.cleanup()
