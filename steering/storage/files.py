"""Files that are whole or absent: atomic writes, safetensors with a JSON header, and the cache.

Nothing here knows what a vector or a model is; the modules that own a record turn it into tensors and a header.
"""

import hashlib
import json
import os
import shutil
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import platformdirs
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from steering.errors import SteeringError

HEADER = "steering"
"""Key of the JSON header inside a safetensors file's metadata."""


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

    A cache file that cannot be read is made again.

    Args:
        folder: kind of result, a folder name below `cache_dir()`.
        digest: `key(...)` of everything that the result depends on.
        make: computes tensors and header.
    """
    path = cache_dir() / folder / f"{digest}.safetensors"
    if path.is_file():
        try:
            return read_tensors(path)
        except SteeringError:
            path.unlink(missing_ok=True)
    tensors, header = make()
    write_tensors(path, tensors, header)
    return dict(tensors), dict(header)
