"""Two designs of contrast pairs compared in one model: cosines between their directions, and quality, layer by layer."""

import math
from dataclasses import dataclass
from functools import cached_property

import torch

from steering.errors import MismatchError
from steering.stats import CONFIDENCE, wilson
from steering.vectors import CHANCE_ACCURACY, LayerQuality, SteeringVector


@dataclass(frozen=True)
class DesignComparison:
    """Two designs in one model.

    Attributes:
        concepts: names of the two.
        model_name: what the model is called.
        cosines: `[n_layers]`, between their directions; not a number where one of them carries no signal.
        chance: the absolute cosine that 95 % of pairs of random directions of that width stay below.
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
        """Layers where both classify held-out pairs better than chance, by Wilson's interval, bool `[n_layers]`."""
        better = [
            all(_above_chance(layer, pairs) for layer, pairs in zip(both, self.pairs, strict=True))
            for both in zip(*self.quality, strict=True)
        ]
        return ~self.cosines.isnan() & torch.tensor(better)


def compare_designs(first: SteeringVector, second: SteeringVector) -> DesignComparison:
    """Compare the vectors of two designs, layer by layer.

    Raises:
        MismatchError: they belong to different models.
    """
    return DesignComparison(
        concepts=(first.concept, second.concept),
        model_name=first.model_name,
        cosines=cosines(first, second),
        chance=chance_cosine(first.directions.shape[1]),
        quality=(first.quality, second.quality),
        pairs=(len(first.pairs), len(second.pairs)),
        signal=(sum(first.signal), sum(second.signal)),
    )


def cosines(first: SteeringVector, second: SteeringVector) -> torch.Tensor:
    """Cosine between two vectors at every layer, `[n_layers]`; not a number where one of them carries no signal.

    Raises:
        MismatchError: they belong to different models.
    """
    if first.model != second.model or first.directions.shape != second.directions.shape:
        raise MismatchError(
            f"One vector is for {first.model_name}, the other for {second.model_name}: they live in different spaces and "
            "cannot be compared."
        )
    values = torch.nn.functional.cosine_similarity(first.directions.double(), second.directions.double(), dim=1)
    return torch.where(first.directions.any(dim=1) & second.directions.any(dim=1), values, math.nan)


def chance_cosine(width: int) -> float:
    """The absolute cosine that 95 % of pairs of random directions of that width stay below."""
    from scipy.stats import beta

    return math.sqrt(float(beta.ppf(CONFIDENCE, 0.5, (width - 1) / 2)))


def _above_chance(layer: LayerQuality, pairs: int) -> bool:
    tested = pairs - layer.dropped
    return tested > 0 and wilson(round(layer.pairwise_accuracy * tested), tested)[0] > CHANCE_ACCURACY
