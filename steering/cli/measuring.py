"""Commands that measure two models: `retention`, `compare`, `profile`, `similarity`, `bench`."""

import json
import statistics
from pathlib import Path
from typing import Any

import click

from steering.cli.concepts import concepts_option, needed_concept_option
from steering.cli.options import (
    budget_option,
    child_option,
    json_option,
    maps_options,
    method_option,
    parent_option,
    vector_option,
)
from steering.cli.steps import load, load_pair, progress, show, vector_for
from steering.concepts import Concept, bundled_concepts, load_concept
from steering.errors import SteeringError
from steering.measure import (
    METRICS,
    TRANSFER_CONFIGS,
    all_configs,
    compare_transfers,
    fit_profile,
    retention,
    similarity,
)
from steering.steer import POSITIONS, SCALES, SteeringSettings
from steering.transfer import LAYER_MAPS, WIDTH_MAPS
from steering.vectors import METHODS

_EVERY = "Repeat for several; every combination is tried."


@click.command(name="retention")
@click.option("--parent", required=True, help="Bundled name, Hub id, folder or .gguf file.")
@child_option
@concepts_option
@method_option
@maps_options
@budget_option
@click.option("--random-seeds", type=int, default=3, help="How many random vectors to average as the control.")
@json_option
def retention_command(
    parent: str,
    child: str,
    concepts: tuple[Concept, ...],
    method: str,
    layers: str,
    width: str,
    anchors: str | None,
    kl: float,
    random_seeds: int,
    as_json: bool,
) -> None:
    """Measure how much of the child's own effect a carried vector keeps at equal KL, beside a random one."""
    chosen = concepts or [load_concept(name) for name in bundled_concepts()]
    parent_model, child_model = load_pair(parent, child)
    result = retention(
        parent_model,
        child_model,
        chosen,
        method=method,
        layers=layers,
        width=width,
        anchors=anchors,
        kl=kl,
        random_seeds=random_seeds,
        progress=progress,
    )
    lines = [
        f"{'concept':16} {'λ':>6} {'native':>8} {'λ':>6} {'carried':>8} {'λ':>6} {'random':>8} {'kept':>6} {'± prompts':>10} "
        f"{'at equal λ':>11}"
    ]
    lines += [
        f"{row.name:16} {row.native_lam:6.3f} {row.native:8.4f} {row.matched_lam:6.3f} {row.matched:8.4f} "
        f"{row.random_lam:6.3f} {row.random:8.4f} {row.kept_at_matched_kl:6.2f} {row.spread:10.2f} {row.kept:11.2f}"
        f"{'' if row.measurable else '  (own effect within chance)'}"
        for row in result.concepts
    ]
    lines.append(
        f"KL {kl:g} nats: mean kept {result.mean_kept_at_matched_kl:.2f}, at equal λ {result.mean_kept:.2f}, "
        f"random vectors {result.mean_random:+.2f}"
    )
    show(result.as_json(), "\n".join(lines), as_json)


@click.command(name="compare")
@click.option("--parent", required=True, help="Bundled name, Hub id, folder or .gguf file.")
@child_option
@concepts_option
@click.option("--method", "methods", multiple=True, type=click.Choice(METHODS), help=_EVERY)
@click.option("--layers", multiple=True, type=click.Choice(list(LAYER_MAPS)), help=_EVERY)
@click.option("--width", "widths", multiple=True, type=click.Choice(list(WIDTH_MAPS)), help=_EVERY)
@click.option("--both", is_flag=True, help="Carry in both directions, and choose on both.")
@budget_option
@click.option("--random-seeds", type=int, default=3, help="How many random vectors a concept has as the control.")
@json_option
def compare_command(
    parent: str,
    child: str,
    concepts: tuple[Concept, ...],
    methods: tuple[str, ...],
    layers: tuple[str, ...],
    widths: tuple[str, ...],
    both: bool,
    kl: float,
    random_seeds: int,
    as_json: bool,
) -> None:
    """Compare transfer configurations at equal KL, and judge the best on concepts left out of the choice.

    By default it tries one change at a time. Where methods, layer maps or width maps are named, it tries all combinations of
    those, with the default for what is not named.
    """
    chosen = concepts or [load_concept(name) for name in bundled_concepts()]
    configs = TRANSFER_CONFIGS
    if methods or layers or widths:
        configs = all_configs(methods or ("pca",), layers or ("relative",), widths or ("ridge",))
    parent_model, child_model = load_pair(parent, child)
    result = compare_transfers(
        parent_model, child_model, chosen, configs, kl=kl, both=both, random_seeds=random_seeds, progress=progress
    )
    data = result.as_json()
    lines = [f"{f'transfer configuration, KL {kl:g} nats':56} {'mean kept':>9} {'least':>6}"]
    lines += [
        f"{config!s:56} {row['mean_kept']:9.2f} {row['least']:6.2f}"
        for config, row in zip(result.configs, data["configs"], strict=True)
    ]
    left_out = data["left_out"]
    lines.append(f"{'chosen on the other concepts':56} {left_out['mean_kept']:9.2f} {left_out['least']:6.2f}")
    lines.append(f"{'random vectors, root mean square':56} {statistics.fmean(result.random):9.2f}")
    show(data, "\n".join(lines), as_json)


@click.command(name="profile")
@child_option
@vector_option
@parent_option
@needed_concept_option
@method_option
@maps_options
@click.option("--scale", type=click.Choice(SCALES), default="residual", help="What λ means.")
@click.option("--positions", type=click.Choice(POSITIONS), default="all", help="Which tokens are steered.")
@budget_option
@json_option
def profile_command(
    child: str, concept: Concept, scale: str, positions: str, kl: float, as_json: bool, **choices: Any
) -> None:
    """Fit the layer profile with the largest effect at a KL budget, and measure it on continuations left out of the fit.

    Without --vector and --parent it is fitted to the child's own vector. The weights that it prints are for --profile.
    """
    child_model = load(child)
    if choices["vector_file"] is None and choices["parent"] is None:
        choices["parent"] = child_model.name
    vector = vector_for(child_model, concept=concept, **choices)
    settings = SteeringSettings(scale=scale, positions=positions)
    result = fit_profile(child_model, vector, concept, kl, settings, progress=progress)
    lines = [f"KL {kl:g} nats, held-out continuations of {concept.name}:", f"{'profile':10} {'λ':>8} {'effect':>8}"]
    lines += [f"{name:10} {each.lam:8.3f} {each.effect:8.4f}" for name, each in result.held_out.items()]
    lines.append(f"fitted over all: {result.gain:.2f}")
    lines.append(f"--profile {','.join(f'{weight:.3g}' for weight in result.weights)}")
    show(result.as_json(), "\n".join(lines), as_json)


@click.command(name="similarity")
@click.option("--parent", required=True, help="Bundled name, Hub id, folder or .gguf file.")
@child_option
@needed_concept_option
@click.option("--metric", type=click.Choice(list(METRICS)), default="scores")
@click.option("--out", type=click.Path(path_type=Path), help="An .html figure or a .json file.")
@json_option
def similarity_command(parent: str, child: str, concept: Concept, metric: str, out: Path | None, as_json: bool) -> None:
    """Compare every parent layer with every child layer."""
    parent_model, child_model = load_pair(parent, child)
    result = similarity(parent_model, child_model, concept, metric, progress=progress)
    data = {
        "parent": result.parent,
        "child": result.child,
        "metric": metric,
        "matrix": result.matrix.tolist(),
        "n_texts": result.n_texts,
        "chance": result.chance,
    }
    if out is not None:
        _write_similarity(out, result, data)
    best = result.matrix.argmax(dim=1).tolist()
    text = "\n".join(
        f"parent layer {row:3}: best child layer {column:3}, {metric} {result.matrix[row, column]:+.2f}"
        for row, column in enumerate(best)
    )
    show(data, text, as_json)


@click.command(name="bench")
@click.option("--parent", default="gemma-3-270m", help="Bundled name, Hub id, folder or .gguf file.")
@click.option("--child", default="smollm2-135m-instruct", help="Bundled name, Hub id, folder or .gguf file.")
@click.option("--repeats", type=click.IntRange(1), default=5, help="How often each arm is timed.")
@click.option("--gpu", is_flag=True, help="Time a GPU instead, at the shapes of three models with random weights.")
@json_option
def bench_command(parent: str, child: str, repeats: int, gpu: bool, as_json: bool) -> None:
    """Time decoding and alignment on this machine, as ratios; let nothing else run meanwhile."""
    from steering.cli.bench import bench, bench_gpu, table

    data = (
        bench_gpu(repeats=repeats, progress=progress)
        if gpu
        else bench(parent, child, repeats=repeats, progress=progress)
    )
    show(data, table(data), as_json)


def _write_similarity(out: Path, result: Any, data: dict[str, Any]) -> None:
    from steering.plots import plot_similarity
    from steering.storage import atomic

    if out.suffix not in (".html", ".json"):
        raise SteeringError(f"{out} must end in .html or .json.")
    text = json.dumps(data) if out.suffix == ".json" else plot_similarity(result).to_html(include_plotlyjs=True)
    with atomic(out) as temporary:
        temporary.write_text(text, "utf-8")


COMMANDS = (retention_command, compare_command, profile_command, similarity_command, bench_command)
