"""Steering a transformers model while its owner calls it: `with vector.applied(model, 0.3): model.generate(...)`.

The model is checked as `load_model` checks it, and steered through the same hooks as here. On the way out it is as it was.
"""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Any
from weakref import WeakSet

import torch
from torch import nn
from transformers import PreTrainedTokenizerBase

from steering.errors import SteeringError
from steering.models import LanguageModel, editing, wrap_model
from steering.steer.intervention import Step, moved, plan, steps_of
from steering.steer.settings import DEFAULT_SETTINGS, SteeringSettings, check_strengths
from steering.vectors import SteeringVector

_steered: WeakSet[nn.Module] = WeakSet()
_claiming = threading.Lock()


@contextmanager
def applied(
    vector: SteeringVector,
    model: Any,
    lam: float | Sequence[float],
    *,
    settings: SteeringSettings = DEFAULT_SETTINGS,
    tokenizer: PreTrainedTokenizerBase | None = None,
) -> Iterator[None]:
    """Steer every forward pass of a transformers model, `generate` included, for as long as the context lasts.

    To steer with several vectors, add them: `(0.3 * happy + 0.1 * formal).applied(model, 1)`.

    Args:
        vector: a vector in the model's space.
        model: a causal language model of transformers, or a `LanguageModel`.
        lam: one strength for all rows of a batch, or one for each of them. Rows are those that `generate` is called with:
            where it copies each of them, for beams or several returned sequences, the copies are steered alike.
        settings: scale, layer profile, positions and operator. The response begins with the last position that `generate`, or
            the first forward pass, is called with.
        tokenizer: the model's; by default it is read from where the model came from.

    Raises:
        MismatchError: the vector belongs to another model.
        ModelError: the model cannot be steered, or its tokenizer is not known.
        SteeringError: λ is not finite, there is not one for each row, or the model is steered already.
    """
    single = isinstance(lam, int | float) or getattr(lam, "ndim", None) == 0
    strengths = check_strengths([lam] if single else lam)  # type: ignore[list-item, arg-type]
    owner = model.model if isinstance(model, LanguageModel) else model
    with _only_one(owner):
        with _in_evaluation(owner):
            loaded = model if isinstance(model, LanguageModel) else wrap_model(owner, tokenizer)
            intervention = plan(loaded, vector, settings)
        batch = _Batch(owner, len(strengths), settings.positions)

        @cache
        def step_for(copies: int) -> Step:
            return steps_of(loaded, [intervention], [each for each in strengths for _ in range(copies)])[1]

        def add(layer: int, hidden: torch.Tensor) -> torch.Tensor:
            step = step_for(1 if single else batch.copies(len(hidden)))
            return moved(layer, hidden, step, *batch.steered(hidden.shape[1]))

        with loaded.lock, batch.watched(), editing(loaded.blocks, add, intervention.active):
            yield


class _Batch:
    """What a model is called with: how often `generate` copies each row, and where the response begins."""

    def __init__(self, model: Any, n_strengths: int, positions: str) -> None:
        self.model = model
        self.n_strengths = n_strengths
        self.positions = positions
        self.prompt: tuple[int, int] | None = None
        """Rows and positions that `generate` was called with; None outside it."""
        self.past = 0
        """Positions that the cache held before the present forward pass."""

    def copies(self, n_rows: int) -> int:
        """How many rows of a forward pass have one strength.

        Raises:
            SteeringError: the rows are not those that there are strengths for.
        """
        rows = n_rows if self.prompt is None else self.prompt[0]
        if rows != self.n_strengths or n_rows % rows:
            raise SteeringError(
                f"There are {self.n_strengths} strengths for a batch of {rows} rows; give one a row, or one number for all."
            )
        return n_rows // rows

    def steered(self, length: int) -> tuple[int, int | None]:
        """The first position of a forward pass that is steered, and the one behind the last; None for the end."""
        if self.positions == "all":
            return 0, None
        # Outside `generate` a pass without a cache ends with the prompt.
        prompt_end = self.prompt[1] if self.prompt else (1 if self.past else length)
        behind = min(max(prompt_end - self.past, 0), length)
        if self.positions == "first":
            return max(behind - 1, 0), behind
        return max(behind - 1, 0) if prompt_end > self.past else 0, None

    @contextmanager
    def watched(self) -> Iterator[None]:
        """See what the model is called with for as long as the context lasts."""

        def note_past(_module: nn.Module, _args: object, arguments: dict[str, Any]) -> None:
            past = arguments.get("past_key_values", arguments.get("cache_params"))
            self.past = int(past.get_seq_length()) if self.positions != "all" and past is not None else 0

        generate: Callable[..., Any] = self.model.generate

        def note_prompt(*args: Any, **arguments: Any) -> Any:
            given = next(
                (
                    each
                    for each in (*args[:1], *map(arguments.get, ("inputs", "input_ids", "inputs_embeds")))
                    if each is not None
                ),
                None,
            )
            before, self.prompt = self.prompt, (1, 1) if given is None else (given.shape[0], given.shape[1])
            try:
                return generate(*args, **arguments)
            finally:
                self.prompt = before

        handle = self.model.register_forward_pre_hook(note_past, with_kwargs=True)
        # An attribute of the object hides the method of its class until it is deleted.
        shadowed = vars(self.model).get("generate")
        self.model.generate = note_prompt
        try:
            yield
        finally:
            handle.remove()
            del self.model.generate
            if shadowed is not None:
                self.model.generate = shadowed


@contextmanager
def _only_one(model: Any) -> Iterator[None]:
    """Let nobody else steer a model meanwhile: it is measured before it is steered, and must be itself then."""
    if not isinstance(model, nn.Module) or not callable(getattr(model, "generate", None)):
        raise SteeringError(
            f"A {type(model).__name__} cannot be steered; give a causal language model of transformers, such as "
            "AutoModelForCausalLM.from_pretrained(...) returns."
        )
    with _claiming:
        if model in _steered:
            raise SteeringError(
                f"This {type(model).__name__} is steered already; leave that context first, or add the vectors: "
                "(a + b).applied(model, 0.3)."
            )
        _steered.add(model)
    try:
        yield
    finally:
        _steered.discard(model)


@contextmanager
def _in_evaluation(model: nn.Module) -> Iterator[None]:
    training = [module for module in model.modules() if module.training]
    try:
        yield
    finally:
        for module in training:
            module.training = True


SteeringVector.applied = applied
