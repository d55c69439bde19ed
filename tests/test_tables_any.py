"""Any table comes back from any format, and any bytes are read or refused."""

import contextlib
import io
import random
from collections.abc import Callable
from pathlib import Path

import pandas
import pytest
from test_tables import written

from steering.errors import SteeringError
from steering.storage import TABLE_ENDINGS, read_table, rows_of

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
