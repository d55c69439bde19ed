"""Directions trained by gradient: an offset a layer that makes right continuations likelier, in a model that stays as it is.

The trained numbers of a layer are its offset in units of `r / (L √d)`: r is the layer's median residual norm, d the width, and
L the number of trained layers. A step of Adam moves each of them by about the learning rate, so it moves all layers together by
about that share of one residual norm, however far norms differ between layers: the learning rate is in units of λ.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from typing import Any

import torch

from steering.errors import Progress, SteeringError, check_whole, silent
from steering.models import BATCH_LOGITS, LanguageModel, continuation_logits, editing, residual_norms
from steering.models import token_log_probabilities as log_probabilities
from steering.stats import check_seed
from steering.storage import cached, key
from steering.vectors.examples import Example, is_held_out
from steering.vectors.neutral_text import NEUTRAL_PROMPT, neutral_text
from steering.vectors.vector import SteeringVector

_LOOK_EVERY = 5
"""Steps between two looks at the held-out examples."""

_PATIENCE = 4
"""Training ends when so many looks in a row have found nothing better."""

_BATCH_ROWS = 12
"""Texts that are read in one step; a pair that is trained on both sides takes four of them."""

_BATCH_TOKENS = 512
"""Tokens in one backward pass, which keeps the activations of all layers in memory."""

_NEUTRAL_BATCH = 2
"""Neutral texts of one step, and as many others that are held out."""

_LAST_RATE = 0.1
"""The learning rate falls in a straight line to this share of itself."""


@dataclass(frozen=True)
class Training:
    """How a vector is trained.

    Attributes:
        layers: the layers that are trained; None for all.
        positions: "all" tokens are steered, as steering does by default, or the "response" alone, from the prompt's last token.
        two_sided: every example has one wrong continuation, which the opposite vector is to make likelier; so exchanged
            continuations give the opposite vector.
        steps: most steps of Adam.
        learning_rate: in units of λ; it falls to a tenth.
        kl_weight: weight of KL(unsteered || steered), in nats a token of neutral text, beside the loss on examples.
        seed: of the order of examples and neutral texts.

    Raises:
        SteeringError: a setting that cannot be used.
    """

    layers: tuple[int, ...] | None = None
    positions: str = "all"
    two_sided: bool = False
    steps: int = 40
    learning_rate: float = 0.03
    kl_weight: float = 0.1
    seed: int = 0

    def __post_init__(self) -> None:
        check_whole("The number of steps", self.steps, 1)
        check_seed(self.seed)
        if self.positions not in ("all", "response"):
            raise SteeringError(f"Unknown positions {self.positions!r}. Choose all or response.")
        if not 0 < self.learning_rate <= 1 or not 0 <= self.kl_weight <= 1000:  # False for NaN, too.
            raise SteeringError(
                f"The learning rate is {self.learning_rate} and the KL weight {self.kl_weight}; the first must lie above 0 and "
                "at most at 1, the second from 0 to 1000."
            )
        if self.layers is not None and not self.layers:
            raise SteeringError("No layer is to be trained. Name at least one.")


DEFAULT_TRAINING = Training()


def train(
    model: LanguageModel,
    examples: Sequence[Example],
    training: Training = DEFAULT_TRAINING,
    *,
    concept: str = "trained",
    labels: tuple[str, str] = ("right", "wrong"),
    progress: Progress = silent,
) -> SteeringVector:
    """Train an offset for every layer, with the model's weights as they are; kept in the cache.

    The loss of an example is minus the mean log-probability of a token of the right continuation; where wrong ones are given,
    the cross-entropy of the right one in a softmax over these means. A part of the examples is held out; the offsets of the
    step that is best on it are kept, and training ends where it gets no better.

    Args:
        model: the model.
        examples: at least two.
        training: how.
        concept: name of the vector.
        labels: the poles of λ > 0 and λ < 0.
        progress: told after every step.

    Returns:
        A vector whose rows keep the proportions of the offsets over the layers, with mean length 1: added under the scale
        "residual" with the profile "all", λ = `provenance["lam"]` adds exactly the offsets. A vector of zeros where no step was
        better than none.

    Raises:
        SteeringError: fewer than two examples, one that is longer than the model reads, a layer that it does not have, or
            examples without exactly one wrong continuation for two-sided training.
    """
    if len(examples) < 2:
        raise SteeringError(
            f"Training needs two examples or more, one of them to be held out; there are {len(examples)}."
        )
    if training.two_sided and any(len(example.wrong) != 1 for example in examples):
        raise SteeringError("Two-sided training needs exactly one wrong continuation for every example.")
    for example in examples:
        model.check_length(len(example.prompt) + max(map(len, (example.right, *example.wrong))))
    layers = sorted(set(range(model.n_layers) if training.layers is None else map(model.layer, training.layers)))

    def make() -> tuple[Mapping[str, torch.Tensor], Mapping[str, Any]]:
        parameter, history = _optimise(model, examples, layers, training, progress)
        return {"parameter": parameter.cpu()}, history

    settings = {**asdict(training), "layers": layers}
    content = [[example.prompt, example.right, example.wrong] for example in examples]
    tensors, history = cached("trained", key("trained", model.fingerprint, model.precision, content, settings), make)
    shares = tensors["parameter"].double() / model.d_model**0.5  # Offsets in units of r / L.
    lam = float(shares.norm(dim=1).mean())
    directions = torch.zeros(model.n_layers, model.d_model, dtype=torch.float64)
    if lam:
        directions[layers] = shares / lam
    return SteeringVector(
        directions=directions.float(),
        model=model.fingerprint,
        model_name=model.name,
        concept=concept,
        labels=labels,
        method="gradient",
        provenance={"lam": lam, **history, **settings, "examples": len(examples)},
    )


def _optimise(
    model: LanguageModel, examples: Sequence[Example], layers: Sequence[int], training: Training, progress: Progress
) -> tuple[torch.Tensor, dict[str, Any]]:
    """The best parameter `[n_trained, d_model]`, and what is to be known of how it came about."""
    run = _Run(model, layers, training, progress)
    held_out = [example for number, example in enumerate(examples) if is_held_out(number, len(examples))]
    kept = [example for number, example in enumerate(examples) if not is_held_out(number, len(examples))]
    generator = torch.Generator().manual_seed(training.seed)
    optimizer = torch.optim.Adam([run.parameter], lr=training.learning_rate)
    best, best_step, without_gain = run.parameter.detach().clone(), 0, 0
    before = least = run.look(held_out)
    size = max(1, _BATCH_ROWS // ((1 + len(examples[0].wrong)) * (1 + training.two_sided)))
    order: list[int] = []
    step = 0
    while step < training.steps and without_gain < _PATIENCE:
        optimizer.param_groups[0]["lr"] = training.learning_rate * (1 - (1 - _LAST_RATE) * step / training.steps)
        step += 1
        if len(order) < size:
            order += torch.randperm(len(kept), generator=generator).tolist()
        batch, order = order[:size], order[size:]
        loss = run.backward([kept[place] for place in batch], run.some_neutral(generator))
        optimizer.step()
        progress(f"Training step {step} of at most {training.steps}, loss {loss:.2f}", step / training.steps)
        if step % _LOOK_EVERY == 0 or step == training.steps:
            now, without_gain = run.look(held_out), without_gain + 1
            if sum(now) < sum(least):
                best, best_step, least, without_gain = run.parameter.detach().clone(), step, now, 0
    history = {"steps_run": step, "best_step": best_step, "loss_before": before[0], "loss_after": least[0]}
    # The weighted divergence is 0 without steering.
    return best, {**history, "kl_after": least[1] / training.kl_weight if training.kl_weight else None}


@dataclass(frozen=True)
class _Question:
    """A prompt whose first candidate is to be the likeliest when steered with λ."""

    prompt: tuple[int, ...]
    candidates: tuple[tuple[int, ...], ...]
    lam: float

    @property
    def width(self) -> int:
        return len(self.prompt) + max(map(len, self.candidates))


class _Run:
    """The parameter, and the loss as a function of it."""

    def __init__(self, model: LanguageModel, layers: Sequence[int], training: Training, progress: Progress) -> None:
        self.model, self.layers, self.training = model, layers, training
        norms = residual_norms(model)[list(layers)]
        self.units = (norms / (len(layers) * model.d_model**0.5))[:, None].to(model.device)
        self.parameter = torch.zeros(len(layers), model.d_model, device=model.device, requires_grad=True)
        self.neutral = neutral_text(model, progress=progress) if training.kl_weight else []

    def some_neutral(self, generator: torch.Generator) -> list[list[int]]:
        """A few neutral texts; not the last ones, which are held out."""
        texts = self.neutral[:-_NEUTRAL_BATCH]
        return [texts[place] for place in torch.randperm(len(texts), generator=generator)[:_NEUTRAL_BATCH].tolist()]

    def backward(self, examples: Sequence[Example], neutral: Sequence[list[int]]) -> float:
        """Set the parameter's gradient for one batch; returns its loss."""
        gradient, total = torch.zeros_like(self.parameter), 0.0
        for part in self._parts(examples, neutral, gradients=True):
            # Not backward(), which would also store gradients of all weights.
            gradient += torch.autograd.grad(part, self.parameter)[0]
            total += part.item()
        self.parameter.grad = gradient
        return total

    def look(self, examples: Sequence[Example]) -> tuple[float, float]:
        """Loss on held-out examples, and the weighted divergence on held-out neutral texts."""
        loss = sum(part.item() for part in self._parts(examples, [], gradients=False))
        held_out = self.neutral[-_NEUTRAL_BATCH:]
        return loss, sum(part.item() for part in self._parts([], held_out, gradients=False))

    def _parts(
        self, examples: Sequence[Example], neutral: Sequence[list[int]], *, gradients: bool
    ) -> Iterator[torch.Tensor]:
        """Summands of the loss, one a forward pass. A gradient is to be taken before the next one is asked for."""
        questions = [question for example in examples for question in _questions(example, self.training.two_sided)]
        for batch in _batches(questions, self.model.vocabulary):
            with self.model.lock, torch.set_grad_enabled(gradients):
                part = self._losses(batch).sum() / len(questions)
            yield part
        if neutral:
            with self.model.lock, torch.set_grad_enabled(gradients):
                part = self.training.kl_weight * self._divergence(neutral)
            yield part

    def _losses(self, questions: Sequence[_Question]) -> torch.Tensor:
        rows = [[*question.prompt, *tail] for question in questions for tail in question.candidates]
        starts = [len(question.prompt) for question in questions for _ in question.candidates]
        lambdas = [question.lam for question in questions for _ in question.candidates]
        with self._steered(starts, lambdas):
            means = torch.stack([tokens.mean() for tokens in log_probabilities(self.model, rows, starts)])
        each = torch.split(means, [len(question.candidates) for question in questions])
        return torch.stack([-one[0] if len(one) == 1 else -one.log_softmax(dim=0)[0] for one in each])

    def _divergence(self, texts: Sequence[list[int]]) -> torch.Tensor:
        """KL(unsteered || steered) of next tokens, nats per token."""
        starts = [NEUTRAL_PROMPT] * len(texts)
        # The opposite vector is in use as well where training is two-sided.
        lambdas = [-1.0 if self.training.two_sided and place % 2 else 1.0 for place in range(len(texts))]
        with torch.no_grad():
            plain = [logits.log_softmax(dim=-1) for logits in continuation_logits(self.model, texts, starts)]
        with self._steered(starts, lambdas):
            steered = [logits.log_softmax(dim=-1) for logits in continuation_logits(self.model, texts, starts)]
        each = [(one.exp() * (one - other)).sum(dim=-1).mean() for one, other in zip(plain, steered, strict=True)]
        return torch.stack(each).mean().cpu()

    def _steered(self, starts: Sequence[int], lambdas: Sequence[float]) -> AbstractContextManager[None]:
        device = self.model.device
        offsets = dict(zip(self.layers, (self.parameter * self.units).unbind(), strict=True))
        strengths = torch.tensor(lambdas, device=device)[:, None]
        first = torch.tensor([0 if self.training.positions == "all" else start - 1 for start in starts], device=device)

        def add(layer: int, hidden: torch.Tensor) -> torch.Tensor:
            steered = torch.arange(hidden.shape[1], device=device) >= first[:, None]
            return hidden + ((strengths * steered)[:, :, None] * offsets[layer]).to(hidden)

        return editing(self.model.blocks, add, self.layers)


def _questions(example: Example, two_sided: bool) -> list[_Question]:
    questions = [_Question(example.prompt, (example.right, *example.wrong), 1.0)]
    if two_sided:
        questions.append(_Question(example.prompt, (*example.wrong, example.right), -1.0))
    return questions


def _batches(questions: Sequence[_Question], vocabulary: int) -> Iterator[list[_Question]]:
    """Groups of whole questions of similar length whose backward pass fits into memory."""
    batch: list[_Question] = []
    for question in sorted(questions, key=lambda question: -question.width):
        together = [*batch, question]
        rows, width = sum(len(each.candidates) for each in together), together[0].width
        n_positions = width - min(len(each.prompt) for each in together) + 1
        if batch and (rows * width > _BATCH_TOKENS or rows * n_positions * vocabulary > BATCH_LOGITS):
            yield batch
            together = [question]
        batch = together
    if batch:
        yield batch
