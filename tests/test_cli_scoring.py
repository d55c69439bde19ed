"""`tune` and `evaluate` on tiny models: their contracts, one sentence for a mistake, and a run that is killed."""

import json
import os
import signal
import sqlite3
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
from forks import FORK
from tiny import byte_tokenizer, save_tiny

from steering.cli import main
from steering.evaluation.store import Store
from steering.models.loading import load_model
from steering.vectors.vector import SteeringVector, save_vector


@pytest.fixture
def words(tmp_path: Path, vector_for: Callable[..., SteeringVector]) -> list[str]:
    child = save_tiny(tmp_path / "child", "gpt2", tokenizer=byte_tokenizer(chat=True), layers=2, width=32)
    save_vector(vector_for(load_model(str(child))), tmp_path / "vector.safetensors")
    rows = [
        {"id": f"{split}-{place}", "question": f"{split} {place}?", "answer": place, "split": split}
        for split in ("validation", "test")
        for place in range(20)
    ]
    (tmp_path / "own.jsonl").write_text("\n".join(map(json.dumps, rows)), "utf-8")
    return [
        *("--child", str(child), "--vector", str(tmp_path / "vector.safetensors")),
        *("--task", str(tmp_path / "own.jsonl"), "--store", str(tmp_path / "rows.sqlite")),
    ]


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> dict[str, Any]:
    with pytest.raises(SystemExit) as ended:
        main([*arguments, "--json"])
    captured = capsys.readouterr()
    assert ended.value.code == 0, captured.err
    found: dict[str, Any] = json.loads(captured.out)
    return found


def test_tune_keeps_its_contract(capsys: pytest.CaptureFixture[str], words: list[str]) -> None:
    data = run(capsys, "tune", *words, "--lambdas", "-0.5,0.5", "--max-new-tokens", "4", "--limit", "5")
    assert set(data) >= {"task", "split", "n", "baseline", "rows", "best_lam"}
    assert (data["task"], data["split"], data["n"]) == ("own", "validation", 5)
    assert [row["lam"] for row in data["rows"]] == [0, -0.5, 0.5]
    assert all(set(row) >= {"lam", "accuracy", "low", "high"} for row in data["rows"])
    assert data["baseline"] == data["rows"][0]["accuracy"]


def test_budgets_stand_for_a_grid(capsys: pytest.CaptureFixture[str], words: list[str]) -> None:
    few = [*words, "--max-new-tokens", "4", "--limit", "2"]
    tuned = run(capsys, "tune", *few, "--kl", "0.1,0.5")
    assert sorted(row["lam"] for row in tuned["rows"]) == sorted([0, *(each["lam"] for each in tuned["kl"])])
    assert [each["budget"] for each in tuned["kl"]] == [0.5, 0.1, 0.1, 0.5]
    scored = run(capsys, "evaluate", *few, "--kl", "0.1,0.5", "--lam-kl", "0.5", "--no-controls")
    assert [each["side"] for each in scored["kl"]] == [-1, -1, 1, 1, 1]
    assert [row["lam"] for row in scored["rows"]] == [row["lam"] for row in tuned["rows"]]


def test_evaluate_keeps_its_contract(capsys: pytest.CaptureFixture[str], words: list[str], tmp_path: Path) -> None:
    report = tmp_path / "report.md"
    arguments = ["evaluate", *words, "--lambdas", "-0.5,0,0.5", "--max-new-tokens", "4", "--limit", "3"]
    data = run(capsys, *arguments, "--vote", "--report", str(report))
    assert set(data) >= {"task", "split", "n", "rows", "vote", "controls"}
    assert (data["split"], data["n"]) == ("test", 3)
    assert [row["lam"] for row in data["rows"]] == [-0.5, 0, 0.5]
    assert all(set(row) >= {"lam", "accuracy", "low", "high", "correct"} for row in data["rows"])
    assert all(len(row["correct"]) == 3 for row in data["rows"])
    assert set(data["vote"]) >= {"accuracy", "low", "high"}
    assert set(data["controls"]) == {"random", "flipped", "self_consistency", "prompt_only"}
    assert len(data["controls"]["random"]["each"]) == 3
    assert data["tuned"]["chosen_on"]["split"] == "validation"
    for what in ("baseline", "tuned", "vote over λ", "random, mean of 3", "flipped", "self-consistency", "prompt-only"):
        assert f"| {what}" in report.read_text("utf-8")
    assert run(capsys, *arguments, "--no-controls")["controls"] == {}
    assert "vote" not in run(capsys, *arguments, "--no-controls")


def test_many_reports_make_one_table(capsys: pytest.CaptureFixture[str], words: list[str], tmp_path: Path) -> None:
    paths = [str(tmp_path / f"{number}.json") for number in range(2)]
    arguments = ["evaluate", *words, "--lambdas", "-0.5,0,0.5", "--max-new-tokens", "4", "--limit", "3", "--resume"]
    reports = [run(capsys, *arguments, "--report", path) for path in paths]
    for number, report in enumerate(reports):  # Told apart from the first λ, which is not the baseline.
        report["rows"][1] |= {"accuracy": 0.125, "low": 0.0, "high": 0.25}
        Path(paths[number]).write_text(json.dumps(report), "utf-8")
    rows = run(capsys, "overview", *paths)["rows"]
    assert len(rows) == 2
    for row, report in zip(rows, reports, strict=True):
        assert (row["task"], row["n"]) == ("own", "3")
        assert row["baseline"] == "0.125 (0.00–0.25)"
        assert row["λ = +0.5"].startswith(f"{report['rows'][-1]['accuracy']:.3f} (")
        assert row["λ = +0.5"].endswith(f"p = {report['rows'][-1]['p']:.2f}")
        assert row["vote"].endswith(f"p = {report['vote']['p']:.2f}")
    with pytest.raises(SystemExit):
        main(["overview", *paths])
    assert len(capsys.readouterr().out.splitlines()) == 4
    for text, sentence in (("{}", "is no report"), ("[" * 100_000, "cannot be read")):
        (tmp_path / "other.json").write_text(text)
        with pytest.raises(SystemExit):
            main(["overview", str(tmp_path / "other.json")])
        assert sentence in capsys.readouterr().err


def test_a_prompt_is_shown_before_anything_is_run(
    capsys: pytest.CaptureFixture[str], words: list[str], tmp_path: Path
) -> None:
    data = run(capsys, "evaluate", *words, "--preview")
    assert "<user>test" in data["prompt"]
    assert not (tmp_path / "rows.sqlite").exists()
    assert "Question: test" in run(capsys, "evaluate", *words, "--preview", "--plain")["prompt"]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["tune", "--split", "test"], "cannot be tuned on the test split"),
        (["evaluate", "--split", "validation", "--tune"], "cannot report it"),
        (["evaluate", "--report", "report.pdf"], "must end in .md"),
        (["evaluate", "--task", "nope"], "Choose one of questions"),
        (["evaluate", "--limit", "0"], "limit is 0"),
        (["evaluate", "--mode", "likelihood"], "no choices"),
        (["evaluate", "--max-new-tokens", "9999"], "reads up to"),
        (["evaluate", "--shots", "99"], "not 99"),
        (["evaluate", "--store", "/dev/null/rows"], "name another file"),
    ],
)
def test_a_mistake_gives_one_sentence(
    capsys: pytest.CaptureFixture[str], words: list[str], arguments: list[str], sentence: str
) -> None:
    with pytest.raises(SystemExit) as ended:
        main([arguments[0], *words, *arguments[1:]])
    captured = capsys.readouterr()
    assert ended.value.code == 2
    assert sentence in captured.err
    assert "Traceback" not in captured.err


def rows(store: Path) -> list[tuple[str, str, float, int]]:
    if not store.exists():
        return []
    with sqlite3.connect(store, timeout=30) as connection:
        if not connection.execute("SELECT name FROM sqlite_master WHERE name = 'rows'").fetchall():
            return []
        return connection.execute("SELECT cell, prompt, written, attempts FROM rows").fetchall()


def test_a_killed_run_goes_on_and_computes_nothing_twice(
    capsys: pytest.CaptureFixture[str], words: list[str], tmp_path: Path
) -> None:
    store, whole = tmp_path / "rows.sqlite", tmp_path / "whole.sqlite"
    arguments = ["evaluate", *words, "--no-controls", "--vote", "--lambdas", "-1,-0.5,-0.2,0,0.2,0.5,1"]
    arguments += ["--max-new-tokens", "12"]
    expected = run(capsys, *arguments, "--store", str(whole))

    def die() -> None:
        write = Store.write

        def write_and_die(self: Store, batch: Iterable[Any]) -> None:
            write(self, batch)
            os.kill(os.getpid(), signal.SIGKILL)

        Store.write = write_and_die  # type: ignore[method-assign]
        main(arguments)

    process = FORK.Process(target=die)
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    before = rows(store)
    assert 0 < len(before) < 7 * 20

    found = run(capsys, *arguments, "--resume")
    assert found == expected
    after = rows(store)
    assert len(after) == 7 * 20
    assert set(before) <= set(after), "finished rows are as they were, down to the time that they were written"
    assert all(attempts == 1 for *_, attempts in after)
