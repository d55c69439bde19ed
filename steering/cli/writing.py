"""Commands from models to steered text: `models`, `extract`, `transfer`, `combine`, `generate`."""

from pathlib import Path
from typing import Any

import click

from steering.cli.concepts import concept_option, needed_concept_option
from steering.cli.options import (
    Numbers,
    budgets_option,
    child_option,
    json_option,
    maps_options,
    method_option,
    out_option,
    parent_option,
    refuse_both,
    steering_options,
    vector_option,
)
from steering.cli.steps import load, progress, show, strengths_for, vector_for
from steering.concepts import Concept
from steering.errors import SteeringError
from steering.formatting import strength
from steering.measure import measure, with_effect
from steering.models import bundled
from steering.steer import POSITIONS, Sampling, SteeringSettings, assess, generate
from steering.transfer import combine, describe
from steering.vectors import extract, save_vector


@click.command()
@click.option("--prepare", is_flag=True, help="Convert the installed bundled models now rather than at first use.")
@json_option
def models(prepare: bool, as_json: bool) -> None:
    """List the bundled models."""
    rows = []
    for model in bundled.CATALOGUE.values():
        installed = bundled.is_installed(model)
        if prepare and installed:
            bundled.bundled_folder(model, progress)
        rows.append({"name": model.name, "title": model.title, "licence": model.licence, "installed": installed})
    lines = [
        f"{row['name']:24} {row['title']}  ({row['licence']}){'' if row['installed'] else '  not installed'}"
        for row in rows
    ]
    show({"models": rows}, "\n".join(lines), as_json)


@click.command(name="extract")
@click.option("--model", required=True, help="Bundled name, Hub id, folder or .gguf file.")
@needed_concept_option
@method_option
@out_option
@json_option
def extract_command(model: str, concept: Concept, method: str, out: Path, as_json: bool) -> None:
    """Extract a concept's steering vector in a model's own space."""
    vector = extract(load(model), concept, method, progress=progress)
    save_vector(vector, out)
    pairwise_accuracy = [quality.pairwise_accuracy for quality in vector.quality]
    data = {
        "model": vector.model_name,
        "concept": vector.concept,
        "method": method,
        "out": str(out),
        "signal": list(vector.signal),
        "pairwise_accuracy": pairwise_accuracy,
        "told_apart": pairwise_accuracy,  # The key's earlier name, kept for one release.
    }
    share = sum(pairwise_accuracy) / len(pairwise_accuracy)
    layers = f"{sum(vector.signal)} of {len(pairwise_accuracy)} layers carry signal"
    text = f"Wrote {out}: {layers}; pairwise accuracy {share:.0%} on held-out pairs."
    show(data, text, as_json)


@click.command(name="transfer")
@vector_option
@parent_option
@concept_option
@child_option
@method_option
@maps_options
@click.option(
    "--measure",
    "measured",
    is_flag=True,
    help="Also measure how much of the concept's effect is kept; needs --concept.",
)
@out_option
@json_option
def transfer_command(child: str, out: Path, as_json: bool, measured: bool, **choices: Any) -> None:
    """Carry a vector into a child's space."""
    if measured and not choices["concept"]:
        raise SteeringError("--measure needs --concept: its continuations are what an effect is measured on.")
    child_model = load(child)
    vector = vector_for(child_model, **choices)
    if measured:
        retained = measure(child_model, choices["concept"], vector, method=choices["method"], progress=progress)
        vector = with_effect(vector, retained)
    save_vector(vector, out)
    report = vector.report or {}
    show(
        {"child": child_model.name, "out": str(out), "report": report},
        "\n".join([f"Wrote {out}.", *describe(report)]),
        as_json,
    )


@click.command(name="combine")
@click.option(
    "--parent", "parents", multiple=True, required=True, help="Repeat for several; the child itself may be one."
)
@click.option("--weight", "weights", type=float, multiple=True, help="One for each parent, in order; alike by default.")
@needed_concept_option
@child_option
@method_option
@maps_options
@out_option
@json_option
def combine_command(
    parents: tuple[str, ...], weights: tuple[float, ...], child: str, out: Path, as_json: bool, **choices: Any
) -> None:
    """Join what several parents know of a concept into one vector for a child."""
    child_model = load(child)
    parts = [vector_for(child_model, vector_file=None, parent=parent, **choices) for parent in parents]
    vector = combine(parts, weights or None)
    save_vector(vector, out)
    lines = [f"Wrote {out}, from {len(parts)} parents."]
    for name, part in zip(parents, parts, strict=True):
        lines += [f"{name}: {line}" for line in describe(part.report or {})]
    reports = [part.report for part in parts]
    show(
        {"child": child_model.name, "out": str(out), "parents": list(parents), "reports": reports},
        "\n".join(lines),
        as_json,
    )


@click.command(name="generate")
@child_option
@vector_option
@parent_option
@concept_option
@method_option
@maps_options
@steering_options
@click.option("--positions", type=click.Choice(POSITIONS), default="all", help="Which tokens are steered.")
@click.option("--prompt", required=True, help="A user's turn where the child has a chat template.")
@click.option("--lambdas", type=Numbers(), default="-0.3,0,0.3", help="Strengths, with commas between them.")
@budgets_option
@click.option("--max-new-tokens", type=int, default=48)
@click.option("--temperature", type=float, default=0.0)
@click.option("--top-p", type=float, default=1.0)
@click.option("--top-k", type=int, default=0)
@click.option("--repetition-penalty", type=float, default=1.0)
@click.option("--seed", type=int, default=0)
@click.option("--plain", is_flag=True, help="Send the prompt as it is, without the chat template.")
@click.option("--system", default="", help="A system prompt; before the prompt where the child has no system role.")
@click.option("--thinking", is_flag=True, help="Let a child that can think before it answers do so.")
@json_option
def generate_command(
    child: str,
    prompt: str,
    lambdas: tuple[float, ...],
    budgets: tuple[float, ...] | None,
    scale: str,
    profile: str,
    positions: str,
    operator: str,
    plain: bool,
    system: str,
    thinking: bool,
    as_json: bool,
    max_new_tokens: int,
    temperature: float,
    top_p: float,
    top_k: int,
    repetition_penalty: float,
    seed: int,
    **choices: Any,
) -> None:
    """Continue a prompt at several λ, side by side."""
    refuse_both("lambdas", "budgets")
    settings = SteeringSettings(scale, profile, positions, operator)
    sampling = Sampling(max_new_tokens, temperature, top_p, top_k, repetition_penalty, seed)
    child_model = load(child)
    vector = vector_for(child_model, **choices)
    strengths = strengths_for(child_model, vector, budgets, settings) if budgets else ()
    if budgets:
        lambdas = tuple(sorted([0.0, *(each.lam for each in strengths)]))
    grid = generate(
        child_model,
        prompt,
        vector,
        lambdas,
        sampling=sampling,
        settings=settings,
        plain=plain,
        system=system,
        thinking=thinking,
    )
    grid = assess(child_model, grid)
    rows = [
        {
            "lam": row.lam,
            "text": row.text,
            "token_ids": list(row.token_ids),
            "ended": row.ended,
            "health": vars(row.health),
        }
        for row in grid.rows
    ]
    data = {
        "child": grid.child,
        "prompt": prompt,
        "prompt_token_ids": list(grid.prompt_token_ids),
        "rows": rows,
        "kl": [each.as_json() for each in strengths],
        "provenance": dict(grid.provenance),
    }
    text = "\n\n".join(
        f"λ = {strength(row.lam)}{'  (degenerate)' if row.health.degenerate else ''}\n{row.text.strip()}"
        for row in grid.rows
    )
    show(data, text, as_json)


COMMANDS = (models, extract_command, transfer_command, combine_command, generate_command)
