"""Commands for other tools: `export` and `import` of their files, and `lm-eval`, which runs that harness on a steered child."""

from pathlib import Path

import click

from steering.cli.options import Budget, json_option, out_option, refuse_both, steering_options
from steering.cli.steps import load, show, strength_for
from steering.errors import SteeringError
from steering.interop import AUTO, EXPORTS, IMPORTS, Card, export_vector, format_of, import_vector, read
from steering.steer import SteeringSettings
from steering.vectors import load_vector, save_vector


@click.command(name="export")
@click.option("--vector", "vector_file", type=click.Path(path_type=Path), required=True, help="A vector file.")
@click.option(
    "--format", "format_", type=click.Choice(list(EXPORTS)), required=True, help="The tool that will read it."
)
@click.option("--lam", type=float, default=0.2, help="The strength λ that is baked in.")
@click.option("--kl", type=Budget(), help="KL budget in nats instead of --lam: the λ above 0 that it means.")
@steering_options
@click.option(
    "--child", help="The model that is steered; by default the one that the vector names.", show_default=False
)
@out_option
@json_option
def export_command(
    vector_file: Path,
    format_: str,
    lam: float,
    kl: float | None,
    scale: str,
    profile: str,
    operator: str,
    child: str | None,
    out: Path,
    as_json: bool,
) -> None:
    """Write a vector as another tool's file, with λ, scale and profile multiplied in."""
    refuse_both("lam", "kl")
    vector, settings = load_vector(vector_file), SteeringSettings(scale, profile, operator=operator)
    child_model = None
    if child is not None or kl is not None or format_ == "lm-eval" or scale != "unit" or profile != "all":
        child_model = load(child or vector.model_name)
    budget = strength_for(child_model, vector.adopted(child_model), kl, settings) if child_model and kl else None
    lam = budget.lam if budget else lam
    export = export_vector(vector, out, format_, lam=lam, child=child_model, settings=settings)
    data = {
        **vars(export),
        "kl": budget and budget.as_json(),
        "path": str(export.path),
        "layers": list(export.layers),
        "notes": list(export.notes),
    }
    sentences = (f"Wrote {out}: λ = {lam:g} at {len(export.layers)} layers.", *export.notes)
    show(data, "\n".join(sentences), as_json)


@click.command(name="import")
@click.option(
    "--format",
    "format_",
    type=click.Choice([AUTO, *IMPORTS]),
    default=AUTO,
    help="The tool that wrote it; by default what the file's content says.",
)
@click.option("--file", "file", type=click.Path(path_type=Path), required=True, help="The file to read.")
@click.option(
    "--model", required=True, help="The model that it was made for: bundled name, Hub id, folder or .gguf file."
)
@click.option("--unit-length", is_flag=True, help="Bring every row to length 1, for the scale 'residual'.")
@click.option(
    "--count-from",
    type=click.IntRange(0, 1),
    default=0,
    help="Number of the first block in the file; 1 where hidden states are counted, whose number 0 is the embeddings.",
)
@out_option
@json_option
def import_command(
    format_: str, file: Path, model: str, unit_length: bool, count_from: int, out: Path, as_json: bool
) -> None:
    """Read another tool's file as a vector file, and say what of it matches the model."""
    format_ = format_of(file) if format_ == AUTO else format_  # Before the model is loaded, which takes longer.
    read(file, format_)
    vector, card = import_vector(file, format_, load(model), unit_length=unit_length, count_from=count_from)
    save_vector(vector, out)
    show({"out": str(out), "card": card.as_json()}, f"Wrote {out}.\n{_table(card)}", as_json)


@click.command(
    name="lm-eval",
    context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False, "help_option_names": []},
)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def lm_eval_command(arguments: tuple[str, ...]) -> None:
    """Run lm-evaluation-harness with the model `steering` among its own; takes that program's arguments.

    For example: lm-eval run --tasks gsm8k --model steering --model_args child=smollm2-135m-instruct,vector=v.safetensors
    """
    try:
        from steering.interop.harness import run
    except ImportError as error:
        raise SteeringError(
            f"lm-evaluation-harness is not installed here ({error}). Install it with: pip install 'lm_eval[hf]==0.4.13'"
        ) from error
    run(arguments)


def _table(card: Card) -> str:
    return "\n".join(
        f"{row.status:8} {row.what:12} expected {row.expected}, found {row.found}" for row in card.findings
    )


COMMANDS = (export_command, import_command, lm_eval_command)
