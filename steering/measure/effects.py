"""What a vector does to a model: its effect on held-out continuations.

A steered model's score is the mean, over neutral prompts and held-out continuations, of log p(positive) minus
log p(negative) per token. A vector's effect is the score's change from −λ to +λ.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files

import torch

from steering.concepts import Concept
from steering.errors import Progress, SteeringError, silent
from steering.models import (
    BATCH_TOKENS,
    LanguageModel,
    editing,
    scoring_batches,
    token_log_probabilities,
)
from steering.steer import DEFAULT_SETTINGS, Intervention, SteeringSettings, plan, steer
from steering.storage import cached, key
from steering.vectors import SteeringVector

LAMBDA = 0.1
"""Strength at which effects are measured: far below those at which text degenerates, so effects are nearly linear in λ."""

_GRADIENT_TOKENS = 512
"""Tokens in one batch of a backward pass, which keeps the activations of all layers in memory."""


@dataclass(frozen=True)
class Effect:
    """Effect of steering with one vector on the held-out continuations.

    Attributes:
        mean: change of the score from −λ to +λ, in nats per token.
        per_prompt: the same for every neutral prompt, in order.
    """

    mean: float
    per_prompt: tuple[float, ...]


def neutral_prompts() -> tuple[str, ...]:
    """Beginnings of texts that do not mention any concept."""
    return tuple((files("steering.measure") / "neutral_prompts.txt").read_text("utf-8").splitlines())


def effect(
    model: LanguageModel,
    vector: SteeringVector,
    concept: Concept,
    *,
    lam: float = LAMBDA,
    settings: SteeringSettings = DEFAULT_SETTINGS,
    prompts: Sequence[str] | None = None,
    progress: Progress = silent,
) -> Effect:
    """Measure a vector's effect on the concept's held-out continuations.

    Args:
        model: the model that is steered.
        vector: a vector in its space.
        concept: the concept whose continuations are scored.
        lam: strength; the effect runs from −lam to +lam.
        settings: scale, layer profile and positions.
        prompts: neutral prompts; the bundled ones by default.
        progress: told after every batch.

    Raises:
        SteeringError: the concept has no continuations, or one is longer than the model reads.
    """
    intervention = plan(model, vector, settings)
    scored = _scored_texts(model, concept, prompts)
    # Each text is scored with +λ and with −λ.
    runs = [(text, side) for text in scored for side in (1, -1)]
    total = torch.zeros(len(prompts or neutral_prompts()), dtype=torch.float64)
    done = 0
    rows, starts = [text.ids for text, _ in runs], [text.start for text, _ in runs]
    for members in steered_batches(model, rows, starts, intervention.positions):
        batch = [runs[member] for member in members]
        lambdas = [side * lam for _, side in batch]
        with torch.inference_mode(), steer(model, intervention, lambdas, prompt_length=starts[members[0]]):
            scores = _scores(model, [text for text, _ in batch])
        for (text, side), score in zip(batch, scores, strict=True):
            total[text.prompt] += text.sign * side * score.item()
        done += len(members)
        progress(f"Measuring {vector.method} on {concept.name}", done / len(runs))
    per_prompt = total / len(concept.continuations)
    return Effect(float(per_prompt.mean()), tuple(per_prompt.tolist()))


def score_gradient(
    model: LanguageModel, concept: Concept, positions: str = "all", *, progress: Progress = silent
) -> torch.Tensor:
    """Gradient of the unsteered model's score with respect to an offset at the steered positions; kept in the cache.

    It is minus the gradient of the loss that prefers positive continuations. Effects are nearly linear in λ, so one gradient
    predicts the effect of any vector, see `expected_effect`.

    Args:
        model: the model whose score is differentiated.
        concept: the concept whose continuations are scored.
        positions: at which tokens the offset is added, see `SteeringSettings`.
        progress: told after every batch.

    Returns:
        float32 `[n_layers, d_model]`, nats per token and unit of activation.

    Raises:
        SteeringError: the concept has no continuations.
    """
    scored = _scored_texts(model, concept, None)

    def make() -> tuple[dict[str, torch.Tensor], dict[str, str]]:
        added = torch.zeros(model.n_layers, model.d_model, device=model.device, dtype=model.dtype, requires_grad=True)
        total = torch.zeros(model.n_layers, model.d_model)
        done = 0
        rows, starts = [text.ids for text in scored], [text.start for text in scored]
        for members in scoring_batches(model, rows, starts, _GRADIENT_TOKENS):
            batch = [scored[member] for member in members]

            first = torch.tensor([0 if positions == "all" else text.start - 1 for text in batch])[:, None]
            last = first if positions == "first" else torch.full_like(first, max(len(text.ids) for text in batch))

            def add(
                layer: int, hidden: torch.Tensor, first: torch.Tensor = first, last: torch.Tensor = last
            ) -> torch.Tensor:
                place = torch.arange(hidden.shape[1])
                steered = (place >= first) & (place <= last)
                return hidden + added[layer].to(hidden) * steered[:, :, None].to(hidden)

            with model.lock, torch.enable_grad(), editing(model.blocks, add):
                scores = _scores(model, batch)
                signed = (scores * scores.new_tensor([text.sign for text in batch])).sum()
                # Not backward(), which would also store gradients of all weights.
                total += torch.autograd.grad(signed, added)[0].float().cpu()
            done += len(members)
            progress(f"Finding what moves {model.name} towards {concept.name}", done / len(scored))
        return {"gradient": total / (len(scored) / 2)}, {}

    texts = [[text.ids, text.start, text.sign] for text in scored]
    parts = [] if positions == "all" else [positions]
    tensors, _ = cached("gradients", key("gradient", model.fingerprint, model.precision, texts, *parts), make)
    return tensors["gradient"]


def expected_effect(intervention: Intervention, gradient: torch.Tensor, lam: float = LAMBDA) -> float:
    """First-order estimate of a planned intervention's effect.

    Args:
        intervention: what one unit of λ adds.
        gradient: of the same model, see `score_gradient`.
        lam: strength; the effect runs from −lam to +lam.
    """
    return float(2 * lam * (intervention.offsets.double() * gradient.cpu().double()).sum())


def steered_batches(
    model: LanguageModel,
    rows: Sequence[Sequence[int]],
    starts: Sequence[int],
    positions: str,
    tokens: int = BATCH_TOKENS,
) -> list[list[int]]:
    """Group rows so that a padded batch of them fits into memory and can be steered at once.

    Args:
        model: the model that reads.
        rows: token ids of prompt and continuation together.
        starts: where each row's continuation begins.
        positions: steered positions. Where steering begins at the prompt's end, the rows of a batch have prompts of one
            length, because it begins at the same position in all of them.
        tokens: see `scoring_batches`.

    Returns:
        Lists of positions in `rows`, see `scoring_batches`.
    """
    if positions == "all":
        return scoring_batches(model, rows, starts, tokens)
    batches = []
    for start in sorted(set(starts)):
        members = [place for place, each in enumerate(starts) if each == start]
        parts = scoring_batches(model, [rows[member] for member in members], [start] * len(members), tokens)
        batches += [[members[place] for place in part] for part in parts]
    return batches


@dataclass(frozen=True)
class _ScoredText:
    """A neutral prompt with one side of one continuation behind it."""

    ids: list[int]
    start: int
    sign: int
    prompt: int


def _scored_texts(model: LanguageModel, concept: Concept, prompts: Sequence[str] | None) -> list[_ScoredText]:
    if not concept.continuations:
        raise SteeringError(
            f"{concept.name} has no continuations to measure with. Add held-out 'continuations' to its file."
        )
    scored = []
    for number, prompt in enumerate(prompts or neutral_prompts()):
        head = model.token_ids(prompt)
        for pair in concept.continuations:
            for sign, text in ((1, pair.positive), (-1, pair.negative)):
                tail = model.continuation_ids(prompt, f" {text}", plain=True)
                model.check_length(len(head) + len(tail))
                scored.append(_ScoredText([*head, *tail], len(head), sign, number))
    return scored


def _scores(model: LanguageModel, texts: Sequence[_ScoredText]) -> torch.Tensor:
    """Mean log-probability of each text's continuation, `[n_texts]`, in one forward pass."""
    log_probabilities = token_log_probabilities(model, [text.ids for text in texts], [text.start for text in texts])
    return torch.stack([tokens.mean() for tokens in log_probabilities])
