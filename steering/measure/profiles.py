"""The layer profile with the largest effect at a KL budget, and its gain on continuations that it was not fitted on.

To first order a vector's effect is linear in the layers' weights, g·w, and to second order its KL divergence is a quadratic
form, w·Qw. The weights that maximise g·w where w·Qw is given and none is negative are those of a non-negative least-squares
problem, up to their length, which is λ.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch

from steering.concepts import Concept
from steering.errors import Progress, SteeringError, part_of, silent
from steering.measure.budgets import KL_BUDGET, UNSTEERED_TOKENS, UnsteeredTexts, strength_at, unsteered_texts
from steering.measure.effects import effect, score_gradient
from steering.models import BATCH_LOGITS, LanguageModel, continuation_logits, residual_norms
from steering.steer import DEFAULT_SETTINGS, PROFILES, Intervention, SteeringSettings, plan, steer
from steering.vectors import EPSILON, SteeringVector

FITTED = "fitted"
"""Name of the fitted profile beside those of `PROFILES`."""

_RIDGE = 0.1
"""Added to the diagonal of the quadratic form, as a share of its mean. It spreads the weights over more layers: the form rests
on some dozens of positions and on small changes, and a few layers with large weights leave that range first."""


@dataclass(frozen=True)
class ProfileEffect:
    """What one layer profile does at the budget.

    Attributes:
        lam: strength.
        effect: on the held-out continuations from −lam to +lam, nats per token.
    """

    lam: float
    effect: float


@dataclass(frozen=True)
class FittedProfile:
    """A layer profile that was fitted to one concept and vector.

    Attributes:
        model: name of the model.
        concept: name of the concept.
        kl: the budget in nats.
        weights: one a layer, none negative; they sum to 1.
        held_out: by name of the profile, what it does at the budget on continuations that had no part in the fit.
    """

    model: str
    concept: str
    kl: float
    weights: tuple[float, ...]
    held_out: Mapping[str, ProfileEffect]

    @property
    def gain(self) -> float:
        """Held-out effect over that of the profile "all", at the same KL divergence."""
        return self.held_out[FITTED].effect / self.held_out["all"].effect

    def as_json(self) -> dict[str, Any]:
        """The record as JSON can write it."""
        profiles = {name: vars(each) for name, each in self.held_out.items()}
        return {**vars(self), "weights": list(self.weights), "held_out": profiles, "gain": self.gain}


def fit_profile(
    model: LanguageModel,
    vector: SteeringVector,
    concept: Concept,
    kl: float = KL_BUDGET,
    settings: SteeringSettings = DEFAULT_SETTINGS,
    *,
    progress: Progress = silent,
) -> FittedProfile:
    """Fit a layer profile to every other continuation of a concept, and measure it on the rest beside the named profiles.

    Args:
        model: the model that is steered.
        vector: a vector in its space.
        concept: the concept, with at least two continuations.
        kl: the KL budget in nats.
        settings: scale and positions; its profile is not used.
        progress: told what is being measured.

    Raises:
        SteeringError: fewer than two continuations, a vector that moves the model towards the concept at no layer, or a budget
            that cannot be used.
    """
    if len(concept.continuations) < 2:
        raise SteeringError(
            f"{concept.name} has {len(concept.continuations)} continuations; a profile needs two: it is fitted "
            "on one half of them and measured on the other."
        )
    fitting, held_out = (replace(concept, continuations=concept.continuations[start::2]) for start in (0, 1))
    texts = unsteered_texts(model)
    gradient = score_gradient(model, fitting, settings.positions, progress=part_of(progress, 0.0, 0.2))
    offsets = _offsets(model, vector, settings)
    effects = torch.stack([(offset.offsets.double() * gradient.double()).sum() for offset in offsets.values()])
    form = divergence_form(texts, list(offsets.values()), progress=part_of(progress, 0.2, 0.5))
    weights = [0.0] * model.n_layers
    for layer, weight in zip(offsets, best_weights(effects, form).tolist(), strict=True):
        weights[layer] = weight
    if not any(weights):
        raise SteeringError(
            f"At no layer does this vector move {model.name} towards {concept.name}: it has no best profile."
        )
    profiles: dict[str, Any] = {**{name: name for name in PROFILES}, FITTED: tuple(weights)}
    by_profile = {}
    for number, (name, profile) in enumerate(profiles.items()):
        stage = part_of(progress, 0.5 + 0.5 * number / len(profiles), 0.5 + 0.5 * (number + 1) / len(profiles))
        chosen = replace(settings, profile=profile)
        lam = strength_at(model, vector, kl, chosen, texts=texts, side=0, progress=part_of(stage, 0.0, 0.6)).lam
        measured = effect(model, vector, held_out, lam=lam, settings=chosen, progress=part_of(stage, 0.6, 1.0))
        by_profile[name] = ProfileEffect(lam, measured.mean)
    return FittedProfile(model.name, concept.name, kl, tuple(weights), by_profile)


def best_weights(effects: torch.Tensor, form: torch.Tensor) -> torch.Tensor:
    """The weights with the largest effect for their KL divergence.

    Args:
        effects: each layer's effect for a weight of 1, `[n_layers]`.
        form: the KL divergence of weights w is w·form·w / 2, `[n_layers, n_layers]`.

    Returns:
        float64 `[n_layers]`, none negative, summing to 1; all 0 where no layer has a positive effect.
    """
    from scipy.optimize import nnls

    # Maximising g·w at given w·Qw, and minimising w·Qw / 2 − g·w, have the same solution up to its length. With Q = L·Lᵀ the
    # latter is the least-squares problem of Lᵀw = L⁻¹g.
    scale = form.diagonal().mean().clamp(min=EPSILON)
    stable = form.double() / scale + _RIDGE * torch.eye(len(form), dtype=torch.float64)
    root = torch.linalg.cholesky(stable)
    wanted = effects.double() / effects.double().abs().max().clamp(min=EPSILON)
    weights, _ = nnls(root.T.numpy(), torch.linalg.solve_triangular(root, wanted[:, None], upper=False)[:, 0].numpy())
    profile = torch.from_numpy(weights)
    return profile / profile.sum().clamp(min=EPSILON)


def divergence_form(
    texts: UnsteeredTexts, interventions: list[Intervention], *, progress: Progress = silent
) -> torch.Tensor:
    """The quadratic form of the mean KL divergence in the strengths of several interventions.

    For small changes d of the logits KL(steered ‖ unsteered) is half their variance under the unsteered model's prediction. The
    changes are central differences, one row of a batch for each side of an intervention.

    Args:
        texts: of the model that is steered; some positions of each are read, as many as logits fit into memory.
        interventions: what each adds; a unit of λ is a whole residual norm or so.
        progress: told after every text.

    Returns:
        float64 `[n, n]`, nats: at strengths w the divergence is about w·form·w / 2.
    """
    model, rows = texts.model, [*interventions, *interventions]
    size = torch.tensor([each.offsets.norm(dim=-1).div(residual_norms(model)).sum() for each in interventions])
    # In residual norms: where the errors of a central difference by curvature and by rounding are about equal.
    steps = model.epsilon ** (1 / 3) / 2 / size.clamp(min=EPSILON)
    window = max(1, min(UNSTEERED_TOKENS, BATCH_LOGITS // (len(rows) * model.vocabulary)))
    form = torch.zeros(len(interventions), len(interventions), dtype=torch.float64)
    predictions = texts.predictions
    for number, (row, start) in enumerate(zip(texts.rows, texts.starts, strict=True)):
        # The windows of the texts lie at different distances from their prompts.
        first = (UNSTEERED_TOKENS - window) * number // max(len(texts.rows) - 1, 1)
        ids = row[: start + first + window]
        with torch.inference_mode(), steer(model, rows, [*steps.tolist(), *(-steps).tolist()], prompt_length=start):
            logits = torch.stack(list(continuation_logits(model, [ids] * len(rows), [start + first] * len(rows))))
        ahead, back = logits.chunk(2)
        change = (ahead - back) / (2 * steps.to(logits.device)[:, None, None])
        probability = predictions[number][first : first + window].exp()
        change = (change - (probability * change).sum(dim=-1, keepdim=True)) * probability.sqrt()
        form += (change.flatten(1) @ change.flatten(1).T).cpu().double() / window
        progress(f"Finding what each layer changes in {model.name}", (number + 1) / len(texts.rows))
    return form / len(texts.rows)


def _offsets(model: LanguageModel, vector: SteeringVector, settings: SteeringSettings) -> dict[int, Intervention]:
    """What a weight of 1 adds at one layer alone, for every layer that carries signal."""
    one = torch.eye(model.n_layers).tolist()
    return {
        layer: plan(model, vector, replace(settings, profile=tuple(one[layer])))
        for layer, signal in enumerate(vector.signal)
        if signal
    }
