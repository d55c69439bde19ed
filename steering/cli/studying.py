"""The command `study`: many cells from one file, planned, run, gone on with, and reported."""

from pathlib import Path
from typing import Any

import click

from steering.cli.options import json_option
from steering.cli.steps import progress, show
from steering.errors import SteeringError
from steering.studies import (
    LOCAL,
    failures,
    log_to_trackio,
    plan_study,
    presets,
    read_study,
    rerun,
    results_at,
    run_on_ray,
    run_study,
    write_inspect_logs,
    write_study_report,
)

_PRESETS = "\b\nPresets: " + ", ".join(presets())


@click.command(name="study", epilog=_PRESETS)
@click.argument("file", metavar="FILE|PRESET")
@click.argument("changes", nargs=-1, metavar="[key=value]...")
@click.option(
    "--out", required=True, help="Folder of the results, made when missing, or an fsspec address: s3://bucket/a."
)
@click.option("--dry-run", is_flag=True, help="Say what it will take, and run nothing: no model, no network.")
@click.option("--inspect", "inspect", is_flag=True, help="Also write a log a cell that `inspect view` opens.")
@click.option("--trackio", is_flag=True, help="Also log a run a cell to trackio.")
@click.option(
    "--ray",
    is_flag=False,
    flag_value=LOCAL,
    metavar="[ADDRESS]",
    help="Run on Ray: on a cluster that is started here, or the one at ADDRESS.",
)
@click.option("--workers", type=int, default=2, help="How many workers of Ray hold models.")
@click.option("--gpus", type=float, default=0.0, help="GPUs of every worker, such as 0.5.")
@click.option("--memory", type=float, help="Gigabytes of every worker, which Ray schedules by.")
@json_option
def study_command(
    file: str,
    changes: tuple[str, ...],
    out: str,
    dry_run: bool,
    inspect: bool,
    trackio: bool,
    ray: str | None,
    workers: int,
    gpus: float,
    memory: float | None,
    as_json: bool,
) -> None:
    """Run every cell of a study that is missing in the folder, and write its tables and its report."""
    _refuse_a_type()
    settings = read_study(file, changes)
    with results_at(out) as place:
        plan = plan_study(settings, place.folder)
        if dry_run:
            show(plan.as_json(), plan.text(), as_json)
            return
        # Logs of no cell: a package that is not installed is named before hours of work, not after them.
        if inspect:
            write_inspect_logs(place.folder, [])
        if trackio:
            log_to_trackio(settings.name, [])
        click.echo(plan.text(), err=True)
        if ray is None:
            results = run_study(settings, place.folder, kept=place.send, progress=progress)
        else:
            size = memory and memory * 1e9
            shares: dict[str, Any] = {"address": ray, "workers": workers, "gpus": gpus, "memory": size}
            results = run_on_ray(settings, place.folder, **shares, kept=place.send, progress=progress)
        report = write_study_report(settings, results, place.folder)
        if inspect:
            write_inspect_logs(place.folder, results)
    if trackio:
        log_to_trackio(settings.name, results)
    failed = failures(results)
    report_at = f"{out.rstrip('/')}/{report.name}"
    data = {"study": settings.name, "out": out, "report": report_at, "cells": [each.as_json() for each in results]}
    lines = [f"{settings.name}: {len(results)} cells, {len(failed)} of them failed. Report: {report_at}"]
    lines += [f"{each.cell.described(('measure', 'task'))}: {each.reason}" for each in failed]
    show(data, "\n".join(lines), as_json)


@click.command(name="rerun")
@click.argument("report", type=click.Path(path_type=Path), metavar="FOLDER|REPORT")
@click.option("--out", type=click.Path(path_type=Path), help="Keep the second run in this folder.")
@json_option
def rerun_command(report: Path, out: Path | None, as_json: bool) -> None:
    """Do a study again from nothing, and say what differs; on the same machine nothing should."""
    _refuse_a_type()
    result = rerun(report, out, progress=progress)
    show(result.as_json(), result.text(), as_json)


def _refuse_a_type() -> None:
    dtype = click.get_current_context().find_root().params.get("dtype", "auto")
    if dtype != "auto":
        raise SteeringError(
            "A study loads its models in the type that fits the machine, and its results do not say another: "
            f"leave out --dtype {dtype}."
        )


COMMANDS = (study_command, rerun_command)
