"""Steering: one hook a block, one strength a row, and one vector for the batch or one a row.

`plan` turns a vector into what one unit of λ does at each layer; `steer` does it for the time of one forward pass.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property

import torch

from steering.errors import MismatchError, SteeringError
from steering.models import Edit, LanguageModel, editing, residual_norms
from steering.steer.operators import STEPS
from steering.steer.settings import DEFAULT_SETTINGS, PROFILES, Profile, SteeringSettings
from steering.vectors import EPSILON, SteeringVector, units

NO_OFFSETS = (
    "The operator {operator!r} depends on the hidden state, so it cannot be written as numbers that are added. Use the "
    "operator 'add'."
)


@dataclass(frozen=True)
class Intervention:
    """What λ = 1 does to the residual stream of one model.

    Attributes:
        rows: float32 `[n_layers, d_model]`, zero where nothing is done. Under "add" what is added; else along the direction,
            and as long as the amount: the share that "ablate" takes out, the angle in radians by which "rotate" turns.
        model: fingerprint of the model.
        scale: "residual" (λ in whole residual norms, spread over the layers) or "unit" (the paper's λ times a unit vector).
        weights: the layer profile, one weight a layer; they sum to 1 under "residual".
        positions: "all" tokens; the "response" alone, which begins with the prompt's last token; or that token alone, which
            decides the "first" new token.
        operator: "add", "ablate" or "rotate".
    """

    rows: torch.Tensor
    model: str
    scale: str
    weights: tuple[float, ...]
    positions: str
    operator: str = "add"

    @cached_property
    def active(self) -> list[int]:
        """The layers at which something is done."""
        return self.rows.any(dim=1).nonzero().flatten().tolist()

    @property
    def offsets(self) -> torch.Tensor:
        """What λ = 1 adds, float32 `[n_layers, d_model]`.

        Raises:
            SteeringError: what is done depends on the hidden state, so that no offsets say it.
        """
        if self.operator != "add":
            raise SteeringError(NO_OFFSETS.format(operator=self.operator))
        return self.rows


def plan(model: LanguageModel, vector: SteeringVector, settings: SteeringSettings = DEFAULT_SETTINGS) -> Intervention:
    """Work out what one unit of λ does at each layer.

    Args:
        model: the model to be steered.
        vector: a vector in that model's space.
        settings: scale, layer profile, positions and operator.

    Raises:
        MismatchError: the vector belongs to another model, or the profile to another number of layers.
        SteeringError: no weight on a layer with signal.
    """
    vector.check_model(model)
    weights = torch.tensor(_weights(settings.profile, model), dtype=torch.float64)
    weights *= torch.tensor(vector.signal)
    if not weights.any() and any(vector.signal):
        raise SteeringError("The layer profile gives no weight to any layer that carries the concept. Raise a bar.")
    if settings.scale == "residual":
        weights = weights / weights.sum().clamp(min=EPSILON)
    rows = vector.directions.double()
    if settings.operator == "ablate":
        # Removing a component twice removes nothing more, so layers do not share the work: the heaviest removes all of it.
        rows = units(rows) * (weights / weights.max().clamp(min=EPSILON))[:, None]
    elif settings.operator == "rotate":
        rows = rows * (weights * (math.pi / 2))[:, None]
    else:
        rows = rows * (weights * residual_norms(model) if settings.scale == "residual" else weights)[:, None]
    return Intervention(
        rows.float(), model.fingerprint, settings.scale, tuple(weights.tolist()), settings.positions, settings.operator
    )


def joined(intervention: Intervention, lambdas: Sequence[float], fixed: Intervention) -> list[Intervention]:
    """For every λ what it adds, and what a second vector adds beside it; each is to be used at strength 1.

    Args:
        intervention: what λ = 1 adds.
        lambdas: its strengths.
        fixed: what the second vector adds, whatever λ is.

    Raises:
        SteeringError: what is done depends on the hidden state, so that it does not add up.
    """
    return [replace(intervention, rows=lam * intervention.offsets + fixed.offsets) for lam in lambdas]


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
        intervention: what one unit of λ does: one for the whole batch, or one a row.
        lambdas: one strength a row of the batch.
        prompt_length: how many of the positions in this pass are prompt; 1 for a decoding step. Matters for "response" and
            "first": steering begins at the last of them, because the first new token comes out of it. Under "first" nothing
            is steered in a decoding step, so this context is not entered there.

    Raises:
        MismatchError: the intervention belongs to another model.
        SteeringError: not one strength and one intervention for every row of the batch, or interventions of different
            positions or operators.
    """
    active, edit = edit_of(model, intervention, lambdas, prompt_length=prompt_length)
    with model.lock, editing(model.blocks, edit, active):
        yield


def edit_of(
    model: LanguageModel,
    intervention: Intervention | Sequence[Intervention],
    lambdas: Sequence[float],
    *,
    prompt_length: int = 1,
) -> tuple[list[int], Edit]:
    """The layers at which something is done, and what `editing` does there; arguments and errors as of `steer`."""
    interventions = [intervention] if isinstance(intervention, Intervention) else list(intervention)
    if any(each.model != model.fingerprint for each in interventions):
        raise MismatchError(f"This intervention was planned for another model than {model.name}.")
    if not isinstance(intervention, Intervention) and len(interventions) != len(lambdas):
        raise SteeringError(
            f"There are {len(interventions)} interventions for {len(lambdas)} strengths; give one a row."
        )
    if len({each.positions for each in interventions}) != 1:
        raise SteeringError(
            "The rows of one batch must be steered at the same positions: all, the response, or the first."
        )
    if len({each.operator for each in interventions}) != 1:
        raise SteeringError("The rows of one batch must be steered by the same operator.")
    positions = interventions[0].positions
    start = 0 if positions == "all" else prompt_length - 1
    end = prompt_length if positions == "first" else None
    active, step = steps_of(model, interventions, lambdas)

    def add(layer: int, hidden: torch.Tensor) -> torch.Tensor:
        if len(hidden) != len(lambdas):
            raise SteeringError(
                f"There are {len(lambdas)} strengths for a batch of {len(hidden)} rows; give one a row."
            )
        return moved(layer, hidden, step, start, end)

    return active, add


Step = Callable[[int, torch.Tensor], torch.Tensor]
"""A layer and its hidden states `[rows, seq, d_model]` to what is added to them."""


def steps_of(
    model: LanguageModel, interventions: Sequence[Intervention], lambdas: Sequence[float]
) -> tuple[list[int], Step]:
    """The layers at which something is done, and what is added to their hidden states.

    Args:
        model: the model that the interventions were planned for.
        interventions: one for all rows, or one a row; of one operator.
        lambdas: one strength a row, or one for all.
    """
    active = sorted({layer for each in interventions for layer in each.active})
    rows = torch.stack([each.rows[active] for each in interventions], dim=1)
    strengths = torch.tensor(lambdas, dtype=torch.float32)[:, None]
    make = _offsets if interventions[0].operator == "add" else _steps
    return active, make(model, active, rows, strengths, interventions[0].operator)


def moved(layer: int, hidden: torch.Tensor, step: Step, start: int, end: int | None = None) -> torch.Tensor:
    """A block's output `[rows, seq, d_model]` as it is steered from one position on, to another where one is given."""
    if start == 0 and end is None:
        return hidden + step(layer, hidden)
    steered = hidden[:, start:end]
    rest = [] if end is None else [hidden[:, end:]]
    return torch.cat([hidden[:, :start], steered + step(layer, steered), *rest], dim=1)


def _offsets(
    model: LanguageModel, layers: Sequence[int], rows: torch.Tensor, strengths: torch.Tensor, _operator: str
) -> Step:
    # Computed for all layers at once: this runs before every token, and many small products would take longer.
    offsets = (strengths * rows)[:, :, None].to(model.device, model.dtype)
    by_layer = dict(zip(layers, offsets.unbind(), strict=True))
    return lambda layer, hidden: by_layer[layer].to(hidden)


def _steps(
    model: LanguageModel, layers: Sequence[int], rows: torch.Tensor, strengths: torch.Tensor, operator: str
) -> Step:
    directions = units(rows)[:, :, None].to(model.device)
    amounts = (strengths * rows.norm(dim=-1, keepdim=True))[:, :, None].to(model.device)
    by_layer = dict(zip(layers, zip(directions, amounts, strict=True), strict=True))

    def step(layer: int, hidden: torch.Tensor) -> torch.Tensor:
        direction, amount = by_layer[layer]
        change = STEPS[operator](hidden.float(), direction.to(hidden.device), amount.to(hidden.device))
        return change.to(hidden)

    return step


def _weights(profile: Profile, model: LanguageModel) -> list[float]:
    if isinstance(profile, str):
        return [PROFILES[profile](layer / max(model.n_layers - 1, 1)) for layer in range(model.n_layers)]
    weights = [float(weight) for weight in profile]
    if len(weights) != model.n_layers:
        raise MismatchError(f"The layer profile has {len(weights)} weights; {model.name} has {model.n_layers} layers.")
    return weights
