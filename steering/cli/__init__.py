"""The command line: everything that the app does without a browser, and `app`, which opens the browser's page.

Results go to standard output, as one JSON object with `--json`; progress goes to standard error. A user's mistake ends with
exit code 2 and one sentence on standard error.
"""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

import click

from steering.cli import cache, concepts, detecting, files, gaining, measuring, page, scoring, studying, tasks, writing
from steering.cli.options import dtype_option
from steering.errors import SteeringError

__all__ = ["main"]

_COMMAND = "steering-lab"


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command line, and exit with 0, or with 2 after a user's mistake."""
    # `--lambdas -0.3,0,0.3` begins with a dash like an option does, so it is joined with its value first.
    words = list(sys.argv[1:] if arguments is None else arguments)
    for place, word in enumerate(words[:-1]):
        if word == "--lambdas":
            words[place : place + 2] = [f"--lambdas={words[place + 1]}"]
            break
    try:
        cli.main(words, prog_name=_program_name(sys.argv[0]), standalone_mode=False)
    except SteeringError as error:
        print(error, file=sys.stderr)
        sys.exit(2)
    except click.ClickException as error:
        error.show()
        sys.exit(2)
    except (click.Abort, KeyboardInterrupt):
        print("Stopped.", file=sys.stderr)
        sys.exit(130)
    sys.exit(0)


def _program_name(program: str) -> str:
    """Name of the program in help and messages: the installed command where it was used, else the module."""
    return _COMMAND if Path(program).stem == _COMMAND else "python -m steering"


@click.group(context_settings={"help_option_names": ["-h", "--help"], "show_default": True, "max_content_width": 110})
@dtype_option
def cli(dtype: str) -> None:
    """Take a concept from one language model, carry it into another, and steer that one with strength λ."""
    click.get_current_context().obj = dtype  # For `steps.load`, which every command loads models with.


GROUPS = (page, writing, concepts, measuring, detecting, tasks, scoring, gaining, studying, files, cache)

for command in (command for group in GROUPS for command in group.COMMANDS):
    cli.add_command(command)
