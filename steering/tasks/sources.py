"""Rows of tasks that are not files: data sets of the Hub, and generated reasoning tasks.

Rows look like a file's: `question`, `answer`, maybe `choices`, `solution`, `id`, and the `split` that they belong to.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from steering.errors import SteeringError

GENERATED_SIZES = {"train": 20, "validation": 200, "test": 500}
"""Questions that are generated for each part; each part has a seed of its own."""


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


def generated(name: str) -> list[dict[str, Any]]:
    """Generate a reasoning task, each part from its own seed; a question that came before is left out.

    Raises:
        SteeringError: there is no generator of that name.
    """
    import reasoning_gym
    from reasoning_gym.factory import DATASETS

    if name not in DATASETS:
        import difflib

        near = difflib.get_close_matches(name, DATASETS, 1)
        hint = f" Did you mean {near[0]}?" if near else " chain_sum and basic_arithmetic are two that there are."
        raise SteeringError(f"reasoning-gym has no task {name!r}.{hint}")
    rows: list[dict[str, Any]] = []
    seen: set[str] = set()
    for seed, (part, size) in enumerate(GENERATED_SIZES.items()):
        for number, entry in enumerate(reasoning_gym.create_dataset(name, size=size, seed=seed)):
            question = str(entry["question"])
            if question not in seen and entry["answer"] is not None:
                seen.add(question)
                rows.append(
                    {"id": f"{name}-{part}-{number}", "question": question, "answer": entry["answer"], "split": part}
                )
    return rows
