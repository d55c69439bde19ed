"""Studies: what is a cell, what its key depends on, and a run that is kept, gone on with, and reported."""

import json
import os
import random
import re
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from forks import FORK
from tiny import save_tiny

from steering.cli import main
from steering.errors import SteeringError
from steering.models import load_model
from steering.studies import (
    AXES,
    MEASURES,
    REPORT,
    ROWS,
    SAMPLES,
    STUDY,
    USES,
    Cell,
    StudySettings,
    cell_key,
    expand,
    kept_results,
    plan_study,
    presets,
    read_accuracies,
    read_evals,
    read_study,
    rerun,
    run_study,
    write_inspect_logs,
    write_settings,
    write_study_report,
)
from steering.studies.results import SAMPLE_FIELDS, _schema, samples_part, write_samples

FAMILIES = ("phi3", "qwen2", "mistral", "qwen3", "llama", "gemma2")


def task_file(path: Path, mark: str = "") -> str:
    rows = [
        {
            "question": f"{mark}{split[:2]}{place}",
            "choices": ["a train", "the gardens", "rain"],
            "answer": place % 3,
            "split": split,
        }
        for split, count in (("train", 10), ("validation", 5), ("test", 6))
        for place in range(count)
    ]
    path.write_text("\n".join(map(json.dumps, rows)), "utf-8")
    return str(path)


@pytest.fixture
def settings(folders: tuple[str, str], tmp_path: Path) -> StudySettings:
    """Two ways of carrying a task's vector, and a grid of it."""
    parent, child = folders
    return StudySettings(
        name="small",
        about="Does <it> run?",
        measures=("grid", "arms"),
        parents=((parent,),),
        children=(child,),
        tasks=(task_file(tmp_path / "own.jsonl"),),
        layers=("relative",),
        profiles=("all",),
        lambdas=(-0.3, 0.0, 0.3),
        shots=3,
        controls=False,
    )


def attempts(folder: Path) -> list[tuple[str, int]]:
    with sqlite3.connect(folder / ROWS, timeout=30) as connection:
        rows = connection.execute("SELECT cell || prompt, attempts FROM rows").fetchall()
        return rows + connection.execute("SELECT cell, attempts FROM results").fetchall()


def as_table(results: Any) -> list[tuple[Any, ...]]:
    """What of results must be the same whenever they were computed."""
    return [(each.key, each.status, each.reason, dict(each.figures), each.n, each.n_samples) for each in results]


def test_every_measure_says_what_it_uses() -> None:
    assert set(USES) == set(MEASURES)
    known = {each.name for each in fields(Cell)}
    assert all(set(names) <= known for names in USES.values())
    assert set(AXES) <= {each.name for each in fields(StudySettings)}


def test_cells_are_combinations_of_what_is_used(settings: StudySettings) -> None:
    more = replace(
        settings, layers=("relative", "index"), budgets=(None, 1.0), seeds=(0, 1), measures=("grid", "effect")
    )
    cells = expand(more)
    assert sum(cell.measure == "grid" for cell in cells) == 8
    assert sum(cell.measure == "effect" for cell in cells) == 8, "pairs from a task are drawn by the seed"
    assert len({cell_key(cell) for cell in cells}) == 16
    written = expand(replace(more, concepts=("sentiment",)))
    assert sum(cell.measure == "effect" for cell in written) == 4, "the effect of a bundled concept draws nothing"
    assert all(Cell.from_json(json.loads(json.dumps(cell.as_json()))) == cell for cell in cells)


def test_a_key_is_the_content_of_what_a_cell_depends_on(
    settings: StudySettings, tmp_path: Path, folders: tuple[str, str]
) -> None:
    (grid, arms) = expand(settings)
    assert cell_key(arms) != cell_key(grid)
    own = replace(arms, concept=f"from-task:{arms.task}")
    assert cell_key(own) == cell_key(arms), "its own task is its own task, whatever it is called"
    copied = replace(arms, task=task_file(tmp_path / "copy.jsonl"), concept="from-task")
    assert cell_key(copied) == cell_key(arms), "the content counts, not the name"
    other = replace(arms, task=task_file(tmp_path / "other.jsonl", "x"))
    assert cell_key(other) != cell_key(arms)
    assert cell_key(replace(arms, child=folders[0])) != cell_key(arms)
    assert cell_key(replace(arms, lambdas=(0.0, 1.0))) == cell_key(arms), "arms choose their λ themselves"
    assert cell_key(replace(grid, lambdas=(0.0, 1.0))) != cell_key(grid)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        (["colour=red"], "A study has no 'colour'"),
        (["measures=taste"], "Unknown value 'taste' of measures"),
        (["layers=sideways"], "Unknown value 'sideways' of layers"),
        (["children=[]"], "names no children"),
        (["seeds=0,0"], "twice"),
        (["seeds"], "write key=value"),
        (["tasks=null"], "needs a task"),
        (["limit=0"], "limit is 0"),
        (["budgets=-1"], "KL budget"),
        (["lambdas=[a]"], "λ must be"),
        (["parents=[{}]"], "where a name or a file must stand"),
        (["measures=[arms"], "no YAML"),
        (["variants=[1]"], "must hold keys"),
    ],
)
def test_a_mistake_in_a_study_gets_a_sentence(
    settings: StudySettings, tmp_path: Path, changes: list[str], sentence: str
) -> None:
    write_settings(settings, tmp_path / "study.yaml")
    with pytest.raises(SteeringError, match=re.escape(sentence)):
        read_study(tmp_path / "study.yaml", changes)


def test_a_study_is_read_as_it_was_written(settings: StudySettings, tmp_path: Path) -> None:
    write_settings(settings, tmp_path / "study.yaml")
    assert read_study(tmp_path / "study.yaml") == settings
    changed = read_study(tmp_path / "study.yaml", ["layers=relative,index", "lambdas=0,0.5", "limit=3"])
    assert (changed.layers, changed.lambdas, changed.limit) == (("relative", "index"), (0, 0.5), 3)


def test_variants_have_cells_of_their_own_and_a_change_holds_in_all(settings: StudySettings, tmp_path: Path) -> None:
    varied = replace(settings, variants=({"measures": ["arms"], "shots": 2}, {"measures": ["effect"]}))
    assert [(cell.measure, cell.shots) for cell in expand(varied)] == [("arms", 2), ("effect", 3)]
    write_settings(varied, tmp_path / "study.yaml")
    changed = read_study(tmp_path / "study.yaml", ["shots=4", "measures=arms"])
    assert [(cell.measure, cell.shots) for cell in expand(changed)] == [("arms", 4)]


@pytest.mark.usefixtures("fresh_cache")
def test_a_study_is_run_kept_and_gone_on_with(settings: StudySettings, tmp_path: Path) -> None:
    out, loaded = tmp_path / "out", []

    def load(name: str, progress: Any) -> Any:
        loaded.append(name)
        return load_model(name, progress=progress)

    first = run_study(settings, out, load=load)
    assert [result.status for result in first] == ["success", "success"], [result.reason for result in first]
    grid, arms = first
    assert grid.n == arms.n == 6
    assert (grid.n_samples, arms.n_samples) == (6 * 3, 6 * 4)
    assert len(loaded) == 2
    assert all(count == 1 for _, count in attempts(out))

    # What the tables say is what the rows say.
    counted = read_accuracies(out)
    assert counted["n"].sum() == 6 * 7
    of_arms = counted[counted["eval_id"] == arms.key].set_index("metadata_arm")
    assert {arm: of_arms.loc[arm, "right"] / 6 for arm in of_arms.index} == pytest.approx(
        {arm: arms.figures[arm] for arm in ("baseline", "carried", "own", "random")}
    )
    evals = read_evals(out).set_index("eval_id")
    assert evals.loc[arms.key, "score_headline_value"] == arms.figures["gain"]
    assert evals.loc[arms.key, "model"] == settings.children[0]

    # Nothing is loaded or computed for what is there; a failed cell has its reason, and the others go on.
    more = replace(
        settings, concepts=("from-task", "no-such-concept"), measures=("arms",), layers=("relative", "index")
    )
    before = dict(attempts(out))
    loaded.clear()
    second = run_study(more, out, load=load)
    assert [result.status for result in second] == ["success", "success", "error", "error"] or {
        result.cell.concept: result.status for result in second
    } == {"from-task": "success", "no-such-concept": "error"}
    assert all("no-such-concept" in result.reason for result in second if result.status == "error")
    assert set(before.items()) <= set(attempts(out))
    assert all(count == 1 for _, count in attempts(out))
    loaded.clear()
    assert as_table(run_study(settings, out, load=load)) == as_table(first)
    assert not loaded

    text = write_study_report(more, second, out).read_text("utf-8")
    assert text.count("plotly.js v") == 1 or text.count("<script>") == 1
    assert "&lt;it&gt;" in text
    assert "<it>" not in text
    assert not re.search(r"<(?:script|link|img)[^>]*(?:src|href)=", text)
    assert "no-such-concept" in text
    for title in ("Every arm", "All cells"):
        assert title in text
    assert "python -m steering study" in text
    assert "Accuracy against λ" in write_study_report(settings, first, out).read_text("utf-8")


def test_a_stop_ends_the_study_and_is_no_failure(settings: StudySettings, tmp_path: Path) -> None:
    class StoppedByUser(Exception):
        pass

    def stop(_what: str, _fraction: float) -> None:
        raise StoppedByUser

    with pytest.raises(StoppedByUser):
        run_study(settings, tmp_path / "out", progress=stop)
    assert not kept_results(tmp_path / "out")


@pytest.mark.usefixtures("fresh_cache")
def test_a_study_that_is_killed_ten_times_ends_with_the_same_table(settings: StudySettings, tmp_path: Path) -> None:
    models = {name: load_model(name) for name in (settings.parents[0][0], settings.children[0])}

    def load(name: str, _progress: Any) -> Any:
        return models[name]

    started = time.monotonic()
    expected = as_table(run_study(settings, tmp_path / "whole", load=load))
    whole = time.monotonic() - started
    out, generator = tmp_path / "out", random.Random(0)
    for _ in range(10):
        before = set(attempts(out)) if (out / ROWS).exists() and has_tables(out) else set()
        process = FORK.Process(target=run_study, args=(settings, out), kwargs={"load": load})
        process.start()
        process.join(generator.uniform(0.02, 0.5) * whole)
        if process.is_alive():
            os.kill(process.pid or 0, signal.SIGKILL)
        process.join()
        assert not before or before <= set(attempts(out)), "finished rows stay as they are"
    assert as_table(run_study(settings, out, load=load)) == expected
    assert all(count == 1 for _, count in attempts(out)), "no row was computed twice"
    assert len(attempts(out)) == len(attempts(tmp_path / "whole"))


def has_tables(folder: Path) -> bool:
    with sqlite3.connect(folder / ROWS, timeout=30) as connection:
        names = connection.execute("SELECT name FROM sqlite_master").fetchall()
    return {("rows",), ("results",)} <= set(names)


def test_a_study_done_again_gives_the_same_numbers(settings: StudySettings, tmp_path: Path) -> None:
    arms = replace(settings, measures=("arms",))
    results = run_study(arms, tmp_path / "out")
    write_study_report(arms, results, tmp_path / "out")
    again = rerun(tmp_path / "out" / REPORT)
    assert (again.n_cells, again.n_rows, again.differences) == (1, 24, ())
    # A number that was changed afterwards is seen.
    with sqlite3.connect(tmp_path / "out" / ROWS) as connection:
        (text,) = connection.execute("SELECT result FROM results").fetchone()
        data = json.loads(text)
        data["figures"]["gain"] = 0.5
        connection.execute("UPDATE results SET result = ?", (json.dumps(data),))
    (difference,) = rerun(tmp_path / "out").differences
    assert "gain was 0.5" in difference
    with pytest.raises(SteeringError, match="is no study"):
        rerun(tmp_path)


@pytest.mark.parametrize("name", sorted(presets()))
def test_a_preset_is_planned_without_models_and_network(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_network(*_: Any, **__: Any) -> None:
        raise AssertionError("the network was asked for")

    monkeypatch.setattr(socket.socket, "connect", no_network)
    monkeypatch.setattr("steering.models.loading.load_model", no_network)
    plan = plan_study(read_study(name), tmp_path)
    assert plan.cells
    assert f"{len(plan.cells)} cells" in plan.text()
    assert json.dumps(plan.as_json())
    if name == "paper":
        assert len(plan.cells) == 2 * 3 * 3 * 3
        assert plan.gpu_hours
        assert plan.memory
        assert not plan.unknown
    assert not list(tmp_path.iterdir())


@pytest.mark.usefixtures("fresh_cache")
def test_the_tiny_study_of_the_paper_runs_on_its_families(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for number, family in enumerate(FAMILIES):
        save_tiny(
            tmp_path / "tiny-models" / family, family, layers=2 + number % 2, width=24 + 8 * (number % 3), seed=number
        )
    task_file(tmp_path / "tiny-models" / "own.jsonl")
    few = ["parents=tiny-models/phi3", "children=tiny-models/qwen3,tiny-models/llama"]
    with pytest.raises(SystemExit) as ended:
        main(["study", "paper-tiny", "--out", "out", "--json", *few])
    assert ended.value.code == 0
    data = json.loads(capsys.readouterr().out)
    assert len(data["cells"]) == 4
    assert [cell["reason"] for cell in data["cells"]] == [""] * 4
    assert (tmp_path / "out" / REPORT).is_file()
    assert (tmp_path / "out" / STUDY).is_file()
    assert (tmp_path / "out" / SAMPLES).is_file()


@pytest.mark.parametrize(("option", "package"), [("--inspect", "inspect_ai.log"), ("--trackio", "trackio")])
def test_a_package_that_is_missing_is_named_before_anything_is_run(
    option: str,
    package: str,
    settings: StudySettings,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    write_settings(settings, tmp_path / "study.yaml")
    with pytest.raises(SystemExit) as ended:
        main(["study", str(tmp_path / "study.yaml"), "--out", str(tmp_path / "out"), option])
    assert ended.value.code == 2
    assert "pip install -r requirements-interop-" in capsys.readouterr().err
    assert not kept_results(tmp_path / "out")


def test_without_inspect_a_sentence_says_how_to_install_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "inspect_ai.log", None)
    with pytest.raises(SteeringError, match=r"pip install -r requirements-interop-inspect\.txt"):
        write_inspect_logs(tmp_path, [])


READ_MANY = """
import json, sys, time
from pathlib import Path
from steering.studies import read_accuracies
started = time.perf_counter()
counted = read_accuracies(Path(sys.argv[1]))
print(f"read in {time.perf_counter() - started:.2f} s", file=sys.stderr)
peak = int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0])  # Of this program alone, not of what began it.
print(json.dumps([len(counted), int(counted["n"].sum()), int(counted["right"].sum()), peak]))
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the peak of memory is read where Linux writes it")
def test_a_million_rows_are_read_within_a_gigabyte(tmp_path: Path) -> None:
    cells, n = [f"cell-{number}" for number in range(10)], 100_000
    for key in cells:
        rows = {
            "sample_id": [f"{key}-{row}" for row in range(n)],
            "eval_id": [key] * n,
            "id": [f"q{row % 1000}" for row in range(n)],
            "input": [f"How many is {row}, and why is it so and not otherwise?" for row in range(n)],
            "score_match": [float(row % 4 == 0) for row in range(n)],
            "metadata_arm": ["carried"] * n,
            "metadata_lam": [row % 10 / 10 for row in range(n)],
        }
        (tmp_path / "samples").mkdir(exist_ok=True)
        absent = {name: [None] * n for name in SAMPLE_FIELDS if name not in rows}
        pd.DataFrame({**rows, **absent}).to_parquet(samples_part(tmp_path, key), schema=_schema(), index=False)
    assert write_samples(tmp_path, cells) == 10 * n
    command = [sys.executable, "-c", READ_MANY, str(tmp_path)]
    run = subprocess.run(command, capture_output=True, text=True, cwd=Path(__file__).parent.parent, timeout=300)
    assert run.returncode == 0, run.stderr
    print(run.stderr, run.stdout)
    n_counted, n_rows, right, kilobytes = json.loads(run.stdout)
    assert (n_counted, n_rows, right) == (100, 1_000_000, 250_000)
    assert kilobytes < 1_000_000
