"""Concepts: contrast pairs with pole labels, bundled or the user's own, and a linter for pairs.

A pair is two texts that differ in one thing. What a direction means is decided here, so the linter looks for the ways in
which pairs tell a model something else than what their author had in mind.
"""

import csv
import difflib
import io
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from importlib.resources import files
from pathlib import Path
from typing import Any

from steering.errors import SteeringError
from steering.storage import atomic, key

FEWEST_PAIRS = 4
"""Below this number of pairs a direction says more about the topics than about the concept."""

_LENGTH_RATIO = 3.0
_BUNDLED = files("steering.concepts") / "bundled"


@dataclass(frozen=True)
class ContrastPair:
    """Two texts that differ in one concept alone."""

    positive: str
    negative: str

    def swapped(self) -> "ContrastPair":
        """The pair with its poles exchanged."""
        return ContrastPair(self.negative, self.positive)


@dataclass(frozen=True)
class Concept:
    """Contrast pairs with a name and a label for each pole.

    Attributes:
        name: short name, also the name of a bundled concept's file.
        positive_label: what λ > 0 pushes towards.
        negative_label: what λ < 0 pushes towards.
        pairs: texts that the direction is extracted from.
        continuations: held-out short texts that measure a direction's effect; extraction never sees them.
        description: one sentence on what the direction means.
    """

    name: str
    positive_label: str
    negative_label: str
    pairs: tuple[ContrastPair, ...]
    continuations: tuple[ContrastPair, ...] = ()
    description: str = ""

    def __post_init__(self) -> None:
        if not self.name.strip():
            raise SteeringError("A concept needs a name.")

    @property
    def digest(self) -> str:
        """Hash of the pairs, for cache keys and provenance."""
        return key([asdict(pair) for pair in self.pairs])

    def swapped(self) -> "Concept":
        """The opposite concept: poles, labels and continuations exchanged."""
        return replace(
            self,
            positive_label=self.negative_label,
            negative_label=self.positive_label,
            pairs=tuple(pair.swapped() for pair in self.pairs),
            continuations=tuple(pair.swapped() for pair in self.continuations),
        )


@dataclass(frozen=True)
class Problem:
    """Something that the linter found.

    Attributes:
        row: number of the pair, from 1; None for the whole concept.
        message: one sentence with a remedy.
        serious: whether no direction should be extracted before it is mended.
    """

    row: int | None
    message: str
    serious: bool = False

    def __str__(self) -> str:
        return self.message if self.row is None else f"Pair {self.row}: {self.message}"


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


def lint(pairs: Sequence[ContrastPair]) -> tuple[Problem, ...]:
    """Look for pairs that would teach a direction something else than the concept.

    Returns:
        Problems of single pairs in order, then those of the whole list.
    """
    problems: list[Problem] = []
    first_row: dict[ContrastPair, int] = {}
    for row, pair in enumerate(pairs, start=1):
        positive, negative = pair.positive.strip(), pair.negative.strip()
        if not positive or not negative:
            side = (
                "both sides are"
                if not positive and not negative
                else f"the {'negative' if positive else 'positive'} side is"
            )
            problems.append(Problem(row, f"{side} empty. Write a text or delete the pair.", serious=True))
            continue
        stripped = ContrastPair(positive, negative)
        if positive == negative:
            problems.append(Problem(row, "both sides are equal, so they say nothing about the concept.", serious=True))
        elif stripped in first_row:
            problems.append(Problem(row, f"is the same as pair {first_row[stripped]}. Delete one of them."))
        first_row.setdefault(stripped, row)
        shorter, longer = sorted((len(positive.split()), len(negative.split())))
        if longer > _LENGTH_RATIO * max(shorter, 1):
            problems.append(
                Problem(row, f"the sides have {shorter} and {longer} words; the direction will partly mean length.")
            )
    openings = Counter(
        " ".join(text.lower().split()[:3]) for pair in pairs for text in (pair.positive, pair.negative) if text.strip()
    )
    total = sum(openings.values())
    if total >= 2 * FEWEST_PAIRS:
        opening, count = openings.most_common(1)[0]
        if count > total / 2:
            problems.append(
                Problem(
                    None,
                    f'{count} of {total} texts open with "{opening}". Vary the wording, or the direction will be about it.',
                )
            )
    usable = sum(bool(pair.positive.strip() and pair.negative.strip()) for pair in pairs)
    if usable < FEWEST_PAIRS:
        problems.append(Problem(None, f"There are {usable} usable pairs; write at least {FEWEST_PAIRS}.", serious=True))
    return tuple(problems)


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
