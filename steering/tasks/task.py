"""Questions with known answers: bundled, generated, from a file, or from the Hub; and which of them serve for what.

Every task has three parts that share no question: `train` gives the examples of a few-shot prompt, `validation` is what λ
is tuned on, and `test` is what is reported. Prompts are built in `prompting`, and answers read in `answers`.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.resources import files
from pathlib import Path
from typing import Any

from steering.errors import SteeringError, check_whole
from steering.stats import check_seed
from steering.storage import TABLE_ENDINGS, key, read_table
from steering.tasks.files import jsonl
from steering.tasks.item import Item, item_of, kind_of
from steering.tasks.reading import DEFAULT_READING, Reading, read_questions
from steering.tasks.rows import counted
from steering.tasks.sources import HUB, WORD_FORMS, generated, hub, word_forms

SPLITS = ("validation", "test", "all")
"""What can be scored: the part for tuning, the part for reporting, or every question of a file."""

PARTS = ("train", "validation", "test")

PAIR_WORDS = 3
"""Most words of a question and of an answer in a task of word pairs."""

BUNDLED = "questions"
HERE = "bundled with Steering Lab"

WORDS = "word-forms:"
"""Before the name of a bundled task of word pairs."""

GENERATED = "reasoning-gym:"
"""Before the name of a generator of reasoning-gym."""


@dataclass(frozen=True)
class Task:
    """Questions of one kind.

    Attributes:
        name: what it was loaded as, without folders.
        split: which part the items are, one of `SPLITS`.
        kind: how answers are read and compared, a key of `answers.READERS`.
        items: the questions to score.
        pool: questions that examples may be taken from, in the order in which they are taken. A question that serves as an
            example is not scored, see `prompting.scored`.
        about: where the questions are from, and how they were split.
        word_pairs: whether all questions and answers of the source, whatever its split, are words: one line of at most
            `PAIR_WORDS`.
        notes: sentences on how their file was read; empty where they are from no file.
        pool_split: which part the pool is: "validation" where the source has no training part, else "train".
    """

    name: str
    split: str
    kind: str
    items: tuple[Item, ...]
    pool: tuple[Item, ...] = ()
    about: str = ""
    word_pairs: bool = False
    notes: tuple[str, ...] = ()
    pool_split: str = "train"

    def __post_init__(self) -> None:
        if not self.items:
            raise SteeringError(f"The task {self.name} has no questions for the split {self.split!r}.")

    @property
    def digest(self) -> str:
        """Hash of the scored questions and their answers."""
        # Without a second right answer the hash is that of earlier versions.
        return key(
            [{name: value for name, value in vars(item).items() if name != "also" or value} for item in self.items]
        )

    def limited(self, limit: int | None, seed: int = 0) -> "Task":
        """A random choice of the items, the same for the same seed; a larger limit holds the smaller one's items.

        Raises:
            SteeringError: the limit is no whole number above 0, or the seed cannot be used.
        """
        check_seed(seed)
        if limit is None:
            return self
        check_whole("The limit", limit, 1)
        chosen = set(sorted((item.id for item in self.items), key=lambda name: _hash(f"limit {seed}", name))[:limit])
        return replace(self, items=tuple(item for item in self.items if item.id in chosen))


def task_names() -> tuple[str, ...]:
    """The names that `load_task` knows besides files."""
    return (BUNDLED, *HUB, *(f"{WORDS}{name}" for name in WORD_FORMS), f"{GENERATED}NAME")


def load_task(
    source: str | Path,
    split: str = "test",
    *,
    limit: int | None = None,
    seed: int = 0,
    reading: Reading = DEFAULT_READING,
) -> Task:
    """Load one part of a task.

    Args:
        source: "questions" or "word-forms:NAME" (bundled), "gsm8k", "math", "arc-challenge" or "arc-easy" (from the Hub),
            "reasoning-gym:NAME" (generated), or a .json, .jsonl, .ndjson, .csv, .tsv, .parquet or .xlsx file in one of the
            layouts of `layouts.LAYOUTS`.
        split: "validation" for tuning, "test" for reporting; for a file also "all".
        limit: take only so many questions, chosen at random.
        seed: of that choice. Which question belongs to which part does not depend on it.
        reading: what settles how a file is read, where its layout leaves that open.

    Raises:
        SteeringError: no such task, an unreadable file, a layout that is not clear, no network, an empty split, or a limit or
            seed that cannot be used.
    """
    check_seed(seed)
    if limit is not None:
        check_whole("The limit", limit, 1)
    if split not in SPLITS:
        raise SteeringError(f"Unknown split {split!r}. Choose one of {', '.join(SPLITS)}.")
    name = str(source)
    if name == BUNDLED:
        text = (files("steering.tasks") / "questions.jsonl").read_text("utf-8")
        task = _from_rows(BUNDLED, jsonl(text, BUNDLED), HERE, split)
    elif name.startswith(WORDS):
        task = _from_rows(name, word_forms(name.removeprefix(WORDS)), HERE, split)
    elif name in HUB:
        task = _from_rows(name, hub(name), f"{HUB[name].repository} from the Hub", split)
    elif name.startswith(GENERATED):
        task = _from_rows(name, *generated(name.removeprefix(GENERATED)), split)
    else:
        return _from_file(Path(source), split, reading).limited(limit, seed)
    if reading != DEFAULT_READING:
        raise SteeringError(f"{name} is no file, so there is nothing to say about how it is read.")
    return task.limited(limit, seed)


def describe(task: Task) -> tuple[str, ...]:
    """How a task's file was read, with its first question as an example, a sentence each."""
    item = task.items[0]
    chosen = f": {item.choices[ord(item.answer) - ord('A')]!r:.80}" if item.choices else ""
    of = f" of {len(item.choices)} choices" if item.choices else ""
    also = f", or {', '.join(map(repr, item.also[:3]))}{' …' * (len(item.also) > 3)}" if item.also else ""
    example = f"The first question: {item.question!r:.160}. Its answer{of}: {item.answer:.80}{chosen}{also}."
    return (*task.notes, f"Answers are compared as {_KINDS[task.kind]}.", example)


_KINDS = {"choice": "choices", "number": "numbers", "math": "formulas", "text": "texts"}


def _from_file(path: Path, split: str, reading: Reading) -> Task:
    if path.suffix.removeprefix(".").lower() not in TABLE_ENDINGS:
        endings = ", ".join(f".{ending}" for ending in TABLE_ENDINGS)
        raise SteeringError(
            f"There is no task {str(path)!r}. Choose one of {', '.join(task_names())}, or give a file ({endings})."
        )
    read = read_questions(read_table(path), path.stem, reading)
    left_out = f"; {counted(read.skipped, 'row')} that cannot be read left out" if read.skipped else ""
    about = f"the file {path.name}{left_out}"
    return replace(_from_items(path.stem, read.items, read.splits, read.kind, about, split), notes=read.notes)


def _from_rows(name: str, rows: Sequence[Any], about: str, split: str) -> Task:
    """A task of rows that are this project's own, in which a whole number is an index from 0."""
    items = [item_of(row, number, name) for number, row in enumerate(rows, start=1)]
    return _from_items(name, items, [row.get("split") for row in rows], kind_of(items), about, split)


def _from_items(
    name: str, items: Sequence[Item], splits: Sequence[str | None], kind: str, about: str, split: str
) -> Task:
    seen: set[str] = set()
    for item in items:
        if item.id in seen:
            raise SteeringError(f"The id {item.id!r} occurs twice in {name}; give every question its own.")
        seen.add(item.id)
    parts, how = _parts(items, splits, name)
    if not parts["validation"] and parts["train"]:
        parts = _second_half(parts)
        how += "; validation is a fixed part of train"
    chosen = list(items) if split == "all" else parts[split]
    if not chosen and items:
        raise SteeringError(f"{name} has no questions for the split {split!r}; it holds {_held(parts)}.")
    # The same examples stand before the questions that λ is tuned on and before those that are reported.
    pool = sorted(parts["train"] or parts["validation"], key=lambda item: _hash("pool", item.question))
    about, pairs = f"{about}; {how}", all(map(_words, items))
    pool_split = "train" if parts["train"] else "validation"
    return Task(name, split, kind, tuple(chosen), tuple(pool), about, word_pairs=pairs, pool_split=pool_split)


def _words(item: Item) -> bool:
    texts = (item.question, *item.right_answers)
    return not item.choices and all(len(t.splitlines()) == 1 and len(t.split()) <= PAIR_WORDS for t in texts)


def _parts(items: Sequence[Item], named: Sequence[Any], name: str) -> tuple[dict[str, list[Item]], str]:
    parts: dict[str, list[Item]] = {part: [] for part in PARTS}
    if any(named):
        for item, part in zip(items, named, strict=True):
            if not isinstance(part, str) or part not in parts:
                raise SteeringError(
                    f"The question {item.id!r} of {name} has the split {repr(part)[:60]}; it must be one of {', '.join(PARTS)}."
                )
            parts[part].append(item)
        return _disjoint(parts)
    # By the question and not by its place, so that a question that occurs twice stays in one part.
    order = sorted({item.question for item in items}, key=lambda question: _hash("split", question))
    shots, tuned = min(len(order) // 10, 20), len(order) // 2
    place = {question: rank for rank, question in enumerate(order)}
    for item in items:
        rank = place[item.question]
        parts["train" if rank < shots else "validation" if rank < tuned else "test"].append(item)
    return parts, "split by a fixed hash of its questions"


def _disjoint(parts: Mapping[str, Sequence[Item]]) -> tuple[dict[str, list[Item]], str]:
    """Leave a question out of every part but the last that it stands in, since what is reported must not be seen before."""
    last = {(item.question, item.choices): part for part in PARTS for item in parts[part]}
    kept = {part: [item for item in parts[part] if last[item.question, item.choices] == part] for part in PARTS}
    dropped = sum(map(len, parts.values())) - sum(map(len, kept.values()))
    more = f"; {dropped} that stand in several parts are kept in the last of them" if dropped else ""
    return kept, f"split as its own rows say{more}"


def _second_half(parts: dict[str, list[Item]]) -> dict[str, list[Item]]:
    """Hold a fixed part of the training questions out for validation: half, and at most 500."""
    order = sorted(parts["train"], key=lambda item: _hash("split", item.question))
    size = min((len(order) + 1) // 2, 500)
    return {**parts, "train": order[size:], "validation": order[:size]}


def _held(parts: Mapping[str, Sequence[Item]]) -> str:
    return ", ".join(f"{len(items)} for {part}" for part, items in parts.items())


def _hash(purpose: str, text: str) -> str:
    return hashlib.sha256(f"{purpose}: {text}".encode()).hexdigest()
