"""What else could explain that a steered child does better, at the same budget: the controls that a report stands beside.

Random vectors of equal length tell whether any push would do; the flipped vector, whether its direction matters;
self-consistency, whether voting alone does it; and the instruction, whether asking in words is enough. Where λ is tuned, every
vector among the controls has its λ tuned too, on the same questions and grid: choosing the best of many is itself a gain.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch

from steering.errors import part_of
from steering.evaluation.columns import Column
from steering.evaluation.evaluation import Evaluation, best_lam, written
from steering.evaluation.scorer import Scorer
from steering.evaluation.scoring import question_seed
from steering.evaluation.voting import Vote, poll
from steering.stats import Comparison, compare, derived_seed, mean_interval, wilson
from steering.tasks import Item, letter, scored
from steering.vectors import SteeringVector, random_like

RANDOM_SEEDS = 3
"""Random vectors: enough to see how far they differ, and each costs as much as the vector itself."""

TEMPERATURE = 0.7
"""Of the samples of self-consistency, as in the paper that brought it (arXiv 2203.11171)."""

INSTRUCTION = "Let your answer express this: {label}."
"""The concept asked for in words; the label is what the vector pushes towards at the tuned λ."""


@dataclass(frozen=True)
class Control:
    """One control's answers to the same questions.

    Attributes:
        name: a key of `CONTROLS`, with a number where there are several.
        column: its answers at its own tuned λ, at the given λ where none is tuned, or the only ones that it has.
        vote: its vote over as many answers as the vector's own vote has; None where it has one answer alone.
        comparison: the column against the baseline.
        tuned_on: how many questions its λ was tuned on; 0 where it was not tuned.
    """

    name: str
    column: Column
    vote: Vote | None
    comparison: Comparison
    tuned_on: int = 0

    def as_json(self) -> dict[str, Any]:
        """The record as JSON can write it; `best_lam` is the λ that was tuned for it, None where none was."""
        best = self.column.lam if self.tuned_on else None
        data = {**self.column.as_json(), **written(self.comparison), "best_lam": best, "tuned_on": self.tuned_on}
        return data if self.vote is None else {**data, "vote": self.vote.as_json()}


@dataclass(frozen=True)
class Context:
    """What every control needs.

    Attributes:
        scorer: child, task and store.
        vector: the vector that is tested.
        evaluation: its own grid.
        lam: the tuned λ, or the given one.
        tuning: scores the questions that λ is tuned on; None where nothing is tuned, and every vector is shown at `lam`.
    """

    scorer: Scorer
    vector: SteeringVector
    evaluation: Evaluation
    lam: float
    tuning: Scorer | None = None

    @property
    def lambdas(self) -> tuple[float, ...]:
        """The λ of the vector's own grid."""
        return tuple(column.lam for column in self.evaluation.columns)

    def stage(self, start: float, share: float) -> "Context":
        """The same for a part of the work, whose progress goes on from `start`."""
        tuning = None if self.tuning is None else _part(self.tuning, start, share)
        return replace(self, scorer=_part(self.scorer, start, share), tuning=tuning)

    def control(
        self,
        name: str,
        columns: Sequence[Column],
        lam: float,
        voters: Sequence[float] | None = None,
        tuned_on: int = 0,
    ) -> Control:
        """Put several columns together: the one at `lam`, and the vote of all."""
        places = [column.lam for column in columns] if voters is None else list(voters)
        chosen = columns[places.index(lam)]
        seed, baseline = self.evaluation.seed, self.evaluation.baseline
        ballot = (
            poll(self.evaluation.kind, columns, baseline, lam, voters=places, seed=seed) if len(columns) > 1 else None
        )
        return Control(name, chosen, ballot, compare(chosen.correct, baseline.correct, seed), tuned_on)

    def steered(self, name: str, vector: SteeringVector, candidates: Sequence[float], words: str) -> Control:
        """A vector's answers at every λ, shown at the candidate that does best on the questions for tuning.

        Args:
            name: of the control.
            vector: a vector in the child's space.
            candidates: λ of the grid that may be chosen.
            words: what progress calls the vector.
        """
        if self.tuning is None:
            return self.control(name, self.scorer.columns(vector, self.lambdas, name=words), self.lam)
        first, second = self.stage(0.0, 0.5), self.stage(0.5, 0.5)
        assert first.tuning is not None
        tried = first.tuning.columns(vector, candidates, name=f"tuning the {words}")
        columns = second.scorer.columns(vector, self.lambdas, name=words)
        return self.control(name, columns, best_lam(tried), tuned_on=len(tried[0].answers))


def _random(context: Context) -> tuple[Control, ...]:
    controls = []
    for number in range(RANDOM_SEEDS):
        vector = random_like(context.vector, derived_seed(context.evaluation.seed, "random vector", number))
        words = f"random vector {number + 1} of {RANDOM_SEEDS}"
        stage = context.stage(number / RANDOM_SEEDS, 1 / RANDOM_SEEDS)
        controls.append(stage.steered(f"random {number + 1}", vector, context.lambdas, words))
    return tuple(controls)


def _flipped(context: Context) -> tuple[Control, ...]:
    if context.scorer.setup.steering.operator == "ablate":
        return ()  # A component that is taken out has no sign: the flipped vector is the vector itself.
    # On the tuned λ's side alone: on the other side the flipped vector is the vector itself.
    side = [lam for lam in context.lambdas if lam * context.lam > 0 or lam == 0]
    return (context.steered("flipped", -context.vector, side, "flipped vector"),)


def _self_consistency(context: Context) -> tuple[Control, ...]:
    count = len(context.lambdas)
    # Derived and not counted up, so that runs of neighbouring seeds share no sample.
    seeds = [derived_seed(context.evaluation.seed, "sample", number) for number in range(count)]
    if context.evaluation.mode == "likelihood":
        items = scored(context.scorer.task, context.scorer.setup.style.shots)
        columns = [drawn(context.evaluation.baseline, items, seed) for seed in seeds]
    else:
        columns = []
        for number, seed in enumerate(seeds):
            sampling = replace(context.scorer.sampling, temperature=TEMPERATURE, seed=seed)
            part = _part(context.scorer, number / count, 1 / count)
            columns += part.columns(context.vector, [0.0], name=f"sample {number + 1} of {count}", sampling=sampling)
    return (context.control("self-consistency", columns, 0.0, voters=[float(number) for number in range(count)]),)


def _prompt_only(context: Context) -> tuple[Control, ...]:
    label = context.vector.labels[0 if context.lam >= 0 else 1]
    style = context.scorer.setup.style
    instruction = " ".join(filter(None, [style.instruction, INSTRUCTION.format(label=label)]))
    columns = context.scorer.columns(
        context.vector, [0.0], name="asked in words", style=replace(style, instruction=instruction)
    )
    return (context.control("prompt-only", columns, 0.0),)


CONTROLS: Mapping[str, Callable[[Context], tuple[Control, ...]]] = {
    "random": _random,
    "flipped": _flipped,
    "self_consistency": _self_consistency,
    "prompt_only": _prompt_only,
}
"""Controls by name."""


def run_controls(context: Context) -> dict[str, tuple[Control, ...]]:
    """Run every control; what is in the store already is not computed again. One that says nothing here is left out."""
    controls = {
        name: control(context.stage(place / len(CONTROLS), 1 / len(CONTROLS)))
        for place, (name, control) in enumerate(CONTROLS.items())
    }
    return {name: several for name, several in controls.items() if several}


def controls_json(controls: Mapping[str, Sequence[Control]], seed: int = 0) -> dict[str, Any]:
    """The controls as JSON can write them; several of a kind with their mean, and each of them."""
    return {
        name: several[0].as_json() if len(several) == 1 else _mean(several, seed) for name, several in controls.items()
    }


def _mean(several: Sequence[Control], seed: int) -> dict[str, Any]:
    """The mean of a kind. Its interval is over the questions, each with its mean over the controls."""
    data = {**_average([control.column.correct for control in several], seed)}
    votes = [control.vote.correct for control in several if control.vote is not None]
    if votes:
        data["vote"] = _average(votes, seed)
    each = [control.as_json() for control in several]
    return {**data, "best_lams": [control["best_lam"] for control in each], "each": each}


def _average(columns: Sequence[Sequence[bool]], seed: int) -> dict[str, Any]:
    shares = [sum(rights) / len(rights) for rights in zip(*columns, strict=True)]
    low, high = mean_interval(shares, seed)
    if math.isnan(low):
        low, high = wilson(round(sum(shares)), len(shares))
    return {"accuracy": sum(shares) / len(shares), "low": low, "high": high}


def drawn(baseline: Column, items: Sequence[Item], seed: int) -> Column:
    """A sample of each choice, from the unsteered child's own scores.

    The scores are compared per character, as the baseline compares them, and brought back to the length of an average
    choice: so the colder the sample, the more surely it is the baseline's answer.
    """
    generator = torch.Generator().manual_seed(seed)
    answers = []
    for answer, item in zip(baseline.answers, items, strict=True):
        lengths = torch.tensor([len(choice) for choice in item.choices], dtype=torch.float64)
        scores = torch.tensor(answer.scores, dtype=torch.float64) / lengths * lengths.mean()
        generator = torch.Generator().manual_seed(question_seed(seed, item))
        choice = letter(int(torch.multinomial((scores / TEMPERATURE).softmax(dim=0), 1, generator=generator)))
        answers.append(replace(answer, answer=choice, outcome="right" if choice == item.answer else "wrong"))
    return replace(baseline, answers=tuple(answers))


def _part(scorer: Scorer, start: float, share: float) -> Scorer:
    return replace(scorer, progress=part_of(scorer.progress, start, start + share))
