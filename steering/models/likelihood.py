"""How likely a model finds what stands behind a prompt; one forward pass, steered or not, with or without gradients."""

import inspect
from collections.abc import Sequence
from typing import Any

import torch

from steering.models.language_model import LanguageModel, pad


def token_log_probabilities(
    model: LanguageModel, rows: Sequence[Sequence[int]], starts: Sequence[int]
) -> list[torch.Tensor]:
    """Log-probability of every token from a row's start on, given all before it.

    The caller holds the model's lock, steers, and says whether gradients are wanted.

    Args:
        model: the model that reads.
        rows: token ids of prompt and continuation together.
        starts: where each row's continuation begins, at least 1.

    Returns:
        One float32 tensor a row, `[len(row) - start]`, in nats; on the CPU, where sums can be taken in float64.
    """
    batch = pad(rows, model)
    kept: dict[str, Any] = {}
    if "logits_to_keep" in inspect.signature(model.model.forward).parameters:
        # A large vocabulary makes logits expensive, so none are made for what all rows have in front.
        kept["logits_to_keep"] = batch.ids.shape[1] - min(starts) + 1
    logits = model.model(input_ids=batch.ids, attention_mask=batch.mask, use_cache=False, **kept).logits
    offset = batch.ids.shape[1] - logits.shape[1]
    found = []
    for line, (row, start) in enumerate(zip(rows, starts, strict=True)):
        own = logits[line, start - 1 - offset : len(row) - 1 - offset].float()
        chosen = own.gather(1, batch.ids[line, start : len(row), None])[:, 0]
        # Normalised by logsumexp: log_softmax would write all columns of a large vocabulary once more.
        found.append((chosen - own.logsumexp(dim=-1)).cpu())
    return found
