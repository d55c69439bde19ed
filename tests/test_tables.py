"""Tables of every format come back as they went; what is cut, mixed or random is refused in one sentence."""

import contextlib
import io
import json
import random
from collections.abc import Callable
from pathlib import Path

import pandas
import pytest

from steering.errors import SteeringError
from steering.storage import TABLE_ENDINGS, parse_table, read_table, rows_of

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


# Any table, any bytes

PIECES = (
    *"\",;\t|'\\=",
    *("\n", "\u2028", "\u0085", "\x0c", " ", "  ", "\u200f", "\u202b", "\u00a0"),
    *("é", "“", "—", "λ", "日本", "שלום", "مرحبا", "🙂", "👩‍👩‍👧", "e\u0301"),
    *("word", "NA", "null", "None", "nan", "0012", "1.50", "True", "#", "<b>", "{", "[", "sep=;"),
)


def nasty(chance: random.Random) -> str:
    """A text of pieces that careless readers stumble over, never blank."""
    return "".join(chance.choices(PIECES, k=chance.randint(1, 8))) + chance.choice(("x", "x ", "x\n", 'x"'))


def frame(seed: int) -> pandas.DataFrame:
    chance = random.Random(seed)
    return pandas.DataFrame([{"a": nasty(chance), "b": nasty(chance)} for _ in range(12)])


def _parquet(table: pandas.DataFrame) -> bytes:
    pytest.importorskip("pyarrow")
    buffer = io.BytesIO()
    table.to_parquet(buffer, engine="pyarrow")
    return buffer.getvalue()


def in_a_sheet(text: str) -> str:
    """The text without what a sheet cannot hold as text."""
    return text.replace("\x0c", "").lstrip("=")


def _excel(table: pandas.DataFrame) -> bytes:
    pytest.importorskip("openpyxl")
    buffer = io.BytesIO()
    table.map(in_a_sheet).to_excel(buffer, index=False)
    return buffer.getvalue()


WRITERS: dict[str, tuple[str, Callable[[pandas.DataFrame], bytes]]] = {
    "csv": ("csv", lambda table: table.to_csv(index=False).encode()),
    "csv with an index": ("csv", lambda table: table.to_csv().encode()),
    "csv with CRLF": ("csv", lambda table: table.to_csv(index=False, lineterminator="\r\n").encode()),
    "csv with a BOM": ("csv", lambda table: table.to_csv(index=False).encode("utf-8-sig")),
    "csv in UTF-16": ("csv", lambda table: table.to_csv(index=False).encode("utf-16")),
    "csv with semicolons": ("csv", lambda table: table.to_csv(index=False, sep=";").encode()),
    "csv all quoted": ("csv", lambda table: table.to_csv(index=False, quoting=1).encode()),
    "tsv": ("tsv", lambda table: table.to_csv(index=False, sep="\t").encode()),
    "json": ("json", lambda table: table.to_json().encode()),
    "json records": ("json", lambda table: table.to_json(orient="records", force_ascii=False, indent=2).encode()),
    "jsonl": ("jsonl", lambda table: table.to_json(orient="records", lines=True, force_ascii=False).encode()),
    "ndjson": ("ndjson", lambda table: table.to_json(orient="records", lines=True).encode()),
    "parquet": ("parquet", _parquet),
    "xlsx": ("xlsx", _excel),
}


@pytest.mark.parametrize("writer", WRITERS)
@pytest.mark.parametrize("seed", range(8))
def test_any_table_comes_back_from_any_format(tmp_path: Path, writer: str, seed: int) -> None:
    ending, write = WRITERS[writer]
    table = frame(seed)
    contents = read_table(written(tmp_path, f"t.{ending}", write(table)))
    rows, _ = rows_of(contents.data, "t")
    if ending == "xlsx":
        table = table.map(in_a_sheet)
    assert [(row["a"], row["b"]) for row in rows] == list(zip(table["a"], table["b"], strict=True))


def test_values_that_are_no_texts_keep_their_kind(tmp_path: Path) -> None:
    table = pandas.DataFrame({"a": ["x", None], "b": [1, 2], "c": [[{"role": "user", "content": "x"}], []]})
    assert read_table(written(tmp_path, "t.parquet", _parquet(table))).data == [
        {"a": "x", "b": 1, "c": [{"role": "user", "content": "x"}]},
        {"a": None, "b": 2, "c": []},
    ]


def test_an_excel_file_of_several_sheets_is_refused_and_numbers_stay_numbers(tmp_path: Path) -> None:
    pytest.importorskip("openpyxl")
    path = tmp_path / "t.xlsx"
    with pandas.ExcelWriter(path) as book:
        pandas.DataFrame({"a": ["x", None, "z"], "b": [1, None, 3]}, dtype=object).to_excel(book, index=False)
        pandas.DataFrame().to_excel(book, sheet_name="empty", index=False)
    contents = read_table(path)
    assert contents.data == [{"a": "x", "b": 1}, {"a": "z", "b": 3}]
    assert contents.notes == ("Skipped 1 blank row.",)
    assert contents.lines == (2, 4)
    with pandas.ExcelWriter(path, mode="a") as book:
        pandas.DataFrame({"a": ["x"]}).to_excel(book, sheet_name="more", index=False)
    with pytest.raises(SteeringError, match="several sheets with rows: 'Sheet1', 'more'"):
        read_table(path)


def test_a_formula_that_was_never_computed_is_no_empty_cell(tmp_path: Path) -> None:
    pytest.importorskip("openpyxl")
    pandas.DataFrame({"a": ["x", "y"], "b": ["z", "=A2"]}).to_excel(tmp_path / "t.xlsx", index=False)
    with pytest.raises(SteeringError, match="line 3 holds a formula"):
        read_table(tmp_path / "t.xlsx")


@pytest.mark.parametrize(("ending", "package"), [("xlsx", "openpyxl"), ("parquet", "pyarrow")])
def test_a_missing_package_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ending: str, package: str) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(SteeringError, match=rf"t\.{ending} needs the package {package}.*pip install {package}"):
        read_table(written(tmp_path, f"t.{ending}", b"PK"))


@pytest.mark.parametrize("ending", TABLE_ENDINGS)
@pytest.mark.parametrize("seed", range(3))
def test_random_bytes_and_cut_files_raise_nothing_but_an_error_that_says_why(
    tmp_path: Path, ending: str, seed: int
) -> None:
    chance = random.Random(seed)
    wholes = [write(frame(seed)) for kind, write in WRITERS.values() if kind in (ending, "csv") and kind != "xlsx"]
    tries = [chance.randbytes(chance.randint(0, 200)) for _ in range(40)]
    for whole in wholes:
        tries += [whole[: chance.randrange(len(whole))] for _ in range(15)]
        tries += [bytes(byte ^ (chance.random() < 0.01) * chance.randrange(256) for byte in whole) for _ in range(5)]
    for data in tries:
        path = written(tmp_path, f"t.{ending}", data)
        with contextlib.suppress(SteeringError):
            rows_of(read_table(path).data, "t")


@pytest.mark.parametrize("name", ["t.txt", "t.xls", "t"])
def test_an_unknown_ending_gets_those_that_are_known(tmp_path: Path, name: str) -> None:
    with pytest.raises(SteeringError, match=r"Tables are read from \.json.*\.parquet, \.xlsx, not from"):
        read_table(written(tmp_path, name, b"x"))


def test_a_file_that_cannot_be_opened_is_refused(tmp_path: Path) -> None:
    (tmp_path / "t.csv").mkdir()
    with pytest.raises(SteeringError, match="cannot be read: Is a directory"):
        read_table(tmp_path / "t.csv")
