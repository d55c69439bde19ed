"""Checks of single contrast pairs: which pairs point against the others, and what leaving one out changes.

A pair is always tested on directions that were fitted without it. Once a model has read the pairs, this is linear algebra on
small matrices.
"""

import math
from dataclasses import dataclass
from functools import cached_property

import torch

from steering.concepts import Concept
from steering.errors import Progress, SteeringError, silent
from steering.models import LanguageModel
from steering.stats import mean_interval, wilson
from steering.vectors import (
    CHANCE_ACCURACY,
    EPSILON,
    FOLDS,
    differ_beyond_rounding,
    direction,
    held_out,
    method_of_folds,
    no_signal_message,
    record_pairs,
    rounding_share,
)


@dataclass(frozen=True)
class Design:
    """Contrast pairs as one model reads them.

    Attributes:
        concept: name of the concept.
        model_name: what the model is called.
        method: a key of `DIRECTION_METHODS`.
        differences: float64 `[n_pairs, n_layers, k]`, positive minus negative, in an orthonormal basis of
            the k dimensions that they span at each layer. All methods are invariant to rotation, so nothing is lost.
        usable: bool `[n_pairs, n_layers]`, where the sides differ by more than rounding.
    """

    concept: str
    model_name: str
    method: str
    differences: torch.Tensor
    usable: torch.Tensor

    def direction(self, layer: int, without: int | None = None) -> torch.Tensor:
        """A layer's direction `[k]`, fitted to all pairs or to all but one; zero where too few pairs differ."""
        rows = torch.arange(len(self.differences)) != (-1 if without is None else without)
        differences = self.differences[rows & self.usable[:, layer], layer]
        return direction(differences, self.method, int(rows.sum()))

    @cached_property
    def directions(self) -> torch.Tensor:
        """The directions of all pairs, `[n_layers, k]`."""
        return torch.stack([self.direction(layer) for layer in range(self.differences.shape[1])])

    @property
    def signal(self) -> torch.Tensor:
        """Which layers carry signal, bool `[n_layers]`."""
        return self.directions.any(dim=1)


@dataclass(frozen=True)
class Votes:
    """Projection of each pair on the direction that is fitted to the other pairs.

    Attributes:
        along: `[n_pairs, n_layers]`; in units of the root mean square over the pairs at that layer, so that layers can be
            compared; below 0 the pair points the other way. Zero where the layer carries no signal.
        signal: which layers carry signal, bool `[n_layers]`.
    """

    along: torch.Tensor
    signal: torch.Tensor

    @cached_property
    def clear(self) -> torch.Tensor:
        """Which layers classify pairs better than chance, by the lower end of Wilson's interval, bool `[n_layers]`."""
        pairs, right = len(self.along), (self.along > 0).sum(dim=0).tolist()
        return self.signal & torch.tensor([wilson(number, pairs)[0] > CHANCE_ACCURACY for number in right])

    @property
    def layers(self) -> torch.Tensor:
        """The layers that scores are taken from, bool `[n_layers]`: the clear ones, or all with signal where none is clear."""
        return self.clear if self.clear.any() else self.signal

    @property
    def scores(self) -> torch.Tensor:
        """Each pair's mean over `layers`, `[n_pairs]`."""
        return self.along[:, self.layers].mean(dim=1)

    @property
    def middle(self) -> torch.Tensor:
        """Each pair's quartiles over `layers`, `[n_pairs, 2]`."""
        return self.along[:, self.layers].quantile(torch.tensor([0.25, 0.75]).double(), dim=1).T

    @property
    def against(self) -> torch.Tensor:
        """Number of `layers` at which each pair points the other way, `[n_pairs]`."""
        return (self.along[:, self.layers] < 0).sum(dim=1)

    @property
    def fights(self) -> torch.Tensor:
        """Which pairs have a negative score, bool `[n_pairs]`."""
        return self.scores < 0


@dataclass(frozen=True)
class LeftOut:
    """Effect of leaving one pair out; both times the same other pairs are tested, in the same folds.

    Attributes:
        pair: number of the pair, from 0.
        cosines: `[n_layers]`, between the directions with it and without it; not a number at layers that were not selected.
        with_it: `[n_others, n_layers]`, cosines of the other pairs with directions fitted with this pair and without them; not
            a number where a pair or a layer cannot be tested.
        without_it: the same with directions fitted without this pair.
    """

    pair: int
    cosines: torch.Tensor
    with_it: torch.Tensor
    without_it: torch.Tensor

    @property
    def turn(self) -> float:
        """By how many degrees the direction turns: mean over the layers."""
        return math.degrees(float(self.cosines.clamp(-1, 1).arccos().nanmean()))

    @property
    def pairwise_accuracy(self) -> tuple[float, float]:
        """Pairwise accuracy on the other pairs, with it and without it: means over pairs and layers."""
        return _positive_share(self.with_it), _positive_share(self.without_it)

    @property
    def explained_variance(self) -> tuple[float, float]:
        """Share of the other differences' squared length along the direction, with it and without it."""
        return float(self.with_it.square().nanmean()), float(self.without_it.square().nanmean())

    @cached_property
    def gain(self) -> tuple[float, float, float]:
        """Change of the explained share when it is left out: mean over the other pairs, and its 95 % interval."""
        changes = (self.without_it.square() - self.with_it.square()).nanmean(dim=1)
        tested = changes[~changes.isnan()]
        if not len(tested):
            return math.nan, math.nan, math.nan
        low, high = mean_interval(tested.tolist())
        return float(tested.mean()), low, high


def read_design(model: LanguageModel, concept: Concept, method: str, *, progress: Progress = silent) -> Design:
    """Read the pairs of a design with a model; activations are taken from the cache where they are in it.

    Args:
        model: the model that reads.
        concept: the pairs.
        method: one of `METHODS`; directions are fitted by its `method_of_folds`.
        progress: told how far the reading is.

    Raises:
        SteeringError: unknown method, pairs that cannot be used, or no layer with signal.
    """
    positive, negative = record_pairs(model, concept, progress=progress)
    result = design(positive, negative, method, rounding_share(model), concept=concept.name, model_name=model.name)
    if not result.signal.any():
        raise SteeringError(no_signal_message(model, concept))
    return result


def design(
    positive: torch.Tensor,
    negative: torch.Tensor,
    method: str,
    noise: float,
    *,
    concept: str = "",
    model_name: str = "",
) -> Design:
    """A design from both sides' activations, float64 `[n_pairs, n_layers, d_model]`; see `extraction.fit`.

    Raises:
        SteeringError: unknown method.
    """
    method = method_of_folds(method)
    coordinates = torch.linalg.qr((positive - negative).permute(1, 2, 0), mode="r").R
    return Design(
        concept, model_name, method, coordinates.permute(2, 0, 1), differ_beyond_rounding(positive, negative, noise)
    )


def votes(design: Design, *, progress: Progress = silent) -> Votes:
    """Project every pair on the direction that is fitted without it, at every layer."""
    pairs, layers = design.usable.shape
    along = torch.zeros(pairs, layers).double()
    for pair in range(pairs):
        progress("Finding the direction without each pair", pair / pairs)
        without = torch.stack([design.direction(layer, without=pair) for layer in range(layers)])
        along[pair] = (design.differences[pair] * without).sum(dim=1)
    along *= design.usable & design.signal
    return Votes(along / along.square().mean(dim=0).sqrt().clamp(min=EPSILON), design.signal)


def leave_out(design: Design, pair: int, layers: torch.Tensor | None = None) -> LeftOut:
    """Fit every direction with and without one pair, and test both on the other pairs.

    Args:
        design: of two pairs or more.
        pair: number of the pair, from 0.
        layers: the layers to test, bool `[n_layers]`; by default those with signal.

    Raises:
        SteeringError: there is no such pair.
    """
    pairs, depth = design.usable.shape
    if not 0 <= pair < pairs:
        raise SteeringError(f"There is no pair {pair + 1}: {design.concept} has {pairs}.")
    others = torch.arange(pairs) != pair
    cosines = torch.full((depth,), math.nan).double()
    with_it, without_it = torch.full((2, pairs, depth), math.nan).double()
    selected = design.signal if layers is None else design.signal & layers
    for layer in selected.nonzero().flatten().tolist():
        direction_without = design.direction(layer, without=pair)
        if direction_without.any():
            cosines[layer] = design.directions[layer] @ direction_without
        tested = others & design.usable[:, layer]
        if int(tested.sum()) >= max(FOLDS, (pairs - 1) / 2):
            other_differences = design.differences[tested, layer]
            left_out = design.differences[pair : pair + 1, layer][design.usable[pair : pair + 1, layer]]
            with_it[tested, layer] = held_out(other_differences, design.method, always_train=left_out)
            without_it[tested, layer] = held_out(other_differences, design.method)
    return LeftOut(pair, cosines, with_it[others], without_it[others])


def _positive_share(cosines: torch.Tensor) -> float:
    tested = ~cosines.isnan()
    return float((cosines[tested] > 0).double().mean())
