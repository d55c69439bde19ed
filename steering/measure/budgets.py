"""λ as a KL budget: the strength at which steering changes a model's next tokens by a given KL divergence.

The divergence is measured at the tokens that the unsteered model writes itself, where the two distributions can be compared
position by position without sampling.
"""

import math
from collections import deque
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

import torch

from steering.errors import Progress, SteeringError, silent
from steering.formatting import strength
from steering.measure.effects import neutral_prompts, steered_batches
from steering.models import LanguageModel, continuation_logits, residual_norms
from steering.steer import (
    DEFAULT_SETTINGS,
    LARGEST_STRENGTH,
    Intervention,
    Sampling,
    SteeringSettings,
    decode,
    plan,
    steer,
)
from steering.storage import cached, key
from steering.vectors import EPSILON, SteeringVector

KL_BUDGET = 1.0
"""The budget that vectors are compared at, in nats: texts are still fluent there, and effects are far above rounding."""

KL_PERCENTILE = 0.95
"""This quantile of the positions' divergences is held to the budget: a mean would hide the few positions that break a text."""

UNSTEERED_TOKENS = 50
"""Tokens that the unsteered model writes after every neutral prompt."""

_TOLERANCE = 0.01
"""Largest difference of the logarithms of a divergence and its budget."""

_FIRST_SIZE = 0.1
"""Of the first strength tried, summed over the layers: residual norms added, shares taken out, or angles in radians."""

_LARGEST_STEP = math.log(8.0)
"""Of log λ, while the budget is still outside the strengths that were tried."""

_OVERSHOOT = 0.05
"""Added to every such step, so that the budget soon lies between two strengths."""

_SMALLEST_SHARE = 1e-6
"""A strength below this share of the first one is not tried: rounding hides its divergence."""

_FARTHEST = 50.0
"""Of a log-divergence from its budget, where the divergence is 0, or not a number because activations overflow."""


@dataclass(frozen=True)
class Strength:
    """A strength λ and the KL divergence that it causes.

    Attributes:
        lam: the strength, with the sign of its side.
        kl: the divergence there, `KL_PERCENTILE` of all positions, in nats.
        budget: the divergence that was asked for.
        side: 1 for λ > 0, −1 for λ < 0, 0 where the positions of both sides are pooled; λ is then positive.
    """

    lam: float
    kl: float
    budget: float
    side: int = 1

    def as_json(self) -> dict[str, Any]:
        """The record as JSON can write it."""
        return asdict(self)


@dataclass(frozen=True)
class UnsteeredTexts:
    """Greedy continuations of the neutral prompts by the unsteered model, and what it predicts at their tokens.

    Attributes:
        model: the model that wrote them.
        rows: token ids of prompt and continuation together.
        starts: where each row's continuation begins.
    """

    model: LanguageModel
    rows: tuple[tuple[int, ...], ...]
    starts: tuple[int, ...]

    @cached_property
    def predictions(self) -> tuple[torch.Tensor, ...]:
        """Log-probabilities of the next token before every token of a continuation, float32 `[n_tokens, vocabulary]` a row.

        They are computed once and kept: 40 MB for a vocabulary of 50,000.
        """
        with torch.inference_mode():
            kept = {
                member: logits.log_softmax(dim=-1)
                for members in self._batches("all")
                for member, logits in zip(members, self._logits(members), strict=True)
            }
        return tuple(kept[member] for member in range(len(self.rows)))

    def divergences(self, intervention: Intervention, lam: float) -> torch.Tensor:
        """KL(steered ‖ unsteered) of the next token, at every token of the continuations.

        Args:
            intervention: what one unit of λ adds to this model.
            lam: strength.

        Returns:
            float64 `[n_positions]`, nats, on the CPU.
        """
        plain = self.predictions  # Read before the model is steered.
        kept = {}
        for members in self._batches(intervention.positions):
            lambdas, start = [lam] * len(members), self.starts[members[0]]
            with torch.inference_mode(), steer(self.model, intervention, lambdas, prompt_length=start):
                for member, logits in zip(members, self._logits(members), strict=True):
                    kept[member] = _divergences(logits, plain[member])
        return torch.cat([kept[member] for member in range(len(self.rows))]).cpu().double()

    def kl(self, intervention: Intervention, lam: float, side: int = 1) -> float:
        """`KL_PERCENTILE` of the positions' KL divergences, in nats.

        Args:
            intervention: what one unit of λ adds to this model.
            lam: strength, 0 or more.
            side: 1 or −1 for one sign of λ, 0 for the positions of both.
        """
        sides = (side,) if side else (1, -1)
        pooled = torch.cat([self.divergences(intervention, sign * lam) for sign in sides])
        return float(pooled.quantile(KL_PERCENTILE))

    def _batches(self, positions: str) -> list[list[int]]:
        return steered_batches(self.model, self.rows, self.starts, positions)

    def _logits(self, members: list[int]) -> list[torch.Tensor]:
        rows, starts = [self.rows[member] for member in members], [self.starts[member] for member in members]
        with self.model.lock:
            return list(continuation_logits(self.model, rows, starts))


def unsteered_texts(model: LanguageModel) -> UnsteeredTexts:
    """Let the unsteered model continue the neutral prompts by `UNSTEERED_TOKENS` tokens each; kept in the cache.

    Raises:
        SteeringError: the model reads fewer tokens.
    """
    heads = [model.token_ids(prompt) for prompt in neutral_prompts()]
    model.check_length(max(map(len, heads)) + UNSTEERED_TOKENS - 1)

    def make() -> tuple[dict[str, torch.Tensor], dict[str, str]]:
        steps = decode(model, heads, None, [0.0] * len(heads), Sampling(UNSTEERED_TOKENS, stop=False))
        return {"tokens": torch.tensor(deque(steps, maxlen=1)[0].tokens)}, {}

    tensors, _ = cached("texts", key("unsteered", model.fingerprint, model.precision, heads, UNSTEERED_TOKENS), make)
    tails = tensors["tokens"].tolist()
    rows = tuple((*head, *tail) for head, tail in zip(heads, tails, strict=True))
    return UnsteeredTexts(model, rows, tuple(map(len, heads)))


def strength_at(
    model: LanguageModel,
    vector: SteeringVector,
    kl: float = KL_BUDGET,
    settings: SteeringSettings = DEFAULT_SETTINGS,
    *,
    texts: UnsteeredTexts | None = None,
    side: int = 1,
    progress: Progress = silent,
) -> Strength:
    """Find the strength at which steering causes a given KL divergence; kept in the cache.

    Args:
        model: the model that is steered.
        vector: a vector in its space.
        kl: the budget in nats: `KL_PERCENTILE` of KL(steered ‖ unsteered) over the tokens of the texts.
        settings: scale, layer profile, positions and operator.
        texts: of the same model; its own by default. Given where many vectors are measured, so that they are read once.
        side: 1 for λ > 0, −1 for λ < 0, 0 for the positions of both sides together.
        progress: told after every strength that was tried.

    Raises:
        SteeringError: a budget that is no finite number above 0, a vector without signal, or no strength up to
            `LARGEST_STRENGTH` that reaches the budget.
        MismatchError: the vector or the texts belong to another model.
    """
    budget = check_budget(kl)
    if side not in (-1, 0, 1):
        raise SteeringError(f"The side is {side!r}; it must be 1, −1, or 0 for both.")
    intervention = plan(model, vector, settings)
    if not intervention.active:
        raise SteeringError(f"The vector of {vector.concept} is zero at every layer, so no λ reaches a KL budget.")
    texts = texts or unsteered_texts(model)
    amounts = intervention.rows.norm(dim=-1)
    if intervention.operator == "add":
        amounts = amounts / residual_norms(model).clamp(min=EPSILON)
    size = amounts.sum().item()

    def make() -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
        lam, reached = _solve(lambda lam: texts.kl(intervention, lam, side), _FIRST_SIZE / size, budget, progress)
        return {"empty": torch.zeros(0)}, asdict(Strength(-lam if side < 0 else lam, reached, budget, side))

    parts = (vector.digest, asdict(settings), budget, side, texts.rows, texts.starts, KL_PERCENTILE)
    _, header = cached("strengths", key("strength", model.fingerprint, model.precision, *parts), make)
    return Strength(**header)


def check_budget(kl: object) -> float:
    """A KL budget as a number.

    Raises:
        SteeringError: it is no finite number above 0.
    """
    if isinstance(kl, bool) or not isinstance(kl, int | float) or not 0 < kl < math.inf:
        raise SteeringError(
            f"The KL budget is {str(kl)[:60]}; it must be a finite number of nats above 0, such as 1.0."
        )
    return float(kl)


def _solve(measure: Callable[[float], float], first: float, kl: float, progress: Progress) -> tuple[float, float]:
    """The strength at which `measure` is `kl`, and what it is there: a bracket, then Brent's method on both logarithms."""
    from scipy.optimize import brentq

    tried: dict[float, float] = {}
    reached: dict[float, float] = {}

    def excess(log_lam: float) -> float:
        if log_lam not in tried:
            divergence = measure(math.exp(log_lam))
            # Zero within the tolerance, which ends Brent's method.
            ratio = math.log(divergence / kl) if 0 < divergence < math.inf else _FARTHEST if divergence else -_FARTHEST
            tried[log_lam] = 0.0 if abs(ratio) < _TOLERANCE else ratio
            reached[log_lam] = divergence
            progress(f"Finding λ for a KL of {kl:g} nats", 1 - 0.8 ** len(tried))
        return tried[log_lam]

    least, most = math.log(first * _SMALLEST_SHARE), math.log(LARGEST_STRENGTH)
    place = min(math.log(first), most)
    low = high = None
    while low is None or high is None:
        value = excess(place)
        low, high = (place if value <= 0 else low), (place if value >= 0 else high)
        # The divergence grows with λ², so half of its distance is the distance of log λ.
        step = min(abs(value) / 2, _LARGEST_STEP) + _OVERSHOOT
        if value < 0 and place >= most:
            raise SteeringError(
                f"No λ up to {LARGEST_STRENGTH:,.0f} reaches a KL of {kl:g} nats: there it is {reached[place]:.3g}. "
                "Choose a smaller budget."
            )
        if value > 0 and place <= least:
            raise SteeringError(
                f"A KL of {kl:g} nats is below what rounding causes: {reached[place]:.3g} at λ = "
                f"{strength(math.exp(place))}. Choose a larger budget."
            )
        place = max(min(place - math.copysign(step, value), most), least)
    if low < high:
        brentq(excess, low, high, xtol=_TOLERANCE / 20)
    place = min(tried, key=lambda log_lam: abs(tried[log_lam]))
    if abs(tried[place]) > 1:
        raise SteeringError(
            f"No λ has a KL near {kl:g} nats: around λ = {strength(math.exp(place))} it jumps. Choose another budget."
        )
    progress(f"Finding λ for a KL of {kl:g} nats", 1.0)
    return math.exp(place), reached[place]


def _divergences(steered: torch.Tensor, plain: torch.Tensor) -> torch.Tensor:
    """KL divergence at each position, from logits and log-probabilities `[n_tokens, vocabulary]`; rounding below 0 is 0."""
    predicted = steered.log_softmax(dim=-1)
    return (predicted.exp() * (predicted - plain)).sum(dim=-1).clamp(min=0)
