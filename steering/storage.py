"""Files that are whole or absent: atomic writes, safetensors with a JSON header, and the cache, which is kept within a budget.

Nothing here knows what a vector or a model is; the modules that own a record turn it into tensors and a header.
"""

import hashlib
import json
import os
import re
import shutil
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import platformdirs
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from steering.errors import SteeringError

HEADER = "steering"
"""Key of the JSON header inside a safetensors file's metadata."""


CACHE_BUDGET = 4_000_000_000
"""Bytes that results in the cache may take; beyond them those go that were used longest ago. An alignment of two small models
takes 40 MB, a sample of paired rows 200 MB, so dozens of pairs of models fit."""

NOT_EVICTED = frozenset({"models", "runs"})
"""Kinds that no budget takes: a converted model costs minutes, and the rows of runs have a bound of their own."""

_RECENT_S = 600.0
"""What was used within so many seconds is never evicted: another thread or process may be about to read it."""

_STALE_S = 86_400.0
"""A temporary file this old was left by a process that was killed: no write takes a day."""

_swept: set[Path] = set()
"""Folders that this process has swept already."""


@dataclass(frozen=True)
class Kind:
    """What the cache holds of one kind.

    Attributes:
        name: a folder's name below `cache_dir()`.
        entries: how many results, or models.
        size: bytes, half-written files of killed processes included.
        oldest: when the entry was used that was not used for longest, in seconds since 1970.
        newest: when the entry was used that was used last.
    """

    name: str
    entries: int
    size: int
    oldest: float
    newest: float


def cache_dir() -> Path:
    """Folder for what can be made again: converted models, activations, alignments."""
    return Path(platformdirs.user_cache_dir("steering-lab"))


def data_dir() -> Path:
    """Folder for what a person saved and nothing can make again."""
    return Path(platformdirs.user_data_dir("steering-lab"))


@contextmanager
def atomic(path: Path) -> Iterator[Path]:
    """Write a file or a folder under a temporary name, and give it its own name only when it is whole.

    Two processes that write the same path both succeed: a file is replaced, and for a folder the first one stays.

    Args:
        path: the final name. Its parent folder is made when it is missing.

    Yields:
        The temporary name, in the same folder. Make a file or a folder there.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    _sweep(path.parent)
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.partial")
    try:
        yield temporary
        try:
            os.replace(temporary, path)
        except OSError:
            if not (temporary.is_dir() and path.is_dir()):
                raise
    finally:
        if temporary.is_dir():
            shutil.rmtree(temporary, ignore_errors=True)
        else:
            temporary.unlink(missing_ok=True)


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
        whole = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
        save_file(whole, temporary, metadata={HEADER: json.dumps(header, ensure_ascii=False)})


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


def cached(
    folder: str, digest: str, make: Callable[[], tuple[Mapping[str, torch.Tensor], Mapping[str, Any]]]
) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    """Read a result from the cache, or make it and keep it.

    A cache file that cannot be read is made again. When results take more than `CACHE_BUDGET`, those go that were used longest
    ago.

    Args:
        folder: kind of result, a folder name below `cache_dir()`.
        digest: `key(...)` of everything that the result depends on.
        make: computes tensors and header.
    """
    path = cache_dir() / folder / f"{digest}.safetensors"
    if path.is_file():
        try:
            found = read_tensors(path)
            with suppress(OSError):  # A cache that may only be read still serves.
                os.utime(path)
            return found
        except SteeringError:
            path.unlink(missing_ok=True)
    tensors, header = make()
    write_tensors(path, tensors, header)
    _evict()
    return dict(tensors), dict(header)


def cache_kinds() -> tuple[Kind, ...]:
    """What lies in the cache, kind by kind; kinds that hold nothing are left out."""
    root = cache_dir()
    kinds = []
    for folder in sorted(root.iterdir()) if root.is_dir() else ():
        entries = [entry for entry in folder.iterdir() if not _is_partial(entry)] if folder.is_dir() else []
        if entries or (folder.is_dir() and _size(folder)):
            used = [entry.stat().st_mtime for entry in entries] or [folder.stat().st_mtime]
            kinds.append(Kind(folder.name, len(entries), _size(folder), min(used), max(used)))
    return tuple(kinds)


def clear_cache(kind: str) -> int:
    """Delete everything of one kind, whether it is in use or not.

    Args:
        kind: name of a kind, see `cache_kinds`.

    Returns:
        Bytes that were freed.

    Raises:
        SteeringError: the cache holds no such kind, or it cannot be deleted.
    """
    known = {each.name: each for each in cache_kinds()}
    if kind not in known:
        raise SteeringError(f"The cache holds no {kind!r}. It holds: {', '.join(known) or 'nothing'}.")
    try:
        shutil.rmtree(cache_dir() / kind)
    except OSError as error:
        raise SteeringError(f"{cache_dir() / kind} cannot be deleted: {error}. Close what uses it.") from error
    return known[kind].size


def forget_sweeps() -> None:
    """Look for half-written files of killed processes once more in every folder that is written to."""
    _swept.clear()


def _evict() -> None:
    """Delete the results that were used longest ago until the rest fits into the budget."""
    results = []
    for path in cache_dir().glob("*/*.safetensors"):
        if path.parent.name not in NOT_EVICTED:
            with suppress(OSError):  # Another process may have deleted it meanwhile.
                stat = path.stat()
                results.append((stat.st_mtime, stat.st_size, path))
    total = sum(size for _, size, _ in results)
    for used, size, path in sorted(results):
        if total <= CACHE_BUDGET or used > time.time() - _RECENT_S:
            return
        with suppress(OSError):
            path.unlink()
        total -= size


def _sweep(folder: Path) -> None:
    """Delete what killed processes left half-written in a folder of ours, once a process."""
    ours = any(folder.is_relative_to(root) for root in (cache_dir(), data_dir()))
    if folder in _swept or not ours:
        return
    _swept.add(folder)
    for path in folder.iterdir():
        with suppress(OSError):
            if _is_partial(path) and path.stat().st_mtime < time.time() - _STALE_S:
                shutil.rmtree(path) if path.is_dir() else path.unlink()


def _is_partial(path: Path) -> bool:
    return re.fullmatch(r"\..+\.[0-9a-f]{8}\.partial", path.name) is not None


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
