"""Atomic writes, and safetensors files with a JSON header.

Vectors, alignments and other records are turned into tensors and a header by their own modules.
"""

import errno
import hashlib
import json
import os
import re
import shutil
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import platformdirs
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from steering.errors import SteeringError

HEADER = "steering"
"""Key of the JSON header inside a safetensors file's metadata."""


_STALE_S = 86_400.0
"""A temporary file older than a day was left by a killed process: no write takes that long."""

_other_cache: list[Path] = []
"""Folders of `cache_in` contexts that are open; the last one counts."""

_swept: set[Path] = set()
"""Folders in which this process has deleted old temporary files."""

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
"""Numbers of the errors of a full disk, and of a quota or a largest file size that is used up."""

_FULL_IN_WORDS = re.compile(rf"os error ({'|'.join(map(str, sorted(_FULL)))})\b")
"""The same errors as libraries that do not raise `OSError` write them."""


def cache_dir() -> Path:
    """Folder for results that can be computed again: converted models, activations, alignments."""
    return _other_cache[-1] if _other_cache else Path(platformdirs.user_cache_dir("steering-lab"))


@contextmanager
def cache_in(folder: Path) -> Iterator[None]:
    """Use another folder as cache within the context, for measurements that begin with an empty one."""
    _other_cache.append(folder)
    try:
        yield
    finally:
        _other_cache.pop()


def data_dir() -> Path:
    """Folder for what the user saved."""
    return Path(platformdirs.user_data_dir("steering-lab"))


@contextmanager
def atomic(path: Path) -> Iterator[Path]:
    """Write a file or a folder under a temporary name, and rename it once it is complete and on the disk.

    Two processes that write the same path both succeed: a file is replaced, and for a folder the first one stays.

    Args:
        path: the final name. Its parent folder is made when it is missing.

    Yields:
        The temporary name, in the same folder. Make a file or a folder there.

    Raises:
        SteeringError: the disk is full, or the folder or the name cannot be written. What was there before is unchanged.
    """
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _sweep(path.parent)
        yield temporary
        # A rename may reach the disk before what was written, and then a power cut leaves an empty file under the name.
        _sync(temporary)
        try:
            os.replace(temporary, path)
        except OSError:
            if not (temporary.is_dir() and path.is_dir()):
                raise
        _sync_folder(path.parent)
    except Exception as error:
        if problem := _write_problem(path, temporary, error):
            raise SteeringError(problem) from error
        raise
    finally:
        if temporary.is_dir():
            shutil.rmtree(temporary, ignore_errors=True)
        else:
            with suppress(OSError):  # Its folder may be what could not be made.
                temporary.unlink(missing_ok=True)


def discard(path: Path) -> None:
    """Delete a file or a folder, which loses its name first: one that is half deleted never looks like a whole one."""
    aside = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.partial")
    os.replace(path, aside)
    if aside.is_dir():
        shutil.rmtree(aside)
    else:
        aside.unlink()


def full_disk(error: BaseException) -> bool:
    """Whether an error says that the disk, a quota or the largest size of a file is used up."""
    return getattr(error, "errno", None) in _FULL or bool(_FULL_IN_WORDS.search(str(error)))


def _write_problem(path: Path, temporary: Path, error: Exception) -> str | None:
    """The sentence for an error of a write; None for an error of something else that happened meanwhile."""
    if full_disk(error):
        return f"{path} cannot be written: the disk is full. Free some space and try again; what was there before is unchanged."
    # Reading another file may fail in between as well, and says so itself.
    ours = [str(each) for each in (path, temporary, *path.parents)]
    if isinstance(error, OSError) and {str(error.filename), str(error.filename2)} & {*ours}:
        return f"{path} cannot be written: {error.strerror}. Choose another name or folder, or change its permissions."
    return None


def _sync(path: Path) -> None:
    """Wait until a file, or a folder with everything in it, is on the disk."""
    for folder, _, files in os.walk(path):
        for name in files:
            _sync_file(Path(folder) / name)
        _sync_folder(Path(folder))
    if path.is_file():
        _sync_file(path)


def _sync_file(path: Path) -> None:
    _sync_descriptor(os.open(path, os.O_RDWR if os.name == "nt" else os.O_RDONLY))


def _sync_folder(path: Path) -> None:
    if os.name == "nt":  # Windows opens no folders, and keeps names itself.
        return
    with suppress(OSError):  # Some network file systems do not sync folders.
        _sync_descriptor(os.open(path, os.O_RDONLY))


def _sync_descriptor(descriptor: int) -> None:
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def key(*parts: object) -> str:
    """Hash of everything that a result depends on, for the name of its cache file.

    Args:
        parts: values that JSON can write; the order counts.

    Returns:
        32 hexadecimal digits.
    """
    text = json.dumps(parts, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def write_tensors(path: Path, tensors: Mapping[str, torch.Tensor], header: Mapping[str, Any]) -> None:
    """Write tensors and a JSON header into one safetensors file, atomically."""
    with atomic(path) as temporary:
        contiguous = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
        save_file(contiguous, temporary, metadata={HEADER: json.dumps(header, ensure_ascii=False)})


def read_tensors(path: Path) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    """Read what `write_tensors` wrote.

    Returns:
        The tensors by name, and the header.

    Raises:
        SteeringError: the file is absent, not safetensors, or holds no header of ours.
    """
    if not path.is_file():
        raise SteeringError(f"There is no file {path}.")
    try:
        with safe_open(path, framework="pt") as file:
            header = json.loads((file.metadata() or {}).get(HEADER, "null"))
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError, ValueError) as error:
        raise SteeringError(f"{path} is not a readable safetensors file: {error}") from error
    if not isinstance(header, dict):
        raise SteeringError(f"{path} was not written by Steering Lab: its metadata has no entry {HEADER!r}.")
    return tensors, header


def _sweep(folder: Path) -> None:
    """Delete temporary files of killed processes in the cache or data folder, once per process and folder."""
    ours = any(folder.is_relative_to(root) for root in (cache_dir(), data_dir()))
    if folder in _swept or not ours:
        return
    _swept.add(folder)
    for path in folder.iterdir():
        with suppress(OSError):
            if is_partial(path) and path.stat().st_mtime < time.time() - _STALE_S:
                shutil.rmtree(path) if path.is_dir() else path.unlink()


def is_partial(path: Path) -> bool:
    """Whether a path is the temporary name of a write that has not ended, see `atomic`."""
    return re.fullmatch(r"\..+\.[0-9a-f]{8}\.partial", path.name) is not None
