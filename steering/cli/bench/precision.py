"""What weights in 8 bits cost: the next-token distribution and the effect of a vector, against float32."""

from collections.abc import Sequence

import torch

from steering.cli.bench.timing import Line, line
from steering.concepts import Concept
from steering.errors import Progress, silent
from steering.measure import effect
from steering.models import LanguageModel, anchor_texts
from steering.vectors import SteeringVector, extract

_TEXT_STEP = 20
"""The divergence is taken over every 20th anchor text: about thirty texts with a thousand tokens."""


def precision_lines(
    exact: LanguageModel, rounded: LanguageModel, concepts: Sequence[Concept], *, progress: Progress = silent
) -> list[Line]:
    """Compare a model with its 8-bit copy.

    Args:
        exact: in float32.
        rounded: the same weights in 8 bits.
        concepts: the concepts whose vectors, extracted in float32, steer both.
        progress: told what is measured.

    Returns:
        Mean divergence of the next-token distribution over the tokens of anchor texts, with that of the best and worst text;
        the share of equal likeliest tokens; and for the concepts the ratio of effects.
    """
    divergences, equal = [], []
    for text in anchor_texts()[::_TEXT_STEP]:
        ids = torch.tensor([exact.token_ids(text)[: exact.context]])
        with torch.inference_mode():
            here, there = (
                model.model(input_ids=ids, use_cache=False).logits[0].log_softmax(dim=-1) for model in (exact, rounded)
            )
        divergences.append((here.exp() * (here - there)).sum(dim=-1))
        equal.append((here.argmax(dim=-1) == there.argmax(dim=-1)).float())
    by_text = [float(each.mean()) for each in divergences]
    lines = [
        Line(
            f"{exact.name}: KL of int8 from float32",
            float(torch.cat(divergences).mean()),
            min(by_text),
            max(by_text),
            "nats",
        ),
        line(f"{exact.name}: share of tokens whose likeliest successor is the same", [float(torch.cat(equal).mean())]),
    ]
    shares = []
    for concept in concepts:
        vector = extract(exact, concept, progress=progress)
        shares.append(_effect(rounded, vector, concept, progress) / _effect(exact, vector, concept, progress))
    return [*lines, line(f"{exact.name}: effect in int8 over float32, {len(concepts)} concepts", shares)]


def _effect(model: LanguageModel, vector: SteeringVector, concept: Concept, progress: Progress) -> float:
    return effect(model, vector, concept, progress=progress).mean
