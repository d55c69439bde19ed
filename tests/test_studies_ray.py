"""A study on a real local Ray, whose table is that of one process, also where a worker is lost."""

import os
import signal
import sys
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
from test_studies import as_table, attempts, settings  # noqa: F401 - a fixture

from steering.errors import SteeringError
from steering.studies import StudySettings, kept_results, run_study
from steering.studies.distributed import run_on_ray


def workers() -> list[psutil.Process]:
    """The processes of actors that this one's cluster has started."""
    children = psutil.Process().children(recursive=True)
    return [child for child in children if "ray::Worker" in " ".join(child.cmdline())]


@pytest.mark.usefixtures("fresh_cache")
def test_two_workers_give_the_table_of_one_process_though_one_is_killed(
    settings: StudySettings,  # noqa: F811
    tmp_path: Path,
) -> None:
    pytest.importorskip("ray", reason="requirements-distributed.txt is not installed")
    several = replace(settings, layers=("relative", "index"), concepts=("from-task", "no-such-concept"))
    killed: list[int] = []

    def kill_one(_what: str, _fraction: float) -> None:
        for worker in [] if killed else workers():
            if kept_results(tmp_path / "out") and worker.pid not in killed:
                os.kill(worker.pid, signal.SIGKILL)
                killed.append(worker.pid)
                return

    results = run_on_ray(several, tmp_path / "out", progress=kill_one)
    assert killed
    expected = run_study(several, tmp_path / "whole")
    assert as_table(results) == as_table(expected)
    assert {result.status for result in results} == {"success", "error"}
    assert all(count == 1 for _, count in attempts(tmp_path / "whole"))


def test_without_ray_a_sentence_says_how_to_install_it(
    settings: StudySettings,  # noqa: F811
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(SteeringError, match=r"pip install -r requirements-distributed\.txt"):
        run_on_ray(settings, tmp_path)
