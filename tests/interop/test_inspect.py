"""Logs of a study, read back by Inspect itself in its own environment."""

from collections.abc import Callable
from pathlib import Path

import pytest
from test_studies import task_file

from steering.studies import StudySettings, run_study
from steering.studies.inspect_logs import log_of, samples_of
from steering.studies.results import read_evals


def test_inspect_reads_the_logs_of_a_study(
    there: Callable[..., dict[str, object]], folders: tuple[str, str], tmp_path: Path
) -> None:
    settings = StudySettings(
        name="small",
        parents=((folders[0],),),
        children=(folders[1],),
        tasks=(task_file(tmp_path / "own.jsonl"),),
        concepts=("from-task", "no-such-concept"),
        layers=("relative",),
        shots=3,
    )
    results = run_study(settings, tmp_path / "out")
    logs = [log_of(result, samples_of(tmp_path / "out", result.key)) for result in results]
    (tmp_path / "logs").mkdir()
    back = there("inspect", "inspect_side.py", logs=logs, folder=str(tmp_path / "logs"))
    assert back["status"] == ["success", "error"]
    good, failed = results
    expected = {name: value for name, value in good.figures.items() if value is not None}
    assert back["metrics"][0] == pytest.approx(expected)  # type: ignore[index]
    evals = {row["eval_id"]: row for row in back["evals"]}  # type: ignore[attr-defined]
    ours = read_evals(tmp_path / "out").set_index("eval_id")
    for column in ("task_name", "model", "status", "total_samples", "solver"):
        assert evals[good.key][column] == ours.loc[good.key, column], column
    assert evals[failed.key]["error_message"] == failed.reason
    rows = samples_of(tmp_path / "out", good.key)
    read = {(row["id"], row["epoch"]): row for row in back["samples"]}  # type: ignore[attr-defined]
    assert len(read) == len(rows) == good.n_samples
    for row in rows:
        same = read[row["id"], row["epoch"]]
        assert (same["score_match"], same["target"]) == (row["score_match"], row["target"])
        assert (same["metadata_arm"], same["metadata_lam"]) == (row["metadata_arm"], row["metadata_lam"])
