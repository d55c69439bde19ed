"""From the contents of a file to questions, with notes on how it was read.

A row that cannot be read is named, or left out and counted where the user asks for that; it does not change what the other
rows are.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from steering.errors import SteeringError
from steering.storage import Contents, column_list, find_column, normalised, rows_of
from steering.tasks.choices import ANSWERS, right_places
from steering.tasks.free_answers import right_answers
from steering.tasks.item import Item, item_of, kind_of
from steering.tasks.layouts import Layout, Question, layout_of
from steering.tasks.rows import CHOICE_COLUMNS, Row, RowError, Rows, columns_of, counted

COLUMN_KEYS = ("question", "answer", "choices", "solution", "id", "split", "rows")
"""Keys that `columns` may name a column for; `rows` is the key that a JSON object has its rows under."""

_PARTS = {
    "train": ("train", "training"),
    "validation": ("validation", "valid", "val", "dev", "development"),
    "test": ("test", "testing"),
}


@dataclass(frozen=True)
class Reading:
    """What the user says about a file whose layout leaves something open.

    Attributes:
        columns: the columns of `COLUMN_KEYS`; several columns of choices have commas between them.
        answers: what answers refer to, one of `choices.ANSWERS`; "text" also compares free answers as texts. None where the
            rows decide.
        skip_bad_rows: leave rows that cannot be read out and count them, instead of refusing the file.

    Raises:
        SteeringError: a key or a value that there is not.
    """

    columns: Mapping[str, str] = field(default_factory=dict)
    answers: str | None = None
    skip_bad_rows: bool = False

    def __post_init__(self) -> None:
        if self.answers not in (None, *ANSWERS):
            raise SteeringError(f"answers is {self.answers!r}; it must be one of {', '.join(ANSWERS)}.")
        for key in self.columns:
            if key not in COLUMN_KEYS:
                raise SteeringError(f"--columns names {key!r}; for a task it may name {', '.join(COLUMN_KEYS)}.")


DEFAULT_READING = Reading()
"""Nothing is said: the rows decide."""


@dataclass(frozen=True)
class ReadTask:
    """Questions and how they were read.

    Attributes:
        items: the questions.
        kind: how answers are read and compared.
        splits: the part that each question belongs to, one of `train`, `validation` and `test`; None where the file names none.
        notes: sentences on what was done to read them.
        skipped: how many rows were left out because they cannot be read.
    """

    items: tuple[Item, ...]
    kind: str
    splits: tuple[str | None, ...]
    notes: tuple[str, ...] = ()
    skipped: int = 0


def read_questions(contents: Contents, name: str, reading: Reading) -> ReadTask:
    """Make questions of what a file holds.

    Args:
        contents: of the file.
        name: of the task, used for ids and in messages.
        reading: what the user says about the file.

    Raises:
        SteeringError: a layout that is not known, rows that cannot be read, or answers of which it is not clear what they refer
            to; the message says which columns there are, which are wanted, and what settles it.
    """
    table, notes = _table(contents, name, reading)
    rows = Rows(name, table, contents.lines if len(contents.lines) == len(table) else ())
    rows.each(_is_mapping)
    columns = (
        contents.columns
        if contents.columns and not rows.wrong
        else tuple(dict.fromkeys(key for row in rows.good.values() for key in row))
    )
    if not table:
        raise SteeringError(f"{name} has no questions.")
    columns, header_notes = _with_header(columns, rows, reading)
    places = columns_of(columns, {key: value for key, value in reading.columns.items() if key != "rows"})
    _check_named(places, columns, name, reading)
    layout = layout_of(places) if rows.good else None
    if layout is None:
        if rows.wrong and not rows.good:
            rows.settle(skip=False)
        raise _unknown(columns, places, name)
    questions = rows.each(lambda _, row: layout.read(Row(row, places)))
    splits, split_notes = _splits(rows, places)
    values, kind, answer_notes = _answers(rows, questions, layout, reading, bool(contents.columns and contents.lines))
    items = rows.each(lambda row, value: item_of({**values[row], **_identity(value, layout, places)}, row, name))
    skipped = rows.settle(reading.skip_bad_rows)
    used = {column for key in (*"|".join(layout.keys).split("|"), *_ALSO, layout.id) for column in places.get(key, ())}
    unused = [column for column in columns if column not in used]
    solved = sum(bool(item.solution) for item in items.values())
    if solved:
        answer_notes.append(f"{counted(solved, 'worked solution')} kept for few-shot prompts.")
    return ReadTask(
        tuple(items[row] for row in rows.good),
        kind or kind_of([items[row] for row in rows.good]),
        tuple(splits.get(row) for row in rows.good),
        (*contents.notes, *notes, *header_notes, layout.note, *answer_notes, *split_notes)
        + ((f"Not used: {column_list(unused)}.",) if unused else ())
        + tuple(skipped),
        len(rows.wrong),
    )


_ALSO = (
    "answer",
    "solution",
    "split",
    "answer_idx",
    "answer_index",
    "cot_content",
    "rationale",
    "explanation",
    "body",
    "choices",
)
"""Keys besides a layout's own that are read where they are there."""


def _is_mapping(_: int, row: Any) -> None:
    if not isinstance(row, Mapping):
        raise RowError(f"it must be an object with 'question' and 'answer', and is {row!r:.60}")


def _table(contents: Contents, name: str, reading: Reading) -> tuple[list[Any], list[str]]:
    """The rows; those of an object with a list for each part come with the part."""
    data, under = contents.data, reading.columns.get("rows")
    parts = {key: _part(key) for key in data} if isinstance(data, dict) else {}
    if (
        isinstance(data, dict)
        and under is None
        and all(parts.values())
        and all(isinstance(value, list) for value in data.values())
    ):
        rows = [
            {**row, "split": parts[key]} if isinstance(row, dict) else row
            for key, value in data.items()
            for row in value
        ]
        return rows, [f"The parts are under {column_list(list(parts))}."]
    rows, notes = rows_of(data, name, under)
    return rows, list(notes)


def _with_header(columns: tuple[str, ...], rows: Rows, reading: Reading) -> tuple[tuple[str, ...], list[str]]:
    """The columns; those of MMLU's files without a header, whose first question was taken for one, get their names."""
    choices = [chr(ord("A") + place) for place in range(len(columns) - 2)]
    last = columns[-1] if columns else ""
    if len(choices) < 2 or reading.columns or last.strip() not in choices or not rows.lines:
        return columns, []
    if any(normalised(column) == "question" for column in columns):
        return columns, []
    if not all(str(row.get(last, last)).strip() in choices for row in rows.good.values()):
        return columns, []
    names = ("question", *choices, "answer")
    if len(set(columns)) < len(columns):
        raise SteeringError(
            f"{rows.name} has no header, and its first row holds the same text twice. Write {','.join(names)} above it."
        )
    body = [dict(zip(columns, columns, strict=True)), *rows.good.values()]
    rows.good = {
        number: {name: row[column] for name, column in zip(names, columns, strict=True) if column in row}
        for number, row in enumerate(body, start=1)
    }
    rows.lines = (1, *rows.lines)
    return names, ["There is no header: the columns are question, a choice each, and the answer."]


def _check_named(places: Mapping[str, tuple[str, ...]], columns: Sequence[str], name: str, reading: Reading) -> None:
    for key, value in reading.columns.items():
        if key != "rows" and key not in places and not (key == "choices" and CHOICE_COLUMNS in places):
            raise SteeringError(f"{name} has no one column {value!r}. Its columns: {column_list(columns)}.")


def _unknown(columns: Sequence[str], places: Mapping[str, Any], name: str) -> SteeringError:
    missing = " and ".join(repr(key) for key in ("question", "answer") if key not in places) or "a known layout"
    known = {key: places[key][0] for key in ("question", "answer") if key in places}
    others = [column for column in columns if column.strip() and column not in known.values()] or ["NAME"]
    first, second = known.get("question", others[0]), known.get("answer", others[-1])
    return SteeringError(
        f"{name} has no {missing}. Columns: {column_list(columns)}. Wanted: question and answer, with choices where there are "
        f"some, or a published layout. Or say which they are: --columns question={first!s:.40},answer={second!s:.40}"
    )


def _splits(rows: Rows, places: Mapping[str, tuple[str, ...]]) -> tuple[dict[int, str | None], list[str]]:
    """The part of every row, where the file names them."""
    if "split" not in places:
        return {}, []
    column = places["split"][0]
    named = {row: value.get(column) for row, value in rows.good.items()}
    if not any(named.values()):
        return {}, []
    parts: dict[int, str | None] = {}
    for row, value in named.items():
        parts[row] = _part(value)
        if parts[row] is None:
            known = ", ".join(word for words in _PARTS.values() for word in words)
            rows.drop(row, f"its split is {value!r:.60}; it must be one of {known}")
    other = {
        str(value).strip(): parts[row]
        for row, value in named.items()
        if parts[row] and str(value).strip() != parts[row]
    }
    return parts, [f"The split {word!r} is the {part} part." for word, part in other.items()]


def _part(value: Any) -> str | None:
    word = value.strip().casefold() if isinstance(value, str) else ""
    return next((part for part, words in _PARTS.items() if word in words), None)


def _identity(row: Mapping[str, Any], layout: Layout, places: Mapping[str, tuple[str, ...]]) -> dict[str, Any]:
    column = places.get(layout.id, ("",))[0]
    # Questions are drawn by their ids, so other columns such as "ID" do not become ids of files that were used before.
    own = row.get(column) if layout.id != "id" or column == "id" or find_column([column], "id") is None else None
    return {} if own is None or str(own).strip() == "" else {"id": str(own).strip()}


def _answers(
    rows: Rows, questions: Mapping[int, Question], layout: Layout, reading: Reading, in_cells: bool
) -> tuple[dict[int, dict[str, Any]], str, list[str]]:
    """Every row with its right answer, and the kind where it does not follow from the answers alone."""
    there = {row: questions[row] for row in rows.good}
    chosen = {row: question for row, question in there.items() if question.choices}
    if chosen and len(chosen) < len(there):
        without = 2 * len(chosen) >= len(there)
        for row in there:
            if (row in chosen) != without:
                which = "no choices" if without else "choices"
                rows.drop(
                    row, f"it has {which}, and the others have {'some' if without else 'none'}; put them into two files"
                )
        there = {row: questions[row] for row in rows.good}
    values = {
        row: {"question": question.question, "answer": question.answer, "solution": question.solution}
        for row, question in there.items()
    }
    if chosen and any(question.choices for question in there.values()):
        places, wrong, note = right_places(there, reading.answers or layout.answers or None, rows.name)
        for row, what in wrong.items():
            rows.drop(row, what)
        for row, place in places.items():
            values[row] |= {"choices": [str(choice) for choice in there[row].choices], "answer": place}
        return values, "choice", [note] if note else []
    if reading.answers in ("index", "label"):
        raise SteeringError(f"{rows.name} has no choices, so --answers {reading.answers} says nothing. Leave it out.")
    kind = layout.kind or ("text" if reading.answers == "text" else "")
    written = {row: question.answer for row, question in there.items()}
    answers, wrong, kind, notes = right_answers(written, kind, in_cells=in_cells)
    for row, what in wrong.items():
        rows.drop(row, what)
    for row, (first, *also) in answers.items():
        values[row] |= {"answer": first, "also": also}
    return values, kind, notes
