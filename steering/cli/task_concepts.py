"""`concept from-task`: contrast pairs made from the training part of a task."""

from pathlib import Path

import click

from steering.cli.options import json_option, parent_option
from steering.cli.steps import load, load_pair, progress, show
from steering.concepts import lint, save_concept
from steering.errors import SteeringError
from steering.evaluation import OWN_DESIGNS, SAMPLES, pairs_from_answers
from steering.models import LanguageModel
from steering.tasks import DESIGNS, MOST_QUESTIONS, SHOTS, Task, TaskPairs, load_task, pairs_from_task

_ABOUT = {name: design.about for name, design in DESIGNS.items()} | {
    name: design.about for name, design in OWN_DESIGNS.items()
}


@click.command(name="from-task", epilog="\b\n" + "\n".join(f"{name}: {about}" for name, about in _ABOUT.items()))
@click.argument("task")
@click.option("--design", type=click.Choice(list(_ABOUT)), default="shots", help="What the two sides of a pair are.")
@click.option("--shots", type=int, help=f"Solved questions before a question; {SHOTS} in the design shots, else none.")
@click.option("--limit", type=int, default=MOST_QUESTIONS, help="Use at most so many training questions.")
@click.option("--samples", type=int, default=SAMPLES, help="Answers of the child to each question, in self and dense.")
@click.option("--seed", type=int, default=0, help="Of everything that is drawn.")
@click.option("--child", help="The model that answers, in self and dense.")
@parent_option
@click.option("--out", type=click.Path(path_type=Path), required=True, help="The .json file to write.")
@json_option
def from_task_command(
    task: str,
    design: str,
    shots: int | None,
    limit: int,
    samples: int,
    seed: int,
    child: str | None,
    parent: str | None,
    out: Path,
    as_json: bool,
) -> None:
    """Make contrast pairs from the training part of TASK, which is never scored."""
    if out.suffix != ".json":
        raise SteeringError(
            f"{out} cannot hold the name and the poles of a concept. Give --out a name that ends in .json."
        )
    loaded = load_task(task, "validation")
    if design in DESIGNS:
        made = pairs_from_task(loaded, design, shots=SHOTS if shots is None else shots, limit=limit, seed=seed)
    else:
        made = _from_models(loaded, design, shots or 0, limit, samples, seed, child, parent)
    save_concept(made.concept, out)
    concept, first = made.concept, made.concept.pairs[0]
    data = {
        "task": loaded.name,
        "design": design,
        "name": concept.name,
        "positive_label": concept.positive_label,
        "negative_label": concept.negative_label,
        "description": concept.description,
        "n_pairs": len(concept.pairs),
        "rows": list(made.items),
        "left_out": list(made.left_out),
        "left_out_reason": made.reason,
        "first": vars(first),
        "digest": concept.digest,
        "problems": [vars(problem) for problem in lint(concept.pairs)],
        "out": str(out),
    }
    lines = [
        f"{concept.name}: {len(concept.pairs)} pairs, in {out}.",
        concept.description,
        f"positive: {concept.positive_label}; negative: {concept.negative_label}",
        f"first pair: {first.positive!r} / {first.negative!r}",
        f"rows: {', '.join(made.items)}",
    ]
    show(data, "\n".join(lines), as_json)


def _from_models(
    task: Task, design: str, shots: int, limit: int, samples: int, seed: int, child: str | None, parent: str | None
) -> TaskPairs:
    if child is None:
        raise SteeringError(f"In the design {design!r} a child answers the questions. Name it with --child.")
    parent_model: LanguageModel | None = None
    if OWN_DESIGNS[design].needs_parent:
        if parent is None:
            raise SteeringError(
                f"In the design {design!r} a parent rewrites the child's solutions. Name it with --parent."
            )
        parent_model, child_model = load_pair(parent, child)
    else:
        child_model = load(child)
    return pairs_from_answers(
        task,
        design,
        child_model,
        parent_model,
        samples=samples,
        shots=shots,
        limit=limit,
        seed=seed,
        progress=progress,
    )
