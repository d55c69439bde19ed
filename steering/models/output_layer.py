"""The output layer in float32 on the CPU: a few rows at a time are computed as if they were sixteen.

MKL, which computes PyTorch's float32 products on x86, has a slow path for products of a few rows with a very wide layer: with
AVX-512, 13 rows of a vocabulary of 49,152 take 22 ms, and 16 rows take 9. A step of decoding has as many rows as strengths.
"""

from typing import Any

import torch
from torch import nn

FEWEST_ROWS, MOST_ROWS = 5, 15
"""Numbers of rows that take longer than `MOST_ROWS + 1` rows do."""


class OutputLayer(nn.Linear):
    """A linear layer that fills inputs of 5 to 15 rows up to 16 with zeros, and leaves what these give out."""

    def __init__(self, layer: nn.Linear) -> None:
        """Share the weights of a layer."""
        super().__init__(layer.in_features, layer.out_features, layer.bias is not None, device="meta")
        self.weight, self.bias = layer.weight, layer.bias

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Inputs `[..., in]` to outputs `[..., out]`."""
        rows = inputs.reshape(-1, inputs.shape[-1])
        if not FEWEST_ROWS <= len(rows) <= MOST_ROWS:
            return super().forward(inputs)
        filled = nn.functional.pad(rows, (0, 0, 0, MOST_ROWS + 1 - len(rows)))
        return super().forward(filled)[: len(rows)].view(*inputs.shape[:-1], -1)


def use_faster_output_layer(model: Any) -> None:
    """Replace a model's output layer where that is faster: in float32 on a processor with AVX-512.

    Args:
        model: a causal language model of transformers. It is changed in place; its weights stay the same tensors.
    """
    layer = model.get_output_embeddings()
    if (
        type(layer) is nn.Linear
        and layer.weight.dtype == torch.float32
        and layer.weight.device.type == "cpu"
        and torch.backends.mkl.is_available()  # type: ignore[no-untyped-call]
        and torch.backends.cpu.get_cpu_capability() == "AVX512"
    ):
        model.set_output_embeddings(OutputLayer(layer))
