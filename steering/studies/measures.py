"""What is measured in a cell: thin layers over the functions of `evaluation` and `measure`, which return one kind of record."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from steering.errors import SteeringError
from steering.evaluation import (
    Arm,
    Column,
    Parts,
    Setup,
    Store,
    Study,
    at_every_layer,
    gain,
    steered,
    study,
    task_parts,
    unsteered,
)
from steering.measure import KL_BUDGET, fit_profile, measure, similarity, strength_at, unsteered_texts
from steering.stats import compare, derived_seed, mcnemar_power
from steering.steer import SteeringSettings
from steering.studies.carrying import PLAIN, Work
from steering.studies.predictors import predictors
from steering.studies.settings import ONE_LAYER
from steering.tasks import Task, load_task
from steering.vectors import SteeringVector, extract, random_like


@dataclass(frozen=True)
class Measured:
    """What a cell gave.

    Attributes:
        headline: the figure that a table shows first.
        figures: numbers by name; None where there is none.
        n: questions, continuations or texts that they rest on.
        samples: a row for every question and way of answering it, with the fields of `results.SAMPLE_FIELDS`.
        details: what figures are drawn from besides, as JSON can write it; `steer` says how `vector` is added.
        vector: the carried vector, where the cell chose how to steer with it.
    """

    headline: str
    figures: Mapping[str, float | None]
    n: int
    samples: tuple[Mapping[str, Any], ...] = ()
    details: Mapping[str, Any] = field(default_factory=dict)
    vector: SteeringVector | None = None


def arms(work: Work) -> Measured:
    """The carried vector beside the unsteered child, the child's own vector and a random one, each at its own best setting."""
    return _arms(work)[0]


def compatibility(work: Work) -> Measured:
    """The same, and the numbers that are known before a question of the task is answered."""
    measured, carried, own = _arms(work)
    known = predictors(work, carried, own, work.part(0.8, 1.0))
    details = {**measured.details, "predictors": list(known)}
    return replace(measured, figures={**measured.figures, **known}, details=details)


def _arms(work: Work) -> tuple[Measured, SteeringVector, SteeringVector]:
    cell, child = work.cell, work.child
    validation, test = task_parts(str(cell.task), cell.limit, cell.seed)
    concept = work.concept()
    carried = work.carried(concept, work.part(0.0, 0.3))
    own = extract(child, concept, cell.method, progress=work.part(0.3, 0.35))
    random = random_like(carried, derived_seed(cell.seed, "random vector"))
    store = Store.open(work.store, resume=True)

    def answer(number: int, name: str, vector: SteeringVector) -> Arm:
        low, high = (0.35 + 0.45 * (number + end) / 4 for end in (0, 1))
        parts = Parts(child, validation, test, PLAIN, cell.max_new_tokens, store, cell.seed, work.part(low, high))
        if name == "baseline":
            return unsteered(parts, vector)
        if cell.profile != ONE_LAYER:
            return at_every_layer(parts, name, vector, work.settings)
        if (cell.scale, cell.operator) != ("residual", "add"):
            raise SteeringError(
                f"One layer is chosen where vectors are added in residual norms; this cell has {cell.scale!r} and "
                f"{cell.operator!r}. Name a layer profile, such as profiles=all."
            )
        return steered(parts, name, vector, positions=cell.positions)

    named = (("baseline", carried), ("carried", carried), ("own", own), ("random", random))
    answered = [answer(number, *each) for number, each in enumerate(named)]
    details = _steer(answered[1].chosen["lam"], answered[1].steering or work.settings)
    measured = _from_arms(answered, test, cell.seed, details, carried)
    return measured, carried, own


def gains(work: Work) -> Measured:
    """A gain with all its arms, as the command `gain` measures it."""
    cell = work.cell
    if len(work.parents) > 1:
        raise SteeringError("A gain is of one parent. Use measures=arms for several that are joined.")
    result = gain(
        work.parents[0],
        work.child,
        str(cell.task),
        design=cell.design,
        method=cell.method,
        shots=cell.shots,
        limit=cell.limit,
        seed=cell.seed,
        store=work.store,
        resume=True,
        progress=work.progress,
    )
    test = task_parts(str(cell.task), cell.limit, cell.seed)[1]
    arm = result.arm("carried")
    details = _steer(arm.chosen["lam"], arm.steering or work.settings)
    details |= {"verdict": result.verdict, "side_effects": result.cost.as_json()}
    return _from_arms(result.arms, test, cell.seed, details, result.vector)


def _steer(lam: float, settings: SteeringSettings) -> dict[str, Any]:
    profile = settings.profile if isinstance(settings.profile, str) else list(settings.profile)
    return {"steer": {**vars(settings), "profile": profile, "lam": lam}}


def _from_arms(
    answered: Sequence[Arm], test: Task, seed: int, details: Mapping[str, Any], vector: SteeringVector
) -> Measured:
    shares = {arm.name: sum(arm.correct) / len(arm.correct) for arm in answered}
    carried = next(arm for arm in answered if arm.name == "carried")
    change = compare(carried.correct, answered[0].correct, seed)
    own = shares["own"] - shares["baseline"]
    figures: dict[str, float | None] = {
        "gain": change.change,
        "gain_low": change.low,
        "gain_high": change.high,
        "p": change.p,
        "kept": change.change / own if own > 0 else None,
        **shares,
    }
    samples = tuple(row for arm in answered for row in _rows(arm.name, arm.column, test, arm.correct))
    chosen = {arm.name: dict(arm.chosen) for arm in answered}
    details = {**details, "chosen": chosen, "arms": list(shares)}
    return Measured("gain", figures, len(test.items), samples, details, vector)


def grid(work: Work) -> Measured:
    """A grid of λ with its vote and controls, as the command `evaluate` measures it."""
    cell = work.cell
    vector = work.carried(work.concept(), work.part(0.0, 0.3))
    lambdas = cell.lambdas
    if cell.budget is not None:
        texts = unsteered_texts(work.child)
        lambdas = tuple(
            strength_at(work.child, vector, cell.budget, work.settings, texts=texts, side=side).lam for side in (-1, 1)
        )
    settings = work.settings
    if cell.profile == ONE_LAYER:
        validation, reported = task_parts(str(cell.task), cell.limit, cell.seed)
        store = Store.open(work.store, resume=True)
        parts = Parts(work.child, validation, reported, PLAIN, cell.max_new_tokens, store, cell.seed)
        settings = steered(parts, "carried", vector, positions=cell.positions).steering or settings
    result = study(
        work.child,
        vector,
        str(cell.task),
        lambdas,
        limit=cell.limit,
        setup=Setup(PLAIN, cell.max_new_tokens, settings, cell.seed),
        controls=cell.controls,
        store=work.store,
        resume=True,
        progress=work.part(0.3, 1.0),
    )
    test = load_task(str(cell.task), "test", limit=cell.limit, seed=cell.seed)
    return Measured(
        "vote_change",
        dict(_grid_figures(result)),
        result.evaluation.n,
        tuple(row for column in result.evaluation.columns for row in _rows("carried", column, test, column.correct)),
        {**_steer(result.lam, settings), "mode": result.evaluation.mode},
        vector,
    )


def _grid_figures(result: Study) -> Iterator[tuple[str, float | None]]:
    evaluation, vote = result.evaluation, result.vote
    tuned = evaluation.at(result.lam)
    change = compare(tuned.correct, evaluation.baseline.correct, evaluation.seed)
    yield "baseline", evaluation.baseline.accuracy
    yield "lam", result.lam
    yield "tuned", tuned.accuracy
    yield "gain", change.change
    yield "gain_low", change.low
    yield "gain_high", change.high
    yield "p", change.p
    assert vote is not None, "a study votes unless it is told not to"
    yield "vote", vote.accuracy
    yield "vote_change", vote.comparison.change
    yield "vote_low", vote.comparison.low
    yield "vote_high", vote.comparison.high
    yield "vote_p", vote.comparison.p
    for name, several in (result.controls or {}).items():
        votes = [control.vote for control in several if control.vote is not None]
        yield name, sum(control.column.accuracy for control in several) / len(several)
        if votes:
            yield f"{name}_vote", sum(each.accuracy for each in votes) / len(votes)
        if name == "self_consistency" and votes:
            against = compare(vote.correct, votes[0].correct, evaluation.seed)
            yield "vote_over_self_consistency", against.change
            yield "vote_over_self_consistency_low", against.low
            yield "vote_over_self_consistency_high", against.high
            yield "vote_over_self_consistency_p", against.p
    # What so many questions can show of a change of five points, where a fifth of them is answered differently.
    yield "power_of_5_points", mcnemar_power(evaluation.n, 0.2, 0.05)


def effect(work: Work) -> Measured:
    """The share of the own vector's effect that the carried one keeps at equal KL, on held-out continuations."""
    concept = work.measured_concept()
    carried = work.carried(concept, work.part(0.0, 0.3))
    kl = work.cell.budget or KL_BUDGET
    record = measure(work.child, concept, carried, method=work.cell.method, kl=kl, progress=work.part(0.3, 1.0))
    figures = {
        "kept_at_matched_kl": record.kept_at_matched_kl,
        "kept": record.kept,
        "own_effect": record.native,
        "carried_effect": record.matched,
        "random_effect": record.random,
        "measurable": float(record.measurable),
    }
    return Measured("kept_at_matched_kl", figures, len(concept.continuations), details=record.as_json())


def profile(work: Work) -> Measured:
    """The layer profile with the largest effect at a KL budget, beside the named ones, on continuations left out of the fit."""
    concept = work.measured_concept()
    carried = work.carried(concept, work.part(0.0, 0.3))
    kl = work.cell.budget or KL_BUDGET
    fitted = fit_profile(work.child, carried, concept, kl, work.settings, progress=work.part(0.3, 1.0))
    figures: dict[str, float | None] = {"fitted_over_all": fitted.gain}
    figures |= {name: each.effect for name, each in fitted.held_out.items()}
    details = {"weights": list(fitted.weights)}
    return Measured("fitted_over_all", figures, len(concept.continuations) // 2, details=details)


def correlation(work: Work) -> Measured:
    """Which layers of the two models correspond, as the command `similarity` measures it."""
    metric = work.cell.metric
    result = similarity(work.parents[0], work.child, work.measured_concept(), metric, progress=work.progress)
    details = {"matrix": result.matrix.tolist(), "chance": result.chance, "metric": metric}
    figures = {"mean_best": float(result.matrix.amax(dim=0).mean()), "chance": result.chance}
    return Measured("mean_best", figures, result.n_texts, details=details)


MEASURES: Mapping[str, Callable[[Work], Measured]] = {
    "arms": arms,
    "compatibility": compatibility,
    "gain": gains,
    "grid": grid,
    "effect": effect,
    "profile": profile,
    "similarity": correlation,
}
"""Measures by name; what each depends on is in `settings.USES`."""


def _rows(arm: str, column: Column, task: Task, correct: Sequence[bool]) -> Iterator[dict[str, Any]]:
    questions = {item.id: item.question for item in task.items}
    for answer, gold, right in zip(column.answers, column.gold, correct, strict=True):
        yield {
            "id": answer.item,
            "input": questions.get(answer.item, ""),
            "target": gold,
            "score_match": float(right),
            "score_match_answer": answer.answer,
            "metadata_arm": arm,
            "metadata_lam": float(column.lam),
            "metadata_outcome": answer.outcome,
            "metadata_degenerate": answer.degenerate,
            "total_tokens": answer.n_tokens,
        }
