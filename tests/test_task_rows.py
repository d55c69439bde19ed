"""Rows of task files: what an answer refers to, odd rows, other columns, and any table in any format."""

import contextlib
import json
import random
from pathlib import Path
from typing import Any

import pandas
import pytest
from test_tables_any import WRITERS

from steering.cli import main
from steering.errors import SteeringError
from steering.storage import TABLE_ENDINGS
from steering.tasks import Item, Reading, load_task
from steering.tasks.literals import read_literal

COLOURS = ["red", "blue", "green", "grey"]


def items(folder: Path, rows: Any, ending: str = "jsonl", **reading: Any) -> tuple[Item, ...]:
    path = folder / f"own.{ending}"
    text = "\n".join(map(json.dumps, rows)) if ending == "jsonl" else rows
    path.write_text(text, "utf-8")
    return load_task(path, "all", reading=Reading(**reading)).items


def choose(*answers: Any, choices: list[Any] = COLOURS) -> list[dict[str, Any]]:
    return [{"question": f"{n}?", "choices": choices, "answer": answer} for n, answer in enumerate(answers)]


# What an answer refers to


@pytest.mark.parametrize(
    ("answers", "letters"),
    [
        ((0, 1, 2), "ABC"),
        (("0", "3"), "AD"),
        ((1, 4, 2), "ADB"),
        (("1.0", "4.0"), "AD"),
        (("red", "grey"), "AD"),
        (("Red", "GREY"), "AD"),
        (("a", "D"), "AD"),
        (("(a)", "D."), "AD"),
        (("red", "B", "green"), "ABC"),
    ],
)
def test_all_rows_decide_what_an_answer_refers_to(tmp_path: Path, answers: tuple[Any, ...], letters: str) -> None:
    assert "".join(item.answer for item in items(tmp_path, choose(*answers))) == letters


@pytest.mark.parametrize("kind", [int, str])
def test_what_stays_open_is_asked_for_and_the_flag_settles_it(tmp_path: Path, kind: type) -> None:
    rows = choose(*map(kind, (1, 2, 3)))
    with pytest.raises(SteeringError, match=r"row 1 is .*1.*'blue'.*'red'.*--answers index or --answers label"):
        items(tmp_path, rows)
    given = {name: "".join(item.answer for item in items(tmp_path, rows, answers=name)) for name in ("index", "label")}
    assert given == {"index": "BCD", "label": "ABC"}


def test_a_number_may_be_the_text_of_a_choice(tmp_path: Path) -> None:
    numbers = {"choices": [2, 4, 6, 8]}
    assert [item.answer for item in items(tmp_path, choose(8, 2, 6, **numbers))] == ["D", "A", "C"]
    with pytest.raises(SteeringError, match="--answers text"):
        items(tmp_path, choose(2, 2, **numbers))
    assert [item.answer for item in items(tmp_path, choose(2, 2, **numbers), answers="text")] == ["A", "A"]


def test_labels_of_choices_are_what_they_say(tmp_path: Path) -> None:
    choices = [{"label": str(place), "text": text} for place, text in enumerate(COLOURS, start=1)]
    assert [item.answer for item in items(tmp_path, choose("1", "2", choices=choices))] == ["A", "B"]


def test_two_answers_that_contradict_each_other_are_refused(tmp_path: Path) -> None:
    row = {"question": "?", "options": COLOURS, "answer": "C", "answer_index": 1}
    with pytest.raises(SteeringError, match="'C' and 1 beside it name different choices"):
        items(tmp_path, [row])


# Odd rows


@pytest.mark.parametrize(
    ("odd", "value"), [("18 dollars", "18"), ("$18 per day", "$18"), ("19e3", "19000"), ("3.5kg", "3.5")]
)
def test_an_odd_answer_is_read_by_its_value(tmp_path: Path, odd: str, value: str) -> None:
    rows = [{"question": f"{n}?", "answer": n} for n in range(9)]
    path = tmp_path / "own.jsonl"
    path.write_text("\n".join(map(json.dumps, [*rows, {"question": "pay?", "answer": odd}])))
    task = load_task(path, "all")
    assert (task.kind, task.items[-1].answer) == ("number", value)
    assert f"Read by value: {odd!r} in row 10 as {value}." in task.notes


@pytest.mark.parametrize("odd", [float("nan"), None, "", "many", {}, [], True])
def test_a_row_that_cannot_be_read_is_named_or_left_out_and_counted(tmp_path: Path, odd: Any) -> None:
    rows = [{"question": f"{n}?", "answer": odd if n == 3 else n} for n in range(20)]
    with pytest.raises(SteeringError, match=r"own, row 4.*--skip-bad-rows"):
        items(tmp_path, rows)
    path = tmp_path / "own.jsonl"
    task = load_task(path, "all", reading=Reading(skip_bad_rows=True))
    assert (task.kind, len(task.items)) == ("number", 19)
    assert "1 row that cannot be read left out" in task.about
    assert any(note.startswith("Left out 1 row that cannot be read: row 4") for note in task.notes)


def test_texts_with_some_numbers_stay_texts(tmp_path: Path) -> None:
    path = tmp_path / "own.csv"
    path.write_text(
        "question,answer\n" + "".join(f"{n}?,{word}\n" for n, word in enumerate(["Paris", "1969", "7", "Rome"]))
    )
    assert load_task(path, "all").kind == "text"


def test_all_answers_may_be_compared_as_texts(tmp_path: Path) -> None:
    path = tmp_path / "own.csv"
    path.write_text("question,answer\n" + "".join(f"{n}?,{n}\n" for n in range(9)) + "x?,many\n")
    assert load_task(path, "all", reading=Reading(answers="text")).kind == "text"
    with pytest.raises(SteeringError, match="no choices"):
        load_task(path, "all", reading=Reading(answers="label"))


# Columns


def test_other_columns_are_named(tmp_path: Path) -> None:
    text = "prompt,sol1,sol2,target,n\n" + "".join(f"{n}?,up,down,{n % 2},{n}\n" for n in range(4))
    columns = {"question": "prompt", "choices": "sol1,sol2", "answer": "target"}
    assert [item.answer for item in items(tmp_path, text, "csv", columns=columns)] == ["A", "B", "A", "B"]
    with pytest.raises(
        SteeringError, match=r"Columns: 'prompt', 'sol1', 'sol2', 'target', 'n'.*--columns question=prompt"
    ):
        items(tmp_path, text, "csv")
    with pytest.raises(SteeringError, match="no one column 'tarqet'"):
        items(tmp_path, text, "csv", columns={**columns, "answer": "tarqet"})
    with pytest.raises(SteeringError, match="names 'answr'"):
        Reading(columns={"answr": "target"})


def test_parts_of_an_object_are_its_parts(tmp_path: Path) -> None:
    rows = {part: [{"question": f"{part}?", "answer": 1}] for part in ("train", "dev", "test")}
    (tmp_path / "own.json").write_text(json.dumps(rows))
    assert [item.question for item in load_task(tmp_path / "own.json", "validation").items] == ["dev?"]


@pytest.mark.parametrize("word", ["dev", "valid", "val", "Validation"])
def test_a_part_has_several_names(tmp_path: Path, word: str) -> None:
    path = tmp_path / "own.jsonl"
    rows = [{"question": f"{n}?", "answer": n, "split": ["test", word][n % 2]} for n in range(8)]
    path.write_text("\n".join(map(json.dumps, rows)))
    task = load_task(path, "validation")
    assert [item.answer for item in task.items] == ["1", "3", "5", "7"]
    assert f"The split {word!r} is the validation part." in task.notes


# Any table, any bytes


def table(seed: int, *, free: bool) -> pandas.DataFrame:
    chance = random.Random(seed)
    rows = []
    for n in range(12):
        words = chance.sample(
            ["one;two", "a, b", 'say "x"', "it's", "λ→é", "日本", "first\nsecond", "10%", "c|d", "U\u2028x"], 4
        )
        row: dict[str, Any] = {"id": f"q{n}", "question": f"{words[0]} {n}?", "split": ["validation", "test"][n % 2]}
        rows.append({**row, "answer": words[1]} if free else {**row, "choices": words[1:], "answer": words[1 + n % 3]})
    return pandas.DataFrame(rows)


@pytest.mark.parametrize("free", [True, False], ids=["free", "choices"])
@pytest.mark.parametrize("writer", WRITERS)
@pytest.mark.parametrize("seed", range(3))
def test_any_table_comes_back_as_the_same_items(tmp_path: Path, writer: str, seed: int, free: bool) -> None:
    ending, write = WRITERS[writer]
    frame = table(seed, free=free)
    written = frame.assign(choices=frame["choices"].map(str)) if ending == "xlsx" and not free else frame
    (tmp_path / f"own.{ending}").write_bytes(write(written))
    expected = [
        Item(
            row["id"],
            row["question"],
            row["answer"] if free else "ABC"[row["choices"].index(row["answer"])],
            () if free else tuple(row["choices"]),
        )
        for row in frame.to_dict("records")
    ]
    assert list(load_task(tmp_path / f"own.{ending}", "all").items) == expected


@pytest.mark.parametrize("ending", TABLE_ENDINGS)
@pytest.mark.parametrize("seed", range(2))
def test_cut_and_damaged_files_raise_nothing_but_an_error_that_says_why(tmp_path: Path, ending: str, seed: int) -> None:
    chance = random.Random(seed)
    wholes = [
        write(table(seed, free=True)) for kind, write in WRITERS.values() if kind in (ending, "csv") and kind != "xlsx"
    ]
    tries = [whole[: chance.randrange(len(whole))] for whole in wholes for _ in range(6)]
    tries += [bytes(byte ^ (chance.random() < 0.01) * chance.randrange(256) for byte in whole) for whole in wholes]
    path = tmp_path / f"own.{ending}"
    for data in tries:
        path.write_bytes(data)
        with contextlib.suppress(SteeringError):
            load_task(path, "all", reading=Reading(skip_bad_rows=chance.random() < 0.5))


VALUES = (
    *(None, True, 3, -1, 1e300, float("nan"), float("inf"), "", " ", "A", "1", "x" * 50, "[", "['a' 'b'", "{'a': [1]}"),
    *(
        [],
        ["a"],
        [["a"]],
        [None],
        {},
        {"text": "x"},
        {"text": ["a", "b"], "label": ["A"]},
        {"stem": 1},
        {"A": "x", "B": None},
    ),
    *(
        {"value": 1, "aliases": 2},
        {"short_answers": 3},
        [{"short_answers": [{"text": 4}]}],
        {"stem": "x", "choices": [1, {}]},
    ),
)
KEYS = (
    *(
        "question",
        "answer",
        "choices",
        "options",
        "answerKey",
        "answer_idx",
        "split",
        "id",
        "solution",
        "problem",
        "level",
    ),
    *(
        "ctx",
        "endings",
        "label",
        "sentence",
        "option1",
        "option2",
        "A",
        "B",
        "body",
        "passage",
        "annotations",
        "question_stem",
    ),
)


@pytest.mark.parametrize("seed", range(400))
def test_any_values_under_any_keys_raise_nothing_but_an_error_that_says_why(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    keys = chance.sample(KEYS, chance.randint(1, 8)) + ["question", "answer"] * (seed % 2)
    rows = [{key: chance.choice(VALUES) for key in keys} for _ in range(6)]
    for skip in (False, True):
        with contextlib.suppress(SteeringError):
            assert items(tmp_path, rows, skip_bad_rows=skip)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("['a' 'b']", ["a", "b"]),
        ("['a'\n 'b, c']", ["a", "b, c"]),
        ("[np.str_('a'), 2, -1.5, None]", ["a", 2, -1.5, None]),
        ("{'text': array(['x'], dtype=object)}", {"text": ["x"]}),
        ("[1 2 3]", [1, 2, 3]),
    ],
)
def test_lists_in_cells_are_read_as_numpy_and_python_print_them(text: str, value: Any) -> None:
    assert read_literal(text) == value


@pytest.mark.parametrize(
    "text", ["['a', __import__('os')]", "[" * 1000, "[1, ...]", "{**a}", "{[1]: 2}", "[x]", "['a'"]
)
def test_nothing_but_values_is_read_from_a_cell(text: str) -> None:
    with pytest.raises(ValueError, match="neither JSON nor a list"):
        read_literal(text)


# The command line


def test_a_task_is_checked_without_a_model(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = tmp_path / "own.jsonl"
    path.write_text("\n".join(map(json.dumps, choose(1, 2, 3))))

    def run(*words: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as ended:
            main(["task", "check", str(path), *words])
        return int(ended.value.code or 0), *capsys.readouterr()

    assert run()[0] == 2
    code, out, _ = run("--answers", "label", "--json")
    data = json.loads(out)
    assert (code, data["kind"], data["n"], data["first"]["right"], data["last"]["answer"]) == (
        0,
        "choice",
        3,
        "red",
        "C",
    )
    code, out, _ = run("--answers", "label")
    assert "Read as questions with choices." in out
    assert "The first question: '0?'. Its answer of 4 choices: A: 'red'." in out
    assert "names 'questions'" in run("--columns", "questions=x")[2]
