"""Contrast pairs on the command line: the options `--concept` and `--columns`, and the commands `concept …`.

A concept is read and linted where its option is parsed, which is before any command loads a model.
"""

import re
import sys
from typing import Any

import click

from steering.cli.options import json_option, together
from steering.cli.steps import show
from steering.cli.task_concepts import from_task_command
from steering.concepts import Columns, Concept, bundled_concepts, check_pairs, lint, read_concept
from steering.errors import SteeringError
from steering.storage import TABLE_ENDINGS
from steering.tasks import COLUMN_KEYS

_KEY = "steering.columns"
_FILE = "steering.concept is a file"
_HELP = f"Bundled concept, or a file of contrast pairs ({', '.join(f'.{ending}' for ending in TABLE_ENDINGS)})."


class ColumnNames(click.ParamType):  # type: ignore[type-arg]
    """Keys and their columns, such as positive=creative,negative=mundane."""

    name = "columns"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> dict[str, str]:
        """Parse `value`, or end with a sentence about what was expected."""
        parts = [part.partition("=") for part in re.split(r",(?=\s*\w+\s*=)", str(value))]
        columns = {key.strip(): column.strip() for key, _, column in parts}
        if len(columns) < len(parts) or not all(key and column for key, column in columns.items()):
            self.fail(f"{value!r} is not a list of columns such as positive=creative,negative=mundane", param, ctx)
        return columns


def _keep(context: click.Context, _: click.Parameter, value: dict[str, str] | None) -> None:
    context.meta[_KEY] = value


def columns_of_task() -> dict[str, str]:
    """What `--columns` says about a task's file; all of it in a command that reads no contrast pairs.

    `rows` is about the file of contrast pairs where one is read.
    """
    context = click.get_current_context()
    columns: Columns = context.meta.get(_KEY) or {}
    if _FILE not in context.meta:
        return dict(columns)
    return {
        key: column
        for key, column in columns.items()
        if key in COLUMN_KEYS and (key != "rows" or not context.meta[_FILE])
    }


def _read_option(context: click.Context, _: click.Parameter, value: str | tuple[str, ...] | None) -> Any:
    """The concept or the concepts that an option names, checked, with notes on how they were read on standard error."""
    names = (value,) if isinstance(value, str) else value or ()
    files = [name for name in names if name not in bundled_concepts()]
    context.meta[_FILE] = bool(files)
    has_task = any(parameter.name == "task" for parameter in context.command.params)
    about_task = {"rows"} if has_task and not files else set()
    about_task |= set(COLUMN_KEYS) - {"rows"} if has_task else set()
    columns: Columns = {key: column for key, column in (context.meta.get(_KEY) or {}).items() if key not in about_task}
    if columns and not names:
        raise SteeringError("--columns says how the file of --concept is read, and no --concept is given.")
    concepts = [_checked(name, columns or None if name in files or not files else None) for name in names]
    return tuple(concepts) if isinstance(value, tuple) else concepts[0] if concepts else None


def _checked(name: str, columns: Columns | None) -> Concept:
    read = read_concept(name, columns=columns)
    for note in read.notes:
        print(f"{name}: {note}", file=sys.stderr)
    check_pairs(read.concept)
    return read.concept


columns_option = click.option(
    "--columns",
    type=ColumnNames(),
    is_eager=True,  # Before the concept, whose callback reads it.
    expose_value=False,
    callback=_keep,
    help="Which columns of a file are which: positive=creative,negative=mundane for contrast pairs, "
    "question=prompt,answer=target,choices=options for a task.",
)
concept_option = together(click.option("--concept", callback=_read_option, help=_HELP), columns_option)
needed_concept_option = together(
    click.option("--concept", required=True, callback=_read_option, help=_HELP), columns_option
)
concepts_option = together(
    click.option(
        "--concept",
        "concepts",
        multiple=True,
        callback=_read_option,
        help=f"{_HELP} Repeat for several; all bundled ones by default.",
    ),
    columns_option,
)


@click.group(name="concept")
def concept_group() -> None:
    """Read contrast pairs, and make them from a task."""


@concept_group.command(name="check")
@click.argument("source", metavar="FILE")
@columns_option
@json_option
@click.pass_context
def check_command(context: click.Context, source: str, as_json: bool) -> None:
    """Say how a file, or a bundled concept, is read as contrast pairs, and what is wrong with them."""
    read = read_concept(source, columns=context.meta.get(_KEY))
    concept = read.concept
    problems = [*lint(concept.pairs)]
    held_out = [problem for problem in lint(concept.continuations) if problem.row is not None]
    data = {
        "name": concept.name,
        "positive_label": concept.positive_label,
        "negative_label": concept.negative_label,
        "n_pairs": len(concept.pairs),
        "n_continuations": len(concept.continuations),
        "first": vars(concept.pairs[0]) if concept.pairs else None,
        "last": vars(concept.pairs[-1]) if concept.pairs else None,
        "digest": concept.digest,
        "notes": list(read.notes),
        "usable": not any(problem.serious for problem in problems),
        "problems": [vars(problem) for problem in problems],
        "continuation_problems": [vars(problem) for problem in held_out],
    }
    lines = [
        f"{concept.name}: {len(concept.pairs)} pairs, {len(concept.continuations)} continuations.",
        f"positive: {concept.positive_label}; negative: {concept.negative_label}",
    ]
    for word, pairs in (("first", concept.pairs[:1]), ("last", concept.pairs[-1:])):
        lines += [f"{word} pair: {each.positive!r} / {each.negative!r}" for each in pairs]
    lines += read.notes
    lines += [f"{'Error' if problem.serious else 'Warning'}: {problem}" for problem in problems]
    lines += [f"Warning: continuations, {problem}" for problem in held_out]
    show(data, "\n".join(lines), as_json)


concept_group.add_command(from_task_command)

COMMANDS = (concept_group,)
