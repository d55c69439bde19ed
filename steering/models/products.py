"""Linear layers whose weights are kept in a form that is fast to multiply with, and that share a product where they can.

A layer's weights go into a `Product`, and a `ProductLinear` takes the layer's place. Layers that read one and the same tensor,
such as the queries, keys and values of an attention, become one product, which is made once.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import nn
from transformers.pytorch_utils import Conv1D


class Product(ABC):
    """The product of an input with the weights of one linear layer, or of several that read the same tensor.

    Attributes:
        width: numbers that it reads a token.
        sizes: numbers that each of the layers gives a token.
        bias: of all layers, `[sum of sizes]`; None where none of them has one.
    """

    def __init__(self, layers: Sequence[nn.Module]) -> None:
        """Take the sizes and biases of `nn.Linear` or `Conv1D` layers of equal input width."""
        shapes = [weight_of(layer).shape for layer in layers]
        self.width = shapes[0][1]
        self.sizes = [shape[0] for shape in shapes]
        biases: list[Any] = [layer.bias for layer in layers]
        self.bias: torch.Tensor | None = None
        if any(bias is not None for bias in biases):
            like = weight_of(layers[0])
            parts = [
                like.new_zeros(size) if bias is None else bias.detach()
                for bias, size in zip(biases, self.sizes, strict=True)
            ]
            self.bias = torch.cat(parts)
        self._input: torch.Tensor | None = None
        self._pending: dict[int, torch.Tensor] = {}

    @property
    @abstractmethod
    def weight(self) -> torch.Tensor:
        """The weights of all layers as they are computed with, `[out, in]`; a copy."""

    @property
    @abstractmethod
    def n_bytes(self) -> int:
        """Memory that the weights take."""

    @abstractmethod
    def multiply(self, inputs: torch.Tensor) -> torch.Tensor:
        """Inputs `[..., in]` to outputs `[..., out]` of all layers side by side, with bias."""

    def __call__(self, inputs: torch.Tensor) -> torch.Tensor:
        """As `multiply`; the input may need gradients."""
        if inputs.requires_grad and torch.is_grad_enabled():
            outputs: torch.Tensor = _Differentiable.apply(inputs, self)  # type: ignore[no-untyped-call]
            return outputs
        return self.multiply(inputs)

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


class ProductLinear(nn.Module):
    """A linear layer that takes its part of a product."""

    def __init__(self, product: Product, part: int, *, transposed: bool = False) -> None:
        """Take the place of a layer.

        Args:
            product: of the layer's weights.
            part: the layer's number in it.
            transposed: the layer was a `Conv1D`, whose weights are saved as `[in, out]`.
        """
        super().__init__()
        self.product = product
        self.number = part
        self._transposed = transposed
        self.in_features, self.out_features = product.width, product.sizes[part]

    @property
    def weight(self) -> torch.Tensor:
        """The weights as they are computed with, `[out, in]`; a copy, since they are kept in another form."""
        return self.product.weight[self._rows()]

    @property
    def bias(self) -> torch.Tensor | None:
        """Added to the outputs, `[out]`; None where the layers of the product have none."""
        return None if self.product.bias is None else self.product.bias[self._rows()]

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Multiply, `[..., in]` to `[..., out]`."""
        return self.product.part(inputs, self.number)

    def _rows(self) -> slice:
        start = sum(self.product.sizes[: self.number])
        return slice(start, start + self.out_features)

    def _save_to_state_dict(self, destination: dict[str, Any], prefix: str, keep_vars: bool) -> None:
        # So that a model is saved whole, though its weights are no parameters.
        super()._save_to_state_dict(destination, prefix, keep_vars)
        destination[f"{prefix}weight"] = self.weight.T.contiguous() if self._transposed else self.weight
        if (bias := self.bias) is not None:
            destination[f"{prefix}bias"] = bias


def use_products(
    model: Any, product_of: Callable[[Sequence[nn.Module]], Product], *, except_for: Sequence[nn.Module] = ()
) -> None:
    """Replace the linear layers of a transformers model, one product after the other, so that little is in memory twice.

    Args:
        model: a causal language model of transformers on the CPU. It is changed in place.
        product_of: makes the product of layers that read the same tensor.
        except_for: layers that stay as they are.
    """
    for group in _groups(model, except_for):
        parents = [model.get_submodule(name.rpartition(".")[0]) for name in group]
        names = [name.rpartition(".")[2] for name in group]
        layers = [getattr(parent, name) for parent, name in zip(parents, names, strict=True)]
        product = product_of(layers)
        for part, (parent, name, layer) in enumerate(zip(parents, names, layers, strict=True)):
            setattr(parent, name, ProductLinear(product, part, transposed=isinstance(layer, Conv1D)))
    # What is left may lie in the mapped file of all weights, which stays in memory as long as one of them is used.
    for parameter in model.parameters():
        parameter.data = parameter.data.clone()


def products_of(model: nn.Module) -> list[Product]:
    """The products of a model's linear layers, each of them once."""
    layers = (module for module in model.modules() if isinstance(module, ProductLinear))
    return list({id(layer.product): layer.product for layer in layers}.values())


def weight_of(layer: nn.Module) -> torch.Tensor:
    """The weights of an `nn.Linear` or a `Conv1D` layer, `[out, in]`."""
    weight: torch.Tensor = layer.get_parameter("weight").detach()
    return weight.T if isinstance(layer, Conv1D) else weight


class _Differentiable(torch.autograd.Function):
    """Gradients of the weights as they are kept; rounding of the input passes them on unchanged."""

    @staticmethod
    def forward(context: Any, inputs: torch.Tensor, product: Product) -> torch.Tensor:
        context.product = product
        return product.multiply(inputs)

    @staticmethod
    def backward(context: Any, *gradients: Any) -> tuple[torch.Tensor, None]:
        return gradients[0] @ context.product.weight, None


def _groups(model: nn.Module, except_for: Sequence[nn.Module]) -> list[list[str]]:
    """Names of the linear layers, together where a forward pass shows that they read the same tensor."""
    layers = {
        name: module
        for name, module in model.named_modules()
        if type(module) in (nn.Linear, Conv1D) and not any(module is each for each in except_for)
    }
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
