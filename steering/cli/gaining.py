"""The command `gain`: does a child answer a task better because of a parent?"""

from pathlib import Path
from typing import Any

import click

from steering.cli.options import child_option, json_option
from steering.cli.steps import load_pair, progress, show
from steering.evaluation import Gain, gain, gain_table
from steering.storage import atomic
from steering.tasks import DESIGNS, SHOTS, load_task
from steering.vectors import METHODS, save_vector


@click.command(name="gain")
@click.option("--parent", required=True, help="Bundled name, Hub id, folder or .gguf file.")
@child_option
@click.option(
    "--task", "tasks", required=True, multiple=True, help="Task or file, with a training part; repeat for several."
)
@click.option("--design", type=click.Choice(list(DESIGNS)), default="shots", help="How pairs are made from the task.")
@click.option("--method", type=click.Choice(list(METHODS)), default="mean", help="How a direction is found.")
@click.option("--shots", type=int, default=SHOTS, help="Solved questions in the pairs and in the few-shot prompt.")
@click.option("--limit", type=int, help="Report at most so many questions, chosen at random.")
@click.option("--seed", type=int, default=0, help="Of all that is drawn.")
@click.option(
    "--trained", is_flag=True, help="Also vectors that are trained by gradient, in the child and in the parent."
)
@click.option("--both-ways", is_flag=True, help="Then the same with parent and child exchanged.")
@click.option("--vector", "vector_file", type=click.Path(path_type=Path), help="Keep the carried vector in this file.")
@click.option("--table", type=click.Path(path_type=Path), help="Write the table of all tasks to this Markdown file.")
@click.option("--store", type=click.Path(path_type=Path), help="File that answers are kept in as they finish.")
@click.option("--resume", is_flag=True, help="Use answers of earlier runs.")
@json_option
def gain_command(
    parent: str,
    child: str,
    tasks: tuple[str, ...],
    both_ways: bool,
    vector_file: Path | None,
    table: Path | None,
    as_json: bool,
    **choices: Any,
) -> None:
    """Make a concept from a task, carry it, tune it on the validation part, and answer the test part with every arm."""
    for task in tasks:
        load_task(task, "test")  # A task that cannot be read is named before a model is loaded.
    models = load_pair(parent, child)
    gains: list[Gain] = []
    for source, target in (models, models[::-1])[: 2 if both_ways else 1]:
        for task in tasks:
            gains.append(gain(source, target, task, progress=progress, **choices))
            if table is not None:
                with atomic(table) as path:  # After every task, so that a long run can be looked at.
                    path.write_text(gain_table(gains) + "\n", "utf-8")
    if vector_file is not None:
        save_vector(gains[-1].vector, vector_file)
    data = gains[0].as_json() if len(gains) == 1 else {"gains": [each.as_json() for each in gains]}
    verdicts = [f"{each.parent} → {each.child}, {each.task}: {each.verdict}" for each in gains]
    show(data, "\n".join([gain_table(gains), "", *verdicts]), as_json)


COMMANDS = (gain_command,)
