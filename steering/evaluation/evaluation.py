"""How a λ grid does on a task, against the baseline; and the λ that is best on the validation part.

`grids` brings the rows; everything here but `evaluate`, `tune` and `ask` is a pure function of judged rows.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
import transformers

from steering.errors import Progress, SteeringError, silent
from steering.evaluation.columns import Column, judge
from steering.evaluation.scorer import Scorer, Setup, default_grid, digest, strengths
from steering.evaluation.scoring import outcome
from steering.evaluation.store import Store
from steering.formatting import strength
from steering.models import LanguageModel
from steering.stats import Comparison, compare, holm
from steering.steer import Row, stream
from steering.tasks import DEFAULT_READING, Reading, Request, Task, load_task, requests
from steering.vectors import SteeringVector

SIGNIFICANT = 0.05

_LOOK_EVERY = 4
"""Tokens between two looks at answers that are being written."""


@dataclass(frozen=True)
class Evaluation:
    """A λ grid on one part of a task.

    Attributes:
        task: its name.
        split: which part.
        kind: kind of answers, a key of `answers.READERS`.
        mode: "generate" or "likelihood".
        columns: one a λ; λ = 0 is among them.
        seed: of the bootstraps.
        provenance: model, vector, settings and versions.
    """

    task: str
    split: str
    kind: str
    mode: str
    columns: tuple[Column, ...]
    seed: int = 0
    provenance: Mapping[str, Any] = field(default_factory=dict)

    @property
    def n(self) -> int:
        """Number of questions."""
        return len(self.columns[0].answers)

    @property
    def baseline(self) -> Column:
        """The unsteered child."""
        return self.at(0.0)

    def at(self, lam: float) -> Column:
        """The column of one λ.

        Raises:
            SteeringError: it is not among the λ that were tried.
        """
        for column in self.columns:
            if column.lam == lam:
                return column
        tried = ", ".join(f"{column.lam:g}" for column in self.columns)
        raise SteeringError(f"λ = {lam:g} was not tried; there are {tried}.")

    @cached_property
    def comparisons(self) -> tuple[Comparison, ...]:
        """Every column against the baseline, question by question."""
        return tuple(compare(column.correct, self.baseline.correct, self.seed) for column in self.columns)

    @cached_property
    def adjusted(self) -> tuple[float, ...]:
        """Their p-values, corrected for how many λ other than 0 were tried (Holm); 1 for the baseline itself."""
        steered = [place for place, column in enumerate(self.columns) if column.lam != 0]
        corrected = dict(zip(steered, holm([self.comparisons[place].p for place in steered]), strict=True))
        return tuple(corrected.get(place, 1.0) for place in range(len(self.columns)))

    def as_json(self) -> dict[str, Any]:
        """The record as JSON can write it."""
        rows = [
            {**column.as_json(), **written(against), "p_adjusted": p}
            for column, against, p in zip(self.columns, self.comparisons, self.adjusted, strict=True)
        ]
        return {
            "task": self.task,
            "split": self.split,
            "n": self.n,
            "mode": self.mode,
            "items": [answer.item for answer in self.columns[0].answers],
            "rows": rows,
            "provenance": dict(self.provenance),
        }


@dataclass(frozen=True)
class Tuning:
    """The λ that does best on questions that the report does not use.

    Attributes:
        evaluation: the whole grid on the tuning part.
        best_lam: the λ with the most right answers; of equals the smallest.
        verdict: one sentence on whether any λ differs from the baseline beyond chance.
    """

    evaluation: Evaluation
    best_lam: float
    verdict: str

    def as_json(self) -> dict[str, Any]:
        """The record as JSON can write it."""
        data = self.evaluation.as_json()
        baseline, best = self.evaluation.baseline, self.evaluation.at(self.best_lam)
        low, high = best.interval
        return {
            **data,
            "baseline": baseline.accuracy,
            "best_lam": self.best_lam,
            "best": {"lam": self.best_lam, "accuracy": best.accuracy, "low": low, "high": high},
            "verdict": self.verdict,
        }


def evaluate(
    child: LanguageModel,
    vector: SteeringVector,
    task: str | Path | Task,
    lambdas: Sequence[float] | None = None,
    *,
    split: str = "test",
    limit: int | None = None,
    setup: Setup | None = None,
    reading: Reading = DEFAULT_READING,
    store: Path | None = None,
    resume: bool = False,
    progress: Progress = silent,
) -> Evaluation:
    """Score a child on a task at every λ.

    Args:
        child: the model that answers.
        vector: a vector in its space.
        task: a name or file for `tasks.load_task`, or a loaded task.
        lambdas: strengths; 0 is always tried too. By default the scale's entry of `GRIDS`.
        split: which part of the task.
        limit: score only so many questions, chosen at random.
        setup: prompts, sampling and steering.
        reading: how a task's file is read, where its layout leaves that open.
        store: file that rows are kept in; `runs.default_store()` by default.
        resume: use the rows that are in the store already, and compute the others alone.
        progress: told how many rows are done, and how long the others will take.

    Raises:
        SteeringError: λ that are no finite numbers, or settings that do not fit child and task.
    """
    chosen = setup or Setup()
    loaded = task if isinstance(task, Task) else load_task(task, split, limit=limit, seed=chosen.seed, reading=reading)
    scorer = Scorer(child, loaded, chosen, Store.open(store, resume=resume), progress)
    return evaluation_of(scorer, vector, strengths(lambdas, default_grid(chosen.steering)))


def tune(
    child: LanguageModel,
    vector: SteeringVector,
    task: str | Path | Task,
    lambdas: Sequence[float] | None = None,
    *,
    split: str = "validation",
    **settings: Any,
) -> Tuning:
    """Find the λ that does best on a part of the task that is not reported; takes the settings of `evaluate`.

    Raises:
        SteeringError: the test part was given: a λ chosen on it could not be reported on it.
    """
    if (task.split if isinstance(task, Task) else split) == "test":
        raise SteeringError("λ cannot be tuned on the test split, which is for reporting. Use the validation split.")
    return tuned(evaluate(child, vector, task, lambdas, split=split, **settings))


def tuned(evaluation: Evaluation) -> Tuning:
    """Choose the best λ of a grid, and say whether it matters."""
    return Tuning(evaluation, best_lam(evaluation.columns), _verdict(evaluation))


def best_lam(columns: Sequence[Column]) -> float:
    """The λ with the most right answers; of equals the gentlest, and of two equally gentle ones the positive."""
    return max(columns, key=lambda column: (sum(column.correct), -abs(column.lam), column.lam)).lam


def evaluation_of(scorer: Scorer, vector: SteeringVector, lambdas: Sequence[float], name: str = "") -> Evaluation:
    """Score one vector at several λ; see `Scorer.columns` for `name`."""
    return _put_together(scorer, vector, scorer.columns(vector, lambdas, name=name))


def ask(scorer: Scorer, vector: SteeringVector, lambdas: Sequence[float]) -> Iterator[Evaluation]:
    """Put the first question of a task at every λ side by side, and judge the answers while they are being written.

    Args:
        scorer: child, task and settings. The store serves weighed choices alone; texts are written anew.
        vector: a vector in the child's space.
        lambdas: strengths, 0 among them.

    Yields:
        The grid of one question after every few tokens, and when it is finished. Weighed choices come in one piece.

    Raises:
        SteeringError: see `evaluate`.
    """
    setup, child = scorer.setup, scorer.child
    request = requests(child, scorer.task, setup.style)[0]
    alone = replace(scorer, task=replace(scorer.task, items=(request.item,)))
    if request.tails:
        yield evaluation_of(alone, vector, lambdas)
        return
    kind = setup.style.kind_for(scorer.task)
    grids = stream(
        child,
        request.text,
        vector,
        lambdas,
        sampling=scorer.sampling,
        settings=setup.steering,
        plain=setup.style.plain_for(scorer.task, child),
    )
    for step, grid in enumerate(grids, start=1):
        over = grid.done or all(row.ended or (request.stop and request.stop in row.text) for row in grid.rows)
        if over or step % _LOOK_EVERY == 0:
            yield _put_together(alone, vector, [_graded(child, kind, request, row) for row in grid.rows])
        if over:
            return


def _graded(child: LanguageModel, kind: str, request: Request, row: Row) -> Column:
    written_so_far = outcome(child, request, row.token_ids, row.ended)
    return Column(row.lam, (judge(kind, request.item, written_so_far, request.before),), (request.item.answer,))


def _put_together(scorer: Scorer, vector: SteeringVector, columns: Sequence[Column]) -> Evaluation:
    setup, child, task = scorer.setup, scorer.child, scorer.task
    chosen = setup.style
    profile = setup.steering.profile if isinstance(setup.steering.profile, str) else list(setup.steering.profile)
    provenance = {
        "child": {"name": child.name, "fingerprint": child.fingerprint, "revision": child.revision},
        "dtype": child.precision.removeprefix("torch."),
        "vector": {"concept": vector.concept, "labels": list(vector.labels), "method": vector.method}
        | {"from": vector.model_name, "digest": digest(vector), **vector.provenance},
        "task": {"name": task.name, "digest": task.digest, "about": task.about}
        | ({"read": list(task.notes)} if task.notes else {}),
        "style": asdict(chosen) | {"plain": chosen.plain_for(task, child), "layout": chosen.layout_for(task)},
        "sampling": vars(scorer.sampling),
        "scale": setup.steering.scale,
        "profile": profile,
        "positions": setup.steering.positions,
        "operator": setup.steering.operator,
        "seed": setup.seed,
        "versions": {"torch": torch.__version__, "transformers": transformers.__version__},
    }
    kind, mode = chosen.kind_for(task), chosen.mode_for(task)
    return Evaluation(task.name, task.split, kind, mode, tuple(columns), setup.seed, provenance)


def written(comparison: Comparison) -> dict[str, Any]:
    """A comparison as JSON can write it, without numbers that are none."""
    ends = {"low": comparison.low, "high": comparison.high}
    change = {"mean": comparison.change, **{end: None if math.isnan(value) else value for end, value in ends.items()}}
    return {"change": change, "gained": comparison.gained, "lost": comparison.lost, "p": comparison.p}


def _verdict(evaluation: Evaluation) -> str:
    changes = [
        (p, column.lam, against.change)
        for column, against, p in zip(evaluation.columns, evaluation.comparisons, evaluation.adjusted, strict=True)
        if column.lam != 0
    ]
    count = f"n = {evaluation.n}, p corrected for {len(changes)} λ"
    better = [entry for entry in changes if entry[0] < SIGNIFICANT and entry[2] > 0]
    worse = [entry for entry in changes if entry[0] < SIGNIFICANT and entry[2] < 0]
    if better:
        p, lam, change = max(better, key=lambda entry: entry[2])
        return f"λ = {strength(lam)} is better than the baseline by {change:.3f} (p = {p:.2g}; {count})."
    if worse:
        listed = ", ".join(strength(lam) for _, lam, _ in worse)
        return f"No λ is better than the baseline beyond chance; worse is λ = {listed} ({count})."
    return f"No λ differs from the baseline beyond chance ({count})."
