"""A concept while it is being edited: its pairs, and the way back; and concepts that begin with nothing.

A draft never changes; every edit returns a new one that remembers what it came from.
"""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from steering.concepts import Concept, ContrastPair
from steering.errors import SteeringError

MOST_UNDO = 50
"""Edits that can be taken back."""


@dataclass(frozen=True)
class Draft:
    """A concept, what it was before each edit, and what it began as.

    Attributes:
        concept: as it stands.
        original: the bundled concept that it started from, or a new one as it was made.
        history: earlier states, oldest first.
    """

    concept: Concept
    original: Concept
    history: tuple[Concept, ...] = ()

    @property
    def modified(self) -> bool:
        """Whether it differs from what it began as."""
        return self.concept != self.original

    @property
    def rows(self) -> list[list[str]]:
        """The pairs as a table: positive, negative."""
        return [[pair.positive, pair.negative] for pair in self.concept.pairs]

    def with_rows(self, rows: Sequence[Sequence[object]]) -> "Draft":
        """The draft with the table's contents; itself when nothing differs."""
        pairs = tuple(ContrastPair(*(_text(cell) for cell in (*row, "", "")[:2])) for row in rows)
        return self._edited(replace(self.concept, pairs=pairs))

    def with_labels(self, positive: str, negative: str) -> "Draft":
        """The draft with other names for its poles; an empty name keeps the old one."""
        concept = self.concept
        return self._edited(
            replace(
                concept,
                positive_label=positive.strip() or concept.positive_label,
                negative_label=negative.strip() or concept.negative_label,
            )
        )

    def with_concept(self, other: Concept) -> "Draft":
        """The draft with the pairs of another concept, and with its labels where it has labels of its own."""
        concept = replace(self.concept, pairs=other.pairs)
        if (other.positive_label, other.negative_label) != ("positive", "negative"):
            concept = replace(concept, positive_label=other.positive_label, negative_label=other.negative_label)
        return self._edited(concept)

    def added(self) -> "Draft":
        """The draft with an empty pair at its end."""
        return self._edited(replace(self.concept, pairs=(*self.concept.pairs, ContrastPair("", ""))))

    def joined(self, pairs: Sequence[ContrastPair]) -> "Draft":
        """The draft with more pairs at its end, in the place of rows that are empty."""
        filled = (pair for pair in self.concept.pairs if pair.positive.strip() or pair.negative.strip())
        return self._edited(replace(self.concept, pairs=(*filled, *pairs))) if pairs else self

    def without(self, row: int) -> "Draft":
        """The draft without one pair; itself when there is no such row (counted from 0)."""
        pairs = self.concept.pairs
        return (
            self._edited(replace(self.concept, pairs=pairs[:row] + pairs[row + 1 :])) if 0 <= row < len(pairs) else self
        )

    def undone(self) -> "Draft":
        """The draft before its last edit; itself when there was none."""
        return replace(self, concept=self.history[-1], history=self.history[:-1]) if self.history else self

    def reset(self) -> "Draft":
        """The draft with its first pairs and labels; this too can be taken back."""
        return self._edited(self.original)

    def _edited(self, concept: Concept) -> "Draft":
        if concept == self.concept:
            return self
        return replace(self, concept=concept, history=(*self.history, self.concept)[-MOST_UNDO:])


def new_draft(name: str, pairs: Sequence[ContrastPair], taken: Collection[str]) -> Draft:
    """A concept of one's own; without pairs it has one empty row to write in.

    Args:
        name: what to call it.
        pairs: what it begins with.
        taken: names that other concepts have; a number tells the new one from them.
    """
    wanted = " ".join(name.split())
    names = (wanted, *(f"{wanted} {number}" for number in range(2, len(taken) + 3)))
    free = next(candidate for candidate in names if candidate not in taken)
    concept = Concept(free, "positive", "negative", tuple(pairs) or (ContrastPair("", ""),))
    return Draft(concept, concept)


def read_pairs(text: str) -> tuple[ContrastPair, ...]:
    """Read pasted pairs: one a line, the two texts apart by a tab or by a bar with spaces around it.

    Empty lines and a heading "positive, negative" are passed over.

    Raises:
        SteeringError: a line does not hold two texts; the message names it.
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
