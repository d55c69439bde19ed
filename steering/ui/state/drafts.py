"""Drafts: concepts that are being edited, with their undo history; and new concepts.

A draft is immutable; every edit returns a new draft, whose history contains the earlier concept.
"""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from steering.concepts import Concept, ContrastPair
from steering.errors import SteeringError

MAX_UNDO = 50
"""Number of edits that can be undone."""


@dataclass(frozen=True)
class Draft:
    """An edited concept with its undo history.

    Attributes:
        concept: the current state.
        original: the state before the first edit: a bundled concept, or a new one as it was created.
        history: earlier states, oldest first; at most `MAX_UNDO`.
    """

    concept: Concept
    original: Concept
    history: tuple[Concept, ...] = ()

    @property
    def modified(self) -> bool:
        """Whether the concept differs from the original."""
        return self.concept != self.original

    @property
    def rows(self) -> list[list[str]]:
        """The pairs as a table: positive, negative."""
        return [[pair.positive, pair.negative] for pair in self.concept.pairs]

    def with_rows(self, rows: Sequence[Sequence[object]]) -> "Draft":
        """The draft with the contents of the table as its pairs; itself if nothing differs."""
        pairs = tuple(ContrastPair(*(_text(cell) for cell in (*row, "", "")[:2])) for row in rows)
        return self._edited(replace(self.concept, pairs=pairs))

    def with_labels(self, positive: str, negative: str) -> "Draft":
        """The draft with other labels for its poles; an empty label keeps the old one."""
        concept = self.concept
        return self._edited(
            replace(
                concept,
                positive_label=positive.strip() or concept.positive_label,
                negative_label=negative.strip() or concept.negative_label,
            )
        )

    def with_concept(self, other: Concept) -> "Draft":
        """The draft with the pairs of another concept, and with its labels unless they are the default ones."""
        concept = replace(self.concept, pairs=other.pairs)
        if (other.positive_label, other.negative_label) != ("positive", "negative"):
            concept = replace(concept, positive_label=other.positive_label, negative_label=other.negative_label)
        return self._edited(concept)

    def replaced(self, other: Concept) -> "Draft":
        """The draft with another concept in its place: its name, labels, pairs and all; this can be undone."""
        return self._edited(other)

    def with_empty_pair(self) -> "Draft":
        """The draft with an empty pair at its end."""
        return self._edited(replace(self.concept, pairs=(*self.concept.pairs, ContrastPair("", ""))))

    def with_pairs(self, pairs: Sequence[ContrastPair]) -> "Draft":
        """The draft with more pairs at its end, and without empty rows; itself if there are no more pairs."""
        filled = (pair for pair in self.concept.pairs if pair.positive.strip() or pair.negative.strip())
        return self._edited(replace(self.concept, pairs=(*filled, *pairs))) if pairs else self

    def without(self, row: int) -> "Draft":
        """The draft without one pair; itself if there is no such row (counted from 0)."""
        pairs = self.concept.pairs
        return (
            self._edited(replace(self.concept, pairs=pairs[:row] + pairs[row + 1 :])) if 0 <= row < len(pairs) else self
        )

    def undone(self) -> "Draft":
        """The draft before its last edit; itself if there was none."""
        return replace(self, concept=self.history[-1], history=self.history[:-1]) if self.history else self

    def reset(self) -> "Draft":
        """The draft with the pairs and labels of the original; the reset can be undone."""
        return self._edited(self.original)

    def _edited(self, concept: Concept) -> "Draft":
        if concept == self.concept:
            return self
        return replace(self, concept=concept, history=(*self.history, self.concept)[-MAX_UNDO:])


def new_draft(name: str, pairs: Sequence[ContrastPair], used_names: Collection[str]) -> Draft:
    """The draft of a new concept; without pairs it has one empty row.

    Args:
        name: of the concept.
        pairs: its first pairs.
        used_names: names of other concepts; a number is appended to a name that is among them.
    """
    base = " ".join(name.split())
    candidates = (base, *(f"{base} {number}" for number in range(2, len(used_names) + 3)))
    unused = next(candidate for candidate in candidates if candidate not in used_names)
    concept = Concept(unused, "positive", "negative", tuple(pairs) or (ContrastPair("", ""),))
    return Draft(concept, concept)


def read_pairs(text: str) -> tuple[ContrastPair, ...]:
    """Read pasted pairs: one per line, with a tab or a bar between spaces ( | ) between the two texts.

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


def _text(cell: object) -> str:
    return "" if cell is None else str(cell)
