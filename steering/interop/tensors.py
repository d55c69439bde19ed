"""Rows by layer in safetensors, for the steering-vectors library.

That library has no file format of its own; its users pickle. Here the rows travel as the tensors `layer.0`, `layer.1` and so
on, and one line on the other side makes its `SteeringVector` of them; `READ` and `WRITE` are those lines.
"""

import json
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from steering.errors import SteeringError
from steering.interop.baked import Baked, Foreign
from steering.storage import atomic

READ = (
    "SteeringVector({int(name.removeprefix('layer.')): row for name, row in safetensors.torch.load_file(PATH).items()})"
)
"""Makes a vector of the steering-vectors library from a file written here."""

WRITE = (
    "safetensors.torch.save_file({f'layer.{number}': row.contiguous() for number, row in "
    "vector.layer_activations.items()}, PATH, metadata={'layer_type': vector.layer_type})"
)
"""Makes a file that can be read here from a vector of the steering-vectors library."""

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
    """Read a safetensors file with one tensor a layer.

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
    if (place := metadata.get(PLACE, "decoder_block")) != "decoder_block":
        raise SteeringError(
            f"{path} is for the {place!r} of each layer; only vectors for 'decoder_block' can be read. Train it for that."
        )
    rows: dict[int, torch.Tensor] = {}
    for name, tensor in tensors.items():
        kind, _, number = name.partition(".")
        row = tensor.squeeze()
        if kind != "layer" or not number.isascii() or not number.isdigit() or row.ndim != 1 or len(number) > 6:
            raise SteeringError(
                f"{path}: expected tensors 'layer.0', 'layer.1' and so on, one row each, found {name!r} of shape "
                f"{tuple(tensor.shape)}. In steering-vectors, write it with {WRITE}."
            )
        rows[int(number)] = row.float()
    if not rows:
        raise SteeringError(f"{path} holds no rows. In steering-vectors, write it with {WRITE}.")
    return Foreign(rows, metadata.get(FAMILY), statement if isinstance(statement, dict) else {})
