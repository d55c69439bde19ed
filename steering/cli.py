"""The command line: everything that the app does, without a browser.

Results go to standard output, as one JSON object with `--json`; progress goes to standard error. A user's mistake ends with
exit code 2 and one sentence on standard error.
"""

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

import click

from steering import bundled
from steering.cli_options import (
    Numbers,
    child_option,
    concept_option,
    json_option,
    maps_options,
    method_option,
    out_option,
    parent_option,
    steering_options,
    vector_option,
)
from steering.concepts import load_concept
from steering.decoding import Sampling
from steering.errors import SteeringError
from steering.generation import assess, generate
from steering.intervention import POSITIONS
from steering.models import LanguageModel, load_model
from steering.retention import retention
from steering.similarity import METRICS, similarity
from steering.transfer import transfer
from steering.vectors import SteeringVector, extract, load_vector, save_vector


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run the command line, and exit with 0, or with 2 after a user's mistake."""
    # `--lambdas -0.3,0,0.3` begins with a dash like an option does, so it is joined with its value first.
    words = list(sys.argv[1:] if arguments is None else arguments)
    for place, word in enumerate(words[:-1]):
        if word == "--lambdas":
            words[place : place + 2] = [f"--lambdas={words[place + 1]}"]
            break
    try:
        cli.main(words, prog_name="python -m steering", standalone_mode=False)
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


@click.group(context_settings={"help_option_names": ["-h", "--help"], "show_default": True, "max_content_width": 110})
def cli() -> None:
    """Take a concept from one language model, carry it into another, and steer that one with strength λ."""


@cli.command()
@click.option("--prepare", is_flag=True, help="Convert the installed bundled models now rather than at first use.")
@json_option
def models(prepare: bool, as_json: bool) -> None:
    """List the bundled models."""
    rows = []
    for model in bundled.CATALOGUE.values():
        installed = bundled.is_installed(model)
        if prepare and installed:
            bundled.bundled_folder(model, _progress)
        rows.append({"name": model.name, "title": model.title, "licence": model.licence, "installed": installed})
    lines = [
        f"{row['name']:24} {row['title']}  ({row['licence']}){'' if row['installed'] else '  not installed'}"
        for row in rows
    ]
    _print({"models": rows}, "\n".join(lines), as_json)


@cli.command(name="extract")
@click.option("--model", required=True, help="Bundled name, Hub id, folder or .gguf file.")
@click.option("--concept", required=True, help="Bundled concept, or a .json, .jsonl or .csv file.")
@method_option
@out_option
@json_option
def extract_command(model: str, concept: str, method: str, out: Path, as_json: bool) -> None:
    """Extract a concept's steering vector in a model's own space."""
    vector = extract(_load(model), load_concept(concept), method, progress=_progress)
    save_vector(vector, out)
    told_apart = [quality.told_apart for quality in vector.quality]
    data = {
        "model": vector.model_name,
        "concept": vector.concept,
        "method": method,
        "out": str(out),
        "signal": list(vector.signal),
        "told_apart": told_apart,
    }
    share = sum(told_apart) / len(told_apart)
    layers = f"{sum(vector.signal)} of {len(told_apart)} layers carry signal"
    text = f"Wrote {out}: {layers}; {share:.0%} of held-out pairs told apart."
    _print(data, text, as_json)


@cli.command(name="transfer")
@vector_option
@parent_option
@concept_option
@child_option
@method_option
@maps_options
@out_option
@json_option
def transfer_command(child: str, out: Path, as_json: bool, **choices: Any) -> None:
    """Carry a vector into a child's space."""
    small = _load(child)
    vector = _vector_for(small, **choices)
    save_vector(vector, out)
    report = vector.provenance.get("transfer", {})
    _print(
        {"child": small.name, "out": str(out), "report": report},
        f"Wrote {out}. {report.get('verdict', '')}".strip(),
        as_json,
    )


@cli.command(name="generate")
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
@click.option("--max-new-tokens", type=int, default=48)
@click.option("--temperature", type=float, default=0.0)
@click.option("--top-p", type=float, default=1.0)
@click.option("--top-k", type=int, default=0)
@click.option("--repetition-penalty", type=float, default=1.0)
@click.option("--seed", type=int, default=0)
@click.option("--plain", is_flag=True, help="Send the prompt as it is, without the chat template.")
@json_option
def generate_command(
    child: str,
    prompt: str,
    lambdas: tuple[float, ...],
    scale: str,
    profile: str,
    positions: str,
    plain: bool,
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
    sampling = Sampling(max_new_tokens, temperature, top_p, top_k, repetition_penalty, seed)
    small = _load(child)
    vector = _vector_for(small, **choices)
    grid = generate(
        small,
        prompt,
        vector,
        lambdas,
        sampling=sampling,
        scale=scale,
        profile=profile,
        positions=positions,
        plain=plain,
    )
    grid = assess(small, grid)
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
        "provenance": dict(grid.provenance),
    }
    text = "\n\n".join(
        f"λ = {row.lam:+g}{'  (degenerate)' if row.health.degenerate else ''}\n{row.text.strip()}" for row in grid.rows
    )
    _print(data, text, as_json)


@cli.command(name="retention")
@click.option("--parent", required=True, help="Bundled name, Hub id, folder or .gguf file.")
@child_option
@click.option("--concept", "concepts", multiple=True, required=True, help="Repeat for several concepts.")
@method_option
@maps_options
@click.option("--random-seeds", type=int, default=3, help="How many random vectors to average as the control.")
@json_option
def retention_command(
    parent: str,
    child: str,
    concepts: tuple[str, ...],
    method: str,
    layers: str,
    width: str,
    anchors: Path | None,
    random_seeds: int,
    as_json: bool,
) -> None:
    """Measure how much of the child's own effect a carried vector keeps, beside a random one."""
    chosen = [load_concept(concept) for concept in concepts]
    large, small = _load_pair(parent, child)
    result = retention(
        large,
        small,
        chosen,
        method=method,
        layers=layers,
        width=width,
        anchors=anchors,
        random_seeds=random_seeds,
        progress=_progress,
    )
    lines = [f"{'concept':16} {'native':>8} {'carried':>8} {'random':>8} {'kept':>6}"]
    lines += [
        f"{row.name:16} {row.native:8.4f} {row.carried:8.4f} {row.random:8.4f} {row.kept:6.2f}"
        for row in result.concepts
    ]
    lines.append(f"mean kept {result.mean_kept:.2f}")
    _print(result.as_json(), "\n".join(lines), as_json)


@cli.command(name="similarity")
@click.option("--parent", required=True, help="Bundled name, Hub id, folder or .gguf file.")
@child_option
@click.option("--concept", required=True, help="Bundled concept, or a .json, .jsonl or .csv file.")
@click.option("--metric", type=click.Choice(list(METRICS)), default="scores")
@click.option("--out", type=click.Path(path_type=Path), help="An .html figure or a .json file.")
@json_option
def similarity_command(parent: str, child: str, concept: str, metric: str, out: Path | None, as_json: bool) -> None:
    """Compare every parent layer with every child layer."""
    chosen = load_concept(concept)
    large, small = _load_pair(parent, child)
    result = similarity(large, small, chosen, metric, progress=_progress)
    data = {
        "parent": result.parent,
        "child": result.child,
        "metric": metric,
        "matrix": result.matrix.tolist(),
        "n_texts": result.n_texts,
    }
    if out is not None:
        _write_similarity(out, result, data)
    best = result.matrix.argmax(dim=1).tolist()
    text = "\n".join(
        f"parent layer {row:3}: best child layer {column:3}, {metric} {result.matrix[row, column]:+.2f}"
        for row, column in enumerate(best)
    )
    _print(data, text, as_json)


@cli.command(name="bench")
@click.option("--parent", default="gemma-3-270m", help="Bundled name, Hub id, folder or .gguf file.")
@click.option("--child", default="smollm2-135m-instruct", help="Bundled name, Hub id, folder or .gguf file.")
@json_option
def bench_command(parent: str, child: str, as_json: bool) -> None:
    """Time decoding and alignment on this machine, as ratios; let nothing else run meanwhile."""
    from steering.bench import bench

    data = bench(parent, child, progress=_progress)
    lines = [
        f"{name:28} {value:.3g}" if isinstance(value, float) else f"{name:28} {value}" for name, value in data.items()
    ]
    _print(data, "\n".join(lines), as_json)


def _write_similarity(out: Path, result: Any, data: dict[str, Any]) -> None:
    from steering.plots import plot_similarity
    from steering.storage import atomic

    if out.suffix not in (".html", ".json"):
        raise SteeringError(f"{out} must end in .html or .json.")
    text = json.dumps(data) if out.suffix == ".json" else plot_similarity(result).to_html(include_plotlyjs=True)
    with atomic(out) as temporary:
        temporary.write_text(text, "utf-8")


def _load(name: str) -> LanguageModel:
    return load_model(name, progress=_progress)


def _load_pair(parent: str, child: str) -> tuple[LanguageModel, LanguageModel]:
    large = _load(parent)
    return large, large if child == parent else _load(child)


def _vector_for(
    child: LanguageModel,
    *,
    vector_file: Path | None,
    parent: str | None,
    concept: str | None,
    method: str,
    layers: str,
    width: str,
    anchors: Path | None,
) -> SteeringVector:
    """The vector that steers the child: from a file, carried over where it is another model's, or freshly extracted."""
    if vector_file is not None:
        vector = load_vector(vector_file)
        if vector.model == child.fingerprint:
            return vector
        large = _load(parent or vector.model_name)
    elif parent is None or concept is None:
        raise SteeringError("Give either --vector FILE, or both --parent MODEL and --concept CONCEPT.")
    else:
        large = child if parent == child.name else _load(parent)
        vector = extract(large, load_concept(concept), method, progress=_progress)
    return transfer(vector, large, child, layers=layers, width=width, anchors=anchors, progress=_progress)


def _progress(what: str, fraction: float) -> None:
    print(f"\r{what} {fraction:4.0%}\033[K", end="" if sys.stderr.isatty() else "\n", file=sys.stderr, flush=True)


def _print(data: dict[str, Any], text: str, as_json: bool) -> None:
    if sys.stderr.isatty():
        print("\r\033[K", end="", file=sys.stderr)
    print(json.dumps(data, ensure_ascii=False) if as_json else text)
