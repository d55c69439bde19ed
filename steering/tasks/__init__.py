"""Questions with known answers: where they come from, how they are put, and how an answer is read."""

from steering.tasks.answers import READERS, SAME, STRICT, is_right, letter
from steering.tasks.choices import ANSWERS
from steering.tasks.designs import (
    DESIGNS,
    MOST_QUESTIONS,
    SHOTS,
    TaskPairs,
    concept_from_task,
    pairs_from_task,
    task_pairs,
    training_items,
)
from steering.tasks.item import Item
from steering.tasks.prompting import (
    LAYOUTS,
    MODES,
    Request,
    Style,
    plain_prompt,
    preview,
    requests,
    right_ids,
    right_text,
    scored,
)
from steering.tasks.reading import COLUMN_KEYS, DEFAULT_READING, Reading
from steering.tasks.sources import HUB
from steering.tasks.task import GENERATED, WORDS, Task, describe, load_task, task_names
from steering.tasks.training_examples import solved_examples

__all__ = [
    "ANSWERS",
    "COLUMN_KEYS",
    "DEFAULT_READING",
    "DESIGNS",
    "GENERATED",
    "HUB",
    "LAYOUTS",
    "MODES",
    "MOST_QUESTIONS",
    "READERS",
    "SAME",
    "SHOTS",
    "STRICT",
    "WORDS",
    "Item",
    "Reading",
    "Request",
    "Style",
    "Task",
    "TaskPairs",
    "concept_from_task",
    "describe",
    "is_right",
    "letter",
    "load_task",
    "pairs_from_task",
    "plain_prompt",
    "preview",
    "requests",
    "right_ids",
    "right_text",
    "scored",
    "solved_examples",
    "task_names",
    "task_pairs",
    "training_items",
]
