"""Contrast pairs made from a task: what differs between the two sides is an ability, not a topic.

Every design reads the task's training part alone, which is never scored. A direction is read at the last token of each text, so
the texts of a pair end where their difference shows: behind a prompt, or behind an answer.
"""

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from steering.concepts import FEWEST_PAIRS, Concept, ContrastPair
from steering.errors import SteeringError, check_whole
from steering.stats import check_seed, derived_seed
from steering.tasks.item import Item
from steering.tasks.prompting import Style, plain_prompt, right_text
from steering.tasks.task import Task
from steering.tasks.wrong_answers import right_answer, wrong_answer

SHOTS = 6
"""Solved questions before the question, in the design "shots"."""

MOST_QUESTIONS = 200
"""Training questions that pairs are made from by default: more change a direction little, and the parent reads them all."""

STEP_BY_STEP = "Reason step by step, and give the answer after that."
AT_ONCE = "Give the answer at once, and write nothing before it."


@dataclass(frozen=True)
class Making:
    """What a design makes pairs from.

    Attributes:
        task: what the questions are of.
        items: training questions to make pairs from.
        shots: solved questions before a question.
        seed: of everything that is drawn.
    """

    task: Task
    items: tuple[Item, ...]
    shots: int
    seed: int


@dataclass(frozen=True)
class TaskPairs:
    """Contrast pairs from a task, and where they are from.

    Attributes:
        concept: the pairs, which are read as raw texts.
        items: ids of the training questions, one a pair.
        left_out: ids of training questions that the design could make no pair from.
        reason: why not, as the end of a sentence; "" where none is left out.
    """

    concept: Concept
    items: tuple[str, ...]
    left_out: tuple[str, ...] = ()
    reason: str = ""


Pairs = Iterator[ContrastPair | None]
"""One pair a training question, in order; None where the design can make none from it."""


@dataclass(frozen=True)
class Design:
    """How pairs are made from a task.

    Attributes:
        make: yields the pairs.
        about: what the positive and the negative side are.
        poles: labels of the two sides; "{task}" stands for the task's name in words.
        reason: why no pair can be made from a question, as the end of a sentence.
    """

    make: Callable[[Making], Pairs]
    about: str
    poles: tuple[str, str]
    reason: str = ""


def _shots(making: Making) -> Pairs:
    """The question behind solved ones, against the question alone: the task itself as a direction, at the prompt's end."""
    task, style = making.task, _PLAIN
    for item in making.items:
        generator = random.Random(derived_seed(making.seed, "shots", item.question))
        others = [other for other in task.pool if other.question != item.question]
        solved = tuple(generator.sample(others, making.shots))
        yield ContrastPair(plain_prompt(task, item, style, solved), plain_prompt(task, item, style))


def _worked(making: Making) -> Pairs:
    """The question with its worked solution, against the question with the bare answer; read behind the answer."""
    for item in making.items:
        prompt, bare = plain_prompt(making.task, item, _ASKED), replace(item, solution="")
        if not item.solution:
            yield None
        elif item.choices:
            yield ContrastPair(f"{prompt} {item.solution}\n{right_answer(item)}", f"{prompt} {right_answer(item)}")
        else:
            # Both sides end in the same mark and answer, as a chat turn's solutions do.
            texts = (right_text(making.task, each, _ASKED, plain=False) for each in (item, bare))
            yield ContrastPair(*(prompt + text for text in texts))


def _right_wrong(making: Making) -> Pairs:
    """The question with the right answer, against the question with a wrong one; read behind the answer."""
    for item in making.items:
        prompt = plain_prompt(making.task, item, _PLAIN)
        wrong = wrong_answer(item, making.task.pool, making.task.kind, making.seed)
        yield None if wrong is None else ContrastPair(f"{prompt} {right_answer(item)}", f"{prompt} {wrong}")


def _step_by_step(making: Making) -> Pairs:
    """The question behind an instruction to reason, against an instruction to answer at once; read at the prompt's end.

    This is the design of Fractional Reasoning (arXiv 2506.15882), which scales such a direction in one model and votes over
    strengths.
    """
    for item in making.items:
        prompt = plain_prompt(making.task, item, _PLAIN)
        yield ContrastPair(f"{STEP_BY_STEP}\n\n{prompt}", f"{AT_ONCE}\n\n{prompt}")


_PLAIN = Style(plain=True)
_ASKED = Style(plain=True, layout="question")  # A list has no room for a solution.

DESIGNS: Mapping[str, Design] = {
    "shots": Design(_shots, "question behind solved ones / alone", ("{task}", "no {task}")),
    "worked": Design(
        _worked,
        "question with its worked solution / with the bare answer",
        ("worked solution", "bare answer"),
        "no worked solution is known",
    ),
    "right-wrong": Design(
        _right_wrong,
        "question with the right answer / with a wrong one",
        ("right answer", "wrong answer"),
        "no other training question has another answer",
    ),
    "step-by-step": Design(
        _step_by_step, "question with an instruction to reason / to answer at once", ("step by step", "at once")
    ),
}
"""Designs by name."""


def concept_from_task(
    task: Task, design: str = "shots", *, shots: int = SHOTS, limit: int | None = MOST_QUESTIONS, seed: int = 0
) -> Concept:
    """Make a concept from the training part of a task; takes the arguments of `pairs_from_task`, and raises what it does."""
    return pairs_from_task(task, design, shots=shots, limit=limit, seed=seed).concept


def pairs_from_task(
    task: Task, design: str = "shots", *, shots: int = SHOTS, limit: int | None = MOST_QUESTIONS, seed: int = 0
) -> TaskPairs:
    """Make contrast pairs from the training part of a task.

    Args:
        task: the task; its `pool` is the training part, and nothing else is read.
        design: a key of `DESIGNS`.
        shots: solved questions before a question, in the design "shots".
        limit: make pairs from at most so many training questions; None takes all.
        seed: of everything that is drawn.

    Returns:
        The pairs, read as raw texts, in a concept whose description says from which questions they are.

    Raises:
        SteeringError: unknown design, no training part, or too few training questions that the design can make a pair from.
    """
    check_seed(seed)
    check_whole("The number of shots", shots, 1)
    if design not in DESIGNS:
        raise SteeringError(f"Unknown design {design!r}. Choose one of {', '.join(DESIGNS)}.")
    items = training_items(task, limit)
    if design == "shots" and len(task.pool) < shots + 2:
        raise SteeringError(
            f"{task.name} has {len(task.pool)} training questions, and the design {design!r} needs at least {shots + 2}. Give "
            "more rows the split 'train', or use fewer shots."
        )
    chosen = DESIGNS[design]
    pairs = list(chosen.make(Making(task, items, shots, seed)))
    return task_pairs(task, design, items, pairs, chosen.poles, chosen.reason)


def training_items(task: Task, limit: int | None) -> tuple[Item, ...]:
    """The training questions of a task that pairs are made from, in the order of its pool.

    Raises:
        SteeringError: the task has no training part, or the limit is no whole number above 0.
    """
    if limit is not None:
        check_whole("The number of training questions", limit, 1)
    if task.pool_split != "train" or not task.pool:
        raise SteeringError(
            f"{task.name} has no training part, and pairs are made from nothing else. Give some of its rows the split 'train'."
        )
    return task.pool[:limit]


def task_pairs(
    task: Task,
    design: str,
    items: Sequence[Item],
    pairs: Sequence[ContrastPair | None],
    poles: tuple[str, str],
    reason: str,
) -> TaskPairs:
    """Put pairs from a task together.

    Args:
        task: what the questions are of.
        design: name of the design that made the pairs.
        items: the training questions.
        pairs: one an item; None where there is none.
        poles: as in `Design`.
        reason: as in `Design`.

    Raises:
        SteeringError: too few pairs.
    """
    used = [(item.id, pair) for item, pair in zip(items, pairs, strict=True) if pair is not None]
    left_out = tuple(item.id for item, pair in zip(items, pairs, strict=True) if pair is None)
    if len(used) < FEWEST_PAIRS:
        why = f"; for the other {len(left_out)} {reason}" if left_out else ""
        raise SteeringError(
            f"The design {design!r} makes {len(used)} pairs from {len(items)} training questions of {task.name}{why}. It takes "
            f"at least {FEWEST_PAIRS} pairs: give more rows the split 'train', or choose another design."
        )
    words = task.name.rpartition(":")[2].replace("-", " ").replace("_", " ")
    more = f" {len(left_out)} more are left out: {reason}." if left_out else ""
    positive, negative = (pole.format(task=words) for pole in poles)
    concept = Concept(
        name=f"{words}, {design}",
        positive_label=positive,
        negative_label=negative,
        pairs=tuple(pair for _, pair in used),
        description=f"Made by the design {design!r} from {len(used)} training questions of {task.name}, "
        f"{used[0][0]} to {used[-1][0]}.{more}",
    )
    return TaskPairs(concept, tuple(name for name, _ in used), left_out, reason if left_out else "")
