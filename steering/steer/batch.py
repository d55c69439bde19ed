"""Running rows that share forward passes: those of one call of `decode`, or of several that write at the same time.

Every row has its own strength and vector anyway, so rows of several calls differ in nothing that a batch could not hold:
prompts of other lengths get padding on the left, and each call chooses its tokens by itself. A step of many rows costs little
more than one of a few, so eight grids at once take far less than eight times as long as one.
"""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch

from steering.models import (
    Edit,
    LanguageModel,
    StepGraph,
    add_rows,
    cut,
    editing,
    holds_all,
    keep_rows,
    next_logits,
    record_step,
)
from steering.steer.prompts import Steering, padded_left, read_shared
from steering.steer.sampling import Sampling, processors

LEAST_RECORDED = 12
"""Steps are recorded where so many may follow: a recording takes as long as a few of them."""

MOST_TOKENS = 16_384
"""Rows times positions of a batch that others may join: its key-value cache stays below some hundred megabytes."""


@dataclass(frozen=True)
class Step:
    """The rows of one call of `decode` after one more token each.

    Attributes:
        tokens: new token ids of every row so far, without the end-of-text token.
        ended: for every row "" while it runs, "end of text", "length", or "stop".
    """

    tokens: tuple[tuple[int, ...], ...]
    ended: tuple[str, ...]


class Rows:
    """The rows of one call of `decode`: what they have written, and how their next tokens are chosen.

    Attributes:
        sampling: how tokens are chosen.
        steering: what each row is steered by.
        running: numbers of the rows that have not ended, in the order of their places in the batch.
        steps: those that were not asked for yet.
        failure: an error in choosing tokens, which ended all rows.
        closed: whether the call was closed, so that nobody asks for further steps.
    """

    def __init__(
        self,
        model: LanguageModel,
        prompts: Sequence[Sequence[int]],
        sampling: Sampling,
        steering: Steering,
        seeds: Sequence[int] | None = None,
        complete: Callable[[int, Sequence[int]], bool] | None = None,
    ) -> None:
        self.sampling = sampling
        self.steering = steering
        self.running = list(range(len(prompts)))
        self.steps: deque[Step] = deque()
        self.failure: Exception | None = None
        self.closed = False
        self._model = model
        self._complete = complete
        self._tokens: list[list[int]] = [[] for _ in prompts]
        self._ended = [""] * len(prompts)
        # A repetition penalty looks at whole prompts; padding is the row's first token, which it counts anyway.
        self._history, _ = padded_left(prompts, model.device)
        own = seeds or [sampling.seed] * len(prompts)
        self._generators = [torch.Generator().manual_seed(seed) for seed in own]
        self._processors = processors(sampling)
        self._edit: tuple[list[int], Edit] | None = None

    @property
    def remaining(self) -> int:
        """Largest number of tokens that a row may still get."""
        return self.sampling.max_new_tokens - max(map(len, self._tokens))

    def step_edit(self) -> tuple[list[int], Edit]:
        """What is done to the running rows while each reads one new token: layers, and the edit of their states."""
        if self._edit is None:
            self._edit = self.steering.edit(self._model, self.running)
        return self._edit

    def append(self, logits: torch.Tensor) -> tuple[torch.Tensor, list[int]]:
        """Choose the next token of every running row.

        Args:
            logits: float32 `[running, vocabulary]`.

        Returns:
            Token ids `[running]`, and the places of the rows that go on; the others have ended.
        """
        chosen = self._choose(self._processors(self._history, logits))
        stay = [
            place
            for place, (row, token) in enumerate(zip(self.running, chosen.tolist(), strict=True))
            if self._goes_on(row, token)
        ]
        self._history = torch.cat([self._history, chosen[:, None]], dim=1)
        if self.steering.positions == "first":  # That token is chosen now.
            self.steering, self._edit = Steering(None, self.steering.lambdas), None
        if len(stay) < len(self.running):
            self.running = [self.running[place] for place in stay]
            self._history = self._history[torch.tensor(stay, dtype=torch.long, device=self._history.device)]
            self._edit = None
        self.steps.append(Step(tuple(map(tuple, self._tokens)), tuple(self._ended)))
        return chosen, stay

    def _goes_on(self, row: int, token: int) -> bool:
        """Append a token to a row; whether the row needs another."""
        tokens = self._tokens[row]
        if self.sampling.stop and token in self._model.stop_ids:
            self._ended[row] = "end of text"
            return False
        tokens.append(token)
        if len(tokens) == self.sampling.max_new_tokens:
            self._ended[row] = "length"
        elif self._complete is not None and self._complete(row, tokens):
            self._ended[row] = "stop"
        return not self._ended[row]

    def _choose(self, scores: torch.Tensor) -> torch.Tensor:
        if self.sampling.temperature == 0:
            return scores.argmax(dim=-1)
        probabilities = scores.softmax(dim=-1).cpu()
        drawn = [
            torch.multinomial(probabilities[place], 1, generator=self._generators[row])
            for place, row in enumerate(self.running)
        ]
        return torch.cat(drawn).to(scores.device)


class Batch:
    """The running rows of one or several calls of `decode`, with one key-value cache."""

    _mask: torch.Tensor
    _padded: bool
    _places: torch.Tensor
    """Places of the running rows among those of a recorded step."""

    def __init__(self, model: LanguageModel, rows: Rows, prompts: Sequence[Sequence[int]]) -> None:
        """Read what the prompts share; the first step reads the rest.

        Args:
            model: the model that writes.
            rows: of one call.
            prompts: token ids, one list a row; of any lengths.
        """
        self.model = model
        self.members = [rows]
        read = read_shared(model, prompts, rows.steering)
        self._cache = read.cache
        # Padding goes on the left, so that the last position is every row's newest token.
        self._inputs, mask = padded_left(read.rests, model.device)
        self._set_mask(torch.cat([read.mask, mask], dim=1))
        self._graph: StepGraph | None = None

    @property
    def running(self) -> bool:
        """Whether further steps are asked for."""
        return any(rows.running and not rows.closed for rows in self.members)

    def remove_closed(self) -> None:
        """Remove the rows of calls that were closed.

        A call may be closed at any moment, also while a step is made; only here its rows are taken out.
        """
        stay, place = list[int](), 0
        for rows in self.members:
            n_rows = len(rows.running)
            if rows.closed:
                rows.running = []
            stay += range(place, place + len(rows.running))
            place += n_rows
        if len(stay) < place:
            self._keep(stay)

    def step(self) -> None:
        """Give every running row its next token."""
        self.remove_closed()
        logits = self._forward()
        chosen, stay, place = [], list[int](), 0
        for rows in self.members:
            count = len(rows.running)
            own = logits[place : place + count]
            try:
                tokens, going_on = rows.append(own)
            except Exception as failure:  # The other calls go on.
                rows.failure, rows.running = failure, []
                tokens, going_on = own.new_zeros(count, dtype=torch.long), []
            chosen.append(tokens)
            stay += [place + each for each in going_on]
            place += count
        self._inputs = torch.cat(chosen)[:, None]
        self._mask = torch.cat([self._mask, self._mask.new_ones(len(self._mask), 1)], dim=1)
        if len(stay) < place:
            self._keep(stay)

    def record(self) -> None:
        """On a GPU record the coming steps, where that makes them faster; the rows then keep their places in the batch."""
        (rows,) = self.members
        if rows.remaining < LEAST_RECORDED:
            return
        layers, edit = rows.step_edit()
        self._graph = record_step(self.model, self._cache, self._mask, rows.remaining, edit, layers)
        self._places = torch.arange(len(rows.running), device=self.model.device)

    def fits(self, other: "Batch") -> bool:
        """Whether the rows of another batch, which has made its first step, can join this one."""
        members = [*self.members, *other.members]
        length = max(self._mask.shape[1], other._mask.shape[1]) + max(rows.remaining for rows in members)
        n_rows = sum(len(rows.running) for rows in members)
        return (
            self._graph is None
            and n_rows * length <= MOST_TOKENS
            and all(holds_all(batch._cache, length) for batch in (self, other))
        )

    def add(self, other: "Batch") -> None:
        """Let the rows of another batch join; see `fits`."""
        add_rows(self._cache, other._cache)
        width = max(self._mask.shape[1], other._mask.shape[1])
        masks = [torch.nn.functional.pad(mask, (width - mask.shape[1], 0)) for mask in (self._mask, other._mask)]
        self._set_mask(torch.cat(masks))
        self._inputs = torch.cat([self._inputs, other._inputs])
        self.members += other.members

    def _forward(self) -> torch.Tensor:
        """Next-token logits of the running rows, float32 `[rows, vocabulary]`."""
        if self._graph is not None:
            return self._graph(self._inputs, self._places)
        layers, edit = self._edit()
        try:
            with self.model.lock, editing(self.model.blocks, edit, layers):
                return next_logits(self.model.model, self._inputs, self._mask, self._cache, padded=self._padded)
        except BaseException:
            # Stopped between two blocks: other calls read the same tokens again.
            if len(self.members) > 1:
                cut(self._cache, 0, self._mask.shape[1] - self._inputs.shape[1])
            raise

    def _edit(self) -> tuple[list[int], Edit]:
        width = self._inputs.shape[1]
        if width > 1 or len(self.members) == 1:
            (rows,) = self.members
            return rows.step_edit() if width == 1 else rows.steering.edit(self.model, rows.running, width)
        counts = [len(rows.running) for rows in self.members]
        layers, edits = zip(*(rows.step_edit() for rows in self.members), strict=True)
        acting = [frozenset(each) for each in layers]

        def edit(layer: int, hidden: torch.Tensor) -> torch.Tensor:
            parts = zip(torch.split(hidden, counts), acting, edits, strict=True)
            return torch.cat([one(layer, part) if layer in at else part for part, at, one in parts])

        return sorted(frozenset().union(*acting)), edit

    def _keep(self, places: list[int]) -> None:
        several = len(self.members) > 1
        self.members = [rows for rows in self.members if rows.running]
        index = torch.tensor(places, dtype=torch.long, device=self._mask.device)
        self._inputs = self._inputs[index]
        self._set_mask(self._mask[index])
        if self._graph is not None:
            self._places = self._places[index]
            return
        if not places:
            return
        keep_rows(self._cache, index)
        # Padding that no row needs any more goes too, or a batch that others join again and again would grow for ever.
        unused = int(self._mask.any(dim=0).int().argmax()) if several else 0
        if unused:
            cut(self._cache, unused, self._cache.get_seq_length())
            self._set_mask(self._mask[:, unused:])

    def _set_mask(self, mask: torch.Tensor) -> None:
        self._mask = mask
        self._padded = not bool(mask.all())


class SharedBatch:
    """Where several calls of `decode` write in one batch: whoever asks for a step makes it for all.

    Not for several threads at once; but a call may be closed from any.
    """

    def __init__(self) -> None:
        self._batch: Batch | None = None

    def join(self, new: Batch) -> Batch:
        """The batch that the rows of a new one, which has made its first step, go on in."""
        batch = self._batch
        if batch is not None:
            batch.remove_closed()
        if batch is None or not batch.members:
            self._batch = new
        elif batch.fits(new):
            batch.add(new)
            return batch
        return new

    def leave(self, rows: Rows) -> None:
        """End a call: its rows leave before the next step."""
        rows.closed = True
        batch = self._batch
        if batch is not None and not batch.running:
            self._batch = None
