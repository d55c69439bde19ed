"""Extraction: from a concept's contrast pairs to a steering vector in the space of the model that read them.

How one layer's direction is found is `directions`' task, carrying the vector to another model `transfer`'s.
"""

from dataclasses import replace

import torch
import transformers

from steering.concepts import Concept, lint
from steering.errors import Progress, SteeringError, part_of, silent
from steering.models import LanguageModel, record
from steering.vectors.directions import DIRECTION_METHODS, NO_DIFFERENCE, differing, direction, measured, units
from steering.vectors.vector import SteeringVector


def extract(
    model: LanguageModel, concept: Concept, method: str = "pca", *, progress: Progress = silent
) -> SteeringVector:
    """Extract a concept's steering vector in the model's own space (algorithm 1 of arXiv 2512.19069).

    Args:
        model: the model that reads the pairs.
        concept: the contrast pairs.
        method: a key of `DIRECTION_METHODS`.
        progress: told how far the reading is.

    Raises:
        SteeringError: unknown method, pairs that cannot be used, or no layer with signal.
    """
    positive, negative = read_sides(model, concept, progress=part_of(progress, 0.0, 0.8))
    progress(f"Finding the directions of {concept.name}", 0.8)
    vector = fit(positive, negative, method, rounding(model))
    if not any(vector.signal):
        raise SteeringError(no_signal(model, concept))
    return replace(
        vector,
        model=model.fingerprint,
        model_name=model.name,
        concept=concept.name,
        labels=(concept.positive_label, concept.negative_label),
        provenance={
            "pairs": len(concept.pairs),
            "pairs_hash": concept.digest,
            "dtype": str(model.dtype).removeprefix("torch."),
            "revision": model.revision,
            "torch": torch.__version__,
            "transformers": transformers.__version__,
        },
        pairs=tuple((pair.positive, pair.negative) for pair in concept.pairs),
    )


def read_sides(
    model: LanguageModel, concept: Concept, *, progress: Progress = silent
) -> tuple[torch.Tensor, torch.Tensor]:
    """Read both sides of every pair at the last token, each float64 `[n_pairs, n_layers, d_model]`.

    Raises:
        SteeringError: pairs that cannot be used.
    """
    serious = [str(problem) for problem in lint(concept.pairs) if problem.serious]
    if serious:
        raise SteeringError(f"The pairs of {concept.name} cannot be used. " + " ".join(serious))
    texts = [pair.positive for pair in concept.pairs] + [pair.negative for pair in concept.pairs]
    positive, negative = record(model, texts, progress=progress).values.double().chunk(2)
    return positive, negative


def no_signal(model: LanguageModel, concept: Concept) -> str:
    """What to say of pairs whose sides no layer tells apart."""
    return f"No layer of {model.name} tells the two sides of {concept.name} apart: their last tokens agree."


def rounding(model: LanguageModel) -> float:
    """Share of the activations' length up to which a difference is rounding in the model's own type."""
    return max(NO_DIFFERENCE, torch.finfo(model.dtype).eps / 4)


def fit(positive: torch.Tensor, negative: torch.Tensor, method: str, noise: float = NO_DIFFERENCE) -> SteeringVector:
    """Find each layer's direction from activations, with quality measured on pairs left out.

    Args:
        positive: `[n_pairs, n_layers, d_model]`, float64.
        negative: the other sides, of the same shape.
        method: a key of `DIRECTION_METHODS`.
        noise: differences shorter than this share of the activations' length are dropped and counted.

    Returns:
        A vector that belongs to no model yet.

    Raises:
        SteeringError: unknown method.
    """
    if method not in DIRECTION_METHODS:
        raise SteeringError(f"Unknown direction method {method!r}. Choose one of {', '.join(DIRECTION_METHODS)}.")
    differences = positive - negative
    usable = differing(positive, negative, noise)
    directions, quality, projections = [], [], []
    for layer in range(differences.shape[1]):
        kept = differences[usable[:, layer], layer]
        directions.append(direction(kept, method, len(differences)))
        quality.append(measured(kept, method, len(differences)))
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
