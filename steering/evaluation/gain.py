"""Does a child answer a task better because of a parent? One protocol from the task's training part to a verdict.

The concept is made from the training part, everything that can be chosen is chosen on the validation part, and the test part is
answered once by every arm. The arms beside the carried vector are what else could explain a gain, the child's own vector, and
what a few-shot prompt reaches.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from steering.errors import Progress, part_of, silent
from steering.evaluation.arms import (
    Arm,
    Parts,
    at_every_layer,
    first_layer,
    instructions,
    lead_ins,
    prompted,
    self_consistency,
    steered,
    trained_vector,
    unsteered,
)
from steering.evaluation.evaluation import SIGNIFICANT
from steering.evaluation.side_effects import SideEffects, side_effects
from steering.evaluation.store import Store
from steering.models import LanguageModel
from steering.stats import Comparison, compare, derived_seed, holm, mcnemar_power, wilson
from steering.steer import SteeringSettings
from steering.tasks import SHOTS, Style, Task, concept_from_task, load_task, right_text
from steering.transfer import CANONICAL, SEVERAL, pair_name, transfer
from steering.vectors import SteeringVector, extract, random_like

VALIDATION_QUESTIONS = 30
"""Most questions of the validation part that settings are chosen on."""

CONTROLS = ("random", "flipped", "format-only", "first-token")
"""Arms that a carried vector has to be better than."""

PAPER = SteeringSettings(scale="unit", profile="all", positions="all")
"""How arXiv 2512.19069 steers."""

_ARMS_FROM, _ARMS_TO = 0.32, 0.95
"""Of the progress bar; before them vectors are made and carried, and behind them side effects are measured."""

DISCORDANT = 0.2
"""Share of questions that two arms answer differently, for the power that is stated before a run."""


@dataclass(frozen=True)
class Gain:
    """What every arm reaches on the same questions.

    Attributes:
        task: name of the task.
        parent: name of the parent.
        child: name of the child.
        design: how pairs were made from the training part, a key of `tasks.DESIGNS`.
        method: direction method.
        arms: the arms, the baseline first.
        vector: the carried vector.
        power: one sentence on the change that so many questions can show.
        cost: what the carried vector costs besides, at the setting that was chosen.
        seed: of samples, random vectors and bootstraps.
    """

    task: str
    parent: str
    child: str
    design: str
    method: str
    arms: tuple[Arm, ...]
    vector: SteeringVector
    power: str
    cost: SideEffects
    seed: int = 0

    @property
    def n(self) -> int:
        """Number of questions that are reported."""
        return len(self.arms[0].correct)

    def arm(self, name: str) -> Arm:
        """The arm of a name."""
        return next(arm for arm in self.arms if arm.name == name)

    def accuracy(self, name: str) -> float:
        """Share of right answers of an arm."""
        return sum(self.arm(name).correct) / self.n

    @cached_property
    def comparisons(self) -> tuple[Comparison, ...]:
        """Every arm against the baseline, question by question."""
        return tuple(compare(arm.correct, self.arms[0].correct, self.seed) for arm in self.arms)

    @cached_property
    def adjusted(self) -> tuple[float, ...]:
        """Their p-values, corrected for the number of arms (Holm); 1 for the baseline itself."""
        return (1.0, *holm([comparison.p for comparison in self.comparisons[1:]]))

    @property
    def kept(self) -> float | None:
        """What the carried vector gains as a share of what the child's own vector gains; None where that gains nothing."""
        own = self.accuracy("own") - self.accuracy("baseline")
        return (self.accuracy("carried") - self.accuracy("baseline")) / own if own > 0 else None

    def beats(self, name: str) -> bool:
        """Whether the carried vector is better than another arm beyond chance."""
        against = compare(self.arm("carried").correct, self.arm(name).correct, self.seed)
        return against.change > 0 and against.p < SIGNIFICANT

    @property
    def verdict(self) -> str:
        """One sentence: whether the carried vector helps beyond chance, and whether a control explains it."""
        place = [arm.name for arm in self.arms].index("carried")
        change, p = self.comparisons[place].change, self.adjusted[place]
        if p >= SIGNIFICANT or change <= 0:
            return f"No gain beyond chance: the carried vector changes {change:+.3f} (p = {p:.2g}, n = {self.n})."
        unbeaten = [name for name in CONTROLS if not self.beats(name)]
        gain = f"The carried vector gains {change:.3f} (p = {p:.2g}, n = {self.n})"
        if unbeaten:
            return f"{gain}, but is not better beyond chance than {', '.join(unbeaten)}."
        return f"{gain}, and is better than {', '.join(CONTROLS)}."

    def as_json(self) -> dict[str, Any]:
        """The record as JSON can write it."""
        arms = []
        for arm, comparison, p in zip(self.arms, self.comparisons, self.adjusted, strict=True):
            right = sum(arm.correct)
            low, high = wilson(right, self.n)
            arms.append(
                {
                    "name": arm.name,
                    "accuracy": right / self.n,
                    "low": low,
                    "high": high,
                    "p": comparison.p,
                    "p_adjusted": p,
                    "gained": comparison.gained,
                    "lost": comparison.lost,
                    "no_answer": sum(answer.outcome == "no answer" for answer in arm.column.answers) / self.n,
                    "degenerate": sum(answer.degenerate for answer in arm.column.answers) / self.n,
                    "chosen": dict(arm.chosen),
                    "correct": [int(right) for right in arm.correct],
                }
            )
        return {
            "task": self.task,
            "n": self.n,
            "parent": self.parent,
            "child": self.child,
            "design": self.design,
            "method": self.method,
            "arms": arms,
            "kept": self.kept,
            "verdict": self.verdict,
            "power": self.power,
            "side_effects": self.cost.as_json(),
            "seed": self.seed,
        }


def gain(
    parent: LanguageModel,
    child: LanguageModel,
    task: str | Path,
    *,
    design: str = "shots",
    method: str = "mean",
    shots: int = SHOTS,
    limit: int | None = None,
    trained: bool = False,
    seed: int = 0,
    store: Path | None = None,
    resume: bool = False,
    progress: Progress = silent,
) -> Gain:
    """Measure what a vector that is carried from a parent gains on a task, beside every arm that could explain it.

    Args:
        parent: the model that the vector is made in.
        child: the model that answers.
        task: a name or file for `tasks.load_task`.
        design: how pairs are made from the training part, a key of `tasks.DESIGNS`.
        method: direction method.
        shots: solved questions in the design "shots" and in the few-shot prompt.
        limit: at most so many questions are reported, chosen at random.
        trained: also train a vector by gradient in the child, which shows what one vector can do there, and one in the parent
            that is carried; minutes more.
        seed: of everything that is drawn.
        store: see `evaluation.evaluate`.
        resume: see `evaluation.evaluate`.
        progress: told how far the work is; first of all what the number of questions can show.

    Raises:
        SteeringError: no such task, too few training questions, or an unknown design or method.
    """
    validation, test = task_parts(task, limit, seed)
    concept = concept_from_task(test, design, shots=shots, seed=seed)
    power = power_sentence(len(test.items))
    progress(power, 0.0)
    style = Style(plain=True)
    parts = Parts(child, validation, test, style, _longest(child, test, style), Store.open(store, resume=resume), seed)

    anchors = anchors_for(style, test)
    carried = transfer(
        extract(parent, concept, method, progress=part_of(progress, 0.0, 0.05)),
        parent,
        child,
        layers=SEVERAL,
        width=CANONICAL,
        first_layer=first_layer(child),
        anchors=anchors,
        progress=part_of(progress, 0.05, 0.3),
    )
    own = extract(child, concept, method, progress=part_of(progress, 0.3, 0.32))
    paper = transfer(extract(parent, concept, "pca"), parent, child, layers="index", width="truncate")
    random = random_like(carried, derived_seed(seed, "random vector"))
    last, few = [child.n_layers - 1], replace(style, shots=min(shots, len(test.pool)))

    arms: list[Arm] = []

    def trained_in(model: LanguageModel, each: Parts) -> SteeringVector:
        layer = next(arm for arm in arms if arm.name == "own").chosen["layer"]
        source = layer if model is child else round(layer * (parent.n_layers - 1) / max(child.n_layers - 1, 1))
        vector = trained_vector(model, test, style, source, seed, part_of(each.progress, 0.0, 0.7))
        if model is child:
            return vector
        pair = pair_name(source, layer)
        return transfer(vector, parent, child, layers=pair, width=CANONICAL, anchors=anchors)

    def steer_trained(name: str, model: LanguageModel) -> Callable[[Parts], Arm]:
        return lambda each: steered(
            replace(each, progress=part_of(each.progress, 0.7, 1.0)), name, trained_in(model, each)
        )

    steps: list[Callable[[Parts], Arm]] = [
        lambda each: unsteered(each, carried),
        lambda each: steered(each, "carried", carried),
        lambda each: steered(each, "own", own),
        lambda each: steered(each, "random", random),
        lambda each: steered(each, "flipped", -carried),
        lambda each: prompted(each, "format-only", carried, lead_ins(style)),
        lambda each: steered(each, "first-token", carried, layers=last, positions="first"),
        lambda each: self_consistency(each, carried, arms[0].column),
        lambda each: prompted(each, "asked", carried, instructions(style, concept.positive_label)),
        lambda each: Arm("few-shot", each.answers(carried, 0.0, "few-shot", style=few), {"shots": few.shots}),
        lambda each: at_every_layer(each, "paper", paper, PAPER),
    ]
    if trained:
        steps += [steer_trained("trained", child), steer_trained("trained-carried", parent)]
    for number, step in enumerate(steps):
        low, high = (_ARMS_FROM + (_ARMS_TO - _ARMS_FROM) * (number + end) / len(steps) for end in (0, 1))
        arms.append(step(replace(parts, progress=part_of(progress, low, high))))
    lam, settings = arms[1].chosen["lam"], arms[1].steering or PAPER
    rest = part_of(progress, _ARMS_TO, 1.0)
    cost = side_effects(child, carried, lam, settings, parts.store, seed=seed, progress=rest)
    return Gain(test.name, parent.name, child.name, design, method, tuple(arms), carried, power, cost, seed)


def task_parts(task: str | Path, limit: int | None, seed: int) -> tuple[Task, Task]:
    """The validation part and the test part of a gain, both with the training part as their pool.

    Where the source has no training part, a third of its validation part serves as one, and is not used for validation.
    At most `limit` test questions are taken, chosen at random by the seed.
    """
    validation, test = load_task(task, "validation", seed=seed), load_task(task, "test", limit=limit, seed=seed)
    if test.pool_split != "train":
        pool = test.pool[: len(test.pool) // 3]
        training = {item.question for item in pool}
        items = tuple(item for item in validation.items if item.question not in training)
        validation = replace(validation, items=items, pool=pool, pool_split="train")
        test = replace(test, pool=pool, pool_split="train")
    return validation.limited(VALIDATION_QUESTIONS, seed), test


def anchors_for(style: Style, task: Task) -> str:
    """The bundled anchors for a task's vectors: a map is good where its anchors were."""
    return "lists" if style.layout_for(task) == "list" else "questions"


def power_sentence(n: int) -> str:
    """What change `n` questions can show, as one sentence."""
    smallest = next(
        (points for points in range(1, 21) if mcnemar_power(n, DISCORDANT, points / 100) >= 0.8),
        None,
    )
    change = f"a change of {smallest} points is" if smallest else "no change of up to 20 points is"
    return (
        f"With n = {n} and {DISCORDANT:.0%} of the questions answered differently, {change} seen with a power of 80 %."
    )


def _longest(child: LanguageModel, task: Task, style: Style) -> int | None:
    """Room for an answer as long as half as much again as the longest of the training part; None where choices are weighed."""
    if style.mode_for(task) == "likelihood":
        return None
    lengths = [len(child.token_ids(right_text(task, item, style))) for item in task.pool]
    return max(12, max(lengths) * 3 // 2)
