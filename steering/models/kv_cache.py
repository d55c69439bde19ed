"""A key-value cache that has room to grow.

transformers' own concatenates the whole past with every new token, which costs more than the attention itself as soon as a
batch has a dozen rows. Here a layer writes the new token behind the past, and copies only when its room is used up.
"""

from typing import Any

import torch
from transformers import DynamicCache, PretrainedConfig
from transformers.cache_utils import DynamicLayer

GROWTH = 64
"""Positions by which a layer grows at a time."""


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
        # Selecting rows or cropping makes new tensors, and the buffers are theirs no more.
        if (
            self._buffers is None
            or self._buffers[0].data_ptr() != self.keys.data_ptr()
            or self._buffers[0].shape[-2] < end
        ):
            self._buffers = _grown(self.keys, end), _grown(self.values, end)
        for buffer, new in zip(self._buffers, (key_states, value_states), strict=True):
            buffer[..., past:end, :] = new
        self.keys, self.values = self._buffers[0][..., :end, :], self._buffers[1][..., :end, :]
        return self.keys, self.values


def new_cache(config: PretrainedConfig) -> DynamicCache:
    """An empty cache for a model; layers with a sliding window keep transformers' own kind."""
    cache = DynamicCache(config=config)
    if len(cache.layers) == 0:
        cache.layer_class_to_replicate = GrowingLayer
    cache.layers = [GrowingLayer() if type(layer) is DynamicLayer else layer for layer in cache.layers]
    return cache


def _grown(past: torch.Tensor, end: int) -> torch.Tensor:
    *lead, length, width = past.shape
    buffer = past.new_empty(*lead, end + GROWTH, width)
    buffer[..., :length, :] = past
    return buffer
