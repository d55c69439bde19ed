"""What a file or a folder is, by its first bytes and the names in it, where it is something that is not read here."""

import json
import zipfile
from pathlib import Path

ADAPTER = "adapter_config.json"
"""File of PEFT that says what an adapter was trained on."""

_POINTER = b"version https://git-lfs"
_PICKLE = (
    "is a pickle, which can run code when it is opened: where you trust it, open it in the tool that wrote it, and save its "
    "rows with safetensors.torch.save_file under the names 'layer.0', 'layer.1' and so on"
)
_PICKLES = (".pt", ".pth", ".pkl", ".pickle", ".bin")
_ARRAY = (
    "is a NumPy file, which does not say which rows belong to which layers: open it with numpy.load, and save the rows with "
    "safetensors.numpy.save_file under the names 'layer.0', 'layer.1' and so on"
)


def unreadable(path: Path) -> str | None:
    """A sentence about a file or folder that is no vector and no model in a format read here; None where it may be one.

    Nothing is unpacked and no pickle is opened.

    Args:
        path: the file or folder; it exists.
    """
    if path.is_dir():
        return _adapter(path) if (path / ADAPTER).is_file() and not (path / "config.json").is_file() else None
    if path.name in (ADAPTER, "adapter_model.safetensors") and (path.parent / ADAPTER).is_file():
        return _adapter(path.parent)
    with path.open("rb") as file:
        start = file.read(64)
    if not start:
        return f"{path} is empty. Fetch or write it again."
    if start.startswith(_POINTER):
        return f"{path} is a Git LFS pointer, not the file: run git lfs pull in its repository."
    if start.startswith(b"\x93NUMPY"):
        return f"{path} {_ARRAY}."
    if start.startswith(b"PK\x03\x04"):
        return _archive(path)
    # Every protocol of pickle from 2 on begins with its number; earlier ones have no mark.
    pickled = start[0] == 0x80 and len(start) > 1 and start[1] in range(2, 6)
    return f"{path} {_PICKLE}." if pickled or path.suffix.lower() in _PICKLES else None


def _adapter(folder: Path) -> str:
    try:
        base = json.loads((folder / ADAPTER).read_text("utf-8"))["base_model_name_or_path"]
    except (OSError, ValueError, KeyError, TypeError):
        base = "an unnamed model"
    return (
        f"{folder} is a LoRA adapter of {base}, not a model: merge it first with merge_and_unload() of PEFT, save the merged "
        "model with its tokenizer, and load that folder."
    )


def _archive(path: Path) -> str:
    try:
        names = zipfile.ZipFile(path).namelist()
    except (zipfile.BadZipFile, OSError):
        return f"{path} is a zip archive that is cut off. Fetch it again."
    if any(name.endswith(".pkl") for name in names):
        return f"{path} {_PICKLE}."
    if any(name.endswith(".npy") for name in names):
        return f"{path} {_ARRAY}."
    return f"{path} is a zip archive: unpack it, and give the file inside."
