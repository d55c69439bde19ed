"""Questions with known answers: where they come from, how they are put, and how an answer is read."""

from steering.tasks.answers import READERS, SAME, letter
from steering.tasks.designs import DESIGNS, SHOTS, concept_from_task
from steering.tasks.prompting import LAYOUTS, MODES, Request, Style, preview, requests, right_text, scored
from steering.tasks.task import GENERATED, Item, Task, load_task, task_names

__all__ = [
    "DESIGNS",
    "GENERATED",
    "LAYOUTS",
    "MODES",
    "READERS",
    "SAME",
    "SHOTS",
    "Item",
    "Request",
    "Style",
    "Task",
    "concept_from_task",
    "letter",
    "load_task",
    "preview",
    "requests",
    "right_text",
    "scored",
    "task_names",
]
