"""Numbers about a pair of models that are known before a question of the task is answered: which of them predicts the gain?

They come from both models' activations and from the task's training part. Where a number belongs to a layer, the mean is taken
over the layers in which a vector of a task may act.
"""

import math

import torch

from steering.concepts import Concept
from steering.errors import Progress, part_of
from steering.evaluation import first_layer
from steering.measure import KL_BUDGET, measure, neutral_prompts, score_gradient, similarity, strength_at
from steering.models import LanguageModel
from steering.steer import assess, generate
from steering.studies.carrying import Work, mean_of
from steering.transfer import LAYER_MAPS
from steering.vectors import SteeringVector, extract

STEERED_TOKENS = 24
"""Tokens that the child writes behind every neutral lead-in, steered at the KL budget, for its own likelihood of them."""


def predictors(work: Work, carried: SteeringVector, own: SteeringVector, progress: Progress) -> dict[str, float | None]:
    """All numbers by name.

    Args:
        work: the cell.
        carried: its carried vector.
        own: the child's own vector of the same concept.
        progress: told how far the measuring is.
    """
    concept, child = work.measured_concept(), work.child
    layers = [layer for layer in range(first_layer(child), child.n_layers) if carried.signal[layer]]
    r2, share = _of_reports(carried, layers)
    quality = extract(work.parents[0], concept, work.cell.method).quality
    kept = measure(
        child, concept, carried, method=work.cell.method, random_seeds=0, progress=part_of(progress, 0.0, 0.5)
    )
    return {
        "held_out_r2": r2,
        "share_kept": share,
        "effect_kept": kept.kept_at_matched_kl,
        "layer_correlation": _layer_correlation(work, concept, part_of(progress, 0.5, 0.6)),
        "gradient_alignment": _cosine(
            carried, score_gradient(child, concept, progress=part_of(progress, 0.6, 0.8)), layers
        ),
        "cosine_with_own": _cosine(carried, own.directions, layers),
        "split_half_cosine": mean_of([each.split_half_cosine for each in quality]),
        "separability": mean_of([each.pairwise_accuracy for each in quality]),
        "log_likelihood_of_steered_text": _own_likelihood(child, carried),
    }


def _of_reports(vector: SteeringVector, layers: list[int]) -> tuple[float | None, float | None]:
    """Mean held-out R² and mean share of the length kept, over all parts that a vector was joined from."""
    parts = vector.provenance.get("combined") or [vector.provenance]
    reports = []
    for part in parts:  # Several parents that were each carried from several layers are joined twice.
        reports += [inner.get("transfer") for inner in part.get("combined") or [part]]
    known = [report for report in reports if report]
    return (
        mean_of([report["r2"][layer] for report in known for layer in layers]),
        mean_of([report["share_kept"][layer] for report in known for layer in layers]),
    )


def _layer_correlation(work: Work, concept: Concept, progress: Progress) -> float | None:
    parent, child = work.parents[0], work.child
    matrix = similarity(parent, child, concept, "scores", progress=progress).matrix
    relative = LAYER_MAPS["relative"]
    assert relative is not None
    pairs = list(enumerate(relative(parent.n_layers, child.n_layers)))[first_layer(child) :]
    return mean_of([float(matrix[source, layer]) for layer, source in pairs if source is not None])


def _cosine(vector: SteeringVector, others: torch.Tensor, layers: list[int]) -> float | None:
    cosines = torch.nn.functional.cosine_similarity(vector.directions.double(), others.double(), dim=-1)
    return mean_of([float(cosines[layer]) for layer in layers])


def _own_likelihood(child: LanguageModel, vector: SteeringVector) -> float | None:
    """Mean log-likelihood of a token, under the unsteered child, of what it writes steered at the KL budget; in nats."""
    lam = strength_at(child, vector, KL_BUDGET).lam
    perplexities = [
        assess(child, generate(child, prompt, vector, [lam], max_new_tokens=STEERED_TOKENS, plain=True))
        .rows[0]
        .health.perplexity
        for prompt in neutral_prompts()
    ]
    return mean_of([-math.log(value) for value in perplexities if value])
