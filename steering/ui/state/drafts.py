"""Drafts: concepts that are being edited, with their undo history; and new concepts.

A draft is immutable; every edit returns a new draft, whose history contains the earlier concept.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace

from steering.concepts import Concept, ContrastPair

MAX_UNDO = 50
"""Number of edits that can be undone."""


@dataclass(frozen=True)
class Draft:
    """An edited concept with its undo history.

    Attributes:
        concept: the current state.
        original: the state before the first edit: a bundled concept, or a new one as it was created.
        history: earlier states, oldest first; at most `MAX_UNDO`.
        typing: the label that is being typed, "positive" or "negative"; "" for none. Its letters are one edit.
    """

    concept: Concept
    original: Concept
    history: tuple[Concept, ...] = ()
    typing: str = field(default="", compare=False)

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
        """The draft with other labels for its poles; an empty label keeps the old one.

        Changes of one label, each after the other, are one edit, which ends with `typed` or with any other edit.
        """
        old = self.concept
        concept = replace(
            old,
            positive_label=positive.strip() or old.positive_label,
            negative_label=negative.strip() or old.negative_label,
        )
        if concept == old:
            return self
        typing = "positive" if concept.positive_label != old.positive_label else "negative"
        if typing != self.typing:
            return replace(self._edited(concept), typing=typing)
        if concept == self.history[-1]:
            return self.undone()
        return replace(self, concept=concept)

    def typed(self) -> "Draft":
        """The draft after a label was typed to its end: the next letter begins another edit."""
        return replace(self, typing="")

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
        if not self.history:
            return self
        return replace(self, concept=self.history[-1], history=self.history[:-1], typing="")

    def reset(self) -> "Draft":
        """The draft with the pairs and labels of the original; the reset can be undone."""
        return self._edited(self.original)

    def _edited(self, concept: Concept) -> "Draft":
        if concept == self.concept:
            return self
        return replace(self, concept=concept, history=(*self.history, self.concept)[-MAX_UNDO:], typing="")


def new_draft(name: str, other: Concept | None, used_names: Collection[str]) -> Draft:
    """The draft of a new concept; without pairs it has one empty row.

    Args:
        name: of the concept.
        other: its first pairs, and its labels; None for an empty concept.
        used_names: names of other concepts; a number is appended to a name that is among them.
    """
    base = " ".join(name.split())
    candidates = (base, *(f"{base} {number}" for number in range(2, len(used_names) + 3)))
    unused = next(candidate for candidate in candidates if candidate not in used_names)
    concept = replace(other, name=unused) if other else Concept(unused, "positive", "negative", (ContrastPair("", ""),))
    return Draft(concept, concept)


def _text(cell: object) -> str:
    return "" if cell is None else str(cell)
