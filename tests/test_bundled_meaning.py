"""What is bundled is read as it is written: no layout, column or answer of it is taken for another."""

import json
from importlib.resources import files

import pytest

from steering.concepts import bundled_concepts, read_concept
from steering.tasks import letter, load_task
from steering.tasks.sources import WORD_FORMS


def rows(package: str, *path: str) -> list[dict[str, object]]:
    text = files(package).joinpath(*path).read_text("utf-8")
    return [json.loads(line) for line in text.splitlines()]


def test_the_bundled_questions() -> None:
    expected = {
        (row["id"], row["question"], tuple(row["choices"]), letter(row["answer"]))  # type: ignore[arg-type]
        for row in rows("steering.tasks", "questions.jsonl")
    }
    parts = [load_task("questions", split) for split in ("validation", "test")]
    read = {(item.id, item.question, item.choices, item.answer) for part in parts for item in part.items}
    assert read == expected
    assert {part.kind for part in parts} == {"choice"}


@pytest.mark.parametrize("name", WORD_FORMS)
def test_word_forms(name: str) -> None:
    expected = {(row["question"], row["answer"]) for row in rows("steering.tasks", "word_forms", f"{name}.jsonl")}
    parts = [load_task(f"word-forms:{name}", split) for split in ("validation", "test")]
    items = {(item.question, item.answer) for part in parts for item in (*part.items, *part.pool)}
    assert items == expected
    assert {part.kind for part in parts} == {"text"}


@pytest.mark.parametrize("name", bundled_concepts())
def test_a_concept_as_a_file(name: str, tmp_path) -> None:
    """A bundled concept's file, given by its path, is the concept of that name."""
    source = files("steering.concepts").joinpath("bundled", f"{name}.json").read_text("utf-8")
    path = tmp_path / f"{name}.json"
    path.write_text(source, "utf-8")
    by_file, by_name = read_concept(str(path)).concept, read_concept(name).concept
    assert by_file == by_name
    raw = json.loads(source)
    assert len(by_name.pairs) == len(raw["pairs"])
