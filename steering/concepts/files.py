"""Reading and writing concepts: bundled ones by name, and files.

`layouts` knows the layouts of files, `steering.storage` reads their bytes.
"""

import csv
import difflib
import io
import json
from dataclasses import asdict
from importlib.resources import files
from pathlib import Path

from steering.concepts.concept import Concept
from steering.concepts.reading import Columns, ReadConcept, concept_of
from steering.errors import SteeringError
from steering.storage import atomic, parse_table, read_table

_BUNDLED = files("steering.concepts") / "bundled"


def bundled_concepts() -> tuple[str, ...]:
    """Names of the concepts that come with the package, in alphabetical order."""
    return tuple(
        sorted(entry.name.removesuffix(".json") for entry in _BUNDLED.iterdir() if entry.name.endswith(".json"))
    )


def load_concept(source: str | Path, *, columns: Columns | None = None) -> Concept:
    """Load a bundled concept by name, or one from a file.

    Args:
        source: a name of `bundled_concepts()`, or a path to a .json, .jsonl, .ndjson, .csv, .tsv, .parquet or .xlsx file in
            one of the layouts of `layouts.LAYOUTS`. A concept without a name is named after its file.
        columns: the columns of the poles, where the layout is not a known one, such as
            `{"positive": "creative", "negative": "mundane"}`.

    Raises:
        SteeringError: unknown name, unreadable file, a layout that is not clear, or a row that is not of it.
    """
    return read_concept(source, columns=columns).concept


def read_concept(source: str | Path, *, columns: Columns | None = None) -> ReadConcept:
    """Load a concept as `load_concept` does, with notes on how its file was read."""
    if str(source) in bundled_concepts():
        if columns:
            raise SteeringError(f"{source} is a bundled concept, which has no columns to choose. Leave out --columns.")
        return read_concept_text((_BUNDLED / f"{source}.json").read_text("utf-8"), "json", str(source))
    path = Path(source)
    if not path.is_file():
        suggestions = difflib.get_close_matches(str(source), bundled_concepts(), n=2, cutoff=0.5)
        hint = f" Did you mean {' or '.join(suggestions)}?" if suggestions else ""
        raise SteeringError(
            f"There is no concept and no file {str(source)!r}.{hint} Bundled concepts: {', '.join(bundled_concepts())}."
        )
    return concept_of(read_table(path), path.stem, columns)


def parse_concept(text: str, layout: str, name: str, *, columns: Columns | None = None) -> Concept:
    """Read a concept from text.

    Args:
        text: contents of a concept file.
        layout: "json", "jsonl", "ndjson", "csv" or "tsv".
        name: used when the text gives none.
        columns: as in `load_concept`.

    Raises:
        SteeringError: the text is not of that layout; the message names the row.
    """
    return read_concept_text(text, layout, name, columns=columns).concept


def read_concept_text(text: str, layout: str, name: str, *, columns: Columns | None = None) -> ReadConcept:
    """Read a concept from text as `parse_concept` does, with notes on how it was read."""
    return concept_of(parse_table(text, layout, name), name, columns)


def format_concept(concept: Concept, layout: str) -> str:
    """Write a concept as text; `parse_concept` reads it back.

    Args:
        concept: what to write.
        layout: "json" (everything), or "jsonl" or "csv" (the pairs alone).
    """
    rows = [asdict(pair) for pair in concept.pairs]
    if layout == "json":
        return json.dumps(asdict(concept), ensure_ascii=False, indent=1) + "\n"
    if layout == "jsonl":
        return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    if layout == "csv":
        buffer = io.StringIO()
        writer = csv.DictWriter(buffer, ["positive", "negative"], lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        return buffer.getvalue()
    raise SteeringError(f"Concepts are written as .json, .jsonl and .csv files, not as .{layout}.")


def save_concept(concept: Concept, path: str | Path) -> None:
    """Write a concept file; its ending (.json, .jsonl, .csv) says how."""
    target = Path(path)
    text = format_concept(concept, target.suffix.removeprefix(".").lower())
    with atomic(target) as temporary:
        temporary.write_text(text, "utf-8")
