"""Questions with known answers: where they come from, how they are put, and how an answer is read."""

from steering.tasks.answers import READERS, SAME, STRICT, is_right, letter
from steering.tasks.choices import ANSWERS
from steering.tasks.designs import DESIGNS, SHOTS, concept_from_task
from steering.tasks.item import Item
from steering.tasks.prompting import (
    LAYOUTS,
    MODES,
    Request,
    Style,
    preview,
    requests,
    right_text,
    scored,
    solved_examples,
)
from steering.tasks.reading import COLUMN_KEYS, DEFAULT_READING, Reading
from steering.tasks.task import GENERATED, Task, describe, load_task, task_names

__all__ = [
    "ANSWERS",
    "COLUMN_KEYS",
    "DEFAULT_READING",
    "DESIGNS",
    "GENERATED",
    "LAYOUTS",
    "MODES",
    "READERS",
    "SAME",
    "SHOTS",
    "STRICT",
    "Item",
    "Reading",
    "Request",
    "Style",
    "Task",
    "concept_from_task",
    "describe",
    "is_right",
    "letter",
    "load_task",
    "preview",
    "requests",
    "right_text",
    "scored",
    "solved_examples",
    "task_names",
]
