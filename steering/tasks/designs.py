"""Contrast pairs made from a task: what differs between the two sides is an ability, not a topic.

Every design reads the task's training part alone, which is never scored.
"""

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from steering.concepts import Concept, ContrastPair
from steering.errors import SteeringError, check_whole
from steering.stats import check_seed, derived_seed
from steering.tasks.prompting import Style, plain_prompt
from steering.tasks.task import Task

SHOTS = 6
"""Solved questions before the question, in the design "shots"."""


@dataclass(frozen=True)
class Making:
    """What a design makes pairs from.

    Attributes:
        task: the questions; only its pool is read.
        style: how they are put; without a chat template, since pairs are raw texts.
        shots: solved questions before a question.
        seed: of the choice of solved questions.
    """

    task: Task
    style: Style
    shots: int
    seed: int


def _shots(making: Making) -> list[ContrastPair]:
    """The question behind solved ones, against the question alone: the task itself as a direction."""
    pool, style = making.task.pool, making.style
    pairs = []
    for item in pool:
        generator = random.Random(derived_seed(making.seed, "shots", item.question))
        others = [other for other in pool if other.question != item.question]
        solved = tuple(generator.sample(others, making.shots))
        pairs.append(
            ContrastPair(plain_prompt(making.task, item, style, solved), plain_prompt(making.task, item, style))
        )
    return pairs


DESIGNS: Mapping[str, Callable[[Making], list[ContrastPair]]] = {"shots": _shots}
"""Designs by name: from a task's solved training questions to contrast pairs."""


def concept_from_task(task: Task, design: str = "shots", *, shots: int = SHOTS, seed: int = 0) -> Concept:
    """Make a concept from the training part of a task.

    Args:
        task: the task; its `pool` is the training part, and nothing else is read.
        design: a key of `DESIGNS`.
        shots: solved questions before a question, in the design "shots".
        seed: of everything that is drawn.

    Returns:
        A concept whose pairs are read as raw texts, and whose description says from which questions they are.

    Raises:
        SteeringError: unknown design, or too few training questions.
    """
    check_seed(seed)
    check_whole("The number of shots", shots, 1)
    if design not in DESIGNS:
        raise SteeringError(f"Unknown design {design!r}. Choose one of {', '.join(DESIGNS)}.")
    if len(task.pool) < shots + 2:
        raise SteeringError(
            f"{task.name} has {len(task.pool)} training questions, and the design {design!r} needs at least {shots + 2}. Give "
            "more rows the split 'train', or use fewer shots."
        )
    pairs = DESIGNS[design](Making(task, Style(plain=True), shots, seed))
    words = task.name.rpartition(":")[2].replace("-", " ").replace("_", " ")
    return Concept(
        name=f"{words}, {design}",
        positive_label=words,
        negative_label=f"no {words}",
        pairs=tuple(pairs),
        description=f"Made by the design {design!r} from {len(task.pool)} training questions of {task.name}, "
        f"{task.pool[0].id} to {task.pool[-1].id}.",
    )
