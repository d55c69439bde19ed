"""The options that several commands share."""

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from steering.errors import SteeringError
from steering.formatting import number
from steering.measure import KL_BUDGET, check_budget
from steering.models import DTYPES
from steering.steer import OPERATORS, PROFILES, SCALES
from steering.transfer import LAYER_MAPS, WIDTH_MAPS
from steering.vectors import METHODS

Command = Callable[..., Any]


class Numbers(click.ParamType):  # type: ignore[type-arg]
    """Numbers with commas between them, such as -0.3,0,0.3."""

    name = "numbers"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[float, ...]:
        """Parse `value`, or end with a sentence about what was expected."""
        if isinstance(value, tuple):
            return value
        try:
            return tuple(number(part) for part in str(value).split(",") if part.strip())
        except ValueError:
            self.fail(f"{value!r} is not a list of numbers such as -0.3,0,0.3", param, ctx)


class LayerProfile(Numbers):
    """The name of a layer profile, or one weight a layer with commas between them."""

    name = "profile"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Parse `value`, or end with a sentence about what was expected."""
        if value in PROFILES:
            return value
        try:
            return super().convert(value, param, ctx)
        except click.BadParameter:
            self.fail(
                f"{value!r} is none of {', '.join(PROFILES)}, nor one weight a layer such as 0,0.5,0.5,0", param, ctx
            )


class Budgets(Numbers):
    """KL budgets in nats with commas between them, such as 0.25,0.5,1."""

    name = "budgets"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[float, ...]:
        """Parse `value`, or end with a sentence about what was expected."""
        return tuple(map(check_budget, super().convert(value, param, ctx)))


class Budget(click.ParamType):  # type: ignore[type-arg]
    """One KL budget in nats, such as 1.0."""

    name = "budget"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Parse `value`, or end with a sentence about what was expected."""
        try:
            return check_budget(number(str(value)))
        except ValueError:
            self.fail(f"{value!r} is not a number of nats such as 1.0", param, ctx)


def refuse_both(first: str, second: str) -> None:
    """End with a sentence where the running command was given two options that exclude each other.

    Args:
        first: name of an option's value in the command.
        second: name of the other's.
    """
    context = click.get_current_context()
    flags = {option.name: option.opts[0] for option in context.command.params if option.name is not None}
    if all(context.get_parameter_source(name) is ParameterSource.COMMANDLINE for name in (first, second)):
        raise SteeringError(
            f"{flags[first]} and {flags[second]} both say how strong the steering is; give one of them."
        )


def together(*options: Callable[[Command], Command]) -> Callable[[Command], Command]:
    """Several options as one decorator."""
    return lambda command: functools.reduce(lambda inner, option: option(inner), reversed(options), command)


dtype_option = click.option(
    "--dtype",
    type=click.Choice(DTYPES),
    default="auto",
    help="Type of the weights; int8 takes the least memory, on a CPU. Stands before the command.",
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
child_option = click.option("--child", required=True, help="Bundled name, Hub id, folder or .gguf file.")
parent_option = click.option("--parent", help="Bundled name, Hub id, folder or .gguf file.")
vector_option = click.option(
    "--vector", "vector_file", type=click.Path(path_type=Path), help="A vector file instead of --parent and --concept."
)
method_option = click.option("--method", type=click.Choice(METHODS), default="pca", help="How a direction is found.")
maps_options = together(
    click.option(
        "--layers",
        type=click.Choice(list(LAYER_MAPS)),
        default="relative",
        help="Which parent layer feeds a child layer.",
    ),
    click.option("--width", type=click.Choice(list(WIDTH_MAPS)), default="ridge", help="How widths are joined."),
    click.option(
        "--anchors",
        metavar="texts|lists|questions|FILE",
        help="Bundled anchors by name, or a file of your own, one text a line.",
    ),
)
steering_options = together(
    click.option("--scale", type=click.Choice(SCALES), default="residual", help="What λ means."),
    click.option(
        "--profile",
        type=LayerProfile(),
        default="all",
        help="Layer profile: a name, or one weight a layer with commas.",
    ),
    click.option("--operator", type=click.Choice(OPERATORS), default="add", help="What is done with the direction."),
)
budget_option = click.option(
    "--kl",
    type=Budget(),
    default=KL_BUDGET,
    help="KL budget in nats: every vector is measured at its own λ for it.",
)
budgets_option = click.option(
    "--kl",
    "budgets",
    type=Budgets(),
    help="KL budgets in nats instead of --lambdas: each one is turned into a λ on either side of 0.",
)
out_option = click.option("--out", type=click.Path(path_type=Path), required=True, help="File to write.")
