"""Files of contrast pairs that are refused, and those that were read before."""

import contextlib
import json
import random
from importlib.resources import files
from pathlib import Path
from typing import Any

import pandas
import pytest
from test_concept_files import FIELD
from test_tables import written
from test_tables_any import WRITERS, frame, in_a_sheet

from steering.concepts import Concept, ContrastPair, bundled_concepts, load_concept, parse_concept, read_concept
from steering.concepts.layouts import LAYOUTS
from steering.errors import SteeringError

# What is refused


@pytest.mark.parametrize(
    ("ending", "text", "message"),
    [
        ("csv", "positive,negative\na,b\nx, y, z,w\n", "line 3 has 4 cells where the header has 2"),
        ("csv", "Positive,positive ,negative\na,b,c\n", "has 2 columns 'positive'"),
        ("csv", "positive,positive,negative\na,b,c\n", "has 2 columns 'positive'"),
        ("jsonl", '{"positive": 1, "negative": "b"}', r"row 1: the text 'positive' is a number \(1\), not a text"),
        ("jsonl", '{"positive": "a", "negative": null}', "row 1: the text 'negative' is null, not a text"),
        ("jsonl", '{"pos": "a", "neg": true}', "row 1: the text 'neg' is true"),
        ("jsonl", '{"pos": "a", "neg": {"b": 1}}', "row 1: the text 'neg' is an object"),
        ("jsonl", '{"chosen": "a", "rejected": [{"role": "user"}]}', "row 1: the text 'rejected' is a list"),
        ("jsonl", '{"positive": "good \\ud83d", "negative": "b"}', r"'positive' holds half a character \(U\+D83D\)"),
        ("jsonl", '{"a": "x", "b": "y"}', "Columns: 'a', 'b'.*--columns positive=a,negative=b"),
        ("json", '[["a", "b"]]', "row 1: expected an object"),
        ("json", '{"name": null, "pairs": []}', "'name' is null, not a text"),
        ("json", '{"positive_label": 1, "pairs": []}', "'positive_label' is a number"),
        ("json", '{"positive": ["a"], "negative": ["b", "c"]}', "'positive' has 1, 'negative' has 2"),
        ("json", '{"positive": ["a", 2], "negative": ["b", "c"]}', "row 2: the text 'positive' is a number"),
        ("json", '{"prompts": [1, 2], "pos": ["a"], "neg": ["b"]}', "row 1 of 'prompts': a number"),
    ],
)
def test_what_is_not_clear_is_refused_with_its_place(ending: str, text: str, message: str) -> None:
    with pytest.raises(SteeringError, match=message):
        parse_concept(text, ending, "mine")


def test_a_parquet_file_with_a_null_names_the_row(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    pandas.DataFrame({"positive": ["a", None], "negative": ["b", "c"]}).to_parquet(tmp_path / "t.parquet")
    with pytest.raises(SteeringError, match="row 2: the text 'positive' is null"):
        load_concept(tmp_path / "t.parquet")


@pytest.mark.parametrize("seed", range(40))
def test_random_rows_raise_nothing_but_an_error_that_says_why(seed: int) -> None:
    chance = random.Random(seed)
    keys = [*{key for layout in LAYOUTS for key in layout.keys}, "pairs", "prompts", "rows", "", "x"]
    values: list[Any] = ["text", "", 1, 0, None, True, [], ["a"], {}, {"role": "user", "content": "x"}, "\ud83d", 1e999]
    for _ in range(50):
        rows = [{key: chance.choice(values) for key in chance.sample(keys, 3)} for _ in range(chance.randrange(4))]
        shapes = [rows, rows[:1] or {}, {chance.choice(keys): rows}, {key: ["a"] * chance.randrange(3) for key in keys}]
        data = chance.choice([*shapes, *rows, chance.choice(values)])
        columns = {chance.choice(keys): chance.choice(keys) for _ in range(chance.randrange(3))}
        with contextlib.suppress(SteeringError):
            parse_concept(json.dumps(data), chance.choice(["json", "jsonl"]), "t", columns=columns)


# What was read before


@pytest.mark.parametrize("name", bundled_concepts())
def test_a_bundled_concept_is_what_its_file_says(name: str) -> None:
    data = json.loads((files("steering.concepts") / "bundled" / f"{name}.json").read_text("utf-8"))
    sides = {key: tuple(ContrastPair(**row) for row in data.pop(key)) for key in ("pairs", "continuations")}
    read = read_concept(name)
    assert read.concept == Concept(**data, **sides)
    assert read.concept.digest == Concept("x", "a", "b", sides["pairs"]).digest
    assert read.notes == ()


@pytest.mark.parametrize("seed", range(4))
def test_pairs_of_any_text_come_back_from_a_sheet(tmp_path: Path, seed: int) -> None:
    pytest.importorskip("openpyxl")
    rows = frame(seed).map(in_a_sheet)
    path = written(tmp_path, "t.XLSX", WRITERS["xlsx"][1](rows.rename(columns={"a": "positive", "b": "negative"})))
    assert load_concept(path).pairs == tuple(map(ContrastPair, rows["a"], rows["b"]))


# Files of the field, where they are


@pytest.mark.skipif(not FIELD.is_dir(), reason="the field files are not here")
@pytest.mark.parametrize("path", sorted(FIELD.glob("pairs-*")), ids=lambda path: path.name)
def test_a_file_of_the_field_is_read_or_refused(path: Path) -> None:
    refused = {"extra_comma_unquoted.csv": "line 2 has 4 cells", "numbers.jsonl": "row 1", "surrogate.jsonl": "row 1"}
    wrong = refused.get(path.name.removeprefix("pairs-"))
    if wrong:
        with pytest.raises(SteeringError, match=wrong):
            load_concept(path)
        return
    pairs = load_concept(path).pairs
    assert len(pairs) == 6
    if "caa" in path.name:
        assert (pairs[0].positive[-2:], pairs[0].negative[-2:]) == ("(A", "(B")
    else:
        assert pairs[0] == ContrastPair("The meal was warm and lovely.", "The meal was cold and horrid.")
        assert pairs[4].positive == "We had a wonderful café visit — “superb”."
