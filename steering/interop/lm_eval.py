"""The steering file of lm-evaluation-harness, for its `--model steered`.

A .pt file with one entry a module, named relative to `model.base_model`. The harness unpickles it, so it is written here and
never read.
"""

import io
from pathlib import Path

import torch

from steering.errors import SteeringError
from steering.interop.baked import Baked, Foreign
from steering.models import LanguageModel
from steering.storage import atomic


def write(baked: Baked, path: Path) -> tuple[str, ...]:
    """Write a file for `lm_eval --model steered --model_args pretrained=...,steer_path=...`; λ is its steering coefficient.

    Raises:
        SteeringError: no child, or a name that the harness does not take.
    """
    if baked.child is None:
        raise SteeringError("A file for lm-eval names the model's modules: give the child model.")
    if path.suffix not in (".pt", ".pth"):
        raise SteeringError(f"lm-eval reads steering files by their ending: name it {path.stem}.pt, not {path.name}.")
    names = block_names(baked.child)
    entries = {
        names[layer]: {
            "steering_vector": baked.rows[layer].clone(),
            "steering_coefficient": float(baked.lam),
            "action": "add",
        }
        for layer in baked.active
    }
    content = io.BytesIO()
    torch.save(entries, content)  # Its own writer raises an error without a cause when the disk is full.
    with atomic(path) as temporary:
        temporary.write_bytes(content.getvalue())
    return ()


def block_names(model: LanguageModel) -> list[str]:
    """Names of the decoder blocks relative to `base_model`, where lm-eval looks them up."""
    names = {id(module): name for name, module in model.model.base_model.named_modules()}
    return [names[id(block)] for block in model.blocks]


def refuse(path: Path) -> Foreign:
    """Say why a steering file of lm-eval is not read.

    Raises:
        SteeringError: always.
    """
    raise SteeringError(
        f"{path} is not read: a .pt file is a pickle, which can run code. Where you trust it, load it in lm-eval's own "
        "environment and save each steering_vector times its steering_coefficient with safetensors.torch.save_file under "
        "the names 'layer.0', 'layer.1' and so on; then import that as steering-vectors."
    )
