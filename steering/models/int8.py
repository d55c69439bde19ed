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
from transformers.pytorch_utils import Conv1D

from steering.errors import ModelError

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
    for group in _groups(model):
        parents = [model.get_submodule(name.rpartition(".")[0]) for name in group]
        names = [name.rpartition(".")[2] for name in group]
        product = Int8Product([getattr(parent, name) for parent, name in zip(parents, names, strict=True)])
        for part, (parent, name) in enumerate(zip(parents, names, strict=True)):
            setattr(parent, name, Int8Linear(product, part))
    embeddings = model.get_input_embeddings()
    if (scale := _embedding_scale(embeddings)) is not None:
        model.set_input_embeddings(Int8Embedding(embeddings.weight.detach(), scale))
    model.float()
    model.config.dtype = torch.float32


def bytes_in_8_bits(model: nn.Module) -> int:
    """Memory of a model's weights in 8 bits, which are no parameters of it; 0 for a model in another type."""
    linear = sum(m.in_features * m.out_features for m in model.modules() if isinstance(m, Int8Linear))
    return linear + sum(m.integers.numel() for m in model.modules() if isinstance(m, Int8Embedding))


class Int8Product:
    """The product of an input with the weights of one linear layer, or of several that read the same tensor."""

    def __init__(self, layers: Sequence[nn.Module]) -> None:
        """Quantise the weights of `nn.Linear` or `Conv1D` layers of equal input width."""
        weights = [_weight(layer) for layer in layers]
        self.width = weights[0].shape[1]
        self.sizes = [len(weight) for weight in weights]
        self.bias = None
        biases: list[Any] = [layer.bias for layer in layers]
        if any(bias is not None for bias in biases):
            self.bias = torch.cat(
                [
                    torch.zeros(size) if bias is None else bias.detach().float()
                    for bias, size in zip(biases, self.sizes, strict=True)
                ]
            )
        parts = [_rounded(weight) for weight in weights]
        integers, scales = (torch.cat(column) for column in zip(*parts, strict=True))
        with warnings.catch_warnings():
            # PyTorch means to drop this class of tensors, but the packing of its fastest 8-bit product takes no other.
            warnings.filterwarnings("ignore", message=".*deprecated", category=UserWarning)
            tensor = torch._make_per_channel_quantized_tensor(
                integers, scales.double(), torch.zeros(len(scales), dtype=torch.long), 0
            )
            self.packed = torch.ops.quantized.linear_prepack(tensor, None)
        self._input: torch.Tensor | None = None
        self._pending: dict[int, torch.Tensor] = {}

    def part(self, inputs: torch.Tensor, number: int) -> torch.Tensor:
        """The part of one layer, `[..., in]` to `[..., out]`.

        The first layer that comes with a tensor computes the parts of all; each of the others takes its own, once.
        """
        if self._input is not inputs or number not in self._pending:
            outputs = self(inputs)
            if len(self.sizes) == 1:
                return outputs
            self._input, self._pending = inputs, dict(enumerate(torch.split(outputs, self.sizes, dim=-1)))
        result = self._pending.pop(number)
        if not self._pending:
            self._input = None
        return result

    def __call__(self, inputs: torch.Tensor) -> torch.Tensor:
        """The parts of all layers side by side."""
        if inputs.requires_grad and torch.is_grad_enabled():
            outputs: torch.Tensor = _Differentiable.apply(inputs, self)  # type: ignore[no-untyped-call]
        else:
            outputs = self.rounded(inputs)
        return outputs if self.bias is None else outputs + self.bias

    def rounded(self, inputs: torch.Tensor) -> torch.Tensor:
        """The product without bias, of the input as two integers a number."""
        rows = inputs.reshape(-1, inputs.shape[-1])
        scale = rows.abs().amax(dim=-1, keepdim=True).clamp_(min=_TINY)
        parts = rows.new_empty(2, *rows.shape)
        torch.mul(rows, _STEPS / scale, out=parts[1])
        torch.round(parts[1], out=parts[0])
        parts[1].sub_(parts[0]).mul_(2 * _STEPS)
        coarse, fine = torch.ops.quantized.linear_with_input_q_dq_qweight_dq_output_fp32(
            parts.flatten(0, 1), 1.0, _STEPS + 1, self.packed
        ).chunk(2)
        outputs = torch.add(coarse, fine, alpha=1 / (2 * _STEPS)).mul_(scale / _STEPS)
        return outputs.view(*inputs.shape[:-1], -1)

    @property
    def weight(self) -> torch.Tensor:
        """The weights of all layers as they are computed with, float32 `[out, in]`."""
        weight: torch.Tensor = torch.ops.quantized.linear_unpack(self.packed)[0].dequantize()
        return weight


class Int8Linear(nn.Module):
    """A linear layer with weights in 8 bits."""

    def __init__(self, product: Int8Product, part: int) -> None:
        super().__init__()
        self.product = product
        self.number = part
        self.in_features, self.out_features = product.width, product.sizes[part]

    @property
    def weight(self) -> torch.Tensor:
        """The weights as they are computed with, float32 `[out, in]`; a copy, since they are kept as integers."""
        start = sum(self.product.sizes[: self.number])
        return self.product.weight[start : start + self.out_features]

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Multiply, `[..., in]` to `[..., out]`."""
        return self.product.part(inputs, self.number)


class Int8Embedding(nn.Module):
    """A table of embeddings in 8 bits, with one scale a token."""

    integers: torch.Tensor
    scales: torch.Tensor

    def __init__(self, weight: torch.Tensor, scale: float) -> None:
        super().__init__()
        integers, scales = _rounded(weight)
        self.register_buffer("integers", integers)
        self.register_buffer("scales", scales * scale)

    @property
    def weight(self) -> torch.Tensor:
        """The table as it is read, float32 `[vocabulary, d_model]`; a copy."""
        return self.integers * self.scales[:, None]

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        """Look up token ids, `[...]` to `[..., d_model]`."""
        return self.integers[ids] * self.scales[ids][..., None]


class _Differentiable(torch.autograd.Function):
    """Gradients of the weights as they are kept; rounding of the input passes them on unchanged."""

    @staticmethod
    def forward(context: Any, inputs: torch.Tensor, product: Int8Product) -> torch.Tensor:
        context.product = product
        return product.rounded(inputs)

    @staticmethod
    def backward(context: Any, *gradients: Any) -> tuple[torch.Tensor, None]:
        return gradients[0] @ context.product.weight, None


def _weight(layer: nn.Module) -> torch.Tensor:
    weight: torch.Tensor = layer.get_parameter("weight").detach()
    return weight.T if isinstance(layer, Conv1D) else weight


def _rounded(weight: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Integers `[rows, width]` and one scale a row."""
    scales = weight.abs().amax(dim=1).float().clamp(min=_TINY) / _LEVELS
    return (weight / scales[:, None]).round_().to(torch.int8), scales


def _groups(model: nn.Module) -> list[list[str]]:
    """Names of the linear layers, together where a forward pass shows that they read the same tensor."""
    layers = {name: module for name, module in model.named_modules() if type(module) in (nn.Linear, Conv1D)}
    calls: dict[str, list[torch.Tensor]] = {name: [] for name in layers}
    handles = [
        module.register_forward_pre_hook(lambda _module, inputs, name=name: calls[name].append(inputs[0]))
        for name, module in layers.items()
    ]
    try:
        with torch.inference_mode():
            model(input_ids=torch.arange(4)[None], use_cache=False)
    finally:
        for handle in handles:
            handle.remove()
    groups: dict[object, list[str]] = {}
    for name, inputs in calls.items():
        # The inputs are alive, so two of one identity are one tensor.
        once = len(inputs) == 1
        groups.setdefault((name.rpartition(".")[0], id(inputs[0])) if once else name, []).append(name)
    return list(groups.values())


def _embedding_scale(embeddings: nn.Module) -> float | None:
    """What a table multiplies its rows by; None for a module that does more than that."""
    if not isinstance(embeddings, nn.Embedding):
        return None
    scale = float(getattr(embeddings, "embed_scale", 1.0))
    ids = torch.arange(min(16, embeddings.num_embeddings))
    with torch.inference_mode():
        rows, looked_up = embeddings.weight[ids].float() * scale, embeddings(ids).float()
    return scale if torch.allclose(rows, looked_up, rtol=0.01) else None
