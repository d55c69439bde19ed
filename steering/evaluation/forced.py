"""Many ways of steering tried on a few questions, by teacher forcing: one forward pass a question instead of one a token.

The child reads each question with its right answer behind it. It would have written that answer exactly where every token of it
is the likeliest one, and the answer's log-likelihood tells apart settings with equally many right answers. Choices are weighed
as they are in an evaluation. It serves to choose settings; what is reported is written token by token.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from steering.errors import Progress, silent
from steering.models import LanguageModel, scoring_batches
from steering.steer import Intervention, Steering, steered_logits
from steering.tasks import Item, Style, Task, requests, right_ids

_BATCH_TOKENS = 2048
"""Tokens in one forward pass: its rows are short, and no gradient keeps their activations."""


@dataclass(frozen=True)
class Trial:
    """A strength of one intervention that is tried; None for the unsteered child."""

    intervention: Intervention | None
    lam: float = 0.0


@dataclass(frozen=True)
class TrialResult:
    """How a trial does on the questions.

    Attributes:
        right: how many are answered rightly.
        log_likelihood: mean log-likelihood of a token of the right answer, in nats; for weighed choices of a right choice
            against the others.
    """

    right: int
    log_likelihood: float

    @property
    def score(self) -> tuple[int, float]:
        """What trials are compared by."""
        return self.right, self.log_likelihood


@dataclass(frozen=True)
class _Row:
    trial: int
    place: int
    item: Item
    ids: tuple[int, ...]
    start: int


def run_trials(
    child: LanguageModel, task: Task, style: Style, trials: Sequence[Trial], *, progress: Progress = silent
) -> tuple[TrialResult, ...]:
    """Try several ways of steering on the same questions.

    Args:
        child: the model that answers.
        task: the questions; not those that are reported.
        style: how they are put.
        trials: what is tried. All must steer the same positions by the same operator.
        progress: told after every batch.

    Raises:
        SteeringError: a prompt that does not fit into the child's context.
    """
    rows = _rows(child, task, style, len(trials))
    steered = [trial.intervention for trial in trials if trial.intervention is not None]
    sums = torch.zeros(len(rows), dtype=torch.float64)
    greedy = torch.zeros(len(rows), dtype=torch.bool)
    done = 0
    all_ids, all_starts = [row.ids for row in rows], [row.start for row in rows]
    for members in scoring_batches(child, all_ids, all_starts, _BATCH_TOKENS):
        batch = [rows[member] for member in members]
        ids, starts = [row.ids for row in batch], [row.start for row in batch]
        # A strength of 0 adds nothing, whatever the intervention.
        interventions = [trials[row.trial].intervention or steered[0] for row in batch] if steered else None
        strengths = [trials[row.trial].lam if trials[row.trial].intervention else 0.0 for row in batch]
        all_logits = steered_logits(child, ids, starts, Steering(interventions, strengths))
        for member, row, logits in zip(members, batch, all_logits, strict=True):
            tokens = torch.tensor(row.ids[row.start :], device=logits.device)
            chosen = logits.gather(1, tokens[:, None])[:, 0] - logits.logsumexp(dim=-1)
            sums[member] = chosen.cpu().double().sum()
            greedy[member] = bool((logits.argmax(dim=-1) == tokens).all())
        done += len(members)
        progress(f"Trying {len(trials)} settings on {task.name}", done / len(rows))
    return tuple(_result(rows, sums, greedy, number) for number in range(len(trials)))


def _rows(child: LanguageModel, task: Task, style: Style, n_trials: int) -> list[_Row]:
    rows = []
    for place, request in enumerate(requests(child, task, style)):
        tails = request.tails or (right_ids(child, task, request, style),)
        child.check_length(len(request.ids) + max(map(len, tails)))
        for trial in range(n_trials):
            rows += [_Row(trial, place, request.item, (*request.ids, *tail), len(request.ids)) for tail in tails]
    return rows


def _result(rows: Sequence[_Row], sums: torch.Tensor, greedy: torch.Tensor, trial: int) -> TrialResult:
    of_question: dict[int, list[int]] = {}
    for number, row in enumerate(rows):
        if row.trial == trial:
            of_question.setdefault(row.place, []).append(number)
    right, total = 0, 0.0
    for members in of_question.values():
        first = rows[members[0]]
        if len(members) == 1:
            right += int(greedy[members[0]])
            total += float(sums[members[0]]) / (len(first.ids) - first.start)
            continue
        # Per character, as an evaluation weighs them.
        lengths = torch.tensor([len(choice) for choice in first.item.choices], dtype=torch.float64)
        scores = sums[members] / lengths
        gold = ord(first.item.answer) - ord("A")
        right += int(scores[gold] == scores.max())
        total += float(scores.log_softmax(dim=0)[gold])
    return TrialResult(right, total / len(of_question))
