"""The command that opens the page: `app`."""

import re
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from typing import Any

import click

from steering.cli.logs import write_log
from steering.errors import SteeringError

_MODELS = "--models"
_MODEL = "a bundled name, a Hub id, a folder or a .gguf file"

_POLL_SECONDS = 1.0

_BYTES = {"MB": 10**6, "GB": 10**9}


class Size(click.ParamType):  # type: ignore[type-arg]
    """A size of memory such as 8GB or 500MB, in bytes."""

    name = "size"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Parse `value`, or end with a sentence about what was expected."""
        if isinstance(value, int):
            return value
        parts = re.fullmatch(r"(\d{1,6}(?:\.\d{1,3})?) ?(MB|GB)", str(value).strip().upper())
        if parts is None:
            self.fail(f"{value!r} is not a size such as 8GB or 500MB", param, ctx)
        return int(float(parts[1]) * _BYTES[parts[2]])


class _SeveralModels(click.Command):
    """Reads `--models A B C` as three values; click itself takes one value an option."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        return super().parse_args(ctx, list(_one_option_a_value(args, _MODELS)))


def _one_option_a_value(words: Sequence[str], option: str) -> Iterator[str]:
    """`--models A B` as `--models A --models B`.

    Raises:
        BadOptionUsage: the option has no value.
    """
    in_option = False
    for word, next_word in zip(words, [*words, "-"][1:], strict=True):
        if word.startswith("-"):
            in_option = word.split("=")[0] == option
            if word != option:
                yield word
            elif next_word.startswith("-"):
                raise click.BadOptionUsage(option, f"Option '{option}' requires an argument.")
        elif in_option:
            yield from (option, word)
        else:
            yield word


@click.command(name="app", cls=_SeveralModels)
@click.option("--parent", help=f"Parent chosen at first: {_MODEL}.", default="gemma-3-270m")
@click.option("--child", help=f"Child chosen at first: {_MODEL}.", default="smollm2-135m-instruct")
@click.option("--host", default="127.0.0.1", help="Address to listen on; by default this machine alone.")
@click.option("--port", type=click.IntRange(1, 65535), default=7860, help="Port to listen on.")
@click.option("--share", is_flag=True, help="Also open a public address through Gradio's servers.")
@click.option(
    _MODELS, multiple=True, metavar="MODEL ...", help="The only models on offer; by default any.", show_default=False
)
@click.option(
    "--auth",
    multiple=True,
    metavar="NAME:PASSWORD",
    envvar="STEERING_LAB_AUTH",
    show_envvar=True,
    help="Account that the page asks for; may be given several times.",
)
@click.option("--without-password", is_flag=True, help="Open the page to others without a password.")
@click.option("--memory", type=Size(), help="Memory for models, such as 8GB; by default half of the machine's.")
@click.option("--log-json", is_flag=True, help="Write the log as one JSON object a line.")
@click.option(
    "--grace", type=click.FloatRange(0), default=30.0, help="Seconds that runs may take to end when the app is stopped."
)
def app_command(
    parent: str,
    child: str,
    host: str,
    port: int,
    share: bool,
    models: tuple[str, ...],
    auth: tuple[str, ...],
    without_password: bool,
    memory: int | None,
    log_json: bool,
    grace: float,
) -> None:
    """Open the page in a browser; stop it with Ctrl+C.

    Another host, or --share, needs --auth; the models are those of --models or the bundled ones then, every visitor has saved
    vectors of their own, and the limits are narrower.
    """
    from steering import ui  # Gradio takes seconds to import, and no other command needs it.

    write_log(as_json=log_json)
    shared = ui.access(host, share=share, auth=auth, without_password=without_password).shared
    dtype = click.get_current_context().obj or "auto"
    demo = ui.build_app(parent, child, models=models, shared=shared, memory=memory, dtype=dtype)
    try:
        address = ui.launch(
            demo,
            host=host,
            port=port,
            share=share,
            auth=auth,
            without_password=without_password,
            prevent_thread_lock=True,
        )
    except OSError as error:
        raise SteeringError(
            f"The page cannot listen on {host}, port {port}: another program has it, or this machine has no such "
            "address. Choose another with --port or --host."
        ) from error
    print(f"Steering Lab is at {address}  (stop it with Ctrl+C)", flush=True)
    _wait_for_signal()
    print(f"Stopping: runs have {grace:g} s to end, and what they have written is kept.", file=sys.stderr, flush=True)
    demo.workspace.stop(grace)
    demo.close(verbose=False)


def _wait_for_signal() -> None:
    """Wait for Ctrl+C or SIGTERM; a second one ends the program at once."""
    stop = threading.Event()

    def on_signal(number: int, _frame: object) -> None:
        signal.signal(number, signal.SIG_DFL)
        stop.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, on_signal)
    while not stop.wait(_POLL_SECONDS):  # A wait without an end would not be interrupted on Windows.
        pass


COMMANDS = (app_command,)
