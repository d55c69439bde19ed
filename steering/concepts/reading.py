"""From the contents of a file to a concept, with notes on how it was read.

The columns of the poles follow from a known layout or from the names that the user gave; without either, the file is
refused.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from steering.concepts.concept import Concept, ContrastPair
from steering.concepts.layouts import COMPLIANCE, LAYOUTS, Layout, Rows, joined, kind_of
from steering.errors import SteeringError
from steering.storage import Contents, column_list, find_column, normalised, rows_of

Columns = Mapping[str, str]
"""Keys (`positive` and `negative`; or `text` and `label`; `rows`, `prompts`) and the columns of a file that they refer to."""

_PROMPTS = ("prompts", "questions", "instructions", "inputs", "examples")
_NO_POLES = (*_PROMPTS, "prompt", "question", "instruction", "input", "answer", "answers", "text", "label", "labels")
_OPPOSITES = ("non_", "not_", "non-", "not-", "non", "not", "un", "dis", "in", "im")
_OBJECT_KEYS = ("name", "positive_label", "negative_label", "pairs", "continuations", "description")
_PLACES = ("rows", "prompts")


@dataclass(frozen=True)
class ReadConcept:
    """A concept and how it was read.

    Attributes:
        concept: the concept.
        notes: sentences on what was done to read it: encoding, delimiter, blank rows, layout, what was not used.
    """

    concept: Concept
    notes: tuple[str, ...] = ()


def concept_of(contents: Contents, name: str, columns: Columns | None = None) -> ReadConcept:
    """Make a concept of what a file holds.

    Args:
        contents: of the file.
        name: used when the file gives none, and in messages.
        columns: the columns of the poles, where the layout is not a known one.

    Raises:
        SteeringError: a layout that is not known or not clear, or a row that is not of it; the message says which columns
            there are, which are wanted, and what settles it.
    """
    columns = dict(columns or {})
    data, notes = contents.data, list(contents.notes)
    if isinstance(data, list) and len(data) == 1 and isinstance(data[0], dict) and "pairs" in data[0]:
        data = data[0]  # A file of JSON Lines with one line.
    if isinstance(data, dict) and "pairs" in data and "rows" not in columns:
        return _from_object(data, name, columns, notes)
    if isinstance(data, dict):
        data = _prompts_with_answers(data, name, columns, notes)
    table, row_notes = rows_of(data, name, columns.get("rows"))
    rows = Rows(name, table, contents.columns or _all_columns(table, name), contents.lines)
    if not table and not rows.columns:
        raise SteeringError(
            f"{name} holds no pairs. A concept is a JSON object with 'pairs', or rows with 'positive' and 'negative'."
        )
    labels = _poles_of_two_lists(data, rows, columns, notes) if isinstance(data, dict) else None
    pairs, layout_notes = read_rows(rows, labels or columns)
    labels = labels or {side: columns[side] for side in ("positive", "negative") if side in columns}
    concept = Concept(name, labels.get("positive", "positive"), labels.get("negative", "negative"), pairs)
    return ReadConcept(concept, (*notes, *row_notes, *layout_notes))


def read_rows(rows: Rows, columns: Columns) -> tuple[tuple[ContrastPair, ...], tuple[str, ...]]:
    """Pairs from rows of a known layout, or of the columns that are named.

    Returns:
        The pairs, and notes on how they were read.

    Raises:
        SteeringError: no layout or several, or a row that is not of it.
    """
    named = {key: value for key, value in columns.items() if key not in _PLACES}
    layout, places = _layout(rows, named)
    poles = {side: named[side] for side in layout.options if side in named}
    pairs = tuple(layout.pairs(rows, places, poles))
    unused = [column for column in rows.columns if column not in places]
    notes = [layout.note.format(*map(repr, places))]
    if poles:
        notes = [f"The texts in {places[0]!r} are positive or negative by their label in {places[1]!r}."]
    return pairs, (*notes, *([f"Not used: {column_list(unused)}."] if unused else []))


def _layout(rows: Rows, choices: Columns) -> tuple[Layout, list[str]]:
    """The layout of the rows, and the columns of its keys."""
    by_label = bool({"text", "label"} & set(choices))
    named = {}
    for key, value in choices.items():
        column = find_column(rows.columns, normalised(value), value)
        if column is not None:
            named[key] = column
        elif not (by_label and key in ("positive", "negative")):
            raise SteeringError(f"{rows.name} has no one column {value!r}. Its columns: {column_list(rows.columns)}.")
    fitting = []
    for layout in LAYOUTS:
        places = [named.get(key) or find_column(rows.columns, key) for key in layout.keys]
        matches = not choices or (
            set(choices) <= {*layout.keys, *layout.options} and bool(set(choices) & set(layout.keys))
        )
        if matches and all(places) and len(set(places)) == len(places):
            fitting.append((layout, [place for place in places if place]))
    if not fitting:
        raise _unknown(rows, choices)
    if len(fitting) > 1 and fitting[0][0] is not LAYOUTS[0]:
        several = "; ".join(" and ".join(layout.keys) for layout, _ in fitting)
        raise SteeringError(
            f"{rows.name} can be read in several ways: {several}. Say which columns are the poles: {_example(rows.columns)}"
        )
    return fitting[0]


def _unknown(rows: Rows, choices: Columns) -> SteeringError:
    layouts = "; ".join(" and ".join(layout.keys) for layout in LAYOUTS)
    rest = (
        f"Columns: {column_list(rows.columns)}. Wanted: {layouts}; or one JSON object with 'pairs'. "
        f"Or say which columns are the poles: {_example(rows.columns)}"
    )
    if choices:
        options = sorted({key for layout in LAYOUTS for key in (*layout.keys, *layout.options)} | set(_PLACES))
        return SteeringError(
            f"{rows.name}: --columns {','.join(f'{key}={value}' for key, value in choices.items())} names no whole layout; "
            f"it may say {', '.join(options)}. {rest}"
        )
    for key in LAYOUTS[0].keys:
        alike = [column for column in rows.columns if normalised(column) == key]
        if len(alike) > 1:
            return SteeringError(f"{rows.name} has {len(alike)} columns {key!r}. Give one of them another name. {rest}")
        if not alike:
            return SteeringError(f"{rows.name}, row 1: the text {key!r} is missing. {rest}")
    return SteeringError(f"{rows.name}: the columns are of no known layout. {rest}")


def _example(columns: Sequence[str]) -> str:
    positive, negative = (*(column for column in columns if column.strip()), "A", "B")[:2]
    return f"--columns positive={positive!s:.40},negative={negative!s:.40}"


def _all_columns(rows: Sequence[Any], name: str) -> tuple[str, ...]:
    for number, row in enumerate(rows, start=1):
        if not isinstance(row, Mapping):
            raise SteeringError(
                f"{name}, row {number}: expected an object with 'positive' and 'negative', found {row!r:.80}. "
                "Write a list of such objects, or one object that holds the list as 'pairs'."
            )
    return tuple(dict.fromkeys(key for row in rows for key in row))


def _from_object(data: Mapping[str, Any], name: str, columns: Columns, notes: Sequence[str]) -> ReadConcept:
    """A concept from an object with `pairs`: this project's own layout."""
    words = {
        key: _text_field(data, key, default, name)
        for key, default in (
            ("name", name),
            ("positive_label", columns.get("positive", "positive")),
            ("negative_label", columns.get("negative", "negative")),
            ("description", ""),
        )
    }
    all_notes = list(notes)
    pairs, pair_notes = _listed_pairs(data["pairs"], name, columns)
    continuations, _ = _listed_pairs(data.get("continuations", []), f"{name}, continuations", columns)
    unused = [key for key in data if key not in _OBJECT_KEYS]
    all_notes += [note for note in pair_notes if note != LAYOUTS[0].note.format("'positive'", "'negative'")]
    all_notes += [f"Not used: {column_list(unused)}."] if unused else []
    concept = Concept(
        words["name"],
        words["positive_label"],
        words["negative_label"],
        pairs,
        continuations,
        words["description"],
    )
    return ReadConcept(concept, tuple(all_notes))


def _listed_pairs(value: object, name: str, columns: Columns) -> tuple[tuple[ContrastPair, ...], tuple[str, ...]]:
    if not isinstance(value, list):
        raise SteeringError(f"{name}: the pairs must be a list of objects with 'positive' and 'negative'.")
    if not value:
        return (), ()
    keys = _all_columns(value, name)
    # Continuations may have names of their own.
    return read_rows(Rows(name, value, keys), columns if set(columns.values()) & set(keys) else {})


def _text_field(data: Mapping[str, Any], key: str, default: str, name: str) -> str:
    value = data.get(key, default)
    if not isinstance(value, str):
        raise SteeringError(f"{name}: {key!r} is {kind_of(value)}, not a text.")
    return value


def _poles_of_two_lists(
    data: Mapping[str, Any], rows: Rows, columns: Columns, notes: list[str]
) -> dict[str, str] | None:
    """The poles of two lists side by side whose names no layout knows: the first is positive, unless it negates the other."""
    lists = [key for key, value in data.items() if isinstance(value, list) and key in rows.columns]
    is_known_layout = any(all(find_column(rows.columns, key) for key in layout.keys) for layout in LAYOUTS)
    if is_known_layout or len(lists) != 2 or set(columns) - set(_PLACES) or len(rows.columns) != 2:
        return None
    if any(normalised(key) in _NO_POLES for key in lists):
        return None
    first, second = lists
    if _negates(first, second):
        first, second = second, first
    else:
        notes.append(
            f"The first list, {first!r}, was taken as positive. The other way round: "
            f"--columns positive={second},negative={first}"
        )
    return {"positive": first, "negative": second}


def _negates(name: str, negated: str) -> bool:
    return any(normalised(name) == opposite + normalised(negated) for opposite in _OPPOSITES)


def _prompts_with_answers(data: dict[str, Any], name: str, columns: Columns, notes: list[str]) -> dict[str, Any]:
    """Every prompt with every answer of two lists, as two lists side by side; the data itself where it has no prompts."""
    lists = {key: value for key, value in data.items() if isinstance(value, list)}
    prompts = columns.get("prompts") or next((key for key in lists if normalised(key) in _PROMPTS), None)
    if prompts is None or len(lists) != 3 or prompts not in lists:
        return data
    sides = [key for key in lists if key != prompts]
    counts = {len(lists[side]) for side in sides}
    clear = "prompts" in columns or {normalised(side) for side in sides} == set(COMPLIANCE.keys)
    if len(counts) > 1 or (len(lists[prompts]) in counts and not clear and columns):
        return data
    if len(lists[prompts]) in counts and not clear:
        poles = f"positive={sides[0]},negative={sides[1]}"
        raise SteeringError(
            f"{name}: the lists {column_list(list(lists))} are of one length, so either each prompt has its own two texts, or "
            f"every prompt goes with every two. Say which: --columns {poles} or --columns prompts={prompts},{poles}"
        )
    wrong = next(((key, entry) for key, value in lists.items() for entry in value if not isinstance(entry, str)), None)
    if wrong:
        raise SteeringError(f"{name}, row {lists[wrong[0]].index(wrong[1]) + 1} of {wrong[0]!r}: {kind_of(wrong[1])}.")
    notes.append(
        f"Each of {len(lists[prompts])} texts in {prompts!r} goes with each of {counts.pop()} pairs of answers."
    )
    return {side: [joined(prompt, answer) for prompt in lists[prompts] for answer in lists[side]] for side in sides} | {
        key: value for key, value in data.items() if key not in lists
    }
