"""A fingerprint of a model: a hash of the shape and of a sample of every weight."""

import hashlib
from typing import Any

import torch

_SAMPLE = 32
"""Number of values of every weight that are hashed: two models of one shape differ in far more of them."""


def weights_hash(model: Any) -> str:
    """Hash of the names, shapes and a sample of a transformers model's weights, as bfloat16 rounds them.

    A model that was read in float32 and one that was read in bfloat16 from the same files have the same hash, whatever type the
    files hold: rounding to bfloat16 comes last in both. One that was read in float16 was rounded twice, and has another.

    Returns:
        16 hexadecimal digits.
    """
    digest = hashlib.sha256()
    for name, weight in sorted(model.named_parameters()):
        flat = weight.detach().flatten()
        sample = flat[:: max(1, flat.numel() // _SAMPLE)][:_SAMPLE].to("cpu", torch.bfloat16)
        digest.update(f"{name}{tuple(weight.shape)}".encode())
        digest.update(sample.view(torch.int16).numpy().tobytes())
    return digest.hexdigest()[:16]
