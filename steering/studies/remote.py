"""Results at an address of fsspec, such as `s3://bucket/folder`: a folder of this machine, copied there after every cell."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from steering.errors import SteeringError

_LOCAL = ("file", "local")


@dataclass
class Results:
    """Where a study's results are.

    Attributes:
        folder: on this machine.
    """

    folder: Path
    _files: Any = None
    _root: str = ""
    _sent: dict[Path, tuple[int, int]] = field(default_factory=dict)

    def fetch(self) -> None:
        """Copy what is at the address into the folder."""
        for name in self._files.find(self._root) if self._files.exists(self._root) else ():
            path = self.folder / name.removeprefix(self._root).lstrip("/")
            path.parent.mkdir(parents=True, exist_ok=True)
            self._files.get_file(name, str(path))
            self._sent[path] = _state(path)

    def send(self) -> None:
        """Copy what has changed in the folder to the address; nothing where the folder itself is the place."""
        if self._files is None:
            return
        for path in sorted(self.folder.rglob("*")):
            if path.is_file() and self._sent.get(path) != _state(path):
                state, name = _state(path), f"{self._root}/{path.relative_to(self.folder).as_posix()}"
                self._files.makedirs(name.rpartition("/")[0], exist_ok=True)
                self._files.put_file(str(path), name)
                self._sent[path] = state


@contextmanager
def results_at(out: str) -> Iterator[Results]:
    """The results at a folder, or at an address of fsspec.

    Args:
        out: a folder, or an address such as "s3://bucket/folder". Of an address, what is there is copied to a temporary folder
            first, and changes are copied back by `Results.send` and at the end, also after an error.

    Raises:
        SteeringError: an address that cannot be used, or whose file system is not installed; or what was computed could not be
            copied there: it then stays in the folder that the message names.
    """
    protocol, sign, _ = out.partition("://")
    if not sign or protocol in _LOCAL:
        yield Results(Path(out.removeprefix(f"{protocol}://") if sign else out))
        return
    import fsspec

    folder = Path(tempfile.mkdtemp(prefix="study-"))
    results = Results(folder)
    try:
        files, root = fsspec.core.url_to_fs(out)
        results = Results(folder, files, root.rstrip("/"))
        results.fetch()
    except Exception as error:  # Every file system has errors of its own.
        shutil.rmtree(folder)
        raise SteeringError(f"The results cannot be kept at {out}: {error}") from error
    try:
        yield results
    finally:
        try:
            results.send()
        except Exception as error:
            raise SteeringError(f"The results could not be copied to {out}, and stay in {folder}: {error}") from error
        shutil.rmtree(folder)


def _state(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_size, status.st_mtime_ns
