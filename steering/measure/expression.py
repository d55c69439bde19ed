"""How far a text expresses a concept, in the eyes of the model that the concept was read in.

The reader is not the model that wrote the text, so a text counts that another model of another family reads as the concept.
"""

from collections.abc import Sequence

import torch

from steering.errors import Progress, SteeringError, silent
from steering.models import LanguageModel, batches, block_outputs, pad
from steering.vectors import SteeringVector

_FIRST_POSITION = 1
"""The first token of a text is left out: its activations are outliers in most models, whatever the text."""


def expression(
    reader: LanguageModel, vector: SteeringVector, texts: Sequence[str], *, progress: Progress = silent
) -> list[float]:
    """Measure how far texts lie along a concept's direction.

    A text's activations are averaged over its tokens and projected on the direction of the layers that tell the concept's
    poles apart best. 0 is the mean of the vector's own texts of both poles, and 1 their standard deviation.

    Args:
        reader: the model that the vector was extracted from.
        vector: with the pairs that it was extracted from.
        texts: to measure; an empty one counts as the mean.
        progress: told how far the reading is.

    Returns:
        One number a text.

    Raises:
        SteeringError: the vector has no pairs or no quality, or belongs to another model.
    """
    vector.check_model(reader)
    if not vector.pairs or not vector.quality:
        raise SteeringError(f"The vector of {vector.concept} has no pairs to measure against. Extract it from pairs.")
    best = max(layer.pairwise_accuracy for layer in vector.quality)
    layers = [place for place, layer in enumerate(vector.quality) if layer.pairwise_accuracy == best]
    poles = [side for pair in vector.pairs for side in pair]
    written = [text for text in texts if text.strip()]
    projected = _projections(reader, vector.directions[layers].double(), layers, [*poles, *written], progress)
    spread, mean = torch.std_mean(projected[: len(poles)], dim=0)
    measured = iter(((projected[len(poles) :] - mean) / spread).mean(dim=-1).tolist())
    return [next(measured) if text.strip() else 0.0 for text in texts]


def _projections(
    reader: LanguageModel, directions: torch.Tensor, layers: list[int], texts: Sequence[str], progress: Progress
) -> torch.Tensor:
    """Mean over the tokens of each text, projected on one direction a layer: float64 `[n_texts, n_layers]`."""
    rows = [reader.token_ids(text)[: reader.context or None] for text in texts]
    result = torch.zeros(len(rows), len(layers), dtype=torch.float64)
    done = 0
    for members in batches(rows):
        progress(f"Reading with {reader.name}", done / len(rows))
        batch = pad([rows[member] for member in members], reader)
        outputs = block_outputs(reader, batch.ids, batch.mask)
        for place, member in enumerate(members):
            first = min(_FIRST_POSITION, len(rows[member]) - 1)
            means = torch.stack(
                [outputs[layer][place, first : len(rows[member])].cpu().double().mean(dim=0) for layer in layers]
            )
            result[member] = (means * directions).sum(dim=-1)
        done += len(members)
    return result
