"""What steering costs besides what it is for: on text that has nothing to do with the task, and on another task."""

import math
from dataclasses import asdict, dataclass
from typing import Any

import torch

from steering.errors import Progress, silent
from steering.evaluation.scorer import Scorer, Setup
from steering.evaluation.store import Store
from steering.measure import steered_batches, unsteered_texts
from steering.models import LanguageModel, token_log_probabilities
from steering.steer import SteeringSettings, plan, steer
from steering.tasks import Style, load_task
from steering.vectors import SteeringVector

OTHER_TASK = "questions"
"""The bundled general questions, whose choices are weighed."""

OTHER_QUESTIONS = 60
"""How many of them are asked."""


@dataclass(frozen=True)
class SideEffects:
    """What one setting of steering costs.

    Attributes:
        kl: the 95th percentile of KL(steered || unsteered) over next tokens of the model's own neutral texts, in nats.
        perplexity_ratio: perplexity of these texts under the steered model over that under the unsteered one.
        other_task: name of another task.
        n: number of its questions.
        unsteered: share of them that the unsteered model answers rightly.
        steered: share of them that the steered model answers rightly.
    """

    kl: float
    perplexity_ratio: float
    other_task: str
    n: int
    unsteered: float
    steered: float

    def as_json(self) -> dict[str, Any]:
        """The record as JSON can write it."""
        return asdict(self)


def side_effects(
    model: LanguageModel,
    vector: SteeringVector,
    lam: float,
    settings: SteeringSettings,
    store: Store,
    *,
    seed: int = 0,
    progress: Progress = silent,
) -> SideEffects:
    """Measure what one setting of steering costs.

    Args:
        model: the model that is steered.
        vector: a vector in its space.
        lam: strength.
        settings: scale, layer profile, positions and operator.
        store: where answers to the other task are kept.
        seed: of the choice of its questions.
        progress: told how far the work is.
    """
    intervention, texts = plan(model, vector, settings), unsteered_texts(model)
    totals = dict.fromkeys((0.0, lam), 0.0)
    n_tokens = sum(len(row) - start for row, start in zip(texts.rows, texts.starts, strict=True))
    for members in steered_batches(model, texts.rows, texts.starts, settings.positions):
        rows, starts = [texts.rows[member] for member in members], [texts.starts[member] for member in members]
        for strength in totals:
            with torch.inference_mode(), steer(model, intervention, [strength] * len(rows), prompt_length=starts[0]):
                totals[strength] += sum(
                    float(row.double().sum()) for row in token_log_probabilities(model, rows, starts)
                )
    task = load_task(OTHER_TASK, "test", limit=OTHER_QUESTIONS, seed=seed)
    scorer = Scorer(model, task, Setup(Style(plain=True), None, settings, seed), store, progress)
    before, after = scorer.columns(vector, [0.0, lam], name="side effects")
    return SideEffects(
        kl=texts.kl(intervention, abs(lam), 1 if lam >= 0 else -1),
        perplexity_ratio=math.exp((totals[0.0] - totals[lam]) / n_tokens),
        other_task=task.name,
        n=len(task.items),
        unsteered=before.accuracy,
        steered=after.accuracy,
    )
