"""Control vectors in GGUF: llama.cpp reads them, and repeng reads and writes the same layout.

`direction.k` is added to the output of block k, counted from 0. llama.cpp has no place for block 0 and refuses a whole file
that names it; repeng takes it.
"""

import errno
import json
import os
import struct
from pathlib import Path

import gguf
import torch

from steering.errors import SteeringError
from steering.interop.baked import Baked, Foreign
from steering.storage import atomic

ARCHITECTURE = "controlvector"
STATEMENT = "steering.statement"
"""Key of what this library says about the rows, as JSON; other readers pass over it."""

_FLOATS = (gguf.GGMLQuantizationType.F32, gguf.GGMLQuantizationType.F16)


def write_llama_cpp(baked: Baked, path: Path) -> tuple[str, ...]:
    """Write a file for llama.cpp's `--control-vector`, without block 0.

    Raises:
        SteeringError: nothing but block 0 is steered.
    """
    layers = [layer for layer in baked.active if layer > 0]
    if not layers:
        raise SteeringError(
            "llama.cpp cannot steer block 0, and nothing else is steered. Choose another layer profile."
        )
    _write(baked, baked.push, layers, path)
    if len(layers) == len(baked.active):
        return ()
    share = float(baked.push[0].norm() / baked.push.norm(dim=1).sum())
    return (
        f"llama.cpp cannot steer block 0, so its row is left out: {share:.1%} of the summed length of what would be added.",
    )


def write_repeng(baked: Baked, path: Path) -> tuple[str, ...]:
    """Write a file for repeng's `ControlVector.import_gguf`."""
    _write(baked, baked.push, baked.active, path)
    return (f"In repeng: ControlModel(model, {baked.active}).set_control(ControlVector.import_gguf({path.name!r})).",)


def write_rows(baked: Baked, rows: torch.Tensor, path: Path) -> None:
    """Write rows `[n_layers, d_model]` at the layers that are steered, for a tool of another name with the same layout."""
    _write(baked, rows, baked.active, path)


def read(path: Path) -> Foreign:
    """Read a control vector of llama.cpp or repeng.

    Raises:
        SteeringError: not a GGUF file, or one without directions.
    """
    try:
        reader = gguf.GGUFReader(path)
        texts = {
            name: str(field.contents())
            for name in (f"{ARCHITECTURE}.model_hint", "general.architecture", STATEMENT)
            if (field := reader.get_field(name)) is not None
        }
        rows = {_layer(tensor, path): torch.from_numpy(tensor.data.copy()).float() for tensor in reader.tensors}
        statement = json.loads(texts.get(STATEMENT, "{}"))
    except (ValueError, IndexError, KeyError, OSError, OverflowError, MemoryError, struct.error) as error:
        raise SteeringError(f"{path} is not a readable GGUF file: {error}") from error
    if texts.get("general.architecture", ARCHITECTURE) != ARCHITECTURE or not rows:
        raise SteeringError(
            f"{path} is not a control vector: expected architecture {ARCHITECTURE!r} and tensors 'direction.1' and so on, "
            f"found architecture {texts.get('general.architecture')!r} and {len(rows)} directions."
        )
    family = texts.get(f"{ARCHITECTURE}.model_hint")
    return Foreign(rows, family, statement if isinstance(statement, dict) else {})


def _write(baked: Baked, rows: torch.Tensor, layers: list[int], path: Path) -> None:
    with atomic(path) as temporary:
        writer = gguf.GGUFWriter(temporary, ARCHITECTURE)
        writer.add_string(f"{ARCHITECTURE}.model_hint", baked.family)
        writer.add_uint32(f"{ARCHITECTURE}.layer_count", len(layers))
        writer.add_string(STATEMENT, json.dumps(baked.statement, ensure_ascii=False))
        for layer in layers:
            writer.add_tensor(f"direction.{layer}", rows[layer].contiguous().numpy())
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()
        _check_whole(temporary)


def _check_whole(path: Path) -> None:
    # The writer does not notice when a disk takes less than it was given.
    try:
        gguf.GGUFReader(path)
    except (ValueError, IndexError) as error:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path)) from error


def _layer(tensor: gguf.ReaderTensor, path: Path) -> int:
    kind, _, number = tensor.name.partition(".")
    if kind != "direction" or not number.isascii() or not number.isdigit() or len(number) > 6:
        raise SteeringError(f"{path} is not a control vector: it holds the tensor {tensor.name!r}.")
    if tensor.tensor_type not in _FLOATS or tensor.data.ndim != 1:
        raise SteeringError(
            f"{path}: {tensor.name} must be one row of float32 or float16, and is {tensor.tensor_type.name} of shape "
            f"{tuple(int(size) for size in tensor.shape)}."
        )
    return int(number)
