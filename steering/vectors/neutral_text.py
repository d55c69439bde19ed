"""Text that a model writes by itself behind the beginnings of anchor texts, on which it is to stay as it is."""

import torch

from steering.errors import Progress, silent
from steering.models import LanguageModel, anchor_texts, new_cache, next_logits

NEUTRAL_PROMPT = 8
"""Tokens of an anchor text that a neutral text begins with."""

_TEXTS, _NEW_TOKENS = 10, 16


def neutral_text(model: LanguageModel, *, progress: Progress = silent) -> list[list[int]]:
    """Greedy continuations of the beginnings of some anchor texts.

    Args:
        model: the model that writes, unsteered.
        progress: told after every token.

    Returns:
        Token ids of ten texts of equal length; the first `NEUTRAL_PROMPT` of each are the anchor text's.
    """
    heads = [ids[:NEUTRAL_PROMPT] for ids in map(model.token_ids, anchor_texts()) if len(ids) >= NEUTRAL_PROMPT]
    ids = inputs = torch.tensor(heads[:: len(heads) // _TEXTS][:_TEXTS], device=model.device)
    past = new_cache(model.model.config)
    for token in range(_NEW_TOKENS):
        progress(f"Writing neutral text, token {token + 1} of {_NEW_TOKENS}", 0.0)
        with model.lock, torch.inference_mode():
            logits = next_logits(model.model, inputs, torch.ones_like(ids), past, padded=False)
        inputs = logits.argmax(dim=-1, keepdim=True)
        ids = torch.cat([ids, inputs], dim=1)
    texts: list[list[int]] = ids.tolist()
    return texts
