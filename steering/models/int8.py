"""Weights in 8 bits on the CPU: a quarter of the memory of float32, and of what a step of decoding has to read.

A weight is kept as an integer from −127 to 127 times one scale a row. An activation goes in as two such integers of 7 bits, a
coarse one and one for what it leaves over, with one scale a token: so every row of a batch is computed as if it were alone,
products are exact, and no processor saturates (one without VNNI adds pairs of products in 16 bits). Everything between the
products, the residual stream included, stays in float32.
"""

import warnings
from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from steering.errors import ModelError
from steering.models.products import Product, products_of, use_products, weight_of

_LEVELS = 127
"""Largest integer of a weight."""

_STEPS = 63
"""Largest integer of each of the two parts of an activation."""

EPSILON = 1 / (2 * _STEPS) ** 2
"""Relative size of an activation's rounding: half a step of the finer part, over the largest activation of its token."""

_TINY = torch.finfo(torch.float32).tiny


def in_8_bits(model: Any) -> None:
    """Replace the weights of a transformers model by 8-bit ones, module by module, so that memory only falls.

    Linear layers and the table of embeddings are replaced; everything else becomes float32. Layers that read one and the same
    tensor, such as the queries, keys and values of an attention, become one product.

    Args:
        model: a causal language model of transformers on the CPU, in any type. It is changed in place.

    Raises:
        ModelError: this build of PyTorch has no products of 8-bit integers.
    """
    if "fbgemm" not in torch.backends.quantized.supported_engines:
        raise ModelError('This build of PyTorch has no 8-bit products (FBGEMM). Use dtype="float32".')
    model.eval()
    use_products(model, Int8Product)
    embeddings = model.get_input_embeddings()
    if (scale := _embedding_scale(embeddings)) is not None:
        model.set_input_embeddings(Int8Embedding(embeddings.weight.detach(), scale))
    model.float()
    model.config.dtype = torch.float32


def is_in_8_bits(model: nn.Module) -> bool:
    """Whether `in_8_bits` has replaced the weights of a model."""
    return any(isinstance(product, Int8Product) for product in products_of(model))


def embedding_bytes(model: nn.Module) -> int:
    """Memory of tables of embeddings in 8 bits, which are no parameters of a model; 0 for a model in another type."""
    return sum(module.integers.numel() for module in model.modules() if isinstance(module, Int8Embedding))


class Int8Product(Product):
    """The product with weights in 8 bits."""

    def __init__(self, layers: Sequence[nn.Module]) -> None:
        """Quantise the weights of layers."""
        super().__init__(layers)
        if self.bias is not None:
            self.bias = self.bias.float()
        parts = [_rounded(weight_of(layer)) for layer in layers]
        integers, scales = (torch.cat(column) for column in zip(*parts, strict=True))
        with warnings.catch_warnings():
            # PyTorch means to drop this class of tensors, but the packing of its fastest 8-bit product takes no other.
            warnings.filterwarnings("ignore", message=".*deprecated", category=UserWarning)
            tensor = torch._make_per_channel_quantized_tensor(
                integers, scales.double(), torch.zeros(len(scales), dtype=torch.long), 0
            )
            self._packed = torch.ops.quantized.linear_prepack(tensor, None)

    @property
    def weight(self) -> torch.Tensor:
        """The weights of all layers as they are computed with, float32 `[out, in]`; a copy."""
        weight: torch.Tensor = torch.ops.quantized.linear_unpack(self._packed)[0].dequantize()
        return weight

    @property
    def n_bytes(self) -> int:
        """Memory that the weights take."""
        return self.width * sum(self.sizes)

    def multiply(self, inputs: torch.Tensor) -> torch.Tensor:
        """Inputs `[..., in]`, as two integers a number, to outputs `[..., out]` of all layers side by side, with bias."""
        rows = inputs.reshape(-1, inputs.shape[-1])
        scale = rows.abs().amax(dim=-1, keepdim=True).clamp_(min=_TINY)
        parts = rows.new_empty(2, *rows.shape)
        torch.mul(rows, _STEPS / scale, out=parts[1])
        torch.round(parts[1], out=parts[0])
        parts[1].sub_(parts[0]).mul_(2 * _STEPS)
        coarse, fine = torch.ops.quantized.linear_with_input_q_dq_qweight_dq_output_fp32(
            parts.flatten(0, 1), 1.0, _STEPS + 1, self._packed
        ).chunk(2)
        outputs = torch.add(coarse, fine, alpha=1 / (2 * _STEPS)).mul_(scale / _STEPS)
        if self.bias is not None:
            outputs += self.bias
        return outputs.view(*inputs.shape[:-1], -1)


class Int8Embedding(nn.Module):
    """A table of embeddings in 8 bits, with one scale a token."""

    integers: torch.Tensor
    scales: torch.Tensor

    def __init__(self, weight: torch.Tensor, scale: float) -> None:
        super().__init__()
        integers, scales = _rounded(weight)
        self.register_buffer("integers", integers)
        self.register_buffer("scales", scales * scale)
        self._scale = scale

    @property
    def weight(self) -> torch.Tensor:
        """The table as it is read, float32 `[vocabulary, d_model]`; a copy."""
        return self.integers * self.scales[:, None]

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        """Look up token ids, `[...]` to `[..., d_model]`."""
        return self.integers[ids] * self.scales[ids][..., None]

    def _save_to_state_dict(self, destination: dict[str, Any], prefix: str, _keep_vars: bool) -> None:
        # As the table of the model before, which whoever reads it multiplies by the scale.
        destination[f"{prefix}weight"] = self.weight / self._scale


def _rounded(weight: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Integers `[rows, width]` and one scale a row."""
    scales = weight.abs().amax(dim=1).float().clamp(min=_TINY) / _LEVELS
    return (weight / scales[:, None]).round_().to(torch.int8), scales


def _embedding_scale(embeddings: nn.Module) -> float | None:
    """What a table multiplies its rows by; None for a module that does more than that."""
    if not isinstance(embeddings, nn.Embedding):
        return None
    scale = float(getattr(embeddings, "embed_scale", 1.0))
    ids = torch.arange(min(16, embeddings.num_embeddings))
    with torch.inference_mode():
        rows, looked_up = embeddings.weight[ids].float() * scale, embeddings(ids).float()
    return scale if torch.allclose(rows, looked_up, rtol=0.01) else None
