"""Steering: one hook a block, one strength a row, and one vector for the batch or one a row.

`plan` turns a vector into what one unit of λ adds at each layer; `steer` adds it for the time of one forward pass.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property

import torch

from steering.errors import MismatchError, SteeringError
from steering.models import LanguageModel, editing, residual_norms
from steering.steer.settings import DEFAULT_SETTINGS, PROFILES, Profile, SteeringSettings
from steering.vectors import EPSILON, SteeringVector


@dataclass(frozen=True)
class Intervention:
    """What λ = 1 adds to the residual stream of one model.

    Attributes:
        offsets: float32 `[n_layers, d_model]`, zero rows where nothing is added.
        model: fingerprint of the model.
        scale: "residual" (λ in whole residual norms, spread over the layers) or "unit" (the paper's λ times a unit vector).
        weights: the layer profile, one weight a layer; they sum to 1 under "residual".
        positions: "all" tokens, or the "response" alone, which begins with the prompt's last token.
    """

    offsets: torch.Tensor
    model: str
    scale: str
    weights: tuple[float, ...]
    positions: str

    @cached_property
    def active(self) -> list[int]:
        """The layers at which something is added."""
        return self.offsets.any(dim=1).nonzero().flatten().tolist()


def plan(model: LanguageModel, vector: SteeringVector, settings: SteeringSettings = DEFAULT_SETTINGS) -> Intervention:
    """Work out what one unit of λ adds at each layer.

    Args:
        model: the model to be steered.
        vector: a vector in that model's space.
        settings: scale, layer profile and positions.

    Raises:
        MismatchError: the vector belongs to another model, or the profile to another number of layers.
        SteeringError: no weight on a layer with signal.
    """
    vector.check_model(model)
    weights = torch.tensor(_weights(settings.profile, model), dtype=torch.float64)
    weights *= torch.tensor(vector.signal)
    if not weights.any() and any(vector.signal):
        raise SteeringError("The layer profile gives no weight to any layer that carries the concept. Raise a bar.")
    offsets = vector.directions.double() * weights[:, None]
    if settings.scale == "residual":
        weights = weights / weights.sum().clamp(min=EPSILON)
        offsets = vector.directions.double() * (weights * residual_norms(model))[:, None]
    return Intervention(offsets.float(), model.fingerprint, settings.scale, tuple(weights.tolist()), settings.positions)


@contextmanager
def steer(
    model: LanguageModel,
    intervention: Intervention | Sequence[Intervention],
    lambdas: Sequence[float],
    *,
    prompt_length: int = 1,
) -> Iterator[None]:
    """Steer one forward pass: row i of the batch moves by `lambdas[i]`.

    The model is locked meanwhile, so other threads wait, and the hooks are gone on the way out. Never leave the context
    open across a `yield`.

    Args:
        model: the model that the intervention was planned for.
        intervention: what one unit of λ adds: one for the whole batch, or one a row.
        lambdas: one strength a row of the batch.
        prompt_length: how many of the positions in this pass are prompt; 1 for a decoding step. Matters for "response":
            steering begins at the last of them, because the first new token comes out of it.

    Raises:
        MismatchError: the intervention belongs to another model.
        SteeringError: not one strength and one intervention for every row of the batch, or interventions that steer
            different positions.
    """
    interventions = [intervention] if isinstance(intervention, Intervention) else list(intervention)
    if any(each.model != model.fingerprint for each in interventions):
        raise MismatchError(f"This intervention was planned for another model than {model.name}.")
    if not isinstance(intervention, Intervention) and len(interventions) != len(lambdas):
        raise SteeringError(
            f"There are {len(interventions)} interventions for {len(lambdas)} strengths; give one a row."
        )
    if len({each.positions for each in interventions}) != 1:
        raise SteeringError("The rows of one batch must be steered at the same positions: all tokens, or the response.")
    start = 0 if interventions[0].positions == "all" else prompt_length - 1
    # Computed for all layers at once: this runs before every token, and many small products would take longer.
    active = sorted({layer for each in interventions for layer in each.active})
    strengths = torch.tensor(lambdas, dtype=torch.float32)[:, None]
    offsets = strengths * torch.stack([each.offsets[active] for each in interventions], dim=1)
    offsets = offsets[:, :, None].to(model.device, model.dtype)
    steps = dict(zip(active, offsets.unbind(), strict=True))

    def add(layer: int, hidden: torch.Tensor) -> torch.Tensor:
        if len(hidden) != len(lambdas):
            raise SteeringError(
                f"There are {len(lambdas)} strengths for a batch of {len(hidden)} rows; give one a row."
            )
        step = steps[layer].to(hidden)
        if start == 0:
            return hidden + step
        return torch.cat([hidden[:, :start], hidden[:, start:] + step], dim=1)

    with model.lock, editing(model.blocks, add, active):
        yield


def _weights(profile: Profile, model: LanguageModel) -> list[float]:
    if isinstance(profile, str):
        return [PROFILES[profile](layer / max(model.n_layers - 1, 1)) for layer in range(model.n_layers)]
    weights = [float(weight) for weight in profile]
    if len(weights) != model.n_layers:
        raise MismatchError(f"The layer profile has {len(weights)} weights; {model.name} has {model.n_layers} layers.")
    return weights
