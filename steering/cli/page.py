"""The command that opens the page: `app`."""

import logging
from collections.abc import Iterator, Sequence

import click

from steering.errors import SteeringError

_MODELS = "--models"
_MODEL = "a bundled name, a Hub id, a folder or a .gguf file"


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
def app_command(parent: str, child: str, host: str, port: int, share: bool, models: tuple[str, ...]) -> None:
    """Open the page in a browser; stop it with Ctrl+C."""
    from steering import ui  # Gradio takes seconds to import, and no other command needs it.

    logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    demo = ui.build_app(parent, child, models=models)
    try:
        address = ui.launch(demo, host=host, port=port, share=share, prevent_thread_lock=True)
    except OSError as error:
        raise SteeringError(
            f"The page cannot listen on {host}, port {port}: another program has it, or this machine has no such "
            "address. Choose another with --port or --host."
        ) from error
    print(f"Steering Lab is at {address}  (stop it with Ctrl+C)", flush=True)
    demo.block_thread()


COMMANDS = (app_command,)
