"""The protocol of a study: λ is tuned on one part of a task and reported on another, beside the vote and the controls.

`study` runs it; `report` writes it down.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from steering.errors import Progress, SteeringError, part_of, silent
from steering.evaluation.controls import RANDOM_SEEDS, Context, Control, controls_json, run_controls
from steering.evaluation.evaluation import Evaluation, Tuning, evaluation_of, tuned
from steering.evaluation.scorer import Scorer, Setup, default_grid, strengths
from steering.evaluation.store import Store
from steering.evaluation.voting import Vote, vote
from steering.models import LanguageModel
from steering.tasks import DEFAULT_READING, Reading, load_task
from steering.vectors import SteeringVector

TUNING_SHARE = 0.15
"""Of the progress bar, for tuning λ; the vector's grid ends at `GRID_END`, and the controls take the rest."""

GRID_END = 0.35


@dataclass(frozen=True)
class Study:
    """A λ grid with all that it has to be compared with.

    Attributes:
        evaluation: the grid on the reported part.
        tuning: the grid on the validation part; None where nothing was tuned.
        lam: the tuned λ, or the one at which controls are shown.
        vote: the vote over λ; None where it was not asked for.
        controls: the controls by kind, each vector among them at its own tuned λ; None where they were not asked for.
    """

    evaluation: Evaluation
    tuning: Tuning | None = None
    lam: float = 0.0
    vote: Vote | None = None
    controls: Mapping[str, tuple[Control, ...]] | None = None

    def as_json(self) -> dict[str, Any]:
        """The record as JSON can write it."""
        data = self.evaluation.as_json()
        if self.tuning is not None:
            data["tuned"] = {**self.evaluation.at(self.lam).as_json(), "chosen_on": self.tuning.as_json()}
        if self.vote is not None:
            data["vote"] = self.vote.as_json()
        data["controls"] = controls_json(self.controls or {}, self.evaluation.seed)
        return data


def study(
    child: LanguageModel,
    vector: SteeringVector,
    task: str | Path,
    lambdas: Sequence[float] | None = None,
    *,
    split: str = "test",
    limit: int | None = None,
    setup: Setup | None = None,
    reading: Reading = DEFAULT_READING,
    tune: bool = True,
    lam: float | None = None,
    voting: bool = True,
    controls: bool = True,
    store: Path | None = None,
    resume: bool = False,
    progress: Progress = silent,
) -> Study:
    """Tune λ on one part of a task, and report it on another, beside the vote and the controls, which are tuned alike.

    Args:
        child: the model that answers.
        vector: a vector in its space.
        task: a name or file for `tasks.load_task`.
        lambdas: strengths; see `evaluation.evaluate`.
        split: the part that is reported.
        limit: at most so many questions of each part.
        setup: prompts, sampling and steering.
        reading: how a task's file is read, where its layout leaves that open.
        tune: choose λ on the validation part.
        lam: the λ that decides ties and at which controls are shown, where it is not tuned here; by default the largest.
        voting: let the λ vote.
        controls: run the controls.
        store: see `evaluation.evaluate`.
        resume: see `evaluation.evaluate`.
        progress: see `evaluation.evaluate`.

    Raises:
        SteeringError: see `evaluation.evaluate`; or λ is to be tuned on the questions that are reported.
    """
    if tune and split != "test":
        raise SteeringError(f"λ is tuned on the validation split, so the split {split!r} cannot report it. Use test.")
    chosen = setup or Setup()
    tried = strengths(lambdas, default_grid(chosen.steering))
    if lam is not None:
        tried = strengths([*tried, lam], default_grid(chosen.steering))
    opened = Store.open(store, resume=resume)
    first, second = (TUNING_SHARE if tune else 0.0), (GRID_END if controls else 1.0)

    def scorer(part: str, low: float, high: float) -> Scorer:
        loaded = load_task(task, part, limit=limit, seed=chosen.seed, reading=reading)
        return Scorer(child, loaded, chosen, opened, part_of(progress, low, high))

    reported = scorer(split, first, second)
    validation = scorer("validation", 0.0, first) if tune else None
    tuning = tuned(evaluation_of(validation, vector, tried, "tuning")) if validation else None
    evaluation = evaluation_of(reported, vector, tried)
    shown_lam = tuning.best_lam if tuning else max(tried, key=abs) if lam is None else lam
    rest = part_of(progress, second, 1.0)
    context = Context(
        scorer=replace(reported, progress=rest),
        vector=vector,
        evaluation=evaluation,
        lam=shown_lam,
        tuning=replace(validation, progress=rest) if validation else None,
    )
    return Study(
        evaluation=evaluation,
        tuning=tuning,
        lam=shown_lam,
        vote=vote(evaluation, 0.0 if tuning is None and lam is None else shown_lam) if voting else None,
        controls=run_controls(context) if controls else None,
    )


def most_rows(n: int, lambdas: Sequence[float], mode: str, tuned_on: int = 0) -> int:
    """Rows that a study with vote and controls computes at most, once the vector's own λ is tuned.

    Args:
        n: number of questions in the reported part.
        lambdas: strengths, 0 among them.
        mode: "generate" or "likelihood".
        tuned_on: number of questions that the controls' λ are tuned on; 0 where nothing is tuned.
    """
    steered = [lam for lam in lambdas if lam != 0]
    flipped = [lam for lam in steered if -lam not in steered]  # −v at λ is v at −λ.
    vectors = RANDOM_SEEDS * len(steered) + len(flipped)
    samples = len(lambdas) if mode == "generate" else 0  # Weighed choices are sampled from the baseline's own scores.
    return n * (len(lambdas) + vectors + samples + 1) + tuned_on * vectors
