"""Effect kept: how much of what the child's own vector does a carried vector still does.

A steered model's score is the mean, over neutral prompts and held-out continuations, of log p(positive) minus
log p(negative) per token. A vector's effect is the score's change from −λ to +λ.
"""

import inspect
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import torch

from steering.activations import batches
from steering.concepts import Concept
from steering.errors import Progress, SteeringError, part_of, silent
from steering.intervention import Profile, plan, steer
from steering.models import LanguageModel, pad
from steering.transfer import transfer
from steering.vectors import SteeringVector, extract, random_like

LAMBDA = 0.1
"""Strength at which effects are measured: far below the window where text falls apart, so the effect is close to linear."""


@dataclass(frozen=True)
class Effect:
    """What steering with one vector does to the held-out continuations.

    Attributes:
        mean: change of the score from −λ to +λ, in nats per token.
        per_prompt: the same for every neutral prompt, in order.
    """

    mean: float
    per_prompt: tuple[float, ...]


def neutral_prompts() -> tuple[str, ...]:
    """Lead-ins that say nothing about any concept."""
    return tuple((files("steering") / "data" / "neutral_prompts.txt").read_text("utf-8").splitlines())


def effect(
    model: LanguageModel,
    vector: SteeringVector,
    concept: Concept,
    *,
    lam: float = LAMBDA,
    scale: str = "residual",
    profile: Profile = "all",
    prompts: Sequence[str] | None = None,
    progress: Progress = silent,
) -> Effect:
    """Measure what a vector does to the concept's held-out continuations.

    Args:
        model: the model that is steered.
        vector: a vector in its space.
        concept: the concept whose continuations are scored.
        lam: strength; the effect runs from −lam to +lam.
        scale: see `intervention.plan`.
        profile: see `intervention.plan`.
        prompts: neutral lead-ins; the bundled ones by default.
        progress: told after every batch.

    Raises:
        SteeringError: the concept has no continuations.
    """
    if not concept.continuations:
        raise SteeringError(
            f"{concept.name} has no continuations to measure with. Add held-out 'continuations' to its file."
        )
    leads = list(prompts or neutral_prompts())
    intervention = plan(model, vector, scale=scale, profile=profile)
    heads = [model.token_ids(lead) for lead in leads]
    rows, starts, signs, places, strengths = [], [], [], [], []
    for place, head in enumerate(heads):
        for pair in concept.continuations:
            for sign, text in ((1, pair.positive), (-1, pair.negative)):
                tail = list(model.tokenizer(" " + text, add_special_tokens=False)["input_ids"])
                for side in (1, -1):
                    rows.append([*head, *tail])
                    starts.append(len(head))
                    signs.append(sign * side)
                    strengths.append(side * lam)
                    places.append(place)
    keeps = "logits_to_keep" in inspect.signature(model.model.forward).parameters
    total = torch.zeros(len(heads), dtype=torch.float64)
    done = 0
    for members in batches(rows):
        batch = pad([rows[member] for member in members], model)
        # Logits are wanted from the last lead-in token on; a large vocabulary makes the others expensive.
        first = min(starts[member] for member in members) - 1
        kept = {"logits_to_keep": batch.ids.shape[1] - first} if keeps else {}
        with torch.inference_mode(), steer(model, intervention, [strengths[member] for member in members]):
            logits = model.model(input_ids=batch.ids, attention_mask=batch.mask, use_cache=False, **kept).logits
        offset = batch.ids.shape[1] - logits.shape[1]
        for line, member in enumerate(members):
            start, stop = starts[member], len(rows[member])
            scores = logits[line, start - 1 - offset : stop - 1 - offset].float().log_softmax(dim=-1)
            mean = scores.gather(1, batch.ids[line, start:stop, None]).mean()
            total[places[member]] += signs[member] * mean.item()
        done += len(members)
        progress(f"Measuring {vector.method} on {concept.name}", done / len(rows))
    per_prompt = total / len(concept.continuations)
    return Effect(float(per_prompt.mean()), tuple(per_prompt.tolist()))


@dataclass(frozen=True)
class ConceptRetention:
    """How much of one concept's effect a carried vector keeps.

    Attributes:
        name: the concept.
        native: effect of the child's own vector, nats per token.
        carried: effect of the carried vector.
        random: mean effect of random vectors of the same lengths.
        spread: standard deviation over neutral prompts of carried over native.
        measurable: whether the native effect stands out from the random vectors; where it does not, the child's own vector
            does nothing and a share of it means nothing.
    """

    name: str
    native: float
    carried: float
    random: float
    spread: float
    measurable: bool

    @property
    def kept(self) -> float:
        """The carried vector's effect as a share of the native one's."""
        return self.carried / self.native if self.native else float("nan")


@dataclass(frozen=True)
class Retention:
    """Effect kept for several concepts.

    Attributes:
        parent: name of the parent.
        child: name of the child.
        lam: strength at which effects were measured.
        concepts: one record a concept.
    """

    parent: str
    child: str
    lam: float
    concepts: tuple[ConceptRetention, ...]

    @property
    def mean_kept(self) -> float:
        """Average share kept over the concepts whose native effect is measurable."""
        kept = [concept.kept for concept in self.concepts if concept.measurable]
        return sum(kept) / len(kept) if kept else float("nan")

    def as_json(self) -> dict[str, Any]:
        """The record as JSON can write it."""
        return {
            "parent": self.parent,
            "child": self.child,
            "lam": self.lam,
            "concepts": [{**asdict(concept), "kept": concept.kept} for concept in self.concepts],
            "mean_kept": self.mean_kept,
        }


def retention(
    parent: LanguageModel,
    child: LanguageModel,
    concepts: Sequence[Concept],
    *,
    method: str = "pca",
    layers: str = "relative",
    width: str = "ridge",
    anchors: str | Path | None = None,
    lam: float = LAMBDA,
    random_seeds: int = 3,
    progress: Progress = silent,
) -> Retention:
    """Measure what carried vectors still do in the child, beside its own and random ones.

    Args:
        parent: the model that the vectors are carried from; may be the child itself.
        child: the model that is steered.
        concepts: concepts with continuations.
        method: how directions are found, in both models.
        layers: see `alignment.align`.
        width: see `alignment.align`.
        anchors: see `alignment.align`.
        lam: strength; effects run from −lam to +lam.
        random_seeds: how many random vectors are averaged.
        progress: told what is being measured.
    """
    measured = []
    for number, concept in enumerate(concepts):
        stage = part_of(progress, number / len(concepts), (number + 1) / len(concepts))
        own = extract(child, concept, method, progress=part_of(stage, 0.0, 0.1))
        theirs = extract(parent, concept, method, progress=part_of(stage, 0.1, 0.2))
        carried = transfer(
            theirs, parent, child, layers=layers, width=width, anchors=anchors, progress=part_of(stage, 0.2, 0.3)
        )
        controls = [random_like(own, seed) for seed in range(random_seeds)]
        tried = [own, carried, *controls]
        effects = [
            effect(child, vector, concept, lam=lam, progress=part_of(stage, 0.3 + 0.7 * place / len(tried), 1.0))
            for place, vector in enumerate(tried)
        ]
        native, moved, random = effects[0], effects[1], [control.mean for control in effects[2:]]
        shares = [
            there / own_effect
            for there, own_effect in zip(moved.per_prompt, native.per_prompt, strict=True)
            if own_effect
        ]
        measured.append(
            ConceptRetention(
                name=concept.name,
                native=native.mean,
                carried=moved.mean,
                random=statistics.fmean(random) if random else 0.0,
                spread=statistics.stdev(shares) if len(shares) > 1 else 0.0,
                measurable=native.mean > 3 * max((abs(value) for value in random), default=0.0),
            )
        )
    return Retention(parent.name, child.name, lam, tuple(measured))
