"""Pasted contrast pairs: lines with a tab or a bar, or the contents of a file that could be uploaded."""

import re

from steering.concepts import Concept, ContrastPair, ReadConcept, read_concept_text
from steering.errors import SteeringError

_NAME = "What was pasted"
"""Stands for the file's name in messages."""


def read_pasted(text: str) -> ReadConcept | None:
    """Read pasted pairs.

    Args:
        text: JSON, JSON Lines, CSV or TSV in a layout that is read from files too; or a pair a line, with a tab or a bar
            between spaces ( | ) between the two texts.

    Returns:
        A concept and notes on how it was read; None if there are no pairs.

    Raises:
        SteeringError: neither; the message has the number of the line, or the columns.
    """
    if text.lstrip().startswith(("{", "[")):
        return _json(text)
    lines = [line for line in re.split(r"\r\n|\r|\n", text) if line.strip()]
    if lines and re.search(r"[,;\t]", lines[0]) and not re.search(r"\s\|\s", lines[0]):
        try:
            return read_concept_text(text, "tsv" if "\t" in lines[0] else "csv", _NAME)
        except SteeringError:
            if not any("\t" in line for line in lines):
                raise
    pairs = read_pairs(text)
    return ReadConcept(Concept(_NAME, "positive", "negative", pairs)) if pairs else None


def read_pairs(text: str) -> tuple[ContrastPair, ...]:
    """Read pairs from lines: one per line, with a tab or a bar between spaces ( | ) between the two texts.

    Empty lines and a heading "positive, negative" are skipped.

    Raises:
        SteeringError: a line does not hold two texts; the message has its number.
    """
    pairs = []
    # Not str.splitlines(), which also divides at a line separator inside a text.
    for number, line in enumerate(re.split(r"\r\n|\r|\n", text), start=1):
        cells = [cell.strip() for cell in re.split(r"\t|\s\|\s", line)]
        if not any(cells) or [cell.lower() for cell in cells] == ["positive", "negative"]:
            continue
        if len(cells) != 2 or not all(cells):
            raise SteeringError(
                f"Line {number} holds {sum(map(bool, cells))} text{'s' * (sum(map(bool, cells)) != 1)} instead of two. "
                "Put a tab or a bar ( | ) between the positive and the negative text."
            )
        pairs.append(ContrastPair(*cells))
    return tuple(pairs)


def _json(text: str) -> ReadConcept:
    """JSON, or JSON Lines: the second line of these begins like the first."""
    first, *more = text.strip().splitlines()
    lines = bool(more) and first.rstrip().endswith("}") and more[0].lstrip().startswith("{")
    return read_concept_text(text, "jsonl" if lines else "json", _NAME)
