"""Which anchor texts a map is fitted on."""

from collections.abc import Sequence
from pathlib import Path

from steering.errors import SteeringError
from steering.models import (
    HELD_OUT_STEP,
    LanguageModel,
    anchor_lists,
    anchor_questions,
    anchor_texts,
    read_anchors,
    unread_lists,
    unread_questions,
)
from steering.transfer.paired_rows import token_ends

ROWS_PER_DIMENSION = 16
"""Bundled anchor texts are read until there are about this many paired rows for every dimension of the wider model."""

MIN_TEXTS = 2 * HELD_OUT_STEP
"""Fewest anchor texts: two of these are held out, one that chooses the penalty and one that measures R²."""

BUNDLED_ANCHORS = ("texts", "lists", "questions")
"""Bundled anchors by name: prose for concepts of prose, solved lists and solved questions for what those show."""

_SOLVED = {"lists": (anchor_lists, unread_lists), "questions": (anchor_questions, unread_questions)}


def chosen_anchors(
    parent: LanguageModel, child: LanguageModel, anchors: str | Path | Sequence[str] | None, rows: int
) -> tuple[str, ...]:
    """The anchor texts that a map is fitted on; arguments as for `alignment.align`.

    Raises:
        SteeringError: anchors that cannot be read, or too few.
    """
    if isinstance(anchors, str) and anchors in _SOLVED:
        solved, _ = _SOLVED[anchors]
        return solved()
    if anchors is not None and anchors != "texts":
        texts = read_anchors(anchors) if isinstance(anchors, str | Path) else tuple(anchors)
        if len(texts) < MIN_TEXTS:
            raise SteeringError(f"There are {len(texts)} anchor texts; an alignment needs at least {MIN_TEXTS}.")
        return texts
    # The file is in random order, so its first texts are a random sample.
    rows_needed = rows * max(parent.d_model, child.d_model)
    chosen: list[str] = []
    n_rows = 0
    for text in anchor_texts():
        if n_rows >= rows_needed and len(chosen) >= MIN_TEXTS:
            break
        chosen.append(text)
        n_rows += len(token_ends(child, text)[0])
    return tuple(chosen)


def unread_prompts(anchors: str | Path | Sequence[str] | None) -> tuple[tuple[tuple[str, str], ...], ...]:
    """For each relation that no map on these anchors is fitted on, prompts behind solved lines and alone.

    There are none but for the bundled lists and questions.
    """
    if isinstance(anchors, str) and anchors in _SOLVED:
        _, unread = _SOLVED[anchors]
        return unread()
    return ()
