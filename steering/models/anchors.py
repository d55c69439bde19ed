"""Anchor texts: what two models read so that a map between their residual streams can be fitted.

A map is good where its anchors were. `anchor_texts` are passages of prose, for concepts that show in prose; `anchor_lists`
and `anchor_questions` are solved lists and questions, for an ability, whose direction lives where an answer is about to be
written.
"""

import json
import random
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path

from steering.errors import SteeringError

LIST_HEAD = "Here is a list.\n"
"""Before the lines of a list. Without it the last token of a prompt of one line is among the first positions, which attention
uses as a sink, so that a direction read or added there does nothing."""

LIST_SIGN = " →"
"""Between a question and its answer in a list."""

_PROMPTS_A_RELATION = 4

HELD_OUT_STEP = 6
"""Every sixth anchor text is held out of a fit. Every second of these chooses the penalty; R² is measured on the others."""

HELD_OUT_TEXTS = 24
"""Largest number of held-out texts: about a thousand rows, which are kept in memory.

Of solved lists and questions, each held-out text is of a relation that has no other text: a map is judged on relations that it
has not read, since a direction that it carries is of such a one.
"""


@cache
def anchor_texts() -> tuple[str, ...]:
    """The bundled anchor texts: short passages of many kinds, in random order."""
    return _lines((files("steering.models") / "anchors.txt").read_text("utf-8"))


@cache
def anchor_lists() -> tuple[str, ...]:
    """The bundled anchor lists: lists of word pairs, each of one relation such as an animal and its young.

    No bundled task of word forms asks for any of their pairs, in either direction.
    """
    return _anchors(_LISTS)


@cache
def anchor_questions() -> tuple[str, ...]:
    """The bundled anchor questions: solved questions of one kind each, for tasks that are put as questions.

    They are the relations of the lists, and questions in whole sentences about numbers, words, lists and who has what.
    """
    return _anchors(_QUESTIONS)


@cache
def unread_lists() -> tuple[tuple[tuple[str, str], ...], ...]:
    """For each relation that no map on `anchor_lists` is fitted on, some words behind solved lists, and each word alone."""
    return _unread(_LISTS)


@cache
def unread_questions() -> tuple[tuple[tuple[str, str], ...], ...]:
    """The same for `anchor_questions`: questions behind solved ones, and each question alone."""
    return _unread(_QUESTIONS)


@dataclass(frozen=True)
class _Source:
    """A file of relations, and how their pairs are put as lines.

    Attributes:
        file: its name.
        line: of a relation's name, a question and its answer.
        texts: anchor texts of each relation.
    """

    file: str
    line: Callable[[str, str, str], str]
    texts: int


@dataclass(frozen=True)
class _Layout:
    """How anchor texts are put together.

    Attributes:
        sources: where the lines are from.
        head: before the first line.
        sign: what a line has between question and answer; a prompt ends behind it.
        pairs: pairs in a text.
    """

    sources: tuple[_Source, ...]
    head: str
    sign: str
    pairs: int

    def prompt(self, line: str) -> str:
        """A line up to where its answer begins."""
        return line[: line.rindex(self.sign) + len(self.sign)]


@dataclass(frozen=True)
class _Relation:
    lines: tuple[str, ...]
    texts: int


_ANSWER = "\nAnswer:"

_LISTS = _Layout(
    (_Source("anchor_lists.jsonl", lambda _, question, answer: f"{question}{LIST_SIGN} {answer}\n", 6),),
    LIST_HEAD,
    LIST_SIGN,
    8,
)
_QUESTIONS = _Layout(
    (
        _Source(
            "anchor_lists.jsonl",
            lambda name, question, answer: f"Question: {name}: {question}{_ANSWER} {answer}\n\n",
            3,
        ),
        _Source("anchor_questions.jsonl", lambda _, question, answer: f"Question: {question}{_ANSWER} {answer}\n\n", 9),
    ),
    "",
    _ANSWER,
    5,
)


def _relations(layout: _Layout, generator: random.Random) -> list[_Relation]:
    """All relations in random order; the first `HELD_OUT_TEXTS` are held out of fits."""
    relations = []
    for source in layout.sources:
        for row in map(json.loads, (files("steering.models") / source.file).read_text("utf-8").splitlines()):
            lines = tuple(source.line(row["relation"], *pair) for pair in row["pairs"])
            relations.append(_Relation(lines, source.texts))
    generator.shuffle(relations)
    return relations


def _anchors(layout: _Layout) -> tuple[str, ...]:
    generator = random.Random(0)
    relations = _relations(layout, generator)

    def a_text(relation: _Relation) -> str:
        return layout.head + "".join(generator.sample(relation.lines, min(layout.pairs, len(relation.lines))))

    held_out = [a_text(relation) for relation in relations[:HELD_OUT_TEXTS]]
    texts = [a_text(relation) for relation in relations[HELD_OUT_TEXTS:] for _ in range(relation.texts)]
    generator.shuffle(texts)
    for place, text in enumerate(held_out):
        texts.insert(place * HELD_OUT_STEP, text)
    return tuple(texts)


def _unread(layout: _Layout) -> tuple[tuple[tuple[str, str], ...], ...]:
    relations = _relations(layout, random.Random(0))[:HELD_OUT_TEXTS]
    generator = random.Random(1)

    def a_pair(relation: _Relation) -> tuple[str, str]:
        *solved, last = generator.sample(relation.lines, min(layout.pairs, len(relation.lines)))
        prompt = layout.prompt(last)
        return layout.head + "".join(solved) + prompt, layout.head + prompt

    return tuple(tuple(a_pair(relation) for _ in range(_PROMPTS_A_RELATION)) for relation in relations)


def read_anchors(path: str | Path) -> tuple[str, ...]:
    """Read a user's own anchor texts: UTF-8, one text a line.

    Raises:
        SteeringError: no such file, or nothing in it.
    """
    try:
        texts = _lines(Path(path).read_text("utf-8-sig"))
    except (OSError, UnicodeDecodeError) as error:
        raise SteeringError(f"The anchor texts in {path} cannot be read: {error}") from error
    if not texts:
        raise SteeringError(f"{path} holds no anchor texts. Write one text a line.")
    return texts


def _lines(text: str) -> tuple[str, ...]:
    return tuple(line.strip() for line in text.splitlines() if line.strip())
