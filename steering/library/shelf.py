"""A shelf: the folder of vector files that one person keeps.

Deleting moves a file aside, so that the last deletion can be taken back.
"""

import os
import uuid
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from steering.errors import SteeringError
from steering.library.saved_vectors import proposed_name, safe_name
from steering.storage import data_dir, full_disk
from steering.vectors import SteeringVector, load_vector, save_vector

_ASIDE = ".deleted"


@dataclass(frozen=True)
class Entry:
    """One file of a shelf.

    Attributes:
        name: of the file, without its ending.
        path: the file.
        size: in bytes.
        saved: when it was written, in this machine's time.
        vector: what it holds; None where it cannot be read.
        problem: why it cannot be read; "" where it can.
    """

    name: str
    path: Path
    size: int
    saved: datetime
    vector: SteeringVector | None
    problem: str = ""


@dataclass(frozen=True)
class Shelf:
    """The vector files in one folder.

    Attributes:
        folder: where the files lie; it may not exist yet.
        most: number of files from which on no further one is kept; None for no limit.
    """

    folder: Path
    most: int | None = None

    @staticmethod
    def own() -> "Shelf":
        """The shelf of the person whom this machine's account belongs to."""
        return Shelf(data_dir() / "vectors")

    @staticmethod
    def of_visitor(name: str, most: int) -> "Shelf":
        """The shelf of a visitor of a shared page.

        Args:
            name: hexadecimal digits that stand for the visitor.
            most: number of files that it may hold.
        """
        return Shelf(data_dir() / "visitors" / safe_name(name) / "vectors", most)

    def entries(self) -> tuple[Entry, ...]:
        """Everything on the shelf, the newest first."""
        entries = [_entry(path) for path in self.folder.glob("*.safetensors")]
        return tuple(sorted(entries, key=lambda entry: (entry.saved, entry.name), reverse=True))

    def entry(self, name: str) -> Entry:
        """One file of the shelf.

        Raises:
            SteeringError: there is none of that name.
        """
        # The name is looked up among those that are there, and never made into a path itself.
        path = next((path for path in self.folder.glob("*.safetensors") if path.stem == name), None)
        if path is None:
            raise SteeringError(f"There is no vector {name!r:.80} in the library. Choose one of the table.")
        return _entry(path)

    def keep(self, vector: SteeringVector, name: str = "") -> Entry:
        """Save a vector on the shelf.

        Args:
            vector: the vector.
            name: what to call it; letters that file names cannot hold become dashes. By default concept, models and method.

        Returns:
            The new file; a number is added to the name where another file has it.

        Raises:
            SteeringError: the shelf is full, the name has no letters, or the file cannot be written.
        """
        wanted = safe_name(name or proposed_name(vector))
        if self.most is not None and len(list(self.folder.glob("*.safetensors"))) >= self.most:
            raise SteeringError(f"The library holds {self.most} vectors, which is as many as it may. Delete one first.")
        written = self.folder / f".kept.{uuid.uuid4().hex[:8]}.partial"
        try:
            save_vector(vector, written)
        except SteeringError as error:
            full = error.__cause__ is not None and full_disk(error.__cause__)
            why = (
                "the disk is full. Free some space" if full else "its folder cannot be written. Change its permissions"
            )
            raise SteeringError(f"The vector {wanted!r} cannot be saved: {why} and try again.") from error
        try:
            number, free = 1, wanted
            while not _take_name(written, self._path(free)):
                number += 1
                free = f"{wanted}-{number}"
        finally:
            written.unlink(missing_ok=True)
        return _entry(self._path(free))

    def delete(self, name: str) -> None:
        """Move a file aside; whatever was deleted before it is gone for good.

        Raises:
            SteeringError: there is none of that name.
        """
        path = self.entry(name).path
        aside = self.folder / _ASIDE
        aside.mkdir(exist_ok=True)
        older = list(aside.iterdir())
        os.replace(path, aside / path.name)
        for file in older:
            if file.name != path.name:
                file.unlink(missing_ok=True)

    def deleted(self) -> str:
        """Name of the file that was deleted last and can still be brought back; "" for none."""
        return next((path.stem for path in (self.folder / _ASIDE).glob("*.safetensors")), "")

    def restore(self) -> Entry:
        """Bring the file back that was deleted last.

        Raises:
            SteeringError: there is none.
        """
        name = self.deleted()
        if not name:
            raise SteeringError("Nothing was deleted that could be brought back.")
        aside = self.folder / _ASIDE / self._path(name).name
        if not _take_name(aside, self._path(name)):
            raise SteeringError(f"Another vector is called {name!r} by now. Delete or rename that file first.")
        aside.unlink(missing_ok=True)
        return _entry(self._path(name))

    def _path(self, name: str) -> Path:
        return self.folder / f"{name}.safetensors"


def _take_name(file: Path, name: Path) -> bool:
    """Give a file a name that no other file has, whoever else tries meanwhile; whether nobody had it."""
    try:
        os.link(file, name)
    except FileExistsError:
        return False
    except OSError:  # A file system without links; there the check and the renaming are two steps.
        if name.exists():
            return False
        os.rename(file, name)
    return True


def _entry(path: Path) -> Entry:
    stat = path.stat()
    fields: dict[str, Any] = {
        "name": path.stem,
        "path": path,
        "size": stat.st_size,
        "saved": datetime.fromtimestamp(stat.st_mtime),
    }
    try:
        return Entry(**fields, vector=load_vector(path))
    except SteeringError as error:
        return Entry(**fields, vector=None, problem=str(error))
