"""The live half of evaluation: questions × λ as rows of length-sorted batches.

Rows that wait take the places of those that have ended. A row is what the model did, as a fact: the text that it wrote, or how
likely it found each choice. Whether that is right is judged in `evaluation`.
"""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import count

import torch

from steering.errors import SteeringError
from steering.models import BATCH_LOGITS, LanguageModel
from steering.stats import derived_seed
from steering.steer import (
    Intervention,
    Sampling,
    SharedBatch,
    Steering,
    Step,
    decode,
    degenerate,
    steered_logits,
    written_text,
)
from steering.tasks import Item, Request

WRITTEN_TOKENS = 8192
"""Prompt and new tokens that are in work at a time: the key-value cache stays below some hundred megabytes."""

WRITTEN_ROWS = 64
"""Most rows that are written at a time; more would hardly be faster, and a killed run would lose more."""

_LOOK_EVERY = 8
"""Steps of writing after which a caller can stop."""

_LAST_TOKENS = 16
"""Of a row, among which a text that ends an answer is looked for: it has fewer characters than that, so fewer tokens."""

Job = tuple[int, float]
"""A row to compute: the place of its request, and its λ."""


@dataclass(frozen=True)
class Outcome:
    """What the model did with one question at one λ.

    Attributes:
        text: what it wrote; "" where choices were weighed.
        n_tokens: how many tokens it wrote.
        ended: "end of text", "length" or "stop"; "" where choices were weighed.
        degenerate: see `steer.degenerate`; no perplexity is known here.
        scores: log-probability of each choice as a whole, in nats; empty where a text was written.
    """

    text: str = ""
    n_tokens: int = 0
    ended: str = ""
    degenerate: bool = False
    scores: tuple[float, ...] = ()


def score(
    child: LanguageModel,
    requests: Sequence[Request],
    jobs: Sequence[Job],
    intervention: Intervention | None,
    sampling: Sampling,
) -> Iterator[list[tuple[Job, Outcome]]]:
    """Compute rows, and hand over each batch when it is done.

    Args:
        child: the model.
        requests: the questions, all to be answered in writing or all to be weighed.
        jobs: which questions at which λ.
        intervention: what one unit of λ adds; None for rows that nothing is added to.
        sampling: how tokens are chosen in writing; every question draws by a seed of its own, see `question_seed`.

    Yields:
        The rows of one batch, every job once over all batches; and now and then an empty list while a batch is under way,
        so that a caller can stop there.

    Raises:
        SteeringError: a prompt that does not fit into the child's context.
    """
    if not jobs:
        return
    way = _weigh if requests[0].tails else _write
    room = 0 if requests[0].tails else sampling.max_new_tokens - 1
    for request in requests:
        child.check_length(len(request.ids) + max((len(tail) for tail in request.tails), default=room))
        if any(not tail for tail in request.tails):
            raise SteeringError(f"A choice of the question {request.item.id} has no tokens. Write something into it.")
    yield from way(child, requests, jobs, intervention, sampling)


def question_seed(seed: int, item: Item) -> int:
    """The seed of what one question draws: of its own, whatever else is scored, and the same at every λ."""
    return derived_seed(seed, "question", item.question, *item.choices)


def _write(
    child: LanguageModel,
    requests: Sequence[Request],
    jobs: Sequence[Job],
    intervention: Intervention | None,
    sampling: Sampling,
) -> Iterator[list[tuple[Job, Outcome]]]:
    # A GPU records the steps of a batch, so there a batch begins when the one before it has ended.
    parts = 1 if child.device.type == "cuda" else 2

    def width(job: Job) -> int:
        return len(requests[job[0]].ids) + sampling.max_new_tokens

    def fits(batch: list[Job], _: Job) -> bool:
        return parts * len(batch) < WRITTEN_ROWS and parts * width(batch[0]) * (len(batch) + 1) <= WRITTEN_TOKENS

    # The strengths of a question stay together, because they can share its prompt.
    waiting = deque(_grouped(sorted(jobs, key=lambda job: (-len(requests[job[0]].ids), job[0])), fits))
    writing: list[_Writing] = []
    shared = SharedBatch()
    for number in count(1):
        if not waiting and not writing:
            return
        running = sum(each.running for each in writing)
        # The places of rows that have ended are taken by those that wait; the longest were the first.
        if waiting and (
            not writing
            or (
                running + len(waiting[0]) <= WRITTEN_ROWS
                and width(writing[0].jobs[0]) * (running + len(waiting[0])) <= WRITTEN_TOKENS
            )
        ):
            writing.append(_begin(child, requests, waiting.popleft(), intervention, sampling, shared))
        for each in writing:
            each.last = next(each.steps)
        for each in [each for each in writing if not each.running]:
            writing.remove(each)
            yield [
                (job, outcome(child, requests[job[0]], tokens, ended))
                for job, tokens, ended in zip(each.jobs, each.last.tokens, each.last.ended, strict=True)
            ]
        if number % _LOOK_EVERY == 0:
            yield []


@dataclass(eq=False)
class _Writing:
    """Rows that are being written."""

    jobs: list[Job]
    steps: Iterator[Step]
    last: Step

    @property
    def running(self) -> int:
        """Number of rows that have not ended."""
        return self.last.ended.count("")


def _begin(
    child: LanguageModel,
    requests: Sequence[Request],
    jobs: list[Job],
    intervention: Intervention | None,
    sampling: Sampling,
    shared: SharedBatch,
) -> _Writing:
    asked = [requests[place] for place, _ in jobs]
    seeds = [question_seed(sampling.seed, request.item) for request in asked]
    complete = partial(_stopped, child, asked) if asked[0].stop else None
    prompts, lambdas = [request.ids for request in asked], [lam for _, lam in jobs]
    steps = decode(child, prompts, intervention, lambdas, sampling, seeds, complete=complete, shared=shared)
    return _Writing(jobs, steps, Step(((),) * len(jobs), ("",) * len(jobs)))


def _stopped(child: LanguageModel, asked: Sequence[Request], row: int, tokens: Sequence[int]) -> bool:
    return asked[row].stop in _text(child, tokens[-_LAST_TOKENS:])


def outcome(child: LanguageModel, request: Request, tokens: tuple[int, ...], ended: str) -> Outcome:
    """What a written row is, without what stands behind the end of its answer.

    Args:
        child: the model that wrote.
        request: the question.
        tokens: the new token ids.
        ended: how writing ended; "" while the row is being written.
    """
    text = written_text(child, tokens, ended=bool(ended))
    if request.stop and request.stop in text:
        # How far the model ran past the end depends on its neighbours in the batch; what stands before does not.
        kept = next(size for size in range(1, len(tokens) + 1) if request.stop in _text(child, tokens[:size]))
        tokens, text, ended = tokens[:kept], text.split(request.stop, 1)[0], "stop"
    return Outcome(text, len(tokens), ended, degenerate(tokens))


def _text(child: LanguageModel, tokens: Sequence[int]) -> str:
    text: str = child.tokenizer.decode(list(tokens), skip_special_tokens=True)
    return text


def _weigh(
    child: LanguageModel,
    requests: Sequence[Request],
    jobs: Sequence[Job],
    intervention: Intervention | None,
    sampling: Sampling,
) -> Iterator[list[tuple[Job, Outcome]]]:
    del sampling
    vocabulary = child.vocabulary

    def size(job: Job) -> tuple[int, int]:
        request = requests[job[0]]
        return len(request.ids), len(request.ids) + max(map(len, request.tails))

    def fits(batch: list[Job], job: Job) -> bool:
        together = [*batch, job]
        rows = sum(len(requests[place].tails) for place, _ in together)
        width = max(size(member)[1] for member in together)
        kept = max(size(member)[1] - size(member)[0] for member in together)
        return rows * width <= WRITTEN_TOKENS and rows * kept * vocabulary <= BATCH_LOGITS

    for batch in _grouped(sorted(jobs, key=lambda job: (size(job), job[0]), reverse=True), fits):
        rows, heads, strengths = [], [], []
        for place, lam in batch:
            request = requests[place]
            rows += [[*request.ids, *tail] for tail in request.tails]
            heads += [len(request.ids)] * len(request.tails)
            strengths += [lam] * len(request.tails)
        sums = _log_likelihoods(child, rows, heads, strengths, intervention)
        outcomes = []
        for job in batch:
            count = len(requests[job[0]].tails)
            outcomes.append((job, Outcome(scores=tuple(sums[:count]))))
            sums = sums[count:]
        yield outcomes


def _log_likelihoods(
    child: LanguageModel,
    rows: list[list[int]],
    heads: list[int],
    strengths: list[float],
    intervention: Intervention | None,
) -> list[float]:
    """Log-probability of everything behind each row's head, in nats."""
    sums = []
    all_logits = steered_logits(child, rows, heads, Steering(intervention, strengths))
    for row, head, logits in zip(rows, heads, all_logits, strict=True):
        chosen = logits.gather(1, torch.tensor(row[head:], device=logits.device)[:, None])[:, 0]
        sums.append(float((chosen - logits.logsumexp(dim=-1)).cpu().double().sum()))
    return sums


def _grouped(jobs: Sequence[Job], fits: Callable[[list[Job], Job], bool]) -> list[list[Job]]:
    groups: list[list[Job]] = []
    for job in jobs:
        if groups and fits(groups[-1], job):
            groups[-1].append(job)
        else:
            groups.append([job])
    return groups
