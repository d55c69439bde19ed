"""Effect kept: a carried vector's effect as a share of that of the child's own vector, at matched KL and at equal λ.

A stronger vector has more effect without being better, so every vector, the random ones too, is measured at a λ of its own, at
which it changes the child's next tokens by the same KL divergence. The share at equal λ stands beside it.
"""

import math
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from steering.concepts import Concept
from steering.errors import Progress, part_of, silent
from steering.measure.budgets import KL_BUDGET, UnsteeredTexts, check_budget, strength_at, unsteered_texts
from steering.measure.effects import effect
from steering.models import LanguageModel
from steering.steer import check_strengths, plan
from steering.transfer import transfer
from steering.vectors import SteeringVector, extract, random_like


@dataclass(frozen=True)
class ConceptRetention:
    """How much of one concept's effect a carried vector keeps.

    Attributes:
        name: the concept.
        kl: KL divergence at which each vector is measured, see `budgets.strength_at`. Effects run from −λ to +λ, so the
            positions of both are pooled.
        native_lam: strength of the child's own vector.
        matched_lam: strength of the carried vector.
        random_lam: mean strength of the random vectors.
        native: effect of the child's own vector at its strength, nats per token.
        matched: effect of the carried vector at its strength.
        carried: effect of the carried vector at the strength of the child's own.
        random: mean effect of random vectors of the same lengths, each at its strength.
        random_spread: root mean square of the random vectors' effects.
        spread: standard deviation over neutral prompts of matched over native.
    """

    name: str
    kl: float
    native_lam: float
    matched_lam: float
    random_lam: float
    native: float
    matched: float
    carried: float
    random: float
    random_spread: float
    spread: float

    @property
    def kept_at_matched_kl(self) -> float:
        """The carried vector's effect as a share of the native one's, both at the same KL divergence."""
        return self.matched / self.native if self.native else math.nan

    @property
    def kept(self) -> float:
        """The same with both at the own vector's λ, where a stronger vector has an advantage."""
        return self.carried / self.native if self.native else math.nan

    @property
    def measurable(self) -> bool:
        """Whether the native effect exceeds twice that of random vectors; where it does not, a share of it has no meaning."""
        return self.native > 2 * self.random_spread

    def as_json(self) -> dict[str, Any]:
        """The record as JSON can write it."""
        return {
            **asdict(self),
            "kept": self.kept,
            "kept_at_matched_kl": self.kept_at_matched_kl,
            "measurable": self.measurable,
            # Earlier names of these keys.
            "kl_divergence": self.kl,
            "kept_at_equal_fluency": self.kept_at_matched_kl,
            "disturbance": self.kl,
            "equal_lam": self.matched_lam,
            "equal": self.matched,
        }


@dataclass(frozen=True)
class Retention:
    """Effect kept for several concepts.

    Attributes:
        parent: name of the parent.
        child: name of the child.
        kl: the budget in nats; None where it is what each own vector causes at a given λ.
        concepts: one record a concept.
    """

    parent: str
    child: str
    kl: float | None
    concepts: tuple[ConceptRetention, ...]

    @property
    def lam(self) -> float:
        """Average strength of the child's own vectors."""
        return _mean([concept.native_lam for concept in self.concepts])

    @property
    def mean_kept_at_matched_kl(self) -> float:
        """Average share kept at matched KL over the concepts whose native effect is measurable."""
        return _mean([concept.kept_at_matched_kl for concept in self.concepts if concept.measurable])

    @property
    def mean_kept(self) -> float:
        """The same at equal λ."""
        return _mean([concept.kept for concept in self.concepts if concept.measurable])

    @property
    def mean_random(self) -> float:
        """Average effect of random vectors as a share of the native effect, over the same concepts."""
        return _mean([concept.random / concept.native for concept in self.concepts if concept.measurable])

    def as_json(self) -> dict[str, Any]:
        """The record as JSON can write it."""
        return {
            "parent": self.parent,
            "child": self.child,
            "kl": self.kl,
            "lam": self.lam,
            "concepts": [concept.as_json() for concept in self.concepts],
            "mean_kept": self.mean_kept,
            "mean_kept_at_matched_kl": self.mean_kept_at_matched_kl,
            "mean_random": self.mean_random,
            "mean_kept_at_equal_fluency": self.mean_kept_at_matched_kl,  # The key's earlier name.
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
    kl: float = KL_BUDGET,
    lam: float | None = None,
    random_seeds: int = 3,
    progress: Progress = silent,
) -> Retention:
    """Measure the effect of carried vectors in the child, compared with its own and with random vectors.

    Args:
        parent: the model that the vectors are carried from; may be the child itself.
        child: the model that is steered.
        concepts: concepts with continuations.
        method: how directions are extracted, in both models.
        layers: see `alignment.align`.
        width: see `alignment.align`.
        anchors: see `alignment.align`.
        kl: the KL budget in nats; every vector is measured at its own λ for it, and effects run from −λ to +λ.
        lam: strength of the child's own vectors instead of a budget: the budget of each concept is then the KL divergence
            that its own vector causes at this λ.
        random_seeds: how many random vectors are averaged. Every concept has its own, so that averages over concepts use
            independent vectors.
        progress: told what is being measured.

    Raises:
        SteeringError: a concept without continuations, or a budget that is no finite number above 0 or that a vector does not
            reach at any λ.
    """
    check_budget(kl)
    texts = unsteered_texts(child)
    records = []
    for number, concept in enumerate(concepts):
        stage = part_of(progress, number / len(concepts), (number + 1) / len(concepts))
        native = extract(child, concept, method, progress=part_of(stage, 0.0, 0.1))
        source = extract(parent, concept, method, progress=part_of(stage, 0.1, 0.2))
        carried = transfer(
            source, parent, child, layers=layers, width=width, anchors=anchors, progress=part_of(stage, 0.2, 0.3)
        )
        records.append(
            _measure(child, concept, native, carried, texts, kl, lam, random_seeds, part_of(stage, 0.3, 1.0))
        )
    return Retention(parent.name, child.name, kl if lam is None else None, tuple(records))


def with_effect(vector: SteeringVector, record: ConceptRetention) -> SteeringVector:
    """Write the effect kept into a carried vector's report."""
    report = {
        **(vector.report or {}),
        "effect_kept": record.kept,
        "effect_kept_at_matched_kl": record.kept_at_matched_kl,
    }
    return replace(vector, provenance={**vector.provenance, "transfer": report})


def measure(
    child: LanguageModel,
    concept: Concept,
    carried: SteeringVector,
    *,
    method: str = "pca",
    kl: float = KL_BUDGET,
    lam: float | None = None,
    random_seeds: int = 3,
    progress: Progress = silent,
) -> ConceptRetention:
    """Measure how much of the effect of the child's own vector one carried vector keeps; arguments as for `retention`."""
    check_budget(kl)
    native = extract(child, concept, method, progress=part_of(progress, 0.0, 0.2))
    return _measure(
        child, concept, native, carried, unsteered_texts(child), kl, lam, random_seeds, part_of(progress, 0.2, 1.0)
    )


def _measure(
    child: LanguageModel,
    concept: Concept,
    native: SteeringVector,
    carried: SteeringVector,
    texts: UnsteeredTexts,
    kl: float,
    lam: float | None,
    random_seeds: int,
    progress: Progress,
) -> ConceptRetention:
    first_seed = int(concept.digest[:8], 16)
    vectors = [native, carried, *(random_like(native, first_seed + seed) for seed in range(random_seeds))]
    steps = len(vectors) + 1
    if lam is not None:
        (lam,) = check_strengths([lam])
        kl = texts.kl(plan(child, native), lam, side=0)
    strengths, effects = [], []
    for place, vector in enumerate(vectors):
        stage = part_of(progress, place / steps, (place + 1) / steps)
        own = strength_at(child, vector, kl, texts=texts, side=0, progress=part_of(stage, 0.0, 0.5)).lam
        # The own vector's λ is used as it was given.
        strengths.append(lam if lam is not None and vector is native else own)
        effects.append(effect(child, vector, concept, lam=strengths[-1], progress=part_of(stage, 0.5, 1.0)))
    at_native_lam = effect(child, carried, concept, lam=strengths[0], progress=part_of(progress, 1 - 1 / steps, 1.0))
    random = [each.mean for each in effects[2:]]
    shares = [
        carried_change / native_change
        for carried_change, native_change in zip(effects[1].per_prompt, effects[0].per_prompt, strict=True)
        if native_change
    ]
    return ConceptRetention(
        name=concept.name,
        kl=kl,
        native_lam=strengths[0],
        matched_lam=strengths[1],
        random_lam=_mean(strengths[2:]),
        native=effects[0].mean,
        matched=effects[1].mean,
        carried=at_native_lam.mean,
        random=statistics.fmean(random) if random else 0.0,
        random_spread=math.sqrt(statistics.fmean(value**2 for value in random)) if random else 0.0,
        spread=statistics.stdev(shares) if len(shares) > 1 else 0.0,
    )


def _mean(values: Sequence[float]) -> float:
    return statistics.fmean(values) if values else math.nan
