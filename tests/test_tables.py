"""Tables of every format come back as they went; what is cut, mixed or random is refused in one sentence."""

import json
from pathlib import Path

import pandas
import pytest

from steering.errors import SteeringError
from steering.storage import parse_table, read_table, rows_of

ROWS = [{"a": "x", "b": "y"}, {"a": "é — “quoted”", "b": "z"}]
CSV = 'a,b\nx,y\n"é — “quoted”",z\n'


def written(tmp_path: Path, name: str, data: bytes | str) -> Path:
    path = tmp_path / name
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    return path


# Encodings


@pytest.mark.parametrize("codec", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "cp1252"])
@pytest.mark.parametrize(("ending", "text"), [("csv", CSV), ("json", json.dumps(ROWS, ensure_ascii=False))])
def test_an_encoding_is_recognised_and_named(tmp_path: Path, codec: str, ending: str, text: str) -> None:
    contents = read_table(written(tmp_path, f"t.{ending}", text.encode(codec)))
    assert contents.data == ROWS
    name = {"utf-16": "UTF-16", "utf-32": "UTF-32", "cp1252": "Windows-1252"}.get(codec.rpartition("-le")[0] or codec)
    assert [note for note in contents.notes if "Read as" in note] == (
        [] if codec.startswith("utf-8") else [note for note in contents.notes if (name or "UTF-16") in note]
    )
    assert codec.startswith("utf-8") or contents.notes[0].startswith("Read as ")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"a,b\n\xff\xfe,c\n", "cannot be read as UTF-8"),
        (b"a,b\n\x81,c\n", "does not look like Windows-1252"),
        ("a,b\nпривет,мир\n".encode("cp1251"), "does not look like Windows-1252"),
        ("a,b\nкак дела,こんにちは".encode()[:-1], "damaged or cut off"),
        ("a,b\néé,x".encode() + b"\xe9 y", "damaged or cut off"),
        (b"\xff\xfea\x00,", "may be cut off"),
        (b"a,b\n\x00\x01,\x00", "zero bytes"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n", "git lfs pull"),
        (b"", "is empty"),
        (b" \n\n", "is empty"),
    ],
)
def test_bytes_that_are_no_clear_text_are_refused(tmp_path: Path, data: bytes, message: str) -> None:
    with pytest.raises(SteeringError, match=message):
        read_table(written(tmp_path, "t.csv", data))


def test_accents_beside_quotation_marks_are_no_damaged_utf8(tmp_path: Path) -> None:
    # In Windows-1252, É and ” together are the bytes of one UTF-8 character.
    text = "a,b\n“CAFÉ”,“É”\n"
    assert read_table(written(tmp_path, "t.csv", text.encode("cp1252"))).data == [{"a": "“CAFÉ”", "b": "“É”"}]


# Delimited files


@pytest.mark.parametrize(
    ("name", "text", "note"),
    [
        ("t.csv", "a,b\nx,y\n", ""),
        ("t.CSV", "a,b\r\nx,y\r\n", ""),
        ("t.csv", "a,b\rx,y", ""),
        ("t.csv", "a;b\nx;y\n", "semicolon"),
        ("t.csv", "a\tb\nx\ty\n", "tab"),
        ("t.csv", "a|b\nx|y\n", "bar"),
        ("t.tsv", "a\tb\nx\ty\n", ""),
        ("t.tsv", "a,b\nx,y\n", "comma"),
        ("t.csv", "sep=;\r\na;b\r\nx;y\r\n", "semicolon"),
        ("t.csv", '"sep=^"\na^b\nx^y\n', "'^'"),
        ("t.csv", "\n,\na,b\n\nx,y\n , \n", "Skipped 4 blank rows"),
        ("t.csv", "a,b\nx,y,\n", "empty cells that have no column"),
        ("t.csv", "a,b,,\nx,y,,\n", "empty cells that have no column"),
    ],
)
def test_a_delimited_file_is_read_and_what_was_done_is_told(tmp_path: Path, name: str, text: str, note: str) -> None:
    contents = read_table(written(tmp_path, name, text))
    assert contents.data == [{"a": "x", "b": "y"}]
    assert contents.columns == ("a", "b")
    assert bool(contents.notes) == bool(note)
    assert note in " ".join(contents.notes)


def test_the_delimiter_is_the_one_that_fits_every_row() -> None:
    assert parse_table("a, or so;b\nx y;z\n", "csv", "t").data == [{"a, or so": "x y", "b": "z"}]
    assert parse_table("a,b\nx; y,z; w\n", "csv", "t").data == [{"a": "x; y", "b": "z; w"}]


def test_rows_know_the_line_that_they_begin_at() -> None:
    assert parse_table('a,b\n"x\n\ny",z\n\nv,w\n', "csv", "t").lines == (2, 6)
    assert parse_table('sep=,\na,b\n"x\ny",z\nv,w\n', "csv", "t").lines == (3, 5)
    assert parse_table('{"a": 1}\n\n{"a": 2}\n', "jsonl", "t").lines == (1, 3)


def test_line_ends_inside_of_cells_are_kept_unless_all_of_the_file_are_alike() -> None:
    assert parse_table('a,b\n"x\r\ny\rz",w\n', "csv", "t").data == [{"a": "x\r\ny\rz", "b": "w"}]
    assert parse_table('a,b\r\n"x\ny",w\r\n', "csv", "t").data == [{"a": "x\ny", "b": "w"}]
    assert parse_table('a,b\r\n"x\r\ny",w\r\n', "csv", "t").data == [{"a": "x\ny", "b": "w"}]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a,b\nx, y, z,w\n", "line 2 has 4 cells where the header has 2. Put double quotes .* a comma"),
        ("a,b,\nv,w,\nx, y,z\n", "line 3 has 3 cells where the header has 2"),
        ("a,b\nx,y\n\nx,y,\n", "line 4 has 3 cells where the header has 2"),
        ("a;b\nx;y;z\n", "line 2 has 3 cells .* a semicolon"),
        ('a,b\nx,"y\nz,w\n', "line 2: .*not closed"),
        ('a,b\n"x" y,z\n', "line 2: .*written twice"),
    ],
)
def test_a_row_that_is_not_clear_is_refused_with_its_line(text: str, message: str) -> None:
    with pytest.raises(SteeringError, match=message):
        parse_table(text, "csv", "t")


# JSON


@pytest.mark.parametrize("ending", ["json", "jsonl", "ndjson"])
@pytest.mark.parametrize(
    "text",
    [
        json.dumps(ROWS, indent=1),
        "\ufeff" + json.dumps(ROWS),
        "\r\n".join(map(json.dumps, ROWS)),
        "\r".join(map(json.dumps, ROWS)) + "\r\r",
        "\n" + "\n\n".join(json.dumps(row, ensure_ascii=False) for row in ROWS) + "\n",
    ],
)
def test_a_list_and_lines_are_read_whatever_the_ending_says(ending: str, text: str) -> None:
    assert rows_of(parse_table(text, ending, "t").data, "t")[0] == ROWS


@pytest.mark.parametrize(
    "orient", [None, "records", "columns", "index", "split", "table", "values"], ids=lambda orient: str(orient)
)
def test_what_pandas_writes_as_json_is_rows(orient: str | None) -> None:
    text = pandas.DataFrame(ROWS).to_json(orient=orient)
    rows, _ = rows_of(parse_table(text, "json", "t").data, "t")
    if orient == "values":
        assert rows == [list(row.values()) for row in ROWS]
    elif orient == "table":
        assert [{"a": row["a"], "b": row["b"]} for row in rows] == ROWS
    else:
        assert rows == ROWS


def test_rows_stand_under_one_key_or_the_key_is_asked_for() -> None:
    rows, notes = rows_of({"version": 2, "items": ROWS}, "t")
    assert rows == ROWS
    assert notes == ("The rows are under 'items'.", "Not used: 'version'.")
    with pytest.raises(SteeringError, match=r"'train', 'test'\. Say which: --columns rows=train"):
        rows_of({"train": ROWS, "test": ROWS}, "t")
    assert rows_of({"train": ROWS[:1], "test": ROWS}, "t", "test")[0] == ROWS
    with pytest.raises(SteeringError, match="no list under the key 'dev'"):
        rows_of({"train": ROWS}, "t", "dev")
    with pytest.raises(SteeringError, match="no key 'dev'"):
        rows_of(list(ROWS), "t", "dev")


def test_lists_side_by_side_are_rows_where_they_are_of_one_length() -> None:
    assert rows_of({"a": ["x", "v"], "b": ["y", "w"]}, "t")[0] == [{"a": "x", "b": "y"}, {"a": "v", "b": "w"}]
    with pytest.raises(SteeringError, match="'a' has 1, 'b' has 2"):
        rows_of({"a": ["x"], "b": ["y", "w"]}, "t")


@pytest.mark.parametrize(
    ("ending", "text", "message"),
    [
        ("json", "{", "t is not valid JSON"),
        ("json", '{"a": "x", "a": "y"}', "the key 'a' twice"),
        ("jsonl", '{"a": 1}\n\n{"a": 1, "a": 2}', "line 3: an object has the key 'a' twice"),
        ("json", '{"a": 1}\n{"a"', "JSONL, line 2"),
        ("jsonl", '[{"a": 1},', "not valid JSON:"),
        ("json", "[" * 100_000, "nested too deeply"),
        ("json", "1" * 5000, "not valid JSON"),
        ("jsonl", "", "t is empty"),
    ],
)
def test_broken_json_is_refused_with_its_line(ending: str, text: str, message: str) -> None:
    with pytest.raises(SteeringError, match=message):
        parse_table(text, ending, "t")
