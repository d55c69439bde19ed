"""Question sets as they are published: each layout is read as what it is, and docs/formats.md shows what a person sees."""

import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from steering.errors import SteeringError
from steering.tasks import Reading, Task, describe, load_task

DOCS = Path(__file__).parents[1] / "docs" / "formats.md"
FIELD = Path(__file__).parents[2] / "shared" / "field"
"""Small files beside the checkout; a user of the product has none."""


def lines(row: Callable[[int], dict[str, Any]], count: int = 8) -> str:
    return "".join(json.dumps(row(place), ensure_ascii=False) + "\n" for place in range(count))


COLOURS = ["red", "blue", "green", "grey"]
LABELLED = [{"label": label, "text": text} for label, text in zip("ABCD", COLOURS, strict=True)]
TWO_LISTS = {"text": COLOURS, "label": list("ABCD")}

PUBLISHED: dict[str, tuple[str, str, str, str]] = {
    # What is read: the file's ending, its contents, and the kind and the right answer of the first question.
    "GSM8K": (
        "jsonl",
        lines(lambda n: {"question": f"{n} + 3?", "answer": f"Add.\n{n}+3=<<{n}+3={n + 3}>>{n + 3}\n#### {n + 3}"}),
        "number",
        "3",
    ),
    "MATH": (
        "jsonl",
        lines(lambda n: {"problem": f"{n}?", "level": "Level 1", "type": "Algebra", "solution": rf"It is $\boxed{{{n}}}$."}),
        "math",
        "0",
    ),
    "MATH-500": (
        "jsonl",
        lines(lambda n: {"problem": f"{n}?", "solution": r"\boxed{9}", "answer": rf"\frac{{{n}}}{{7}}"}
              | {"level": 1, "subject": "Algebra", "unique_id": f"a/{n}"}),
        "math",
        r"\frac{0}{7}",
    ),
    "ARC's own JSON Lines": (
        "jsonl",
        lines(lambda n: {"id": f"q{n}", "question": {"stem": f"{n}?", "choices": LABELLED}, "answerKey": "C"}),
        "choice",
        "green",
    ),
    "ARC from the Hub": (
        "jsonl",
        lines(lambda n: {"id": f"q{n}", "question": f"{n}?", "choices": TWO_LISTS, "answerKey": "B"}),
        "choice",
        "blue",
    ),
    "ARC, labels 1 to 4": (
        "jsonl",
        lines(lambda n: {"question": f"{n}?", "choices": {"text": COLOURS, "label": list("1234")}, "answerKey": "1"}),
        "choice",
        "red",
    ),
    "MMLU with a header": (
        "csv",
        "question,A,B,C,D,answer\n" + "".join(f"{n}?,red,blue,green,grey,D\n" for n in range(8)),
        "choice",
        "grey",
    ),
    "MMLU without a header": ("csv", "".join(f"{n}?,red,blue,green,grey,B\n" for n in range(8)), "choice", "blue"),
    "MMLU from the Hub": (
        "jsonl",
        lines(lambda n: {"question": f"{n}?", "subject": "art", "choices": COLOURS, "answer": n % 4}),
        "choice",
        "red",
    ),
    "MMLU-Pro": (
        "jsonl",
        lines(lambda n: {"question_id": n, "question": f"{n}?", "options": COLOURS, "answer": "C", "answer_index": 2}),
        "choice",
        "green",
    ),
    "MedQA": (
        "jsonl",
        lines(lambda n: {"question": f"{n}?", "answer": "grey", "answer_idx": "D"}
              | {"options": dict(zip("ABCD", COLOURS, strict=True))}),
        "choice",
        "grey",
    ),
    "CommonsenseQA": (
        "jsonl",
        lines(lambda n: {"question": {"question_concept": "x", "stem": f"{n}?", "choices": LABELLED}, "answerKey": "D"}),
        "choice",
        "grey",
    ),
    "OpenBookQA": (
        "jsonl",
        lines(lambda n: {"id": f"q{n}", "question_stem": f"{n}?", "choices": TWO_LISTS, "answerKey": "A"}),
        "choice",
        "red",
    ),
    "SVAMP": (
        "json",
        json.dumps([{"ID": f"chal-{n}", "Body": f"Al has {n} figs.", "Question": "How many?", "Answer": float(n)}
                    for n in range(8)]),
        "number",
        "0",
    ),
    "AIME": ("csv", "ID,Year,Question,Answer\n" + "".join(f"2001-{n},2001,{n}?,00{n}\n" for n in range(8)), "number", "000"),
    "BoolQ": (
        "jsonl",
        lines(lambda n: {"passage": "Ice floats.", "question": f"does ice {n} float", "answer": n % 2 == 0}),
        "choice",
        "yes",
    ),
    "TriviaQA": (
        "json",
        json.dumps({"Data": [{"Question": f"{n}?", "QuestionId": f"q{n}"}
                             | {"Answer": {"Value": "Paris", "Aliases": ["Paris", "City of Light"]}} for n in range(8)]}),
        "text",
        "Paris",
    ),
    "Natural Questions": (
        "jsonl",
        lines(lambda n: {"question": {"text": f"{n}?"}}
              | {"annotations": {"short_answers": [{"text": ["left", "right"]}, {"text": []}]}}),
        "text",
        "left",
    ),
    "Natural Questions, open": ("jsonl", lines(lambda n: {"question": f"{n}?", "answer": ["left", "right"]}), "text", "left"),
    "HellaSwag": (
        "jsonl",
        lines(lambda n: {"ind": n, "activity_label": "x", "ctx": f"She {n}", "endings": COLOURS, "label": "1"}),
        "choice",
        "blue",
    ),
    "WinoGrande": (
        "jsonl",
        lines(lambda n: {"qID": f"q{n}", "sentence": f"{n} _", "option1": "Al", "option2": "Bo", "answer": "2"}),
        "choice",
        "Bo",
    ),
    "pandas' CSV of lists": (
        "csv",
        "question,choices,answer\n" + "".join(f"{n}?,\"['red' 'blue']\",blue\n" for n in range(8)),
        "choice",
        "blue",
    ),
    "pandas' CSV of ARC's Parquet": (
        "csv",
        "question,choices,answerKey\n"
        + "".join(f"{n}?,\"{{'text': array(['red', 'blue'], dtype=object), 'label': array(['A', 'B'], dtype=object)}}\",B\n"
                  for n in range(8)),
        "choice",
        "blue",
    ),
}  # fmt: skip

REFUSED: dict[str, tuple[str, str]] = {
    "answers that may be places from 0 or from 1": (
        "jsonl",
        lines(lambda n: {"question": f"{n}?", "choices": COLOURS, "answer": 1 + n % 3}),
    ),
    "a row without a number": ("jsonl", lines(lambda n: {"question": f"{n}?", "answer": n if n != 3 else "many"})),
    "a comma that is not quoted": ("csv", "question,answer\nIf Al has 2 figs, how many,2\n"),
    "columns of other names": ("csv", "prompt,target\n1 + 1?,2\n"),
}


def loaded(folder: Path, ending: str, text: str, **reading: Any) -> Task:
    path = folder / f"own.{ending}"
    path.write_text(text, "utf-8")
    return load_task(path, "all", reading=Reading(**reading))


def right(task: Task) -> str:
    item = task.items[0]
    return item.choices[ord(item.answer) - ord("A")] if item.choices else item.answer


def table() -> str:
    """The table of docs/formats.md: what a person sees for each input."""
    rows = ["| input | what a person sees |", "|---|---|"]
    with tempfile.TemporaryDirectory() as folder:
        for name, (ending, text, *_) in PUBLISHED.items():
            rows.append(f"| {name} | {' '.join(describe(loaded(Path(folder), ending, text)))} |")
        for name, (ending, text) in REFUSED.items():
            with pytest.raises(SteeringError) as refused:
                loaded(Path(folder), ending, text)
            rows.append(f"| {name} | refused: {refused.value} |")
    return "\n".join(rows)


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_published_layout_is_read_as_what_it_is(tmp_path: Path, name: str) -> None:
    ending, text, kind, answer = PUBLISHED[name]
    task = loaded(tmp_path, ending, text)
    assert (task.kind, right(task), len(task.items)) == (kind, answer, 8)


def test_the_docs_show_what_a_person_sees() -> None:
    assert table() in DOCS.read_text("utf-8"), (
        "put the output of PYTHONPATH=.:tests python tests/test_task_files.py there"
    )


def test_several_right_answers_and_solutions_are_kept(tmp_path: Path) -> None:
    trivia = loaded(tmp_path, *PUBLISHED["TriviaQA"][:2])
    assert trivia.items[0].right_answers == ("Paris", "City of Light")
    assert loaded(tmp_path, *PUBLISHED["GSM8K"][:2]).items[0].solution.endswith("\n#### 3")
    assert loaded(tmp_path, *PUBLISHED["SVAMP"][:2]).items[0].question == "Al has 0 figs. How many?"
    assert loaded(tmp_path, *PUBLISHED["BoolQ"][:2]).items[0].question == "Ice floats.\ndoes ice 0 float?"


FIELD_CASES: dict[str, tuple[dict[str, Any], str, int, str]] = {
    "gsm8k-raw.jsonl": ({}, "number", 8, "12"),
    "math-raw.jsonl": ({}, "math", 8, "2"),
    "math500.jsonl": ({}, "math", 8, "2"),
    "arc-hub-row.jsonl": ({}, "choice", 8, "it is 0"),
    "choices-objects.jsonl": ({}, "choice", 8, "right"),
    "options-list.jsonl": ({}, "choice", 8, "green"),
    "mmlu-columns.csv": ({}, "choice", 8, "green"),
    "pandas-list.csv": ({}, "choice", 8, "red"),
    "arc-number-labels.jsonl": ({"answers": "label"}, "choice", 8, "right one"),
    "int-choices.jsonl": ({"answers": "text"}, "choice", 8, "2"),
    "answer-list.jsonl": ({}, "text", 8, "left"),
    "one-unit.jsonl": ({}, "number", 8, "13"),
    "nan.json": ({"skip_bad_rows": True}, "number", 19, "0"),
    "line-separator.jsonl": ({}, "number", 8, "0"),
    "semicolon.csv": ({}, "number", 8, "1"),
    "cp1252.csv": ({}, "number", 8, "1"),
    "upper-ending.CSV": ({}, "number", 20, "0"),
    "aime.csv": ({}, "number", 8, "000"),
    "wrapped.json": ({}, "number", 20, "0"),
    "split-dev.jsonl": ({}, "number", 8, "0"),
}
FIELD_REFUSED = {
    "arc-number-labels.jsonl": "--answers index or --answers label",
    "int-choices.jsonl": "--answers text",
    "nan.json": "row 4: .*--skip-bad-rows",
    "unquoted-comma.csv": "line 2 has 4 cells where the header has 2",
}


def field(name: str) -> Path:
    path = FIELD / f"task-{name}"
    if not path.exists():
        pytest.skip(f"there is no {path}")
    return path


@pytest.mark.parametrize("name", FIELD_CASES)
def test_a_file_of_the_field_has_its_right_reading(name: str) -> None:
    reading, kind, count, answer = FIELD_CASES[name]
    task = load_task(field(name), "all", reading=Reading(**reading))
    assert (task.kind, len(task.items), right(task)) == (kind, count, answer)


@pytest.mark.parametrize("name", FIELD_REFUSED)
def test_a_file_of_the_field_that_is_not_clear_is_refused(name: str) -> None:
    with pytest.raises(SteeringError, match=FIELD_REFUSED[name]):
        load_task(field(name), "all")


if __name__ == "__main__":
    print(table())
