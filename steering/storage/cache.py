"""The cache: results that can be computed again, within a budget; the least recently used are deleted first."""

import logging
import os
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from steering.errors import SteeringError
from steering.storage.files import cache_dir, discard, is_partial, read_tensors, write_tensors

CACHE_BUDGET = 4_000_000_000
"""Bytes that results in the cache may take; beyond that the least recently used are deleted. An alignment of two small models
takes 40 MB, a sample of paired rows 200 MB, so dozens of pairs of models fit."""

NOT_EVICTED = frozenset({"models", "runs"})
"""Kinds that do not count and are not deleted: converting a model takes minutes, and rows of runs have their own limit."""

_RECENT_S = 600.0
"""Results used within this many seconds are never deleted: another thread or process may be about to read them."""


_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Kind:
    """The cache entries of one kind.

    Attributes:
        name: a folder's name below `cache_dir()`.
        entries: how many results, or models.
        size: bytes, half-written files of killed processes included.
        oldest: when the least recently used entry was used, in seconds since 1970.
        newest: when the most recently used entry was used.
    """

    name: str
    entries: int
    size: int
    oldest: float
    newest: float


def cached(
    folder: str, digest: str, make: Callable[[], tuple[Mapping[str, torch.Tensor], Mapping[str, Any]]]
) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    """Read a result from the cache, or compute and store it.

    A cache file that cannot be read is replaced. Where the cache cannot be written, the result is returned all the same, and
    a line of the log says why it was not kept. When results take more than `CACHE_BUDGET`, the least recently used are deleted.

    Args:
        folder: kind of result, a folder name below `cache_dir()`.
        digest: `key(...)` of everything that the result depends on.
        make: computes tensors and header.
    """
    path = cache_dir() / folder / f"{digest}.safetensors"
    if path.is_file():
        try:
            result = read_tensors(path)
            with suppress(OSError):  # The cache may be read-only.
                os.utime(path)
            return result
        except SteeringError:
            with suppress(OSError):
                path.unlink(missing_ok=True)
    tensors, header = make()
    try:
        write_tensors(path, tensors, header)
    except SteeringError as error:
        _log.warning("A result is used but not kept for the next time: %s", error)
    _evict()
    return dict(tensors), dict(header)


def cache_kinds() -> tuple[Kind, ...]:
    """The cache entries by kind; kinds without entries are left out."""
    root = cache_dir()
    kinds = []
    for folder in sorted(root.iterdir()) if root.is_dir() else ():
        entries = [entry for entry in folder.iterdir() if not is_partial(entry)] if folder.is_dir() else []
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
    kinds = {each.name: each for each in cache_kinds()}
    if kind not in kinds:
        raise SteeringError(f"The cache holds no {kind!r}. It holds: {', '.join(kinds) or 'nothing'}.")
    try:
        for entry in (cache_dir() / kind).iterdir():
            discard(entry)
        (cache_dir() / kind).rmdir()
    except OSError as error:
        raise SteeringError(f"{cache_dir() / kind} cannot be deleted: {error}. Close what uses it.") from error
    return kinds[kind].size


def _evict() -> None:
    """Delete the least recently used results until the rest fits into the budget."""
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


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
