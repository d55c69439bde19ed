"""The first token after a prompt: those whose probability changes most under a strength λ."""

from collections.abc import Sequence
from dataclasses import dataclass
from inspect import signature

import torch

from steering.models import LanguageModel
from steering.steer.intervention import Intervention, joined, plan, steer
from steering.steer.settings import DEFAULT_SETTINGS, SteeringSettings
from steering.vectors import SteeringVector


@dataclass(frozen=True)
class Move:
    """One candidate for the first token behind the prompt.

    Attributes:
        token: as text.
        before: its probability under the unsteered child, 0 to 1.
        after: its probability under λ.
    """

    token: str
    before: float
    after: float


def next_tokens(
    child: LanguageModel,
    prompt: Sequence[int],
    vector: SteeringVector,
    lambdas: Sequence[float],
    *,
    settings: SteeringSettings = DEFAULT_SETTINGS,
    limit: int = 8,
    also: SteeringVector | None = None,
) -> tuple[tuple[Move, ...], ...]:
    """Find the tokens whose probability of following the prompt changes most.

    Args:
        child: the model that would write.
        prompt: token ids of what it has read.
        vector: a vector in the child's space.
        lambdas: strengths.
        settings: scale, layer profile and positions.
        limit: how many tokens to return for each λ.
        also: a second vector that is added at every λ, see `stream`.

    Returns:
        For every λ its largest moves, the largest first.
    """
    intervention: Intervention | list[Intervention]
    intervention = own = plan(child, vector, settings)
    strengths = [0.0, *lambdas]
    if also is not None:
        fixed = plan(child, also, settings)
        intervention, strengths = [fixed, *joined(own, lambdas, fixed)], [0.0, *[1.0] * len(lambdas)]
    rows = torch.tensor([list(prompt)] * len(strengths), device=child.device)
    with torch.inference_mode(), steer(child, intervention, strengths, prompt_length=len(prompt)):
        keep = {"logits_to_keep": 1} if "logits_to_keep" in signature(child.model.forward).parameters else {}
        logits = child.model(input_ids=rows, use_cache=False, **keep).logits[:, -1]
        before, *after = logits.float().softmax(dim=-1).cpu()
    return tuple(_largest_moves(child, before, row, limit) for row in after)


def _largest_moves(child: LanguageModel, before: torch.Tensor, after: torch.Tensor, limit: int) -> tuple[Move, ...]:
    ids = (after - before).abs().topk(min(limit, len(before))).indices.tolist()
    return tuple(Move(child.tokenizer.decode([token]), before[token].item(), after[token].item()) for token in ids)
