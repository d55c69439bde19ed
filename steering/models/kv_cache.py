"""A key-value cache with preallocated buffers.

The cache of transformers concatenates all past keys and values with every new token, which costs more than the attention itself
once a batch has a dozen rows. Here a layer writes the new token behind the past, and copies only when its buffer is full.
"""

import inspect
from collections.abc import Callable
from functools import cache
from typing import Any

import torch
from torch import nn
from transformers import DynamicCache, PretrainedConfig
from transformers.cache_utils import DynamicLayer, DynamicSlidingWindowLayer

from steering.errors import ModelError

GROWTH = 64
"""Positions that are added to a full buffer at a time."""


class GrowingLayer(DynamicLayer):  # type: ignore[misc]
    """A cache layer whose keys and values are views of larger buffers."""

    keys: torch.Tensor
    values: torch.Tensor
    _buffers: tuple[torch.Tensor, torch.Tensor] | None = None

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, *args: Any, **kwargs: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Append keys and values, each `[batch, heads, new, head_dim]`; returns all of them."""
        past = self.get_seq_length()
        if past == 0:
            return super().update(key_states, value_states, *args, **kwargs)
        end = past + key_states.shape[-2]
        # Selecting rows or cropping makes new tensors, which are no longer views of the buffers.
        if (
            self._buffers is None
            or self._buffers[0].data_ptr() != self.keys.data_ptr()
            or self._buffers[0].shape[-2] < end
        ):
            self._buffers = _enlarged(self.keys, end), _enlarged(self.values, end)
        for buffer, new in zip(self._buffers, (key_states, value_states), strict=True):
            buffer[..., past:end, :] = new
        self.keys, self.values = self._buffers[0][..., :end, :], self._buffers[1][..., :end, :]
        return self.keys, self.values


MAX_CACHED_ERROR = 0.1
"""Root mean square error of cached logits, as a share of their standard deviation, above which a cache is wrong. Rounding in
bfloat16 stays far below it; a cache that has lost a token lies far above it."""


def new_cache(config: PretrainedConfig) -> DynamicCache:
    """An empty cache for a model; layers with a sliding window keep the class of transformers."""
    cache = DynamicCache(config=config)
    if len(cache.layers) == 0:
        cache.layer_class_to_replicate = GrowingLayer
    cache.layers = [GrowingLayer() if type(layer) is DynamicLayer else layer for layer in cache.layers]
    return cache


def keep_rows(past: DynamicCache, rows: torch.Tensor) -> None:
    """Keep some rows of a cache, given by their numbers `[n_rows]`, and forget the others."""
    # Not batch_select_indices, which the layers that hold a state instead of keys and values do not have.
    past.reorder_cache(rows)


def next_logits(
    model: nn.Module, inputs: torch.Tensor, mask: torch.Tensor, past: DynamicCache, *, padded: bool
) -> torch.Tensor:
    """Logits behind the newest position of every row; the cache grows by what was read.

    Args:
        model: a causal language model of transformers.
        inputs: token ids that the cache does not hold yet, `[rows, new]`.
        mask: 1 for a token and 0 for padding on the left, `[rows, past + new]`.
        past: the cache, see `new_cache`.
        padded: whether the mask holds a 0. A mask of ones changes nothing, and makes attention slower.

    Returns:
        float32 `[rows, vocabulary]`.
    """
    return logits_with_cache(model, inputs, mask, past, padded=padded, keep=1)[:, -1].float()


def logits_with_cache(
    model: nn.Module, inputs: torch.Tensor, mask: torch.Tensor, past: DynamicCache, *, padded: bool, keep: int
) -> torch.Tensor:
    """Logits `[rows, keep, vocabulary]` of the last `keep` positions that are read; other arguments as for `next_logits`."""
    arguments = reading_arguments(model, inputs, mask, past, padded=padded)
    if "logits_to_keep" in forward_parameters(model):
        arguments["logits_to_keep"] = keep
    logits: torch.Tensor = model(**arguments).logits[:, -keep:]
    return logits


def reading_arguments(
    model: nn.Module, inputs: torch.Tensor, mask: torch.Tensor, past: DynamicCache, *, padded: bool
) -> dict[str, Any]:
    """What a model is called with to read on behind a cache; arguments as for `next_logits`."""
    parameters = forward_parameters(model)
    arguments: dict[str, Any] = {"input_ids": inputs, "use_cache": True}
    if padded:
        arguments["attention_mask"] = mask
    if "position_ids" in parameters:
        positions = (mask.cumsum(dim=1) - 1).clamp(min=0)
        arguments["position_ids"] = positions[:, -inputs.shape[1] :]
    # State-space models take the same cache by another name.
    arguments["cache_params" if "cache_params" in parameters else "past_key_values"] = past
    return arguments


def can_skip_positions(past: DynamicCache) -> bool:
    """Whether padding may lie between tokens: a sliding window would count it, and a recurrent state would read it."""
    return all(type(layer) is GrowingLayer for layer in past.layers)


def holds_all(past: DynamicCache, length: int) -> bool:
    """Whether every layer keeps the keys and values of all tokens of texts up to a length, padding included."""
    return all(
        int(layer.sliding_window) > length if type(layer) is DynamicSlidingWindowLayer else type(layer) is GrowingLayer
        for layer in past.layers
    )


def add_rows(past: DynamicCache, others: DynamicCache) -> None:
    """Put the rows of another cache behind those of a cache; the shorter ones get padding on the left.

    Both must hold all of their tokens, see `holds_all`.
    """
    length = max(past.get_seq_length(), others.get_seq_length())
    for layer, other in zip(past.layers, others.layers, strict=True):
        layer.keys = torch.cat([_padded(layer.keys, length), _padded(other.keys, length)])
        layer.values = torch.cat([_padded(layer.values, length), _padded(other.values, length)])
        _set_length(layer, length)


def cut(past: DynamicCache, start: int, end: int) -> None:
    """Keep the tokens of a cache from one position on and up to another; it must hold all of them, see `holds_all`."""
    for layer in past.layers:
        layer.keys, layer.values = layer.keys[..., start:end, :], layer.values[..., start:end, :]
        _set_length(layer, end - start)


def check_cache(model: Any, probe: torch.Tensor) -> None:
    """Check that reading a text token by token with a cache gives the logits of one pass, also where a row is padded.

    Args:
        model: a causal language model of transformers.
        probe: token ids `[1, seq]`, seq at least 4.

    Raises:
        ModelError: it does not.
    """
    seq = probe.shape[1]
    # Two rows, the second without its first token and padded; then the second row alone, as when the first one has ended.
    ids = torch.cat([probe, probe])
    mask = torch.ones_like(ids)
    mask[1, 0] = 0
    try:
        with torch.no_grad():
            past = new_cache(model.config)
            next_logits(model, ids[:, : seq - 2], mask[:, : seq - 2], past, padded=True)
            both_rows = next_logits(model, ids[:, seq - 2 : seq - 1], mask[:, : seq - 1], past, padded=True)
            keep_rows(past, torch.tensor([1], device=ids.device))
            second_row = next_logits(model, ids[1:, seq - 1 :], mask[1:], past, padded=True)
            full_text = model(input_ids=probe, use_cache=False).logits[0, seq - 2]
            shortened_text = model(input_ids=probe[:, 1:], use_cache=False).logits[0, seq - 3 :]
        expected = torch.stack([full_text, shortened_text[0], shortened_text[1]]).float()
        error = float((torch.cat([both_rows, second_row]) - expected).square().mean().sqrt() / expected.std())
        problem = "" if error <= MAX_CACHED_ERROR else f"its logits differ by {error:.0%} of their spread"
    except Exception as failure:  # Models of transformers fail in many ways on a cache of another kind.
        problem = str(failure).partition("\n")[0] or type(failure).__name__
    if problem:
        raise ModelError(
            f"{type(model).__name__} cannot write: read step by step with a cache, in a padded batch, it does not compute "
            f"what it computes for a whole text ({problem}). Transformers with attention can be steered, and hybrids with "
            "state-space layers such as Jamba or Mamba 2; most purely recurrent models cannot."
        )


def forward_parameters(model: nn.Module) -> frozenset[str]:
    """The names of what a model can be called with."""
    return _parameters(type(model).forward)


@cache
def _parameters(forward: Callable[..., Any]) -> frozenset[str]:
    return frozenset(inspect.signature(forward).parameters)


def _set_length(layer: Any, length: int) -> None:
    if type(layer) is DynamicSlidingWindowLayer:  # It counts by itself.
        layer.cumulative_length = length


def _padded(states: torch.Tensor, length: int) -> torch.Tensor:
    return nn.functional.pad(states, (0, 0, length - states.shape[-2], 0))


def _enlarged(past: torch.Tensor, end: int) -> torch.Tensor:
    *lead, length, width = past.shape
    buffer = past.new_empty(*lead, end + GROWTH, width)
    buffer[..., :length, :] = past
    return buffer
