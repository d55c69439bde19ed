"""Weights in float32 and bfloat16 on the CPU, in the blocked layout that oneDNN multiplies fastest.

A product with weights as PyTorch keeps them, row by row, reads them far below the rate of the memory, or copies them first into
blocks. A step of decoding is little but such products. Here the blocks are kept instead of the rows: values and memory are the
same, and on two AVX-512 cores of an AMD EPYC a product of 1 to 16 rows takes half to two thirds of the time.
"""

import platform
from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from steering.models.products import Product, use_products, weight_of

ROWS = 16
"""Rows that the layout of the blocks is chosen for; 1 and 500 rows take no longer in it than in one of their own."""

MOST_COPIED = 1 / 3
"""Largest share of a model's weights that is kept twice: the table of embeddings, where it is the output layer as well. Tokens
are looked up in its rows and multiplied with its blocks."""


class PackedProduct(Product):
    """The product with weights in blocks."""

    def __init__(self, layers: Sequence[nn.Module]) -> None:
        """Copy the weights of layers of one type into blocks."""
        super().__init__(layers)
        weight = torch.cat([weight_of(layer) for layer in layers]).contiguous()
        self._packed = torch.ops.mkldnn._reorder_linear_weight(weight, ROWS)
        self._n_bytes = weight.nbytes

    @property
    def weight(self) -> torch.Tensor:
        """The weights of all layers, `[out, in]`; a copy."""
        weight: torch.Tensor = self._packed.to_dense()
        return weight

    @property
    def n_bytes(self) -> int:
        """Memory that the weights take."""
        return self._n_bytes

    def multiply(self, inputs: torch.Tensor) -> torch.Tensor:
        """Inputs `[..., in]` to outputs `[..., out]` of all layers side by side, with bias."""
        outputs: torch.Tensor = torch.ops.mkldnn._linear_pointwise(inputs, self._packed, self.bias, "none", [], "")
        return outputs


def can_pack(dtype: torch.dtype, device: torch.device) -> bool:
    """Whether this build of PyTorch and this processor have products with packed weights of a type."""
    if device.type != "cpu" or platform.machine().lower() not in ("x86_64", "amd64"):
        return False
    if not torch.backends.mkldnn.is_available():  # type: ignore[no-untyped-call]
        return False
    return dtype == torch.float32 or (dtype == torch.bfloat16 and torch.ops.mkldnn._is_mkldnn_bf16_supported())


def pack_weights(model: Any) -> None:
    """Keep the weights of a transformers model's linear layers in blocks.

    Args:
        model: a causal language model of transformers on the CPU, in a type that `can_pack`. It is changed in place.
    """
    output, embeddings = model.get_output_embeddings(), model.get_input_embeddings()
    shared = output is not None and output.weight is embeddings.weight
    kept_twice = output.weight.numel() / model.num_parameters() if shared else 0.0
    use_products(model, PackedProduct, except_for=[output] if kept_twice > MOST_COPIED else [])
