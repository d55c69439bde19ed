"""Where λ acts in a written text: how far it changed each token's probability, and where the concept is read in it."""

import itertools
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

import torch

from steering.models import LanguageModel, editing, scoring_batches, token_log_probabilities
from steering.steer.decoding import written_text
from steering.steer.grid import Grid
from steering.steer.intervention import Intervention, joined, plan, steer
from steering.steer.settings import DEFAULT_SETTINGS, SteeringSettings
from steering.vectors import SteeringVector, units


@dataclass(frozen=True)
class TokenShift:
    """One token of a written text.

    Attributes:
        piece: what it adds to the text; "" where a character is complete only with the next token.
        before: its probability given all before it, under the unsteered child, 0 to 1.
        after: the same under the λ of its text.
        along: how far the text at this token lies along the direction, as the unsteered child reads it, beyond the mean of the
            unsteered text: a difference of two cosines, averaged over the layers that act. None where it was not measured.
    """

    piece: str
    before: float
    after: float
    along: float | None = None


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
    texts = [*grid.rows, *([grid.unsteered] if grid.unsteered else [])]
    rows = [[*grid.prompt_token_ids, *row.token_ids] for row in texts]
    before, after, along = ([torch.empty(0)] * len(rows) for _ in range(3))
    written = [place for place, row in enumerate(texts) if row.token_ids]
    for part in scoring_batches(child, [rows[place] for place in written], [start] * len(written)):
        members = [written[place] for place in part]
        batch, starts = [rows[member] for member in members], [start] * len(members)
        strengths = [texts[member].lam for member in members]
        interventions = intervention if fixed is None else joined(intervention, strengths, fixed)
        amounts = strengths if fixed is None else [1.0] * len(strengths)
        with child.lock, torch.inference_mode(), _reading(child, vector, intervention) as cosines:
            plain = token_log_probabilities(child, batch, starts)
        with torch.inference_mode(), steer(child, interventions, amounts, prompt_length=start):
            steered = token_log_probabilities(child, batch, starts)
        for place, member in enumerate(members):
            before[member], after[member] = plain[place], steered[place]
        if cosines:
            read = torch.stack(cosines).sum(dim=0)
            for place, member in enumerate(members):
                along[member] = read[place, start : len(batch[place])]
    baseline = next((place for place, row in enumerate(texts) if row is grid.baseline), None)
    mean = along[baseline].mean() if baseline is not None and len(along[baseline]) else None
    return tuple(
        _shifts(
            _pieces(child, row.token_ids), before[place], after[place], None if mean is None else along[place] - mean
        )
        for place, row in enumerate(grid.rows)
    )


@contextmanager
def _reading(child: LanguageModel, vector: SteeringVector, intervention: Intervention) -> Iterator[list[torch.Tensor]]:
    """Collect each acting layer's share of the mean cosine of states and direction, `[rows, seq]` on the CPU.

    A cosine, and not a length: a few tokens of a text have states far longer than all others, and would drown them.
    """
    directions, shares = units(vector.directions), torch.tensor(intervention.weights)[intervention.active]
    weights = dict(zip(intervention.active, (shares / shares.sum()).tolist(), strict=True))
    cosines: list[torch.Tensor] = []

    def note(layer: int, hidden: torch.Tensor) -> None:
        states = hidden.float()
        cosine = states @ directions[layer].to(states) / states.norm(dim=-1).clamp(min=torch.finfo(states.dtype).tiny)
        cosines.append(weights[layer] * cosine.cpu())

    with editing(child.blocks, note, intervention.active):
        yield cosines


def _shifts(
    pieces: Sequence[str], before: torch.Tensor, after: torch.Tensor, along: torch.Tensor | None
) -> tuple[TokenShift, ...]:
    probabilities = zip(pieces, before.exp().tolist(), after.exp().tolist(), strict=True)
    shifts = [TokenShift(piece, round(plain, 4), round(steered, 4)) for piece, plain, steered in probabilities]
    if along is None:
        return tuple(shifts)
    return tuple(replace(each, along=round(value, 4)) for each, value in zip(shifts, along.tolist(), strict=True))


def _pieces(child: LanguageModel, tokens: Sequence[int]) -> list[str]:
    """What each token adds to the text; together they are the whole text."""
    whole = written_text(child, tokens, ended=True)
    lengths = [len(written_text(child, tokens[:count], ended=False)) for count in range(1, len(tokens))]
    # Ends that only grow: a text may get shorter when a token completes a character.
    ends = [*itertools.accumulate(lengths, max), len(whole)] if tokens else []
    return [whole[start:end] for start, end in zip([0, *ends], ends, strict=False)]
