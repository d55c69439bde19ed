"""Two designs of contrast pairs compared in one model: cosines between their directions, and quality, layer by layer."""

import math
from dataclasses import dataclass
from functools import cached_property

import torch

from steering.errors import MismatchError
from steering.stats import CONFIDENCE, wilson
from steering.vectors import LayerQuality, SteeringVector


@dataclass(frozen=True)
class DesignComparison:
    """Two designs in one model.

    Attributes:
        concepts: names of the two.
        model_name: what the model is called.
        cosines: `[n_layers]`, between their directions; not a number where one of them carries no signal.
        chance: 95 % of pairs of random directions of that width have a cosine nearer to 0 than this.
        quality: per design and layer.
        pairs: number of pairs of each.
        signal: number of layers with signal of each.
    """

    concepts: tuple[str, str]
    model_name: str
    cosines: torch.Tensor
    chance: float
    quality: tuple[tuple[LayerQuality, ...], tuple[LayerQuality, ...]]
    pairs: tuple[int, int]
    signal: tuple[int, int]

    @cached_property
    def clear(self) -> torch.Tensor:
        """At which layers both tell held-out pairs apart better than a coin, by Wilson's interval, bool `[n_layers]`."""
        better = [
            all(_beats_a_coin(layer, pairs) for layer, pairs in zip(both, self.pairs, strict=True))
            for both in zip(*self.quality, strict=True)
        ]
        return ~self.cosines.isnan() & torch.tensor(better)


def compare_designs(one: SteeringVector, other: SteeringVector) -> DesignComparison:
    """Compare the vectors of two designs, layer by layer.

    Raises:
        MismatchError: they belong to different models.
    """
    return DesignComparison(
        concepts=(one.concept, other.concept),
        model_name=one.model_name,
        cosines=cosines(one, other),
        chance=chance_cosine(one.directions.shape[1]),
        quality=(one.quality, other.quality),
        pairs=(len(one.pairs), len(other.pairs)),
        signal=(sum(one.signal), sum(other.signal)),
    )


def cosines(one: SteeringVector, other: SteeringVector) -> torch.Tensor:
    """How far two vectors point the same way, `[n_layers]`, −1 to 1; not a number where one of them carries no signal.

    Raises:
        MismatchError: they belong to different models.
    """
    if one.model != other.model or one.directions.shape != other.directions.shape:
        raise MismatchError(
            f"One vector is for {one.model_name}, the other for {other.model_name}: they live in different spaces and "
            "cannot be compared."
        )
    found = torch.nn.functional.cosine_similarity(one.directions.double(), other.directions.double(), dim=1)
    return torch.where(one.directions.any(dim=1) & other.directions.any(dim=1), found, math.nan)


def chance_cosine(width: int) -> float:
    """Below which cosine, whatever its sign, 95 % of pairs of random directions of that width stay."""
    from scipy.stats import beta

    return math.sqrt(float(beta.ppf(CONFIDENCE, 0.5, (width - 1) / 2)))


def _beats_a_coin(layer: LayerQuality, pairs: int) -> bool:
    tested = pairs - layer.dropped
    return tested > 0 and wilson(round(layer.pairwise_accuracy * tested), tested)[0] > 0.5
