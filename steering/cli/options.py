"""The options that several commands share."""

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from steering.formatting import number
from steering.measure import KL_BUDGET
from steering.steer import PROFILES, SCALES
from steering.transfer import LAYER_MAPS, WIDTH_MAPS
from steering.vectors import DIRECTION_METHODS

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


def together(*options: Callable[[Command], Command]) -> Callable[[Command], Command]:
    """Several options as one decorator."""
    return lambda command: functools.reduce(lambda inner, option: option(inner), reversed(options), command)


json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
child_option = click.option("--child", required=True, help="Bundled name, Hub id, folder or .gguf file.")
parent_option = click.option("--parent", help="Bundled name, Hub id, folder or .gguf file.")
vector_option = click.option(
    "--vector", "vector_file", type=click.Path(path_type=Path), help="A vector file instead of --parent and --concept."
)
method_option = click.option(
    "--method", type=click.Choice(list(DIRECTION_METHODS)), default="pca", help="How a direction is found."
)
maps_options = together(
    click.option(
        "--layers",
        type=click.Choice(list(LAYER_MAPS)),
        default="relative",
        help="Which parent layer feeds a child layer.",
    ),
    click.option("--width", type=click.Choice(list(WIDTH_MAPS)), default="ridge", help="How widths are joined."),
    click.option("--anchors", type=click.Path(path_type=Path), help="Your own anchor texts: a file, one text a line."),
)
steering_options = together(
    click.option("--scale", type=click.Choice(SCALES), default="residual", help="What λ means."),
    click.option("--profile", type=click.Choice(list(PROFILES)), default="all", help="Layer profile."),
)
budget_option = click.option(
    "--kl",
    type=float,
    default=KL_BUDGET,
    help="KL budget in nats: every vector is measured at the λ at which 95 % of the next tokens change by less.",
)
out_option = click.option("--out", type=click.Path(path_type=Path), required=True, help="File to write.")
