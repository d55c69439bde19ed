"""Effect kept: a carried vector's effect as a share of that of the child's own vector, at equal λ and at matched KL."""

import math
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from steering.concepts import Concept
from steering.errors import Progress, part_of, silent
from steering.measure.effects import LAMBDA, effect, kl_divergence, unsteered_text
from steering.models import LanguageModel
from steering.transfer import transfer
from steering.vectors import SteeringVector, extract, random_like

_MAX_LAMBDA_FACTOR = 5.0
"""Largest factor on λ to match a KL divergence: a vector with almost no effect would need an unbounded one."""


@dataclass(frozen=True)
class ConceptRetention:
    """How much of one concept's effect a carried vector keeps.

    Attributes:
        name: the concept.
        native: effect of the child's own vector, nats per token.
        carried: effect of the carried vector.
        random: mean effect of random vectors of the same lengths.
        random_spread: root mean square of the random vectors' effects.
        spread: standard deviation over neutral prompts of carried over native.
        kl_divergence: of the child steered by its own vector from the unsteered child, see `effects.kl_divergence`.
        matched_lam: strength at which the carried vector has that KL divergence.
        matched: effect of the carried vector at that strength.
    """

    name: str
    native: float
    carried: float
    random: float
    random_spread: float
    spread: float
    kl_divergence: float
    matched_lam: float
    matched: float

    @property
    def kept(self) -> float:
        """The carried vector's effect as a share of the native one's, at the same λ."""
        return self.carried / self.native if self.native else math.nan

    @property
    def kept_at_matched_kl(self) -> float:
        """The same, with λ chosen so that both have the same KL divergence, so that a stronger vector has no advantage."""
        return self.matched / self.native if self.native else math.nan

    @property
    def measurable(self) -> bool:
        """Whether the native effect exceeds twice that of random vectors; where it does not, a share of it has no meaning."""
        return self.native > 2 * self.random_spread


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
        return _mean([concept.kept for concept in self.concepts if concept.measurable])

    @property
    def mean_kept_at_matched_kl(self) -> float:
        """The same at matched KL divergence."""
        return _mean([concept.kept_at_matched_kl for concept in self.concepts if concept.measurable])

    @property
    def mean_random(self) -> float:
        """Average effect of random vectors as a share of the native effect, over the same concepts."""
        return _mean([concept.random / concept.native for concept in self.concepts if concept.measurable])

    def as_json(self) -> dict[str, Any]:
        """The record as JSON can write it."""
        return {
            "parent": self.parent,
            "child": self.child,
            "lam": self.lam,
            "concepts": [
                {
                    **asdict(concept),
                    "kept": concept.kept,
                    "kept_at_matched_kl": concept.kept_at_matched_kl,
                    # Earlier names of these keys, kept for one release.
                    "kept_at_equal_fluency": concept.kept_at_matched_kl,
                    "disturbance": concept.kl_divergence,
                    "equal_lam": concept.matched_lam,
                    "equal": concept.matched,
                    "measurable": concept.measurable,
                }
                for concept in self.concepts
            ],
            "mean_kept": self.mean_kept,
            "mean_kept_at_matched_kl": self.mean_kept_at_matched_kl,
            "mean_kept_at_equal_fluency": self.mean_kept_at_matched_kl,
            "mean_random": self.mean_random,
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
    """Measure the effect of carried vectors in the child, compared with its own and with random vectors.

    Args:
        parent: the model that the vectors are carried from; may be the child itself.
        child: the model that is steered.
        concepts: concepts with continuations.
        method: how directions are extracted, in both models.
        layers: see `alignment.align`.
        width: see `alignment.align`.
        anchors: see `alignment.align`.
        lam: strength; effects run from −lam to +lam.
        random_seeds: how many random vectors are averaged. Every concept has its own, so that averages over concepts use
            independent vectors.
        progress: told what is being measured.
    """
    texts = unsteered_text(child)
    records = []
    for number, concept in enumerate(concepts):
        stage = part_of(progress, number / len(concepts), (number + 1) / len(concepts))
        native = extract(child, concept, method, progress=part_of(stage, 0.0, 0.1))
        source = extract(parent, concept, method, progress=part_of(stage, 0.1, 0.2))
        carried = transfer(
            source, parent, child, layers=layers, width=width, anchors=anchors, progress=part_of(stage, 0.2, 0.3)
        )
        records.append(_measure(child, concept, native, carried, texts, lam, random_seeds, part_of(stage, 0.3, 1.0)))
    return Retention(parent.name, child.name, lam, tuple(records))


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
    lam: float = LAMBDA,
    random_seeds: int = 3,
    progress: Progress = silent,
) -> ConceptRetention:
    """Measure how much of the effect of the child's own vector one carried vector keeps; arguments as for `retention`."""
    native = extract(child, concept, method, progress=part_of(progress, 0.0, 0.2))
    return _measure(
        child, concept, native, carried, unsteered_text(child), lam, random_seeds, part_of(progress, 0.2, 1.0)
    )


def _measure(
    child: LanguageModel,
    concept: Concept,
    native_vector: SteeringVector,
    carried_vector: SteeringVector,
    texts: Sequence[tuple[list[int], int]],
    lam: float,
    random_seeds: int,
    progress: Progress,
) -> ConceptRetention:
    first_seed = int(concept.digest[:8], 16)
    controls = [random_like(native_vector, first_seed + seed) for seed in range(random_seeds)]
    vectors = [native_vector, carried_vector, *controls]
    steps = len(vectors) + 1
    effects = [
        effect(child, vector, concept, lam=lam, progress=part_of(progress, place / steps, (place + 1) / steps))
        for place, vector in enumerate(vectors)
    ]
    native, carried, random = effects[0], effects[1], [control.mean for control in effects[2:]]
    reference = kl_divergence(child, native_vector, texts, lam)
    matched_lam = _matched_lambda(child, carried_vector, texts, lam, reference)
    matched = effect(
        child, carried_vector, concept, lam=matched_lam, progress=part_of(progress, (steps - 1) / steps, 1.0)
    )
    shares = [
        carried_change / native_change
        for carried_change, native_change in zip(carried.per_prompt, native.per_prompt, strict=True)
        if native_change
    ]
    return ConceptRetention(
        name=concept.name,
        native=native.mean,
        carried=carried.mean,
        random=statistics.fmean(random) if random else 0.0,
        random_spread=math.sqrt(statistics.fmean(value**2 for value in random)) if random else 0.0,
        spread=statistics.stdev(shares) if len(shares) > 1 else 0.0,
        kl_divergence=reference,
        matched_lam=matched_lam,
        matched=matched.mean,
    )


def _matched_lambda(
    child: LanguageModel, vector: SteeringVector, texts: Sequence[tuple[list[int], int]], lam: float, target: float
) -> float:
    """The strength at which a vector has the wanted KL divergence, in nats per token."""
    strength = lam
    # The divergence grows with λ², so two steps are enough.
    for _ in range(2):
        divergence = kl_divergence(child, vector, texts, strength)
        if divergence <= 0 or target <= 0:
            break
        strength = min(strength * math.sqrt(target / divergence), _MAX_LAMBDA_FACTOR * lam)
    return strength


def _mean(values: Sequence[float]) -> float:
    return statistics.fmean(values) if values else math.nan
