"""Where λ acts: how far it changed the probability of every token of a written text."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from steering.models import LanguageModel, scoring_batches, token_log_probabilities
from steering.steer.decoding import written_text
from steering.steer.grid import Grid
from steering.steer.intervention import joined, plan, steer
from steering.steer.settings import DEFAULT_SETTINGS, SteeringSettings
from steering.vectors import SteeringVector


@dataclass(frozen=True)
class TokenShift:
    """One token of a written text.

    Attributes:
        piece: what it adds to the text; "" where a character is complete only with the next token.
        before: its probability given all before it, under the unsteered child, 0 to 1.
        after: the same under the λ of its text.
    """

    piece: str
    before: float
    after: float


def token_shifts(
    child: LanguageModel,
    grid: Grid,
    vector: SteeringVector,
    settings: SteeringSettings = DEFAULT_SETTINGS,
    *,
    also: SteeringVector | None = None,
) -> tuple[tuple[TokenShift, ...], ...]:
    """Measure every token of every text of a grid, with and without steering.

    Args:
        child: the model that wrote the grid.
        grid: finished or not.
        vector: that its texts were steered with.
        settings: scale, layer profile, positions and operator of the texts.
        also: the second vector of its texts, see `stream`.

    Returns:
        For every row of the grid one shift a token.
    """
    intervention, start = plan(child, vector, settings), len(grid.prompt_token_ids)
    fixed = None if also is None else plan(child, also, settings)
    rows = [[*grid.prompt_token_ids, *row.token_ids] for row in grid.rows]
    before, after = [torch.empty(0)] * len(rows), [torch.empty(0)] * len(rows)
    written = [place for place, row in enumerate(grid.rows) if row.token_ids]
    for part in scoring_batches(child, [rows[place] for place in written], [start] * len(written)):
        members = [written[place] for place in part]
        batch, starts = [rows[member] for member in members], [start] * len(members)
        strengths = [grid.rows[member].lam for member in members]
        pushed = intervention if fixed is None else joined(intervention, strengths, fixed)
        amounts = strengths if fixed is None else [1.0] * len(strengths)
        with child.lock, torch.inference_mode():
            plain = token_log_probabilities(child, batch, starts)
        with torch.inference_mode(), steer(child, pushed, amounts, prompt_length=start):
            steered = token_log_probabilities(child, batch, starts)
        for member, unsteered_row, steered_row in zip(members, plain, steered, strict=True):
            before[member], after[member] = unsteered_row, steered_row
    return tuple(
        _shifts(_pieces(child, row.token_ids), before[place], after[place]) for place, row in enumerate(grid.rows)
    )


def _shifts(pieces: Sequence[str], before: torch.Tensor, after: torch.Tensor) -> tuple[TokenShift, ...]:
    probabilities = zip(pieces, before.exp().tolist(), after.exp().tolist(), strict=True)
    return tuple(TokenShift(piece, round(plain, 4), round(steered, 4)) for piece, plain, steered in probabilities)


def _pieces(child: LanguageModel, tokens: Sequence[int]) -> list[str]:
    """What each token adds to the text; together they are the whole text."""
    whole = written_text(child, tokens, ended=True)
    lengths = [len(written_text(child, tokens[:count], ended=False)) for count in range(1, len(tokens))]
    # Ends that only grow: a text may get shorter when a token completes a character.
    ends = [*itertools.accumulate(lengths, max), len(whole)] if tokens else []
    return [whole[start:end] for start, end in zip([0, *ends], ends, strict=False)]
