"""Contrast pairs made from a task: they read its training part alone."""

from pathlib import Path

import pytest

from steering.concepts import check_pairs
from steering.errors import SteeringError
from steering.models.anchors import LIST_HEAD
from steering.tasks import DESIGNS, concept_from_task, load_task


@pytest.mark.parametrize("design", DESIGNS)
def test_a_concept_does_not_depend_on_what_is_scored(design: str, tmp_path: Path) -> None:
    """Other questions in the parts for validation and test give the same pairs, and none of theirs occurs in them."""

    def concept_of(scored: str) -> object:
        rows = ["question,answer,split", *(f"w{n},v{n},train" for n in range(12))]
        rows += [f"{scored}{part}{n},x{scored}{n},{part}" for part in ("validation", "test") for n in range(5)]
        path = tmp_path / "words.csv"
        path.write_text("\n".join(rows))
        return concept_from_task(load_task(path, "test"), design)

    assert concept_of("one") == concept_of("two")
    assert "one" not in str(concept_of("one"))


def test_shots_put_the_question_behind_solved_ones_and_alone() -> None:
    task = load_task("word-forms:past-tense", "validation")
    concept = concept_from_task(task, "shots", shots=3)
    check_pairs(concept)
    assert len(concept.pairs) == len(task.pool)
    for item, pair in zip(task.pool, concept.pairs, strict=True):
        assert pair.negative == f"{LIST_HEAD}{item.question} →"
        lines = pair.positive.removeprefix(LIST_HEAD).splitlines()
        assert len(lines) == 4
        assert lines[-1] == f"{item.question} →"
        answers = {other.question: other.answer for other in task.pool if other.question != item.question}
        assert all(answers[line.split(" → ")[0]] == line.split(" → ")[1] for line in lines[:-1])


def test_pairs_of_one_task_have_different_solved_questions() -> None:
    concept = concept_from_task(load_task("word-forms:plural", "validation"), "shots")
    assert len({pair.positive.rpartition("\n")[0] for pair in concept.pairs}) == len(concept.pairs)


def test_too_few_training_questions_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "words.csv"
    path.write_text(
        "question,answer,split\n" + "".join(f"a{n},b{n},{'train' if n < 3 else 'test'}\n" for n in range(9))
    )
    with pytest.raises(SteeringError, match="3 training questions"):
        concept_from_task(load_task(path, "test"))
    with pytest.raises(SteeringError, match="Unknown design"):
        concept_from_task(load_task(path, "test"), "none")
