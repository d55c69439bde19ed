"""Reading the residual stream: the output of every decoder block at the last token, or at every token.

Nothing here steers or fits anything. All values are returned as float32; callers compute statistics on them.
"""

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from transformers import DynamicCache

from steering.errors import Progress, SteeringError, silent
from steering.models.anchors import anchor_texts
from steering.models.blocks import editing
from steering.models.kv_cache import reading_arguments
from steering.models.language_model import LanguageModel, pad
from steering.models.likelihood import BATCH_TOKENS
from steering.storage import cached, key

_NORM_FIRST_POSITION = 1
"""Positions before this one are left out of the median norms: many models have far longer activations at the first token than
at any other token. `paired_rows.FIRST_POSITION` is larger, because outliers weigh more in least squares than in a median."""

_ANCHOR_STEP = 20
"""The median norms are taken over every 20th anchor text: about thirty texts with a thousand tokens."""


@dataclass(frozen=True)
class Activations:
    """Block outputs at the last token of each text.

    Attributes:
        values: float32 `[n_texts, n_layers, d_model]`.
        model: fingerprint of the model.
        texts: hash of the texts.
    """

    values: torch.Tensor
    model: str
    texts: str


def record(model: LanguageModel, texts: Sequence[str], *, progress: Progress = silent) -> Activations:
    """Record every block's output at the last token of each text; kept in the cache.

    Args:
        model: the model that reads the texts.
        texts: raw texts, read without a chat template.
        progress: told how far the reading is.

    Raises:
        SteeringError: a text is empty.
    """
    rows = [_ids(model, text) for text in texts]

    def make() -> tuple[dict[str, torch.Tensor], dict[str, str]]:
        values = torch.empty(len(rows), model.n_layers, model.d_model)

        def keep(members: list[int], hidden: list[torch.Tensor]) -> None:
            for layer, output in enumerate(hidden):
                for place, member in enumerate(members):
                    values[member, layer] = output[place, len(rows[member]) - 1]

        read_blocks(model, rows, keep, progress=progress)
        return {"values": values}, {}

    tensors, _ = cached("activations", key("last", model.fingerprint, model.precision, rows), make)
    return Activations(tensors["values"], model.fingerprint, key(list(texts)))


def read_blocks(
    model: LanguageModel,
    rows: Sequence[Sequence[int]],
    keep: Callable[[list[int], list[torch.Tensor]], None],
    *,
    progress: Progress = silent,
) -> None:
    """Run texts through the decoder blocks, in batches of similar length, and stop before the output layer.

    Args:
        model: the model that reads.
        rows: token ids of each text.
        keep: called per batch with the texts' numbers and each block's output, `[batch, seq, d_model]`, padded on the
            right. Later passes may overwrite the tensors: copy what is needed afterwards.
        progress: told after every batch.
    """
    done = 0
    for members in batches(rows):
        progress(f"Reading with {model.name}", done / len(rows))
        batch = pad([rows[member] for member in members], model)
        keep(members, block_outputs(model, batch.ids, batch.mask))
        done += len(members)
    progress(f"Reading with {model.name}", 1.0)


def batches(rows: Sequence[Sequence[int]], tokens: int = BATCH_TOKENS) -> list[list[int]]:
    """Group texts of similar length so that a padded batch holds about `tokens` tokens.

    Returns:
        Lists of positions in `rows`; every position occurs once, the longest texts first.
    """
    groups: list[list[int]] = []
    for position in sorted(range(len(rows)), key=lambda position: -len(rows[position])):
        if groups and len(rows[groups[-1][0]]) * (len(groups[-1]) + 1) <= tokens:
            groups[-1].append(position)
        else:
            groups.append([position])
    return groups


def block_outputs(model: LanguageModel, ids: torch.Tensor, mask: torch.Tensor) -> list[torch.Tensor]:
    """Output of every block in one forward pass that ends at the last block.

    Args:
        model: the model that reads.
        ids: token ids `[batch, seq]`.
        mask: attention mask of the same shape.

    Returns:
        `n_layers` tensors `[batch, seq, d_model]`, in the model's own type.
    """
    outputs: list[torch.Tensor] = []

    def keep(layer: int, hidden: torch.Tensor) -> None:
        outputs.append(hidden)
        if layer == model.n_layers - 1:
            raise _EndOfBlocks

    with model.lock, torch.inference_mode(), editing(model.blocks, keep), contextlib.suppress(_EndOfBlocks):
        model.model(input_ids=ids, attention_mask=mask, use_cache=False)
    return outputs


def read_into(model: LanguageModel, ids: torch.Tensor, mask: torch.Tensor, past: DynamicCache) -> None:
    """Read tokens behind a cache, which grows by them, in a forward pass that ends at the last block.

    Args:
        model: the model that reads.
        ids: token ids `[rows, new]`.
        mask: 1 for a token and 0 for padding, `[rows, past + new]`.
        past: the cache.
    """

    def stop(_layer: int, _hidden: torch.Tensor) -> None:
        raise _EndOfBlocks

    arguments = reading_arguments(model.model, ids, mask, past, padded=not bool(mask.all()))
    last = [model.n_layers - 1]
    with model.lock, torch.inference_mode(), editing(model.blocks, stop, last), contextlib.suppress(_EndOfBlocks):
        model.model(**arguments)


def residual_norms(model: LanguageModel) -> torch.Tensor:
    """Median norm of the residual stream over the tokens of a few anchor texts; kept in the cache.

    The first token of each text is left out.

    Returns:
        float32 `[n_layers]`.
    """

    def make() -> tuple[dict[str, torch.Tensor], dict[str, str]]:
        rows = [model.token_ids(text)[: model.context] for text in anchor_texts()[::_ANCHOR_STEP]]
        lengths: list[list[torch.Tensor]] = [[] for _ in range(model.n_layers)]

        def keep(members: list[int], hidden: list[torch.Tensor]) -> None:
            for layer, output in enumerate(hidden):
                norms = output.float().norm(dim=-1)
                lengths[layer] += [
                    norms[place, _NORM_FIRST_POSITION : len(rows[member])] for place, member in enumerate(members)
                ]

        read_blocks(model, rows, keep)
        return {"norms": torch.stack([torch.cat(layer).median().cpu() for layer in lengths])}, {}

    tensors, _ = cached("norms", key("norms", model.fingerprint, model.precision, anchor_texts()), make)
    return tensors["norms"]


def _ids(model: LanguageModel, text: str) -> list[int]:
    ids = model.token_ids(text)
    if not text.strip() or not ids:
        raise SteeringError("An empty text has no last token to read. Remove it, or write something.")
    model.check_length(len(ids))
    return ids


class _EndOfBlocks(Exception):
    """Raised by our own hook after the last block, to spare the output layer."""
