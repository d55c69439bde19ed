"""Extraction: from a concept's contrast pairs to a steering vector in the space of the model that read them.

`directions` fits one layer's direction, `transfer` carries the vector to another model.
"""

from dataclasses import replace

import torch
import transformers

from steering.concepts import Concept, check_pairs
from steering.errors import Progress, SteeringError, part_of, silent
from steering.models import LanguageModel, record
from steering.vectors.directions import (
    DIRECTION_METHODS,
    NO_DIFFERENCE,
    TRAINED,
    check_method,
    differ_beyond_rounding,
    direction,
    layer_quality,
    trained_quality,
    units,
)
from steering.vectors.examples import is_held_out, pair_examples
from steering.vectors.training import Training, train
from steering.vectors.vector import SteeringVector


def extract(
    model: LanguageModel, concept: Concept, method: str = "pca", *, progress: Progress = silent
) -> SteeringVector:
    """Extract a concept's steering vector in the model's own space (algorithm 1 of arXiv 2512.19069).

    Args:
        model: the model that reads the pairs.
        concept: the contrast pairs.
        method: one of `METHODS`.
        progress: told how far the reading is, and the training where there is one.

    Raises:
        SteeringError: unknown method, pairs that cannot be used, or no layer with signal.
    """
    check_method(method)
    read = 0.1 if method == TRAINED else 0.8
    positive, negative = record_pairs(model, concept, progress=part_of(progress, 0.0, read))
    progress(f"Finding the directions of {concept.name}", read)
    if method == TRAINED:
        vector = _trained(model, concept, positive, negative, part_of(progress, read, 1.0))
    else:
        vector = fit(positive, negative, method, rounding_share(model))
    if not any(vector.signal):
        raise SteeringError(no_signal_message(model, concept))
    return replace(
        vector,
        model=model.fingerprint,
        model_name=model.name,
        concept=concept.name,
        labels=(concept.positive_label, concept.negative_label),
        provenance={
            **vector.provenance,
            "sizes": _sizes(vector, positive - negative),
            "pairs": len(concept.pairs),
            "pairs_hash": concept.digest,
            "dtype": model.precision.removeprefix("torch."),
            "revision": model.revision,
            "torch": torch.__version__,
            "transformers": transformers.__version__,
        },
        pairs=tuple((pair.positive, pair.negative) for pair in concept.pairs),
    )


def record_pairs(
    model: LanguageModel, concept: Concept, *, progress: Progress = silent
) -> tuple[torch.Tensor, torch.Tensor]:
    """Activations of both sides of every pair at the last token, each float64 `[n_pairs, n_layers, d_model]`.

    Raises:
        SteeringError: pairs that cannot be used.
    """
    check_pairs(concept)
    texts = [pair.positive for pair in concept.pairs] + [pair.negative for pair in concept.pairs]
    positive, negative = record(model, texts, progress=progress).values.double().chunk(2)
    return positive, negative


def no_signal_message(model: LanguageModel, concept: Concept) -> str:
    """Message for pairs whose two sides have the same activations at every layer."""
    return f"No layer of {model.name} tells the two sides of {concept.name} apart: their last tokens agree."


def rounding_share(model: LanguageModel) -> float:
    """Share of the activations' length up to which a difference is rounding, in the model's dtype."""
    return max(NO_DIFFERENCE, model.epsilon / 4)


def fit(positive: torch.Tensor, negative: torch.Tensor, method: str, noise: float = NO_DIFFERENCE) -> SteeringVector:
    """Find each layer's direction from activations, with quality measured on held-out pairs.

    Args:
        positive: `[n_pairs, n_layers, d_model]`, float64.
        negative: the other sides, of the same shape.
        method: a key of `DIRECTION_METHODS`.
        noise: differences shorter than this share of the activations' length are dropped and counted.

    Returns:
        A vector without model and concept.

    Raises:
        SteeringError: unknown method, or one that needs the model itself.
    """
    check_method(method)
    if method not in DIRECTION_METHODS:
        raise SteeringError(f"The method {method!r} needs the model and not its activations alone: use extract().")
    differences = positive - negative
    usable = differ_beyond_rounding(positive, negative, noise)
    directions, quality, projections = [], [], []
    for layer in range(differences.shape[1]):
        layer_differences = differences[usable[:, layer], layer]
        directions.append(direction(layer_differences, method, len(differences)))
        quality.append(layer_quality(layer_differences, method, len(differences)))
        projections.append(units(differences[:, layer]) @ directions[-1])
    return SteeringVector(
        directions=torch.stack(directions).float(),
        model="",
        model_name="",
        concept="",
        labels=("positive", "negative"),
        method=method,
        quality=tuple(quality),
        projections=torch.stack(projections).float(),
    )


def _sizes(vector: SteeringVector, differences: torch.Tensor) -> list[float]:
    """Mean length of the differences `[n_pairs, n_layers, d_model]` along each layer's direction, never below 0."""
    along = (differences.mean(dim=0) * units(vector.directions.double())).sum(dim=-1)
    return [float(f"{size:.6g}") for size in along.clamp(min=0).tolist()]


def _trained(
    model: LanguageModel, concept: Concept, positive: torch.Tensor, negative: torch.Tensor, progress: Progress
) -> SteeringVector:
    """A trained vector, with its quality on the pairs that were held out from training."""
    vector = train(model, pair_examples(model, concept), Training(two_sided=True), progress=progress)
    differences = positive - negative
    usable = differ_beyond_rounding(positive, negative, rounding_share(model))
    count = len(differences)
    held_out = torch.tensor([is_held_out(number, count) for number in range(count)])
    quality = tuple(
        trained_quality(differences[held_out & usable[:, layer], layer], row, count)
        for layer, row in enumerate(vector.directions)
    )
    projections = (units(differences) * units(vector.directions.double())).sum(dim=-1).T
    return replace(vector, quality=quality, projections=projections.float())
