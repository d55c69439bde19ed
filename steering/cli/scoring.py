"""Commands that score a task: `tune`, `evaluate`, `bench-scoring`."""

import sys
from pathlib import Path
from typing import Any

import click

from steering.cli.concepts import concept_option
from steering.cli.options import (
    Budget,
    Numbers,
    budgets_option,
    child_option,
    json_option,
    maps_options,
    method_option,
    parent_option,
    refuse_both,
    steering_options,
    together,
    vector_option,
)
from steering.cli.steps import load, progress, show, strength_for, strengths_for, vector_for
from steering.cli.tasks import reading_of, task_option
from steering.evaluation import (
    Setup,
    as_markdown,
    check_report,
    overview,
    overview_markdown,
    read_reports,
    study,
    tune,
    write_report,
)
from steering.models import LanguageModel
from steering.steer import POSITIONS, SteeringSettings
from steering.tasks import LAYOUTS, MODES, Reading, Style, Task, load_task, preview

_SOURCES = ("method", "layers", "width", "anchors", "vector_file", "parent", "concept")

task_options = together(
    task_option,
    click.option("--lambdas", type=Numbers(), help="Strengths, with commas between them; 0 is always tried too."),
    budgets_option,
    click.option("--limit", type=int, help="Score at most so many questions, chosen at random."),
    click.option("--seed", type=int, default=0, help="Of that choice, of samples and of random vectors."),
    click.option("--mode", type=click.Choice(MODES), default="auto", help="Answer in writing, or weigh the choices."),
    click.option("--shots", type=int, default=0, help="Worked examples before the question."),
    click.option(
        "--layout", type=click.Choice(LAYOUTS), default="auto", help="A question, or a line of a list, as suits words."
    ),
    click.option("--plain/--chat", default=None, help="Without or with the child's chat template."),
    click.option(
        "--max-new-tokens", type=int, help="Most tokens of an answer in writing; by the kind of task if not given."
    ),
    click.option("--positions", type=click.Choice(POSITIONS), default="all", help="Which tokens are steered."),
    click.option(
        "--resume", is_flag=True, help="Use finished rows of earlier runs; without it, this run computes its own."
    ),
    click.option("--store", type=click.Path(path_type=Path), help="File that rows are kept in as they finish."),
    click.option("--preview", is_flag=True, help="Show the first prompt, and run nothing."),
)
vector_options = together(vector_option, parent_option, concept_option, method_option, maps_options, steering_options)


@click.command(name="tune")
@child_option
@vector_options
@task_options
@click.option(
    "--split",
    type=click.Choice(["validation", "test", "all"]),
    default="validation",
    help='"all" is for a file that is kept for tuning; the test split is refused.',
)
@json_option
def tune_command(
    child: str,
    task: str,
    split: str,
    lambdas: tuple[float, ...] | None,
    budgets: tuple[float, ...] | None,
    as_json: bool,
    **choices: Any,
) -> None:
    """Find the λ with the most right answers, on questions that are not for reporting."""
    refuse_both("lambdas", "budgets")
    setup, reading = _setup(choices), reading_of(choices)
    loaded = _read(task, "validation" if split == "test" else split, setup, reading, choices)
    child_model = load(child)
    if _show_preview(child_model, loaded, setup, choices, as_json):
        return
    vector = vector_for(child_model, **{name: choices[name] for name in _SOURCES})
    budget_strengths = strengths_for(child_model, vector, budgets, setup.steering) if budgets else ()
    result = tune(
        child_model,
        vector,
        task,
        [each.lam for each in budget_strengths] or lambdas,
        split=split,
        limit=choices["limit"],
        setup=setup,
        reading=reading,
        store=choices["store"],
        resume=choices["resume"],
        progress=progress,
    )
    data = {**result.as_json(), "kl": [each.as_json() for each in budget_strengths]}
    lines = [f"{data['task']}, {data['split']}, n = {data['n']}"]
    for row in data["rows"]:
        best = "  best" if row["lam"] == result.best_lam else ""
        strict = "" if row["strict_accuracy"] is None else f", strict {row['strict_accuracy']:.3f}"
        lines.append(
            f"λ = {row['lam']:+6g}  {row['accuracy']:.3f} ({row['low']:.3f} to {row['high']:.3f}){strict}{best}"
        )
    show(data, "\n".join([*lines, result.verdict]), as_json)


@click.command(name="evaluate")
@child_option
@vector_options
@task_options
@click.option(
    "--split", type=click.Choice(["test", "validation", "all"]), default="test", help="Part that is reported."
)
@click.option("--vote", "voting", is_flag=True, help="Let the λ vote on every question.")
@click.option("--tune", "tuning", is_flag=True, help="First tune λ on the validation split.")
@click.option("--lam", type=float, help="A λ that was tuned before: decides ties, and is where controls are shown.")
@click.option("--lam-kl", type=Budget(), help="KL budget in nats instead of --lam: the λ above 0 that it means.")
@click.option(
    "--controls/--no-controls",
    default=True,
    help="Random vectors, the flipped vector, self-consistency, and the concept asked for in words.",
)
@click.option(
    "--report", type=click.Path(path_type=Path), help="Tune, vote, and write one table: a .md, .html or .json file."
)
@json_option
def evaluate_command(
    child: str,
    task: str,
    split: str,
    lambdas: tuple[float, ...] | None,
    budgets: tuple[float, ...] | None,
    voting: bool,
    tuning: bool,
    lam: float | None,
    lam_kl: float | None,
    controls: bool,
    report: Path | None,
    as_json: bool,
    **choices: Any,
) -> None:
    """Score a task at several λ, beside controls that cost as much."""
    refuse_both("lambdas", "budgets")
    refuse_both("lam", "lam_kl")
    setup, reading = _setup(choices), reading_of(choices)
    if report is not None:
        check_report(report)
    loaded = _read(task, split, setup, reading, choices)
    child_model = load(child)
    if _show_preview(child_model, loaded, setup, choices, as_json):
        return
    vector = vector_for(child_model, **{name: choices[name] for name in _SOURCES})
    budget_strengths = strengths_for(child_model, vector, budgets, setup.steering) if budgets else ()
    lam_strength = strength_for(child_model, vector, lam_kl, setup.steering) if lam_kl else None
    lam = lam_strength.lam if lam_strength else lam
    result = study(
        child_model,
        vector,
        task,
        [each.lam for each in budget_strengths] or lambdas,
        split=split,
        limit=choices["limit"],
        setup=setup,
        reading=reading,
        tune=tuning or (report is not None and split == "test" and lam is None),
        lam=lam,
        voting=voting or report is not None,
        controls=controls,
        store=choices["store"],
        resume=choices["resume"],
        progress=progress,
    )
    if report is not None:
        write_report(result, report)
    data = {
        **result.as_json(),
        "kl": [each.as_json() for each in (*budget_strengths, *([lam_strength] if lam_strength else []))],
    }
    show(data, as_markdown(result), as_json)


@click.command(name="overview")
@click.argument("reports", nargs=-1, required=True, type=click.Path(path_type=Path))
@json_option
def overview_command(reports: tuple[Path, ...], as_json: bool) -> None:
    """Put many .json reports of `evaluate --report` into one table."""
    table = overview(read_reports(reports))
    show({"rows": table.to_dict("records")}, overview_markdown(table), as_json)


@click.command(name="bench-scoring")
@child_option
@vector_options
@task_option
@click.option("--limit", type=int, default=100, help="How many questions.")
@click.option("--lambdas", type=Numbers(), default="-0.3,-0.2,-0.1,0,0.05,0.1,0.2,0.3", help="The grid.")
@click.option("--max-new-tokens", type=int, default=48, help="Every row writes exactly so many.")
@click.option("--repeats", type=int, default=1, help="How often each arm is timed; the fastest counts.")
@json_option
def bench_command(child: str, task: str, limit: int, lambdas: tuple[float, ...], as_json: bool, **choices: Any) -> None:
    """Time a λ grid against unsteered questions, one by one and batched; let nothing else run meanwhile."""
    from steering.cli.bench import bench_scoring

    loaded = load_task(task, "all", limit=limit, reading=reading_of(choices))
    child_model = load(child)
    vector = vector_for(child_model, **{name: choices[name] for name in _SOURCES})
    data = bench_scoring(
        child_model, vector, loaded, lambdas, choices["max_new_tokens"], choices["repeats"], progress=progress
    )
    show(data, "\n".join(f"{name:36} {value:.4g}" for name, value in data.items()), as_json)


def _setup(choices: dict[str, Any]) -> Setup:
    style = Style(choices["mode"], choices["shots"], choices["plain"], layout=choices["layout"])
    steering = SteeringSettings(choices["scale"], choices["profile"], choices["positions"], choices["operator"])
    return Setup(style, choices["max_new_tokens"], steering, choices["seed"])


def _read(task: str, split: str, setup: Setup, reading: Reading, choices: dict[str, Any]) -> Task:
    """Read a task before any model is loaded, and say on standard error how its file was read."""
    loaded = load_task(task, split, limit=choices["limit"], seed=setup.seed, reading=reading)
    for note in loaded.notes:
        print(f"{task}: {note}", file=sys.stderr)
    return loaded


def _show_preview(child: LanguageModel, task: Task, setup: Setup, choices: dict[str, Any], as_json: bool) -> bool:
    """Show the first prompt before anything is run; True where the user asked for nothing else."""
    text = preview(child, task, setup.style)
    if choices["preview"]:
        show({"prompt": text, "notes": list(task.notes)}, text, as_json)
        return True
    print(f"The first prompt:\n{text}\n", file=sys.stderr, flush=True)
    return False


COMMANDS = (tune_command, evaluate_command, overview_command, bench_command)
