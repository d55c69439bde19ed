"""The arms of a gain: every way of making a child answer a task, each with what it may choose chosen on the validation part.

An arm never sees the questions that it is reported on before it answers them, once.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from steering.errors import Progress, SteeringError, silent
from steering.evaluation.columns import Column
from steering.evaluation.controls import INSTRUCTION, TEMPERATURE, drawn
from steering.evaluation.forced import Trial, TrialResult, run_trials
from steering.evaluation.scorer import GRIDS, Scorer, Setup, default_grid
from steering.evaluation.store import Store
from steering.evaluation.voting import poll
from steering.models import LanguageModel
from steering.stats import derived_seed
from steering.steer import DEFAULT_SETTINGS, Sampling, SteeringSettings, plan
from steering.tasks import Style, Task, requests, scored, solved_examples
from steering.vectors import SteeringVector, Training, train

FIRST_DEPTH = 0.6
"""Layers from this share of the depth on are tried: a vector of a task acts where the answer is being formed."""

FIRST_STRENGTHS = (0.2, 0.5)
"""In residual norms; every layer is tried at these. Models differ in how much they bear: Gemma 3 270M half of SmolLM2 135M."""

STRENGTHS = (0.1, 0.15, 0.3, 0.4, 0.65, 0.8)
"""In residual norms; the best layers are tried at these too."""

BEST_LAYERS = 3
"""How many layers are tried at all strengths."""

SAMPLES = 5
"""Answers of which self-consistency takes the most frequent one."""

TRAINING_STEPS = 60
"""Most steps of a trained vector."""

LEAD_INS = (" The answer is", " It is", ":")
"""Beginnings of an answer that ask for its form alone."""

INSTRUCTIONS = (INSTRUCTION, "Give the {label}.", "{label}:")
"""Ways of asking in words."""


@dataclass(frozen=True)
class Arm:
    """One way of answering the questions that are reported.

    Attributes:
        name: what it is called.
        column: its answers.
        chosen: what was chosen on the validation part.
        right: whether each question is answered rightly; of the column, or of a vote.
        steering: how its vector was added; None where none was.
    """

    name: str
    column: Column
    chosen: Mapping[str, Any] = field(default_factory=dict)
    right: tuple[bool, ...] = ()
    steering: SteeringSettings | None = None

    @property
    def correct(self) -> tuple[bool, ...]:
        """Whether each question is answered rightly."""
        return self.right or self.column.correct


@dataclass(frozen=True)
class Parts:
    """A child and a task's parts, on which arms choose and answer.

    Attributes:
        child: the model that answers.
        validation: the questions that everything is chosen on.
        test: the questions that are reported.
        style: how they are put.
        max_new_tokens: most tokens of an answer in writing.
        store: where answers are kept.
        seed: of samples and random vectors.
        progress: told how far the work is.
    """

    child: LanguageModel
    validation: Task
    test: Task
    style: Style
    max_new_tokens: int | None
    store: Store
    seed: int = 0
    progress: Progress = silent

    def trials(self, trials: Sequence[Trial], style: Style | None = None) -> tuple[TrialResult, ...]:
        """Try settings on the validation part."""
        return run_trials(self.child, self.validation, style or self.style, trials, progress=self.progress)

    def answers(
        self,
        vector: SteeringVector,
        lam: float,
        name: str,
        *,
        steering: SteeringSettings = DEFAULT_SETTINGS,
        style: Style | None = None,
        sampling: Sampling | None = None,
    ) -> Column:
        """Answers to the questions that are reported."""
        setup = Setup(style or self.style, self.max_new_tokens, steering, self.seed)
        scorer = Scorer(self.child, self.test, setup, self.store, self.progress)
        return scorer.columns(vector, [lam], name=name, sampling=sampling)[0]


def first_layer(child: LanguageModel) -> int:
    """The first layer that is tried."""
    return int(FIRST_DEPTH * child.n_layers)


def unsteered(parts: Parts, vector: SteeringVector) -> Arm:
    """The child as it is."""
    return Arm("baseline", parts.answers(vector, 0.0, "unsteered"))


def steered(
    parts: Parts,
    name: str,
    vector: SteeringVector,
    *,
    layers: Sequence[int] | None = None,
    positions: str = "response",
) -> Arm:
    """Steered at the one layer and with the λ that do best on the validation part.

    Args:
        parts: child and questions.
        name: of the arm.
        vector: in the child's space.
        layers: layers that are tried; by default those from `FIRST_DEPTH` on.
        positions: steered positions.
    """
    n = parts.child.n_layers
    with_signal = [layer for layer in range(n) if vector.signal[layer]]
    wanted = range(first_layer(parts.child), n) if layers is None else layers
    candidates = [layer for layer in with_signal if layer in wanted] or with_signal
    if not candidates:
        raise SteeringError(
            f"The vector of the arm {name!r} is zero at every layer, so there is nothing to steer with."
        )

    def settings(layer: int) -> SteeringSettings:
        return SteeringSettings(profile=[float(place == layer) for place in range(n)], positions=positions)

    plans = {layer: plan(parts.child, vector, settings(layer)) for layer in candidates}
    tried: dict[tuple[int, float], TrialResult] = {}

    def run(cells: Sequence[tuple[int, float]]) -> None:
        tried.update(zip(cells, parts.trials([Trial(plans[layer], lam) for layer, lam in cells]), strict=True))

    def best_score(layer: int) -> tuple[int, float]:
        return max(tried[layer, lam].score for lam in FIRST_STRENGTHS)

    run([(layer, lam) for layer in candidates for lam in FIRST_STRENGTHS])
    best = sorted(candidates, key=best_score, reverse=True)[:BEST_LAYERS]
    run([(layer, lam) for layer in best for lam in STRENGTHS])
    layer, lam = max(tried, key=lambda cell: tried[cell].score)
    chosen = {"layer": layer, "lam": lam, "positions": positions, "validation_right": tried[layer, lam].right}
    return Arm(name, parts.answers(vector, lam, name, steering=settings(layer)), chosen, steering=settings(layer))


def at_every_layer(parts: Parts, name: str, vector: SteeringVector, settings: SteeringSettings) -> Arm:
    """Steered at all layers of a profile with the λ that does best on the validation part, as arXiv 2512.19069 does."""
    intervention = plan(parts.child, vector, settings)
    lambdas = [lam for lam in GRIDS[default_grid(settings)] if lam != 0]
    results = parts.trials([Trial(intervention, lam) for lam in lambdas])
    lam, result = max(zip(lambdas, results, strict=True), key=lambda pair: pair[1].score)
    chosen = {"lam": lam, "scale": settings.scale, "profile": settings.profile, "validation_right": result.right}
    return Arm(name, parts.answers(vector, lam, name, steering=settings), chosen)


def self_consistency(parts: Parts, vector: SteeringVector, baseline: Column) -> Arm:
    """The most frequent of several sampled answers of the unsteered child (arXiv 2203.11171)."""
    seeds = [derived_seed(parts.seed, "sample", number) for number in range(SAMPLES)]
    if parts.style.mode_for(parts.test) == "likelihood":
        columns = [drawn(baseline, scored(parts.test, parts.style.shots), seed) for seed in seeds]
    else:
        setup = Setup(parts.style, parts.max_new_tokens, DEFAULT_SETTINGS, parts.seed)
        greedy = Scorer(parts.child, parts.test, setup, parts.store).sampling
        columns = [
            parts.answers(
                vector,
                0.0,
                f"sample {number} of {SAMPLES}",
                sampling=replace(greedy, temperature=TEMPERATURE, seed=seed),
            )
            for number, seed in enumerate(seeds, start=1)
        ]
    ballot = poll(parts.style.kind_for(parts.test), columns, baseline, voters=list(map(float, range(SAMPLES))))
    return Arm("self-consistency", columns[0], {"samples": SAMPLES, "temperature": TEMPERATURE}, ballot.correct)


def prompted(parts: Parts, name: str, vector: SteeringVector, styles: Mapping[str, Style]) -> Arm:
    """The unsteered child with the prompt that does best on the validation part.

    Args:
        parts: child and questions.
        name: of the arm.
        vector: any vector in the child's space; it is not added.
        styles: the prompts that are tried, by what `chosen` calls them.
    """
    results = {words: parts.trials([Trial(None)], style)[0] for words, style in styles.items()}
    words = max(results, key=lambda each: results[each].score)
    chosen = {"prompt": words, "validation_right": results[words].right}
    return Arm(name, parts.answers(vector, 0.0, name, style=styles[words]), chosen)


def trained_vector(
    model: LanguageModel, task: Task, style: Style, layer: int, seed: int, progress: Progress
) -> SteeringVector:
    """A vector of one layer that is trained by gradient on a task's training part.

    Args:
        model: the parent or the child.
        task: any part of the task; its pool is the training part.
        style: how questions are put.
        layer: the layer that is trained.
        seed: of the order of the questions.
        progress: told after every step.
    """
    pool = replace(task, items=task.pool, pool=())
    examples = solved_examples(model, requests(model, pool, style), style, pool)
    training = Training(layers=(layer,), positions="response", steps=TRAINING_STEPS, seed=seed)
    return train(model, examples, training, concept=task.name, progress=progress)


def lead_ins(style: Style) -> dict[str, Style]:
    """A style with each of the lead-ins that ask for the form of an answer alone."""
    return {text: replace(style, lead_in=text) for text in LEAD_INS}


def instructions(style: Style, label: str) -> dict[str, Style]:
    """A style with each way of asking for the task in words."""
    texts = [text.format(label=label) for text in INSTRUCTIONS]
    return {text: replace(style, instruction=text) for text in texts}
