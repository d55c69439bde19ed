"""Where concepts come from and go to: bundled ones by name, and JSON, JSONL and CSV files."""

import csv
import difflib
import io
import json
from collections.abc import Mapping
from dataclasses import asdict
from importlib.resources import files
from pathlib import Path
from typing import Any

from steering.concepts.concept import Concept, ContrastPair
from steering.errors import SteeringError
from steering.storage import atomic

_BUNDLED = files("steering.concepts") / "bundled"


def bundled_concepts() -> tuple[str, ...]:
    """Names of the concepts that come with the package, in alphabetical order."""
    return tuple(
        sorted(entry.name.removesuffix(".json") for entry in _BUNDLED.iterdir() if entry.name.endswith(".json"))
    )


def load_concept(source: str | Path) -> Concept:
    """Load a bundled concept by name, or one from a JSON, JSONL or CSV file.

    Args:
        source: a name of `bundled_concepts()`, or a path. JSONL and CSV files hold `positive` and `negative` alone; their
            concept takes the file's name.

    Raises:
        SteeringError: unknown name, unreadable file, or a row without one of the two texts' fields.
    """
    if str(source) in bundled_concepts():
        return parse_concept((_BUNDLED / f"{source}.json").read_text("utf-8"), "json", str(source))
    path = Path(source)
    if not path.is_file():
        near = difflib.get_close_matches(str(source), bundled_concepts(), n=2, cutoff=0.5)
        hint = f" Did you mean {' or '.join(near)}?" if near else ""
        raise SteeringError(
            f"There is no concept and no file {str(source)!r}.{hint} Bundled concepts: {', '.join(bundled_concepts())}."
        )
    try:
        text = path.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise SteeringError(f"{path} cannot be read as UTF-8 text: {error}") from error
    return parse_concept(text, path.suffix.removeprefix(".").lower(), path.stem)


def parse_concept(text: str, layout: str, name: str) -> Concept:
    """Read a concept from text.

    Args:
        text: contents of a concept file.
        layout: "json", "jsonl" or "csv".
        name: used when the text gives none.

    Raises:
        SteeringError: the text is not of that layout; the message names the row.
    """
    try:
        if layout == "json":
            return _from_mapping(json.loads(text), name)
        if layout == "jsonl":
            rows = [json.loads(line) for line in text.split("\n") if line.strip()]
        elif layout == "csv":
            rows = list(csv.DictReader(io.StringIO(text)))
        else:
            raise SteeringError(f"Concepts are read from .json, .jsonl and .csv files, not from .{layout}.")
    except (json.JSONDecodeError, csv.Error) as error:
        raise SteeringError(f"{name} is not valid {layout.upper()}: {error}") from error
    return Concept(name, "positive", "negative", _pairs(rows, name))


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


def _pairs(rows: object, name: str) -> tuple[ContrastPair, ...]:
    if not isinstance(rows, list):
        raise SteeringError(f"{name}: the pairs must be a list of objects with 'positive' and 'negative'.")
    pairs = []
    for number, row in enumerate(rows, start=1):
        if not isinstance(row, Mapping):
            raise SteeringError(
                f"{name}, row {number}: expected an object with 'positive' and 'negative', found {row!r:.80}."
            )
        for side in ("positive", "negative"):
            if not isinstance(row.get(side), str):
                raise SteeringError(f"{name}, row {number}: the text {side!r} is missing.")
        pairs.append(ContrastPair(row["positive"], row["negative"]))
    return tuple(pairs)


def _from_mapping(data: Any, name: str) -> Concept:
    if not isinstance(data, Mapping) or "pairs" not in data:
        raise SteeringError(
            f"{name}: a concept is a JSON object with 'pairs', a list of objects with 'positive' and 'negative'."
        )
    return Concept(
        name=str(data.get("name", name)),
        positive_label=str(data.get("positive_label", "positive")),
        negative_label=str(data.get("negative_label", "negative")),
        pairs=_pairs(data["pairs"], name),
        continuations=_pairs(data.get("continuations", []), f"{name}, continuations"),
        description=str(data.get("description", "")),
    )
