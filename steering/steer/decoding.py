"""The decode loop: rows of token ids, each with its own strength, one column of new tokens a step.

Rows share one batch and one key-value cache; a row that has ended leaves both. Hooks are entered for one forward pass and
are removed before anything is yielded, so a caller may stop iterating at any step.
"""

from collections.abc import Callable, Iterator, Sequence

import torch

from steering.models import LanguageModel
from steering.steer.batch import Batch, Rows, SharedBatch, Step
from steering.steer.intervention import Intervention
from steering.steer.prompts import Steering
from steering.steer.sampling import Sampling

_REPLACEMENT = "\ufffd"
"""What a tokenizer decodes bytes to that are no character."""

_MAX_INCOMPLETE_TOKENS = 3
"""Largest number of tokens with the bytes of an incomplete character: a character has up to four bytes."""


def decode(
    model: LanguageModel,
    prompts: Sequence[Sequence[int]],
    intervention: Intervention | Sequence[Intervention] | None,
    lambdas: Sequence[float],
    sampling: Sampling,
    seeds: Sequence[int] | None = None,
    *,
    complete: Callable[[int, Sequence[int]], bool] | None = None,
    record: bool = True,
    shared: SharedBatch | None = None,
) -> Iterator[Step]:
    """Continue every prompt under its own strength.

    Args:
        model: the model that writes.
        prompts: token ids, one list a row; of any lengths.
        intervention: what one unit of λ adds, one for all rows or one a row; None decodes without hooks.
        lambdas: one strength a row.
        sampling: how tokens are chosen.
        seeds: one a row, of its random numbers; the sampling's for all rows where it is None. Rows of different questions
            need different ones, so that their samples are independent.
        complete: given a row's number and its new tokens, whether it needs no more; asked after every token. A row that is
            complete has ended with "stop".
        record: on a GPU, record a step and replay it; what is written is the same, up to the rounding of other kernels.
        shared: of this model, where calls that are iterated in turn write in one batch; what is written is the same, up to
            the rounding of other kernels. On a GPU, where steps are recorded, every call keeps its own batch.

    Yields:
        The rows after every step. The last step has no running row.
    """
    if not prompts:
        return
    rows = Rows(model, prompts, sampling, Steering(intervention, lambdas), seeds, complete)
    together = shared if model.device.type != "cuda" else None
    # inference_mode is entered per step: left open across the yield, it would leak into the caller's thread.
    with torch.inference_mode():
        batch = Batch(model, rows, prompts)
        batch.step()
    try:
        yield rows.steps.popleft()
        # The first step reads prompts; those behind it are alike.
        with model.lock, torch.inference_mode():
            if together is not None and rows.running:
                batch = together.join(batch)
            elif record and rows.running:
                batch.record()
        while rows.steps or rows.running:
            with model.lock, torch.inference_mode():
                if not rows.steps:  # Else another call has made this one's step.
                    batch.step()
            yield rows.steps.popleft()
        if rows.failure is not None:
            raise rows.failure
    finally:
        if together is not None:
            together.leave(rows)


def written_text(model: LanguageModel, tokens: Sequence[int], *, ended: bool) -> str:
    """Text of a row's new tokens.

    Args:
        model: the model that writes.
        tokens: the row's new token ids.
        ended: whether the row has ended. While it runs, an incomplete character of several bytes at the end of the text is
            left out: the next token may complete it.
    """
    # Decoding writes replacement characters for incomplete characters. Tokens are left out rather than these characters: some
    # tokenizers replace a whole run of bytes, whose first ones are complete characters that were shown before.
    for n_held_back in range(1 if ended else _MAX_INCOMPLETE_TOKENS + 1):
        text: str = model.tokenizer.decode(list(tokens[: max(len(tokens) - n_held_back, 0)]), skip_special_tokens=True)
        if not text.endswith(_REPLACEMENT):
            break
    return text
