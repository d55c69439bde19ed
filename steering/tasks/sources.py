"""Rows of tasks that are not files: bundled word pairs, data sets of the Hub, and generated reasoning tasks.

Rows look like a file's: `question`, `answer`, maybe `choices`, `solution`, `id`, and the `split` that they belong to.
"""

import difflib
import hashlib
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from typing import Any

from steering.errors import SteeringError
from steering.tasks.files import jsonl

WORD_FORMS = (
    "adverb", "agent-noun", "antonym", "base-form", "capital", "comparative", "english-spanish", "ing-form", "nationality",
    "noun-form", "past-participle", "past-tense", "plural", "prefix-opposite", "present-tense", "singular", "superlative",
    "third-person",
)  # fmt: skip
"""Bundled tasks of word pairs, such as walk and walked; each is a file in `word_forms`."""

GENERATED_SIZES = {"train": 100, "validation": 200, "test": 500}
"""Questions that are generated for each part."""

_BLOCK = sum(GENERATED_SIZES.values())
"""Questions that are generated at a time."""

_MOST_BLOCKS = 20
"""Blocks after which a generator counts as exhausted, so that one with few different questions is not asked for ever."""

_FAR = 1_000_000
"""Between the seeds of two blocks. A generator's question number k depends on seed + k alone, so that neighbouring seeds give
nearly the same questions."""


@dataclass(frozen=True)
class HubTask:
    """A data set of the Hub.

    Attributes:
        repository: its id.
        config: which of its configurations, "" where it has one.
        splits: which of its splits serves as which part. A part that is missing here is taken from the training part.
        row: turns one of its rows into ours.
    """

    repository: str
    config: str
    splits: Mapping[str, str]
    row: Callable[[Mapping[str, Any]], dict[str, Any]]


def _gsm8k(row: Mapping[str, Any]) -> dict[str, Any]:
    solution = str(row["answer"])
    return {"question": row["question"], "answer": solution.rsplit("####", 1)[-1].strip(), "solution": solution}


def _math(row: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "id": row["unique_id"],
        "question": row["problem"],
        "answer": row["answer"],
        "solution": row["solution"],
    }


def _arc(row: Mapping[str, Any]) -> dict[str, Any]:
    choices = row["choices"]
    place = list(choices["label"]).index(row["answerKey"])
    return {"id": row["id"], "question": row["question"], "choices": list(choices["text"]), "answer": place}


_THREE = {"train": "train", "validation": "validation", "test": "test"}

HUB: Mapping[str, HubTask] = {
    "gsm8k": HubTask("openai/gsm8k", "main", {"train": "train", "test": "test"}, _gsm8k),
    # MATH-500 has a test split alone, which is divided by a hash of its questions.
    "math": HubTask("HuggingFaceH4/MATH-500", "", {"": "test"}, _math),
    "arc-challenge": HubTask("allenai/ai2_arc", "ARC-Challenge", _THREE, _arc),
    "arc-easy": HubTask("allenai/ai2_arc", "ARC-Easy", _THREE, _arc),
}
"""Tasks of the Hub by name."""


def hub(name: str) -> list[dict[str, Any]]:
    """Fetch a task from the Hub, all its parts.

    Raises:
        SteeringError: it cannot be fetched; the message names the way with a local file.
    """
    from datasets import load_dataset  # A second of importing that only this needs.

    task = HUB[name]
    rows = []
    for part, split in task.splits.items():
        try:
            data = load_dataset(task.repository, task.config or None, split=split)
        except Exception as error:  # The library raises errors of many kinds for one cause: no way to the data.
            raise SteeringError(
                f"{task.repository} cannot be fetched from the Hub ({type(error).__name__}). Connect to the network, or save "
                f"its questions as a .jsonl file with 'question' and 'answer', and give that file as the task."
            ) from error
        rows += [{**task.row(row), **({"split": part} if part else {})} for row in data]
    # Ids must be unique over all parts, and not every data set has them.
    return [{**row, "id": f"{row.get('split', 'all')}-{row.get('id', number)}"} for number, row in enumerate(rows)]


def word_forms(name: str) -> list[Any]:
    """Rows of a bundled task of word pairs: 40 for examples, 40 for tuning, the rest for reporting.

    Raises:
        SteeringError: there is no task of that name.
    """
    if name not in WORD_FORMS:
        hint = _nearest(name, WORD_FORMS) or f" Choose one of {', '.join(WORD_FORMS)}."
        raise SteeringError(f"There is no task of word forms {name[:60]!r}.{hint}")
    return jsonl((files("steering.tasks") / "word_forms" / f"{name}.jsonl").read_text("utf-8"), name)


_RUNS_PROGRAMS = {"codeio"}
"""Generators that run hundreds of programs which came with them; some of those write files."""


@lru_cache(8)
def generated(name: str) -> tuple[tuple[Mapping[str, Any], ...], str]:
    """Generate a reasoning task: one stream of different questions, dealt to the parts by a hash.

    Returns:
        The rows, and a sentence on how many there are. A generator that makes fewer questions than the parts need gives every
        part its share.

    Raises:
        SteeringError: there is no generator of that name, or it fails.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SyntaxWarning)  # See `_block`.
        from reasoning_gym.factory import DATASETS

    if name not in DATASETS:
        hint = _nearest(name, DATASETS) or " chain_sum and basic_arithmetic are two that there are."
        raise SteeringError(f"reasoning-gym has no task {name[:60]!r}.{hint}")
    if name in _RUNS_PROGRAMS:
        raise SteeringError(
            f"The generator {name!r} runs programs to find its answers, which is not done here. Choose another."
        )
    answers: dict[str, str] = {}
    for block in range(_MOST_BLOCKS):
        known = len(answers)
        for question, answer in _block(name, block * _FAR):
            answers.setdefault(question, answer)
        if len(answers) in (known, _BLOCK) or len(answers) > _BLOCK:
            break
    chosen = list(answers)[:_BLOCK]
    # By a hash, so that neither the order of the stream nor how often a question occurs tells the parts apart.
    chosen.sort(key=lambda question: hashlib.sha256(question.encode()).hexdigest())
    parts = [part for part, size in GENERATED_SIZES.items() for _ in range(size * len(chosen) // _BLOCK)]
    parts += ["test"] * (len(chosen) - len(parts))
    rows = tuple(
        {"id": f"{name}-{part}-{number}", "question": question, "answer": answers[question], "split": part}
        for number, (question, part) in enumerate(zip(chosen, parts, strict=True))
    )
    only = (
        "" if len(rows) == _BLOCK else f"; it makes only {len(rows)} different questions, and every part has its share"
    )
    return rows, f"generated by reasoning-gym{only}"


def _block(name: str, seed: int) -> Iterator[tuple[str, str]]:
    """Questions and answers from one seed; those without an answer are left out."""
    with warnings.catch_warnings():
        # A package that it imports is not clean Python, and says so where it is compiled for the first time.
        warnings.simplefilter("ignore", SyntaxWarning)
        import reasoning_gym

    try:
        for entry in reasoning_gym.create_dataset(name, size=_BLOCK, seed=seed):
            if entry["answer"] not in (None, ""):
                yield str(entry["question"]).strip(), str(entry["answer"])
    except Exception as error:  # More than a hundred generators, each with errors of its own.
        raise SteeringError(
            f"reasoning-gym cannot generate {name!r} with its default settings ({type(error).__name__}: {error}). "
            "Choose another generator, or save its questions as a .jsonl file."
        ) from error


def _nearest(name: str, names: Iterable[str]) -> str:
    """A question for the name that was meant; "" where none is near."""
    near = difflib.get_close_matches(name, names, 1)
    return f" Did you mean {near[0]}?" if near else ""
