"""Runs of a study, read back from trackio's own store in its own environment."""

from collections.abc import Callable
from pathlib import Path

import pytest
from test_studies import task_file

from steering.studies import StudySettings, run_study
from steering.studies.trackio_runs import trackio_run


def test_trackio_keeps_the_runs_of_a_study(
    there: Callable[..., dict[str, dict[str, dict[str, object]]]],
    folders: tuple[str, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TRACKIO_DIR", str(tmp_path / "trackio"))
    settings = StudySettings(
        name="small",
        parents=((folders[0],),),
        children=(folders[1],),
        tasks=(task_file(tmp_path / "own.jsonl"),),
        layers=("relative", "index"),
        shots=3,
    )
    runs = [trackio_run(result) for result in run_study(settings, tmp_path / "out")]
    back = there("trackio", "trackio_side.py", project="small", runs=runs)
    assert len(runs) == len(back) == 2
    for run in runs:
        kept = back[run["name"]]
        assert {name: kept["figures"][name] for name in run["figures"]} == pytest.approx(run["figures"])
        assert kept["config"]["measure"] == "arms"
        assert kept["config"]["child"] == run["config"]["child"]
