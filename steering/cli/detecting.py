"""The command `detect`: how well carried directions tell apart the poles of texts."""

from pathlib import Path

import click

from steering.cli.concepts import concepts_option
from steering.cli.options import child_option, json_option, maps_options
from steering.cli.steps import load_pair, progress, show
from steering.concepts import Concept, bundled_concepts, load_concept
from steering.measure import SOURCES, detect
from steering.vectors import DIRECTION_METHODS


@click.command(name="detect")
@click.option("--parent", required=True, help="Bundled name, Hub id, folder or .gguf file.")
@child_option
@concepts_option
@click.option("--method", type=click.Choice(list(DIRECTION_METHODS)), default="pca", help="How a direction is found.")
@maps_options
@json_option
def detect_command(
    parent: str,
    child: str,
    concepts: tuple[Concept, ...],
    method: str,
    layers: str,
    width: str,
    anchors: Path | None,
    as_json: bool,
) -> None:
    """Measure how well carried directions tell apart the poles of texts that nothing was fitted to."""
    chosen = concepts or [load_concept(name) for name in bundled_concepts()]
    parent_model, child_model = load_pair(parent, child)
    result = detect(
        parent_model,
        child_model,
        chosen,
        method=method,
        layers=layers,
        width=width,
        anchors=anchors,
        progress=progress,
    )
    lines = [f"{'AUROC':16}" + "".join(f"{source:>10}" for source in SOURCES)]
    lines += [f"{row.name:16}" + "".join(f"{row.auroc[source]:10.3f}" for source in SOURCES) for row in result.concepts]
    lines.append(f"{'mean':16}" + "".join(f"{result.mean_auroc(source):10.3f}" for source in SOURCES))
    if len(chosen) > 1:
        recognised = "".join(f"{result.mean_recognised(source):10.3f}" for source in SOURCES)
        lines.append(f"{f'which of {len(chosen)}':16}{recognised}")
    show(result.as_json(), "\n".join(lines), as_json)


COMMANDS = (detect_command,)
