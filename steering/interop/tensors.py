"""Rows by layer in safetensors: one tensor a layer, whose name ends in its number, or one tensor for all layers.

The library steering-vectors has no file format of its own; its users pickle. For it the rows travel as the tensors `layer.0`,
`layer.1` and so on, and one line on the other side makes its `SteeringVector` of them; `READ` and `WRITE` are those lines.
"""

import json
import re
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from steering.errors import SteeringError
from steering.interop.baked import Baked, Foreign
from steering.storage import HEADER, atomic

READ = (
    "SteeringVector({int(name.removeprefix('layer.')): row for name, row in safetensors.torch.load_file(PATH).items()})"
)
"""Makes a vector of the steering-vectors library from a file written here."""

WRITE = (
    "safetensors.torch.save_file({f'layer.{number}': row.contiguous() for number, row in "
    "vector.layer_activations.items()}, PATH, metadata={'layer_type': vector.layer_type})"
)
"""Makes a file that can be read here from a vector of the steering-vectors library."""

_NAME = re.compile(
    r"(?:(?:model|transformer|vectors?|steering_vectors?|directions?)[._])?(?:(?:layers?|blocks?|directions?|vectors?)[._]?)?(\d{1,6})",
    re.ASCII,
)
"""Names of a layer's row: `layer.0`, `layers.0`, `layer_0`, `model.layers.0`, `0` and the like."""

STATEMENT = "statement"
FAMILY = "model_type"
PLACE = "layer_type"
"""Which part of a layer the rows are for; ours are for the whole block, which that library calls "decoder_block"."""


def write(baked: Baked, path: Path) -> tuple[str, ...]:
    """Write a safetensors file with one tensor a steered layer."""
    rows = {f"layer.{layer}": baked.push[layer].clone() for layer in baked.active}
    with atomic(path) as temporary:
        metadata = {
            FAMILY: baked.family,
            PLACE: "decoder_block",
            STATEMENT: json.dumps(baked.statement, ensure_ascii=False),
        }
        save_file(rows, temporary, metadata=metadata)
    return (f"In steering-vectors: {READ.replace('PATH', repr(path.name))}.",)


def read(path: Path) -> Foreign:
    """Read a safetensors file with one tensor a layer, or one for all of them.

    Raises:
        SteeringError: not safetensors, or other tensors than rows by layer.
    """
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        statement = json.loads(metadata.get(STATEMENT, "{}"))
    except (SafetensorError, OSError, ValueError) as error:
        raise SteeringError(
            f"{path} is not a readable safetensors file: {error}. In steering-vectors, write it with {WRITE}."
        ) from error
    if HEADER in metadata:
        raise SteeringError(
            f"{path} is a vector file of Steering Lab itself: use it as it is, with --vector {path.name}."
        )
    if (place := metadata.get(PLACE, "decoder_block")) != "decoder_block":
        raise SteeringError(
            f"{path} is for the {place!r} of each layer; only vectors for 'decoder_block' can be read. Train it for that."
        )
    family = metadata.get(FAMILY)
    stated = statement if isinstance(statement, dict) else {}
    if not tensors:
        raise SteeringError(f"{path} holds no rows. In steering-vectors, write it with {WRITE}.")
    if (stacked := _stacked(tensors)) is not None:
        return Foreign(dict(enumerate(stacked.float())), family, stated, numbered=False)
    rows: dict[int, torch.Tensor] = {}
    for name, tensor in tensors.items():
        number, row = _NAME.fullmatch(name), tensor.squeeze()
        if number is None or row.ndim != 1 or not row.is_floating_point():
            raise SteeringError(
                f"{path}: expected one row a layer named 'layer.0', 'layers.0', 'layer_0' or '0', or one tensor "
                f"[n_layers, width], found {name!r} of shape {tuple(tensor.shape)} and {tensor.dtype}. In steering-vectors, "
                f"write it with {WRITE}."
            )
        if int(number[1]) in rows:
            raise SteeringError(
                f"{path} holds layer {number[1]} twice. Remove one of them: {', '.join(sorted(tensors))}."
            )
        rows[int(number[1])] = row.float()
    return Foreign(rows, family, stated)


def _stacked(tensors: dict[str, torch.Tensor]) -> torch.Tensor | None:
    """The rows `[n_layers, width]` of a file with one tensor for all layers; None for a file of another layout."""
    (name, tensor), *others = tensors.items()
    rows = tensor.squeeze(1) if tensor.ndim == 3 else tensor
    whole = not others and rows.ndim == 2 and tensor.is_floating_point() and "lora" not in name.lower()
    return rows if whole and _NAME.fullmatch(name) is None else None
