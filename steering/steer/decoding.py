"""The decode loop: rows of token ids, each with its own strength, one column of new tokens a step.

Rows share one batch and one key-value cache; a row that has ended leaves both. Hooks are entered for one forward pass and
are removed before anything is yielded, so a caller may stop iterating at any step.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import count

import torch
from transformers import (
    LogitsProcessorList,
    RepetitionPenaltyLogitsProcessor,
    TemperatureLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
)

from steering.errors import SteeringError, check_whole
from steering.models import LanguageModel, StepGraph, keep_rows, next_logits, record_step
from steering.stats import check_seed
from steering.steer.intervention import Intervention
from steering.steer.prompts import Steering, padded_left, read_shared

_REPLACEMENT = "\ufffd"
"""What a tokenizer decodes bytes to that are no character."""

_MAX_INCOMPLETE_TOKENS = 3
"""Largest number of tokens with the bytes of an incomplete character: a character has up to four bytes."""


LEAST_RECORDED = 12
"""Steps are recorded where so many may follow: a recording takes as long as a few of them."""


@dataclass(frozen=True)
class Sampling:
    """How the next token is chosen.

    Attributes:
        max_new_tokens: largest number of new tokens of a row.
        temperature: 0 takes the likeliest token; above 0 samples.
        top_p: smallest set of tokens whose probability exceeds this; 1 keeps all.
        top_k: only the k likeliest tokens; 0 keeps all.
        repetition_penalty: above 1 makes tokens that were used before less likely.
        seed: of the random numbers. Rows without a seed of their own all draw the same numbers, so that the rows of one
            prompt differ by their strength alone.
        stop: end a row at the model's end-of-text tokens. Switched off where two runs must do equal work.
    """

    max_new_tokens: int = 48
    temperature: float = 0.0
    top_p: float = 1.0
    top_k: int = 0
    repetition_penalty: float = 1.0
    seed: int = 0
    stop: bool = True

    def __post_init__(self) -> None:
        check_whole("max_new_tokens", self.max_new_tokens, 1)
        check_whole("top_k", self.top_k, 0)
        check_seed(self.seed)
        if not 0 <= self.temperature <= 10:
            raise SteeringError(f"The temperature is {self.temperature}; it must lie between 0 and 10.")
        if not 0 < self.top_p <= 1:
            raise SteeringError(f"top_p is {self.top_p}; it must lie above 0 and at most at 1.")
        if not 0 < self.repetition_penalty <= 10:
            raise SteeringError(
                f"The repetition penalty is {self.repetition_penalty}; it must lie above 0 and at most at 10."
            )


@dataclass(frozen=True)
class Step:
    """The rows after one more token each.

    Attributes:
        tokens: new token ids of every row so far, without the end-of-text token.
        ended: for every row "" while it runs, "end of text", "length", or "stop".
    """

    tokens: tuple[tuple[int, ...], ...]
    ended: tuple[str, ...]


def decode(
    model: LanguageModel,
    prompts: Sequence[Sequence[int]],
    intervention: Intervention | Sequence[Intervention] | None,
    lambdas: Sequence[float],
    sampling: Sampling,
    seeds: Sequence[int] | None = None,
    *,
    complete: Callable[[int, Sequence[int]], bool] | None = None,
    record: bool = True,
) -> Iterator[Step]:
    """Continue every prompt under its own strength.

    Args:
        model: the model that writes.
        prompts: token ids, one list a row; of any lengths.
        intervention: what one unit of λ adds, one for all rows or one a row; None decodes without hooks.
        lambdas: one strength a row.
        sampling: how tokens are chosen.
        seeds: one a row, of its random numbers; the sampling's for all rows where it is None. Rows of different questions
            need different ones, so that their samples are independent.
        complete: given a row's number and its new tokens, whether it needs no more; asked after every token. A row that is
            complete has ended with "stop".
        record: on a GPU, record a step and replay it; what is written is the same, up to the rounding of other kernels.

    Yields:
        The rows after every step. The last step has no running row.
    """
    rows = _Rows(model, prompts, sampling, Steering(intervention, lambdas), seeds, complete)
    for number in count():
        if not rows.running:
            return
        # inference_mode is entered per step: left open across the yield, it would leak into the caller's thread.
        with torch.inference_mode():
            # The first step reads prompts; those behind it are alike.
            if record and number == 1:
                rows.record()
            rows.append(rows.forward())
        if rows.steering.positions == "first":
            rows.steering = Steering(None, lambdas)
        yield Step(tuple(map(tuple, rows.tokens)), tuple(rows.ended))


def written_text(model: LanguageModel, tokens: Sequence[int], *, ended: bool) -> str:
    """Text of a row's new tokens.

    Args:
        model: the model that writes.
        tokens: the row's new token ids.
        ended: whether the row has ended. While it runs, an incomplete character of several bytes at the end of the text is
            left out: the next token may complete it.
    """
    # Decoding writes replacement characters for incomplete characters. Tokens are left out rather than these characters: some
    # tokenizers replace a whole run of bytes, whose first ones are complete characters that were shown before.
    for n_held_back in range(1 if ended else _MAX_INCOMPLETE_TOKENS + 1):
        text: str = model.tokenizer.decode(list(tokens[: max(len(tokens) - n_held_back, 0)]), skip_special_tokens=True)
        if not text.endswith(_REPLACEMENT):
            break
    return text


class _Rows:
    """The batch: the running rows with their cache, and the new tokens of all rows."""

    def __init__(
        self,
        model: LanguageModel,
        prompts: Sequence[Sequence[int]],
        sampling: Sampling,
        steering: Steering,
        seeds: Sequence[int] | None = None,
        complete: Callable[[int, Sequence[int]], bool] | None = None,
    ) -> None:
        self.model = model
        self.complete = complete
        self.sampling = sampling
        self.steering = steering
        self.running = list(range(len(prompts)))
        self.tokens: list[list[int]] = [[] for _ in prompts]
        self.ended = [""] * len(prompts)
        # A repetition penalty looks at whole prompts; padding is the row's first token, which it counts anyway.
        self.history, _ = padded_left(prompts, model.device)
        with torch.inference_mode():
            read = read_shared(model, prompts, steering)
        self.cache = read.cache
        # Padding goes on the left, so that the last position is every row's newest token.
        self.inputs, mask = padded_left(read.rests, model.device)
        self.mask = torch.cat([read.mask, mask], dim=1)
        self.width = self.inputs.shape[1]
        self.padded = not bool(self.mask.all())
        own = seeds or [sampling.seed] * len(prompts)
        self.graph: StepGraph | None = None
        self.places = torch.arange(len(prompts), device=model.device)
        self.generators = [torch.Generator().manual_seed(seed) for seed in own]
        self.processors = _processors(sampling)

    def forward(self) -> torch.Tensor:
        """Next-token logits of the running rows, float32 `[rows, vocabulary]`."""
        if self.graph is not None:
            return self.graph(self.inputs, self.places)
        with self.steering.context(self.model, self.running, self.width):
            return next_logits(self.model.model, self.inputs, self.mask, self.cache, padded=self.padded)

    def record(self) -> None:
        """Record the coming steps, where that makes them faster; the running rows then keep their places in the batch."""
        left = self.sampling.max_new_tokens - 1
        if left < LEAST_RECORDED:
            return
        layers, edit = self.steering.step_edit(self.model, self.running)
        self.graph = record_step(self.model, self.cache, self.mask, left, edit, layers)
        self.places = torch.arange(len(self.running), device=self.model.device)

    def append(self, logits: torch.Tensor) -> None:
        """Choose every running row's next token, and remove rows that end from the batch."""
        scores = self.processors(self.history, logits)
        chosen = scores.argmax(dim=-1) if self.sampling.temperature == 0 else self._draw(scores)
        stay = []
        for place, (row, token) in enumerate(zip(self.running, chosen.tolist(), strict=True)):
            if self.sampling.stop and token in self.model.stop_ids:
                self.ended[row] = "end of text"
                continue
            self.tokens[row].append(token)
            if len(self.tokens[row]) == self.sampling.max_new_tokens:
                self.ended[row] = "length"
                continue
            if self.complete is not None and self.complete(row, self.tokens[row]):
                self.ended[row] = "stop"
                continue
            stay.append(place)
        self.width = 1
        self.inputs = chosen[:, None]
        self.history = torch.cat([self.history, self.inputs], dim=1)
        self.mask = torch.cat([self.mask, self.mask.new_ones(len(self.mask), 1)], dim=1)
        if len(stay) < len(self.running):
            self._keep(stay)

    def _draw(self, scores: torch.Tensor) -> torch.Tensor:
        probabilities = scores.softmax(dim=-1).cpu()
        drawn = [
            torch.multinomial(probabilities[place], 1, generator=self.generators[row])
            for place, row in enumerate(self.running)
        ]
        return torch.cat(drawn).to(scores.device)

    def _keep(self, places: list[int]) -> None:
        self.running = [self.running[place] for place in places]
        index = torch.tensor(places, dtype=torch.long, device=self.mask.device)
        self.inputs, self.history, self.mask = self.inputs[index], self.history[index], self.mask[index]
        self.places = self.places[index]
        if places and self.graph is None:
            keep_rows(self.cache, index)


def _processors(sampling: Sampling) -> LogitsProcessorList:
    processors = LogitsProcessorList()
    if sampling.repetition_penalty != 1.0:
        processors.append(RepetitionPenaltyLogitsProcessor(sampling.repetition_penalty))
    if sampling.temperature > 0:
        if sampling.temperature != 1.0:
            processors.append(TemperatureLogitsWarper(sampling.temperature))
        if sampling.top_k:
            processors.append(TopKLogitsWarper(sampling.top_k))
        if sampling.top_p < 1.0:
            processors.append(TopPLogitsWarper(sampling.top_p))
    return processors
