"""Prompts are read once: rows that begin alike, and are steered alike there, share one cache up to where they differ.

Under "response" and "first" nothing is steered before a prompt's last token, so all λ of a prompt share it; under "all" the
rows of one λ do, such as the choices of a question, or questions behind one few-shot head.
"""

from collections.abc import Hashable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import torch
from transformers import DynamicCache

from steering.models import Edit, LanguageModel, can_skip_positions, keep_rows, logits_with_cache, new_cache, read_into
from steering.steer.intervention import Intervention, edit_of, steer

LEAST_SHARED = 16
"""A pass over what rows share is made where it spares at least so many tokens; it reads all weights once more."""


@dataclass(frozen=True)
class Steering:
    """What each row of a batch is steered by.

    Attributes:
        intervention: one for all rows or one a row; None for no steering.
        lambdas: one strength a row.
    """

    intervention: Intervention | Sequence[Intervention] | None
    lambdas: Sequence[float]

    @property
    def positions(self) -> str:
        """The steered positions, "" for no steering."""
        if self.intervention is None or not self.lambdas:
            return ""
        single = isinstance(self.intervention, Intervention)
        return (self.intervention if single else self.intervention[0]).positions  # type: ignore[index, union-attr]

    def context(self, model: LanguageModel, rows: Sequence[int], prompt_length: int) -> AbstractContextManager[Any]:
        """Steers one forward pass over some of the rows, see `steer`; holds the model's lock in any case."""
        if self.intervention is None:
            return model.lock
        return steer(model, self._of(rows), [self.lambdas[row] for row in rows], prompt_length=prompt_length)

    def edit(self, model: LanguageModel, rows: Sequence[int], prompt_length: int = 1) -> tuple[list[int], Edit]:
        """What is done to some of the rows in one forward pass: layers, and the edit of their states; see `edit_of`."""
        if self.intervention is None:
            return [], lambda _layer, _hidden: None
        return edit_of(model, self._of(rows), [self.lambdas[row] for row in rows], prompt_length=prompt_length)

    def _of(self, rows: Sequence[int]) -> Intervention | list[Intervention]:
        what = self.intervention
        assert what is not None
        return what if isinstance(what, Intervention) else [what[row] for row in rows]

    def in_prompts(self, row: int) -> Hashable:
        """Equal for rows that are steered alike before the last token of their prompts."""
        if self.positions != "all":
            return None
        what = self.intervention
        return self.lambdas[row], id(what if isinstance(what, Intervention) else what[row])  # type: ignore[index]


@dataclass(frozen=True)
class Pass:
    """A forward pass over tokens that several rows share.

    Attributes:
        rows: for each line of the pass the first row of the batch that it is part of.
        tokens: what each line reads.
        lines: the line that each row of the batch is part of.
    """

    rows: tuple[int, ...]
    tokens: tuple[tuple[int, ...], ...]
    lines: tuple[int, ...]


@dataclass
class ReadPrompts:
    """A batch that has been read as far as its rows share anything.

    Attributes:
        cache: of all rows.
        mask: 1 for a token in the cache and 0 for padding, `[rows, past]`.
        rests: what of each row is not read yet, at least its last token.
    """

    cache: DynamicCache
    mask: torch.Tensor
    rests: list[list[int]]


def shared_passes(prompts: Sequence[Sequence[int]], keys: Sequence[Hashable], *, gaps: bool) -> list[Pass]:
    """The passes that read what rows share, in order: the common beginning of all, then each distinct prompt.

    Args:
        prompts: token ids, one list a row. The last token of a prompt is in no pass.
        keys: equal for rows that are steered alike in their prompts.
        gaps: whether a cache may hold padding between tokens, as it does behind a beginning with prompts of several lengths.
    """
    shortest = min(map(len, prompts))
    equally_long = shortest == max(map(len, prompts))
    passes: list[Pass] = []
    start = 0
    by_key = _lines(keys)
    if gaps or equally_long:
        columns = zip(*prompts, strict=False)
        start = next((place for place, column in enumerate(columns) if len(set(column)) > 1), shortest)
        start = min(start, shortest - 1)
        if (len(prompts) - len(set(by_key))) * start < LEAST_SHARED:
            start = 0
    if start:
        rows = _first_rows(by_key)
        passes.append(Pass(rows, tuple(tuple(prompts[row][:start]) for row in rows), by_key))
    by_prompt = _lines([(tuple(prompt), key) for prompt, key in zip(prompts, keys, strict=True)])
    rows = _first_rows(by_prompt)
    spared = sum(len(prompt) - 1 - start for prompt in prompts) - sum(len(prompts[row]) - 1 - start for row in rows)
    if spared >= LEAST_SHARED and shortest - 1 > start:
        passes.append(Pass(rows, tuple(tuple(prompts[row][start:-1]) for row in rows), by_prompt))
    return passes


def read_shared(model: LanguageModel, prompts: Sequence[Sequence[int]], steering: Steering) -> ReadPrompts:
    """Read what the prompts of a batch share.

    Args:
        model: the model that reads.
        prompts: token ids, one list a row; of any lengths.
        steering: what the rows are steered by.
    """
    cache = new_cache(model.model.config)
    keys = [steering.in_prompts(row) for row in range(len(prompts))]
    mask = torch.ones(len(prompts), 0, dtype=torch.long, device=model.device)
    done = [0] * len(prompts)
    earlier: Pass | None = None
    for each in shared_passes(prompts, keys, gaps=can_skip_positions(cache)):
        if earlier is not None:
            keep_rows(cache, torch.tensor([earlier.lines[row] for row in each.rows], device=model.device))
        ids, new = padded_left(each.tokens, model.device)
        lines = torch.cat([mask[list(each.rows)], new], dim=1)
        context = steering.context(model, each.rows, ids.shape[1]) if steering.positions == "all" else model.lock
        with context:
            read_into(model, ids, lines, cache)
        mask = lines[list(each.lines)]
        done = [count + len(each.tokens[line]) for count, line in zip(done, each.lines, strict=True)]
        earlier = each
    if earlier is not None:
        keep_rows(cache, torch.tensor(earlier.lines, device=model.device))
    return ReadPrompts(cache, mask, [list(prompt[count:]) for prompt, count in zip(prompts, done, strict=True)])


def steered_logits(
    model: LanguageModel, rows: Sequence[Sequence[int]], starts: Sequence[int], steering: Steering
) -> Iterator[torch.Tensor]:
    """Logits that predict every token from a row's start on, under steering; prompts are read once, and give no logits.

    The caller passes a batch that fits into memory.

    Args:
        model: the model that reads.
        rows: token ids of prompt and continuation together.
        starts: where each row's continuation begins, at least 1.
        steering: what the rows are steered by.

    Yields:
        For each row in order float32 `[len(row) - start, vocabulary]`, on the model's device.
    """
    prompts = [row[:start] for row, start in zip(rows, starts, strict=True)]
    tails = [list(row[start:-1]) for row, start in zip(rows, starts, strict=True)]
    with torch.inference_mode():
        read = read_shared(model, prompts, steering)
        ids, mask = padded_left(read.rests, model.device)
        n_prompt = ids.shape[1]
        # Behind the prompts padding goes on the right, where no token sees it.
        width = max(map(len, tails))
        ids = torch.cat([ids, torch.tensor([tail + [0] * (width - len(tail)) for tail in tails]).to(ids)], dim=1)
        behind = torch.tensor([[1] * len(tail) + [0] * (width - len(tail)) for tail in tails]).to(mask)
        mask = torch.cat([read.mask, mask, behind], dim=1)
        with steering.context(model, range(len(rows)), n_prompt):
            padded = not bool(mask.all())
            logits = logits_with_cache(model.model, ids, mask, read.cache, padded=padded, keep=width + 1)
    for number, tail in enumerate(tails):
        yield logits[number, : len(tail) + 1].float()


def padded_left(rows: Sequence[Sequence[int]], device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
    """Token ids `[rows, seq]`, padded on the left with a row's first token, and their mask."""
    width = max(map(len, rows))
    ids = torch.tensor([[row[0] if row else 0] * (width - len(row)) + list(row) for row in rows])
    mask = torch.tensor([[0] * (width - len(row)) + [1] * len(row) for row in rows])
    return ids.to(device), mask.to(device)


def _lines(values: Sequence[Hashable]) -> tuple[int, ...]:
    """The number of each value among the distinct ones, in the order of their first use."""
    numbers: dict[Hashable, int] = {}
    return tuple(numbers.setdefault(value, len(numbers)) for value in values)


def _first_rows(lines: Sequence[int]) -> tuple[int, ...]:
    return tuple(lines.index(line) for line in range(max(lines) + 1))
