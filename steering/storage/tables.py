"""Reading tables (CSV, TSV, JSON, JSON Lines, Parquet, Excel) as rows, with notes on how they were read.

The meaning of the rows is left to the callers.
"""

import csv
import importlib
import importlib.util
import io
import itertools
import re
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from steering.errors import SteeringError
from steering.storage.encodings import decode
from steering.storage.json_rows import Data, blank_rows_note, listed, read_json

_DELIMITERS = {",": "comma", ";": "semicolon", "\t": "tab", "|": "bar"}
_MOST_BYTES = 500_000_000
"""Most bytes that a compressed file may unpack to: far more than any table of texts, and less than memory."""

_MOST_CELLS = 20_000_000
"""Most cells of a Parquet file, whose repeated values take no room until they are read."""

_SEPARATOR_LINE = re.compile(r'"?sep=(.)"?(\r\n|\r|\n)', re.IGNORECASE)


@dataclass(frozen=True)
class Contents:
    """The contents of a file.

    Attributes:
        data: rows, each a mapping from column to value; or the one object of a JSON file.
        columns: the header of a table as it is written, repeated names included; empty for JSON.
        lines: the line that each row begins at, from 1; empty where rows have no lines.
        notes: sentences on how it was read.
    """

    data: Data
    columns: tuple[str, ...] = ()
    lines: tuple[int, ...] = ()
    notes: tuple[str, ...] = ()


def read_table(path: Path) -> Contents:
    """Read a file by its ending, in any case.

    Raises:
        SteeringError: an unknown ending, a file that cannot be read, or contents that are not what the ending says.
    """
    ending = path.suffix.removeprefix(".").lower()
    try:
        data = path.read_bytes()
    except OSError as error:
        raise SteeringError(f"{path} cannot be read: {error.strerror or error}.") from error
    if ending in _BINARY:
        if not data:
            raise SteeringError(f"{path.name} is empty.")
        return _BINARY[ending](data, path.name)
    if ending not in _TEXT:
        raise _unknown(ending)
    decoded = decode(data, path.name)
    contents = parse_table(decoded.text, ending, path.name)
    if decoded.encoding == "UTF-8":
        return contents
    because = ", since it is not UTF-8" if decoded.encoding == "Windows-1252" else ""
    note = f"Read as {decoded.encoding}{because}."
    return Contents(contents.data, contents.columns, contents.lines, (note, *contents.notes))


def parse_table(text: str, ending: str, name: str) -> Contents:
    """Read the text of a table.

    Args:
        text: contents of a file.
        ending: "json", "jsonl", "ndjson", "csv" or "tsv".
        name: of the file, for messages.

    Raises:
        SteeringError: the text is not of that kind; the message names the line.
    """
    if ending not in _TEXT:
        raise _unknown(ending, _TEXT)
    return _TEXT[ending](text.lstrip("\ufeff"), ending, name)


def _unknown(ending: str, supported: Iterable[str] | None = None) -> SteeringError:
    endings = ", ".join(f".{each}" for each in (supported or TABLE_ENDINGS))
    what = f"from .{ending}" if ending else "from a file without an ending"
    return SteeringError(f"Tables are read from {endings}, not {what}.")


def _json(text: str, ending: str, name: str) -> Contents:
    data, lines, notes = read_json(text, ending, name)
    return Contents(data, (), lines, notes)


def _delimited(text: str, ending: str, name: str) -> Contents:
    """Rows of a CSV or TSV file, whichever delimiter it has."""
    default, text, first, notes = "\t" if ending == "tsv" else ",", _with_line_feeds(text), 1, list[str]()
    separator = _SEPARATOR_LINE.match(text)
    if separator:
        text, first = text[separator.end() :], 2
        delimiter = separator[1]
    else:
        delimiter = _find_delimiter(text, default)
    try:
        records = list(_records(text, delimiter, first))
    except csv.Error as error:
        raise SteeringError(f"{name} is not valid {ending.upper()}, {error}") from error
    if delimiter != default:
        notes.append(f"Cells are apart by a {_DELIMITERS.get(delimiter, repr(delimiter))}.")
    return _table(records, delimiter, notes, name)


def _with_line_feeds(text: str) -> str:
    """The text with line feeds where its line ends are all of one other kind; a mixture may belong to quoted cells."""
    kinds = set(re.findall(r"\r\n|\r|\n", text))
    return text.replace(kinds.pop(), "\n") if len(kinds) == 1 else text


def _records(text: str, delimiter: str, first: int) -> Iterator[tuple[int, list[str]]]:
    """Every record with the line that it begins at. `newline=""` keeps line ends inside of cells as they are."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    while True:
        line = first + reader.line_num
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            hint = " A double quote inside a quoted cell is written twice." if "expected after" in str(error) else ""
            hint = " A quoted cell is not closed." if "unexpected end" in str(error) else hint
            raise csv.Error(f"line {line}: {error}.{hint}") from error
        yield line, cells


def _find_delimiter(text: str, default: str) -> str:
    """The delimiter that gives the header several cells, and every row as many as the header."""
    several: list[str] = []
    even: list[str] = []
    for delimiter in dict.fromkeys((default, *_DELIMITERS)):
        counts: list[int] = []
        try:
            counts += (len(cells) for _, cells in _records(text, delimiter, 1) if any(map(str.strip, cells)))
        except csv.Error:
            counts.append(0)  # The rows before the error still give the number of cells in the header.
        if counts and counts[0] > 1:
            several.append(delimiter)
            even += [delimiter] if set(counts) == {counts[0]} else []
    return next(iter((*even, *several, default)))


def _table(records: list[tuple[int, list[Any]]], delimiter: str, notes: list[str], name: str) -> Contents:
    """Rows from records of cells: the first that is not blank is the header, blank ones are counted and passed over."""
    filled = [(line, cells) for line, cells in records if any(map(_filled, cells))]
    if not filled:
        raise SteeringError(f"{name} is empty.")
    if len(filled) < len(records):
        notes.append(blank_rows_note(len(records) - len(filled)))
    (_, names), *body = filled
    named = max(place for place, cell in enumerate(names, start=1) if _filled(cell))
    header = tuple(str(cell) for cell in names[:named])
    surplus = [(line, cells) for line, cells in body if len(cells) > named]
    wrong = [(line, cells) for line, cells in surplus if any(map(_filled, cells[named:]))]
    if not wrong and len(surplus) < len(body):  # Where only some rows end so, a text may end in a comma.
        wrong = [(line, cells) for line, cells in surplus if len(cells) > len(names)]
    if wrong:
        line, cells = wrong[0]
        what = _DELIMITERS.get(delimiter, repr(delimiter))
        raise SteeringError(
            f"{name}: line {line} has {len(cells)} cells where the header has {named}. "
            f"Put double quotes around a text that holds a {what}."
        )
    if surplus:
        notes.append("Rows end in empty cells that have no column; they were left out.")
    # A row that is too short has no key for the columns that it lacks.
    rows = [dict(zip(header, cells, strict=False)) for _, cells in body]
    return Contents(rows, header, tuple(line for line, _ in body), tuple(notes))


def _filled(cell: object) -> bool:
    return cell is not None and (not isinstance(cell, str) or bool(cell.strip()))


def _parquet(data: bytes, name: str) -> Contents:
    parquet = _library("pyarrow.parquet", "pyarrow", name)
    try:
        about = parquet.ParquetFile(io.BytesIO(data)).metadata
        groups = map(about.row_group, range(about.num_row_groups))
        _check_unpacked(name, sum(group.total_byte_size for group in groups), about.num_rows * about.num_columns)
        table = parquet.read_table(io.BytesIO(data))
        rows = table.to_pylist()
    except SteeringError:
        raise
    except Exception as error:  # Damaged files raise errors of many kinds.
        raise SteeringError(f"{name} is not a readable Parquet file: {error}") from error
    columns = tuple(column for column in table.column_names if not column.startswith("__index_level_"))
    return Contents([{column: row[column] for column in columns} for row in rows], columns)


def _check_unpacked(name: str, size: int, cells: int = 0) -> None:
    """Refuse a small file that would fill the memory when it is unpacked."""
    if size > _MOST_BYTES:
        what, most = f"would unpack to {size / 1e6:,.0f} MB", f"{_MOST_BYTES / 1e6:,.0f} MB"
    elif cells > _MOST_CELLS:
        what, most = f"holds {cells:,} cells", f"{_MOST_CELLS:,} cells"
    else:
        return
    raise SteeringError(f"{name} {what}; up to {most} are read. Leave out rows or columns.")


def _excel(data: bytes, name: str) -> Contents:
    _library("openpyxl", "openpyxl", name)
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as parts:
            _check_unpacked(name, sum(part.file_size for part in parts.infolist()))
        sheets, formulas = _sheets(data, True), _sheets(data, False)
    except SteeringError:
        raise
    except Exception as error:  # Damaged files raise errors of many kinds.
        raise SteeringError(f"{name} is not a readable Excel file: {error}") from error
    filled = {sheet: frame for sheet, frame in formulas.items() if len(frame)}
    if len(filled) > 1:
        raise SteeringError(f"{name} has several sheets with rows: {listed(filled)}. Keep one, or save it as CSV.")
    sheet = next(iter(filled), None)
    rows, written = ([] if sheet is None else book[sheet].to_numpy().tolist() for book in (sheets, formulas))
    for line, cells in enumerate(written, start=1):
        values = rows[line - 1] if line <= len(rows) else []
        if any(_filled(cell) and not _filled(value) for cell, value in itertools.zip_longest(cells, values)):
            raise SteeringError(
                f"{name}: line {line} holds a formula (a cell that begins with =) that was never computed. "
                "Open the file in a spreadsheet program and save it, or put an apostrophe before a text that begins with =."
            )
    return _table(list(enumerate(rows, start=1)), ",", [], name)


def _sheets(data: bytes, computed: bool) -> dict[str, Any]:
    """Every sheet of a workbook as a frame without a header; formulas as what they gave, or as they are written."""
    import pandas  # A second of importing that only this needs.

    return pandas.read_excel(
        io.BytesIO(data),
        sheet_name=None,
        header=None,
        dtype=object,
        na_filter=False,
        engine="openpyxl",
        engine_kwargs={"data_only": computed},
    )


def _library(module: str, package: str, name: str) -> Any:
    if importlib.util.find_spec(package) is None:
        raise SteeringError(
            f"{name} needs the package {package}. Install it (pip install {package}), or save it as CSV."
        )
    return importlib.import_module(module)


_TEXT: Mapping[str, Callable[[str, str, str], Contents]] = {
    "json": _json,
    "jsonl": _json,
    "ndjson": _json,
    "csv": _delimited,
    "tsv": _delimited,
}
_BINARY: Mapping[str, Callable[[bytes, str], Contents]] = {"parquet": _parquet, "xlsx": _excel}
TABLE_ENDINGS = (*_TEXT, *_BINARY)
"""Endings of files that `read_table` reads, without their dot."""
