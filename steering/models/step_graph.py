"""One decoding step of a batch, recorded as a CUDA graph and replayed.

A step of a small model launches hundreds of kernels, and Python takes longer to launch one than a GPU to run it. A graph
launches all of them at once. It reads and writes fixed addresses, so keys and values lie in buffers that are as long as the
texts may become, and every row keeps its place in the batch when others end.
"""

import logging
from collections.abc import Sequence
from typing import Any
from weakref import WeakSet

import torch
from torch import nn
from transformers import DynamicCache
from transformers.cache_utils import DynamicLayer

from steering.models.blocks import Edit, editing
from steering.models.kv_cache import forward_parameters, holds_all
from steering.models.language_model import LanguageModel

_log = logging.getLogger(__name__)

_not_recordable: WeakSet[nn.Module] = WeakSet()

_WARM_UP = 2
"""Steps before the recording: libraries choose their kernels and allocate what they need in the first ones."""


class _FixedLayer(DynamicLayer):  # type: ignore[misc]
    """A cache layer of a fixed length, whose new keys and values go where `place` says."""

    def __init__(self, past: DynamicLayer, length: int, place: torch.Tensor) -> None:
        super().__init__()
        self.keys, self.values = _buffer(past.keys, length), _buffer(past.values, length)
        self.is_initialized = True
        self._place = place

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, *_args: Any, **_kwargs: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Write keys and values, each `[rows, heads, 1, head_dim]`; returns the buffers."""
        self.keys.index_copy_(2, self._place, key_states)
        self.values.index_copy_(2, self._place, value_states)
        return self.keys, self.values


class StepGraph:
    """A decoding step with hooks, for as many rows and tokens as it was made for."""

    def __init__(
        self,
        model: LanguageModel,
        past: DynamicCache,
        mask: torch.Tensor,
        n_steps: int,
        edit: Edit,
        layers: Sequence[int],
    ) -> None:
        """Record the step; elsewhere than on a GPU it is run as it is, each time.

        Args:
            model: the model that writes.
            past: keys and values of all tokens but the newest one of each row; they are copied.
            mask: 1 for a token and 0 for padding on the left, `[rows, past + 1]`.
            n_steps: how many tokens are read at most.
            edit: sees, and may replace, each block's output, see `editing`. It is called while the step is recorded, and
                the kernels that it launches are part of the graph; so the tensors that it adds must not move.
            layers: which blocks it edits.
        """
        n_rows, end = mask.shape
        # Steps of the warm-up write behind the newest token.
        length = end + max(n_steps, _WARM_UP + 1)
        self._model, self._edit, self._layers = model, edit, list(layers)
        self._inputs = torch.zeros(n_rows, 1, dtype=torch.long, device=mask.device)
        self._positions = mask.sum(dim=1, keepdim=True) - 1
        self._place = torch.tensor([end - 1], device=mask.device)
        unseen = torch.finfo(model.dtype).min
        self._visible = torch.full((n_rows, 1, 1, length), unseen, dtype=model.dtype, device=mask.device)
        self._visible[..., : end - 1] = torch.where(mask[:, None, None, :-1] == 1, 0.0, unseen).to(model.dtype)
        self._arguments = self._fixed_arguments(past, length)
        self._graph: torch.cuda.CUDAGraph | None = None
        if mask.device.type == "cuda":
            self._record()

    def __call__(self, inputs: torch.Tensor, places: torch.Tensor) -> torch.Tensor:
        """Read one token of some of the rows.

        Args:
            inputs: token ids `[running, 1]`.
            places: the places in the batch of these rows, `[running]`.

        Returns:
            Logits behind them, float32 `[running, vocabulary]`.
        """
        self._inputs[places] = inputs
        if self._graph is None:
            with self._model.lock:
                self._logits = self._step()
        else:
            self._graph.replay()
        return self._logits[places]

    def _step(self) -> torch.Tensor:
        self._visible.index_fill_(3, self._place, 0.0)
        with editing(self._model.blocks, self._edit, self._layers):
            logits: torch.Tensor = self._model.model(**self._arguments).logits[:, -1].float()
        self._positions += 1
        self._place += 1
        return logits

    def _record(self) -> None:
        state = self._positions, self._place, self._visible
        before = [each.clone() for each in state]
        stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        stream.wait_stream(torch.cuda.current_stream())
        with self._model.lock:
            with torch.cuda.stream(stream):
                for _ in range(_WARM_UP):
                    self._step()
            torch.cuda.current_stream().wait_stream(stream)
            for each, value in zip(state, before, strict=True):
                each.copy_(value)
            self._graph = torch.cuda.CUDAGraph()
            # Other threads may use the GPU meanwhile.
            with torch.cuda.graph(self._graph, capture_error_mode="thread_local"):
                self._logits = self._step()

    def _fixed_arguments(self, past: DynamicCache, length: int) -> dict[str, Any]:
        cache = DynamicCache(config=self._model.model.config)
        cache.layers = [_FixedLayer(layer, length, self._place) for layer in past.layers]
        kinds = set(getattr(self._model.model.config.get_text_config(), "layer_types", None) or ())
        arguments = {
            "input_ids": self._inputs,
            "position_ids": self._positions,
            # Models with layers of several kinds take a mask for each; within a window they are one.
            "attention_mask": dict.fromkeys(kinds, self._visible) if len(kinds) > 1 else self._visible,
            "past_key_values": cache,
            "use_cache": True,
        }
        if "logits_to_keep" in forward_parameters(self._model.model):
            arguments["logits_to_keep"] = 1
        return arguments


def record_step(
    model: LanguageModel, past: DynamicCache, mask: torch.Tensor, n_steps: int, edit: Edit, layers: Sequence[int]
) -> StepGraph | None:
    """Record a decoding step where that makes it faster and can be done: on one GPU, with attention over the whole text.

    Args as of `StepGraph`. None means that steps are to be run as they are.
    """
    if model.device.type != "cuda" or model.model in _not_recordable or not can_record(model, past, mask, n_steps):
        return None
    try:
        return StepGraph(model, past, mask, n_steps, edit, layers)
    except torch.OutOfMemoryError:  # A smaller batch may fit.
        return None
    except RuntimeError as failure:  # Some models wait for the GPU within a step, which a graph cannot.
        _log.warning("Steps of %s cannot be recorded and are run one by one: %s", model.name, failure)
        _not_recordable.add(model.model)
        return None


def can_record(model: LanguageModel, past: DynamicCache, mask: torch.Tensor, n_steps: int) -> bool:
    """Whether the forward pass of a model and the layers of its cache are of a kind that `StepGraph` runs."""
    length = mask.shape[1] + n_steps
    return (
        {"position_ids", "past_key_values"} <= forward_parameters(model.model)
        and len({each.device for each in model.model.parameters()}) == 1
        and holds_all(past, length)
    )


def _buffer(past: torch.Tensor, length: int) -> torch.Tensor:
    *lead, read, width = past.shape
    buffer = past.new_zeros(*lead, length, width)
    buffer[..., :read, :] = past
    return buffer
