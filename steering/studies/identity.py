"""What models, tasks and concepts hold, told apart without loading a model or reaching for the network."""

import hashlib
from functools import lru_cache
from pathlib import Path
from typing import Any

from steering.concepts import load_concept
from steering.errors import SteeringError
from steering.models import bundled
from steering.storage import key
from steering.tasks import HUB, load_task

_MODEL_FILES = ("config.json", "*.safetensors", "*.gguf")


def model_content(name: str) -> str:
    """What tells a model from any other: the hash of its files, or its Hub commit; its name where it is not on this machine."""
    if name in bundled.CATALOGUE:
        return bundled.CATALOGUE[name].sha256
    path = Path(name).expanduser()
    if path.is_dir() or path.is_file():
        files = [path] if path.is_file() else sorted({file for kind in _MODEL_FILES for file in path.glob(kind)})
        return key("files", [_hash(str(file), *_state(file)) for file in files])
    commit = hub_folder(name)
    return f"{name}@{commit.name}" if commit else name


def hub_folder(name: str) -> Path | None:
    """The folder of a Hub model that was fetched before; None where there is none."""
    from huggingface_hub import try_to_load_from_cache
    from huggingface_hub.errors import HFValidationError

    try:
        config = try_to_load_from_cache(name, "config.json")
    except HFValidationError:
        return None
    return Path(config).parent if isinstance(config, str) else None


def model_folder(name: str) -> Path | None:
    """The folder of a model's files; None where it must be fetched or converted first."""
    if name in bundled.CATALOGUE:
        folder = bundled.converted_folder(bundled.CATALOGUE[name])
        return folder if folder.is_dir() else None
    path = Path(name).expanduser()
    return path if path.is_dir() else hub_folder(name)


def task_content(name: str) -> Any:
    """Hash of all parts of a task; its name where it cannot be read here."""
    if name in HUB:
        return name
    path = Path(name).expanduser()
    if path.is_file():
        return key("file", _hash(str(path), *_state(path)))
    try:
        parts = [load_task(name, split) for split in ("validation", "test")]
    except SteeringError:
        return name  # The cell itself says what is wrong.
    return [[part.digest for part in parts], key([vars(item) for item in parts[0].pool])]


def concept_content(name: str) -> str:
    """Hash of a concept; its name where it cannot be read."""
    try:
        return load_concept(name).digest
    except SteeringError:
        return name


def text_content(name: str) -> str:
    """Hash of a file; its name where there is none."""
    path = Path(name).expanduser()
    return _hash(str(path), *_state(path)) if path.is_file() else name


def _state(path: Path) -> tuple[int, int]:
    stat = path.stat()
    return stat.st_size, stat.st_mtime_ns


@lru_cache(256)
def _hash(path: str, size: int, changed: int) -> str:  # noqa: ARG001 - a file that changed is hashed again
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
