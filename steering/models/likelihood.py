"""How likely a model finds what stands behind a prompt; one forward pass, steered or not, with or without gradients."""

import inspect
from collections.abc import Iterator, Sequence
from typing import Any

import torch

from steering.models.language_model import LanguageModel, pad

BATCH_TOKENS = 1024
"""Tokens in one batch that is read or scored: enough to keep a CPU busy, little enough for its memory."""

BATCH_LOGITS = 40_000_000
"""Logits in one batch that is scored: with a vocabulary of 262,000 they, and not the tokens, fill the memory."""


def scoring_batches(
    model: LanguageModel, rows: Sequence[Sequence[int]], starts: Sequence[int], tokens: int = BATCH_TOKENS
) -> list[list[int]]:
    """Group rows so that scoring a padded batch of them fits into memory.

    Args:
        model: the model that reads.
        rows: token ids of prompt and continuation together.
        starts: where each row's continuation begins, at least 1.
        tokens: most tokens of a batch.

    Returns:
        Lists of positions in `rows`; together each position once, the longest rows first. A row that is too large by itself is
        alone in its batch.
    """
    groups: list[list[int]] = []
    for position in sorted(range(len(rows)), key=lambda position: -len(rows[position])):
        together = [*groups[-1], position] if groups else []
        width = len(rows[together[0]]) if together else 0
        kept = width - min((starts[member] for member in together), default=0) + 1
        if together and len(together) * width <= tokens and len(together) * kept * model.vocabulary <= BATCH_LOGITS:
            groups[-1].append(position)
        else:
            groups.append([position])
    return groups


def token_log_probabilities(
    model: LanguageModel, rows: Sequence[Sequence[int]], starts: Sequence[int]
) -> list[torch.Tensor]:
    """Log-probability of every token from a row's start on, given all before it.

    The caller holds the model's lock, steers, says whether gradients are wanted, and sees to it that the batch fits into
    memory, see `scoring_batches`.

    Args:
        model: the model that reads.
        rows: token ids of prompt and continuation together.
        starts: where each row's continuation begins, at least 1.

    Returns:
        One float32 tensor a row, `[len(row) - start]`, in nats; on the CPU, where sums can be taken in float64.
    """
    found = []
    for row, start, own in zip(rows, starts, continuation_logits(model, rows, starts), strict=True):
        chosen = own.gather(1, torch.tensor(row[start:], device=own.device)[:, None])[:, 0]
        # Normalised by logsumexp: log_softmax would write all columns of a large vocabulary once more.
        found.append((chosen - own.logsumexp(dim=-1)).cpu())
    return found


def continuation_logits(
    model: LanguageModel, rows: Sequence[Sequence[int]], starts: Sequence[int]
) -> Iterator[torch.Tensor]:
    """Logits that foretell every token from a row's start on; arguments as for `token_log_probabilities`.

    The model runs when the first row is asked for.

    Yields:
        For one row after another float32 `[len(row) - start, vocabulary]`, on the model's device.
    """
    batch = pad(rows, model)
    kept: dict[str, Any] = {}
    if "logits_to_keep" in inspect.signature(model.model.forward).parameters:
        # A large vocabulary makes logits expensive, so none are made for what all rows have in front.
        kept["logits_to_keep"] = batch.ids.shape[1] - min(starts) + 1
    logits = model.model(input_ids=batch.ids, attention_mask=batch.mask, use_cache=False, **kept).logits
    offset = batch.ids.shape[1] - logits.shape[1]
    for line, (row, start) in enumerate(zip(rows, starts, strict=True)):
        yield logits[line, start - 1 - offset : len(row) - 1 - offset].float()
