"""Tasks on the command line: the option `--task` with what settles how a file is read, and `task check`."""

from typing import Any

import click

from steering.cli.concepts import columns_of_task, columns_option
from steering.cli.options import json_option, together
from steering.cli.steps import show
from steering.errors import SteeringError
from steering.storage import TABLE_ENDINGS
from steering.tasks import ANSWERS, Reading, Task, describe, load_task, task_names

_FILE = f"a file ({', '.join(f'.{ending}' for ending in TABLE_ENDINGS)})"

reading_options = together(
    click.option(
        "--answers",
        type=click.Choice(ANSWERS),
        help="What the answers of a task's file refer to: an index from 0, a label (or a number from 1), or a text.",
    ),
    click.option(
        "--skip-bad-rows", is_flag=True, help="Leave out the rows of a task's file that cannot be read, and count them."
    ),
)
task_option = together(
    click.option("--task", required=True, help=f"{', '.join(task_names())}, or {_FILE}."), reading_options
)


def reading_of(choices: dict[str, Any]) -> Reading:
    """What a command's options say about how a task's file is read; they are taken out of its choices."""
    return Reading(columns_of_task(), choices.pop("answers"), choices.pop("skip_bad_rows"))


@click.group(name="task")
def task_group() -> None:
    """Read questions with answers without a model."""


@task_group.command(name="check")
@click.argument("source", metavar="FILE")
@columns_option
@reading_options
@json_option
def check_command(source: str, as_json: bool, **choices: Any) -> None:
    """Say how a file, or a task of a name, is read as questions with answers, with one example."""
    reading = reading_of(choices)
    task = load_task(source, "all", reading=reading)
    parts = {part: _count(source, part, reading) for part in ("validation", "test")}
    data = {
        "name": task.name,
        "kind": task.kind,
        "n": len(task.items),
        "parts": parts,
        "first": _shown(task, 0),
        "last": _shown(task, -1),
        "about": task.about,
        "notes": list(task.notes),
        "digest": task.digest,
    }
    sizes = ", ".join(f"{n} for {part}" for part, n in parts.items())
    lines = [f"{task.name}: {len(task.items)} questions, {sizes}; {task.about}.", *describe(task)]
    show(data, "\n".join(lines), as_json)


def _shown(task: Task, place: int) -> dict[str, Any]:
    """A question as JSON; `right` is the text of the right choice, or the answer."""
    item = task.items[place]
    right = item.choices[ord(item.answer) - ord("A")] if item.choices else item.answer
    return {**vars(item), "right": right}


def _count(source: str, split: str, reading: Reading) -> int:
    try:
        return len(load_task(source, split, reading=reading).items)
    except SteeringError:  # The whole was read, so this part has no questions.
        return 0


COMMANDS = (task_group,)
