"""Log-probabilities of the tokens after a prompt, from one forward pass, steered or not, with or without gradients."""

import inspect
from collections.abc import Iterator, Sequence
from typing import Any

import torch

from steering.models.language_model import LanguageModel, pad

BATCH_TOKENS = 1024
"""Tokens in one batch that is read or scored: enough to keep a CPU busy, and few enough to fit into memory."""

BATCH_LOGITS = 40_000_000
"""Logits in one batch that is scored: with a vocabulary of 262,000 the logits take more memory than the activations."""


def scoring_batches(
    model: LanguageModel, rows: Sequence[Sequence[int]], starts: Sequence[int], tokens: int = BATCH_TOKENS
) -> list[list[int]]:
    """Group rows so that scoring a padded batch of them fits into memory.

    Args:
        model: the model that reads.
        rows: token ids of prompt and continuation together.
        starts: where each row's continuation begins, at least 1.
        tokens: largest number of tokens in a batch.

    Returns:
        Lists of positions in `rows`; every position occurs once, the longest rows first. A row that is too large by itself is
        alone in its batch.
    """
    groups: list[list[int]] = []
    for position in sorted(range(len(rows)), key=lambda position: -len(rows[position])):
        enlarged = [*groups[-1], position] if groups else []
        width = len(rows[enlarged[0]]) if enlarged else 0
        n_positions = width - min((starts[member] for member in enlarged), default=0) + 1
        if (
            enlarged
            and len(enlarged) * width <= tokens
            and len(enlarged) * n_positions * model.vocabulary <= BATCH_LOGITS
        ):
            groups[-1].append(position)
        else:
            groups.append([position])
    return groups


def token_log_probabilities(
    model: LanguageModel, rows: Sequence[Sequence[int]], starts: Sequence[int]
) -> list[torch.Tensor]:
    """Log-probability of every token from a row's start on, given all before it.

    The caller holds the model's lock, steers where that is wanted, turns gradients on or off, and passes a batch that fits into
    memory, see `scoring_batches`.

    Args:
        model: the model that reads.
        rows: token ids of prompt and continuation together.
        starts: where each row's continuation begins, at least 1.

    Returns:
        One float32 tensor a row, `[len(row) - start]`, in nats, on the CPU.
    """
    log_probabilities = []
    for row, start, logits in zip(rows, starts, continuation_logits(model, rows, starts), strict=True):
        chosen = logits.gather(1, torch.tensor(row[start:], device=logits.device)[:, None])[:, 0]
        # Normalised by logsumexp: log_softmax would copy the logits of the whole vocabulary.
        log_probabilities.append((chosen - logits.logsumexp(dim=-1)).cpu())
    return log_probabilities


def continuation_logits(
    model: LanguageModel, rows: Sequence[Sequence[int]], starts: Sequence[int]
) -> Iterator[torch.Tensor]:
    """Logits that predict every token from a row's start on; arguments as for `token_log_probabilities`.

    The forward pass runs when the first row is taken from the iterator.

    Yields:
        For each row in order float32 `[len(row) - start, vocabulary]`, on the model's device.
    """
    batch = pad(rows, model)
    arguments: dict[str, Any] = {}
    if "logits_to_keep" in inspect.signature(model.model.forward).parameters:
        # With a large vocabulary logits are expensive, so none are computed before the first position that is scored.
        arguments["logits_to_keep"] = batch.ids.shape[1] - min(starts) + 1
    logits = model.model(input_ids=batch.ids, attention_mask=batch.mask, use_cache=False, **arguments).logits
    offset = batch.ids.shape[1] - logits.shape[1]
    for number, (row, start) in enumerate(zip(rows, starts, strict=True)):
        yield logits[number, start - 1 - offset : len(row) - 1 - offset].float()
