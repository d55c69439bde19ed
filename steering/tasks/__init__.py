"""Questions with known answers: where they come from, how they are put, and how an answer is read."""

from steering.tasks.answers import READERS, SAME, letter
from steering.tasks.designs import DESIGNS, concept_from_task
from steering.tasks.prompting import LAYOUTS, MODES, Request, Style, preview, requests, scored, solved_examples
from steering.tasks.task import GENERATED, Item, Task, load_task, task_names

__all__ = [
    "DESIGNS",
    "GENERATED",
    "LAYOUTS",
    "MODES",
    "READERS",
    "SAME",
    "Item",
    "Request",
    "Style",
    "Task",
    "concept_from_task",
    "letter",
    "load_task",
    "preview",
    "requests",
    "scored",
    "solved_examples",
    "task_names",
]
