"""Concepts on the command line: what a file is read as, the columns that settle it, and checks before any model."""

import json
from pathlib import Path
from typing import Any

import click
import pytest

from steering.cli import cli, main
from steering.concepts import load_concept
from steering.tasks import concept_from_task, load_task

PAIRS = (
    ("Our dinner was lovely.", "Our dinner was dreadful."),
    ("She smiled at the news.", "She wept at the news."),
    ("A bright day of hope.", "A grey day of dread."),
    ("He praised the plan.", "He cursed the plan."),
)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "mine.csv"
    rows = ["id;good;bad", *(f"{number};{a};{b}" for number, (a, b) in enumerate(PAIRS)), ";;"]
    path.write_text("\n".join(rows), "utf-16")
    return path


def run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as ended:
        main(words)
    return int(ended.value.code or 0), *capsys.readouterr()


def test_a_file_is_checked_without_a_model(capsys: pytest.CaptureFixture[str], file: Path) -> None:
    words = ["concept", "check", str(file), "--columns", "positive=good,negative=bad"]
    code, out, err = run(capsys, *words, "--json")
    data: dict[str, Any] = json.loads(out)
    assert (code, err) == (0, "")
    assert {
        key: data[key] for key in ("name", "positive_label", "negative_label", "n_pairs", "usable", "problems")
    } == {
        "name": "mine",
        "positive_label": "good",
        "negative_label": "bad",
        "n_pairs": 4,
        "usable": True,
        "problems": [],
    }
    assert data["first"] == {"positive": PAIRS[0][0], "negative": PAIRS[0][1]}
    assert data["last"] == {"positive": PAIRS[-1][0], "negative": PAIRS[-1][1]}
    assert data["notes"] == [
        "Read as UTF-16.",
        "Cells are apart by a semicolon.",
        "Skipped 1 blank row.",
        "Positive texts are in 'good', negative texts in 'bad'.",
        "Not used: 'id'.",
    ]
    code, out, _ = run(capsys, *words)
    assert code == 0
    assert "mine: 4 pairs" in out
    assert all(note in out for note in data["notes"])


def test_a_check_tells_what_the_linter_finds(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = tmp_path / "few.csv"
    path.write_text("positive,negative\nThe same., The same.\n<|im_start|>x,y\n")
    code, out, _ = run(capsys, "concept", "check", str(path))
    assert code == 0
    assert "Error: Pair 1: both sides are equal" in out
    assert 'Warning: Pair 2: the positive text holds "<|im_start|>"' in out
    code, out, _ = run(capsys, "concept", "check", "sentiment", "--json")
    assert json.loads(out)["usable"] is True


@pytest.mark.parametrize(
    "words",
    [
        ["extract", "--model", "no-model", "--out", "x"],
        ["combine", "--parent", "no-model", "--child", "no-model", "--out", "x"],
        ["transfer", "--parent", "no-model", "--child", "no-model", "--out", "x"],
        ["generate", "--parent", "no-model", "--child", "no-model", "--prompt", "So"],
        ["retention", "--parent", "no-model", "--child", "no-model"],
        ["compare", "--parent", "no-model", "--child", "no-model"],
        ["similarity", "--parent", "no-model", "--child", "no-model"],
        ["tune", "--parent", "no-model", "--child", "no-model", "--task", "questions"],
        ["evaluate", "--parent", "no-model", "--child", "no-model", "--task", "questions"],
        ["bench-scoring", "--parent", "no-model", "--child", "no-model", "--task", "questions"],
    ],
    ids=lambda words: words[0],
)
def test_every_command_reads_and_checks_its_concept_before_a_model(
    capsys: pytest.CaptureFixture[str], file: Path, words: list[str]
) -> None:
    code, out, err = run(capsys, *words, "--concept", str(file))
    assert (code, out) == (2, "")
    assert "--columns positive=" in err
    assert "no-model" not in err
    code, out, err = run(capsys, *words, "--concept", str(file), "--columns", "positive=good,negative=bad")
    assert (code, out) == (2, "")
    assert f"{file}: Cells are apart by a semicolon." in err
    assert "no-model" in err, "the concept is in order, so it is the model that is not found"
    file.write_text("positive,negative\na,a\n")
    _, _, err = run(capsys, *words, "--concept", str(file))
    assert "The pairs of mine cannot be used. Pair 1: both sides are equal" in err
    assert "no-model" not in err


def test_wherever_a_concept_is_named_its_columns_can_be() -> None:
    for command in cli.commands.values():
        options = {name for option in command.params if isinstance(option, click.Option) for name in option.opts}
        assert ("--concept" in options) == ("--columns" in options), command.name


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ("good", "is not a list of columns such as positive="),
        ("positive=", "is not a list of columns"),
        ("positive=a,positive=b", "is not a list of columns"),
        ("positive=nice,negative=bad", "has no one column 'nice'. Its columns: 'id', 'good', 'bad'"),
    ],
)
def test_columns_that_make_no_sense_are_refused(
    capsys: pytest.CaptureFixture[str], file: Path, columns: str, message: str
) -> None:
    code, out, err = run(capsys, "concept", "check", str(file), "--columns", columns)
    assert (code, out) == (2, "")
    assert message in err


def test_a_column_name_may_hold_commas_and_equal_signs(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = tmp_path / "odd.csv"
    path.write_text('"good, x=1",bad\na,b\n')
    code, out, _ = run(capsys, "concept", "check", str(path), "--columns", "positive=good, x=1,negative=bad", "--json")
    assert code == 2, "a comma before a word and an equal sign begins the next column"
    path.write_text('"good, or 1=1",bad\na,b\n')
    words = ["concept", "check", str(path), "--columns", "positive=good, or 1=1,negative=bad", "--json"]
    code, out, _ = run(capsys, *words)
    assert code == 0
    assert json.loads(out)["first"] == {"positive": "a", "negative": "b"}


def test_columns_are_for_files(capsys: pytest.CaptureFixture[str], file: Path) -> None:
    columns = ["--columns", "positive=good,negative=bad"]
    words = ["retention", "--parent", "no-model", "--child", "no-model", *columns]
    assert "no --concept is given" in run(capsys, *words)[2]
    assert "sentiment is a bundled concept" in run(capsys, *words, "--concept", "sentiment")[2]
    assert "no-model" in run(capsys, *words, "--concept", "sentiment", "--concept", str(file))[2]


# Concepts from a task


@pytest.mark.parametrize("design", ["shots", "right-wrong", "step-by-step"])
def test_a_concept_from_a_task_loads_again_and_can_be_used(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, design: str
) -> None:
    out = tmp_path / "c.json"
    words = ["concept", "from-task", "word-forms:past-tense", "--design", design, "--limit", "9", "--seed", "1"]
    code, printed, _ = run(capsys, *words, "--out", str(out), "--json")
    data = json.loads(printed)
    task = load_task("word-forms:past-tense", "validation")
    assert code == 0
    assert load_concept(out) == concept_from_task(task, design, limit=9, seed=1)
    assert data["rows"] == [item.id for item in task.pool[:9]]
    assert (data["n_pairs"], data["left_out"], data["digest"]) == (9, [], load_concept(out).digest)
    assert data["first"] == vars(load_concept(out).pairs[0])
    code, printed, _ = run(capsys, *words, "--out", str(out))
    assert all(text in printed for text in ("9 pairs", data["rows"][0], repr(data["first"]["positive"])))
    code, printed, _ = run(capsys, "concept", "check", str(out), "--json")
    assert (code, json.loads(printed)["usable"], json.loads(printed)["name"]) == (0, True, data["name"])


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["word-forms:plural", "--out", "c.csv"], "ends in .json"),
        (["word-forms:plurals", "--out", "c.json"], "Did you mean plural"),
        (["word-forms:plural", "--design", "worked", "--out", "c.json"], "no worked solution is known"),
        (["word-forms:plural", "--design", "self", "--out", "c.json"], "--child"),
        (["word-forms:plural", "--design", "dense", "--child", "no-model", "--out", "c.json"], "--parent"),
        (["word-forms:plural", "--limit", "0", "--out", "c.json"], "number of training questions"),
        (["word-forms:plural", "--shots", "39", "--out", "c.json"], "needs at least 41"),
    ],
)
def test_what_no_concept_can_be_made_from_gets_a_sentence(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, words: list[str], message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    code, out, err = run(capsys, "concept", "from-task", *words)
    assert (code, out) == (2, "")
    assert message in err
    assert len(err.strip().splitlines()) == 1
    assert not list(tmp_path.iterdir())
