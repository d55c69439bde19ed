"""Contrast pairs made from a task: they read its training part alone."""

import json
from pathlib import Path

import pytest

from steering.concepts import check_pairs
from steering.errors import SteeringError
from steering.models.anchors import LIST_HEAD
from steering.tasks import DESIGNS, SAME, concept_from_task, load_task, pairs_from_task
from steering.tasks.designs import AT_ONCE, STEP_BY_STEP
from steering.tasks.item import Item
from steering.tasks.wrong_answers import wrong_answer


def row(kind: str, word: str, number: int) -> dict[str, object]:
    """One question of a task of a kind, whose every text holds the word; those that need it have a solution."""
    question = f"How many {word} are {number} and {number}?"
    if kind == "words":
        return {"question": f"{word}{number}", "answer": f"{word}{number}ed"}
    if kind == "choices":
        choices = [f"{word} {number}", f"{word} {number}0", f"not a {word} at all, but something else", "none"]
        return {"question": question, "choices": choices, "answer": 0, "solution": f"All {word}, so {number}."}
    return {"question": question, "answer": str(2 * number), "solution": f"{word}: {number} + {number} = {2 * number}"}


def task_file(folder: Path, kind: str, scored: str = "scored", train: int = 12) -> Path:
    rows = [row(kind, "train", n) | {"split": "train", "id": f"t{n}"} for n in range(1, train + 1)]
    rows += [row(kind, scored + part[0], n) | {"split": part} for part in ("validation", "test") for n in range(1, 6)]
    path = folder / "own.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)))
    return path


CASES = [
    (design, kind)
    for design in DESIGNS
    for kind in ("words", "choices", "numbers")
    if (design, kind) != ("worked", "words")
]


@pytest.mark.parametrize(("design", "kind"), CASES)
def test_a_concept_does_not_depend_on_what_is_scored(design: str, kind: str, tmp_path: Path) -> None:
    """Other questions in the parts for validation and test give the same pairs, and none of theirs occurs in them."""
    made = [
        pairs_from_task(load_task(task_file(tmp_path, kind, scored), split), design)
        for scored in ("one", "two")
        for split in ("validation", "test")
    ]
    assert made[0] == made[1] == made[2] == made[3]
    assert "onev" not in str(made[0])
    assert "onet" not in str(made[0])
    assert sorted(made[0].items) == sorted(f"t{n}" for n in range(1, 13)), "from every training question"


def test_questions_held_out_for_validation_are_no_training_questions(tmp_path: Path) -> None:
    """Where a source has no validation part, a part of train serves as it, whatever part is loaded."""
    path = tmp_path / "words.csv"
    rows = [f"w{n},v{n},{'train' if n < 40 else 'test'}" for n in range(50)]
    path.write_text("\n".join(["question,answer,split", *rows]))
    tuned_on = {item.question for item in load_task(path, "validation").items}
    pools = [load_task(path, split).pool for split in ("validation", "test", "all")]
    assert pools[0] == pools[1] == pools[2]
    assert not tuned_on & {item.question for item in pools[0]}


@pytest.mark.parametrize(("design", "kind"), CASES)
def test_pairs_can_be_used_and_depend_on_nothing_but_the_seed(design: str, kind: str, tmp_path: Path) -> None:
    task = load_task(task_file(tmp_path, kind), "test")
    concept = concept_from_task(task, design, seed=3)
    check_pairs(concept)
    assert concept == concept_from_task(task, design, seed=3)
    few = pairs_from_task(task, design, limit=5, seed=3)
    assert few.concept.pairs == concept.pairs[:5]
    assert few.items == tuple(item.id for item in task.pool[:5])
    assert few.items[0] in few.concept.description
    assert few.items[-1] in few.concept.description


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


# Worked solutions


def test_worked_puts_the_solution_before_the_same_answer(tmp_path: Path) -> None:
    task = load_task(task_file(tmp_path, "numbers"), "test")
    for item, pair in zip(task.pool, concept_from_task(task, "worked").pairs, strict=True):
        assert pair.negative == f"Question: {item.question}\nAnswer: #### {item.answer}"
        assert pair.positive == f"Question: {item.question}\nAnswer: {item.solution}\n#### {item.answer}"
    task = load_task(task_file(tmp_path, "choices"), "test")
    for item, pair in zip(task.pool, concept_from_task(task, "worked").pairs, strict=True):
        assert pair.negative.endswith(f"Answer: {item.choices[0]}")
        assert pair.positive.endswith(f"Answer: {item.solution}\n{item.choices[0]}")


def test_questions_without_a_solution_are_counted_and_too_many_of_them_refused(tmp_path: Path) -> None:
    path = task_file(tmp_path, "numbers")
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    for place in (2, 5):
        del rows[place]["solution"]
    path.write_text("\n".join(map(json.dumps, rows)))
    made = pairs_from_task(load_task(path, "test"), "worked")
    assert set(made.left_out) == {"t3", "t6"}
    assert len(made.concept.pairs) == 10
    assert "2 more are left out: no worked solution is known" in made.concept.description
    with pytest.raises(SteeringError, match=r"makes 0 pairs from 40 .* the other 40 no worked solution is known"):
        pairs_from_task(load_task("word-forms:plural", "test"), "worked")


# Right and wrong answers


@pytest.mark.parametrize("kind", ["words", "choices", "numbers"])
def test_right_and_wrong_differ_in_the_answer_alone(kind: str, tmp_path: Path) -> None:
    task = load_task(task_file(tmp_path, kind), "test")
    for item, pair in zip(task.pool, concept_from_task(task, "right-wrong").pairs, strict=True):
        right = item.choices[0] if item.choices else item.answer
        sign = " → " if kind == "words" else "Answer: "
        assert pair.positive.endswith(f"{item.question}{sign}{right}" if kind == "words" else f"{sign}{right}")
        assert pair.negative.rpartition(sign)[0] == pair.positive.rpartition(sign)[0]
        assert pair.negative.rpartition(sign)[2] != right


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(
    "answer", ["7", "0", "-416", "1,000", "100", "3.05", "$5", "50%", "1/2", "0/5", "\\frac{1}{2}"]
)
def test_a_wrong_number_keeps_its_form(answer: str, seed: int) -> None:
    kind = "math" if "\\" in answer else "number"
    wrong = wrong_answer(Item("q", "?", answer), (), kind, seed)
    assert wrong is not None
    assert not SAME[kind](wrong, answer)
    assert sum(left != right for left, right in zip(wrong, answer, strict=True)) == 1
    kept = [place for place, sign in enumerate(answer) if not sign.isdigit()]
    assert all(wrong[place] == answer[place] for place in kept)
    if answer not in ("0", "0/5"):
        assert all(wrong[place] == "0" for place, sign in enumerate(answer) if sign == "0"), "round numbers stay round"


def test_the_wrong_choice_is_the_one_most_like_the_right_one() -> None:
    choices = ("the heart of a whale", "a large and very old blue whale's heart", "the heart of a horse", "bread")
    assert wrong_answer(Item("q", "?", "A", choices), (), "choice", 0) == "the heart of a horse"
    assert wrong_answer(Item("q", "?", "C", choices), (), "choice", 0) == "the heart of a whale"


def test_answers_that_are_all_the_same_give_no_wrong_one(tmp_path: Path) -> None:
    path = tmp_path / "same.csv"
    path.write_text(
        "question,answer,split\n" + "".join(f"a{n},yes,{('train', 'validation', 'test')[n % 3]}\n" for n in range(27))
    )
    with pytest.raises(SteeringError, match="for the other 9 no other training question has another answer"):
        concept_from_task(load_task(path, "test"), "right-wrong")


def test_step_by_step_differs_in_the_instruction_alone(tmp_path: Path) -> None:
    task = load_task(task_file(tmp_path, "numbers"), "test")
    for pair in concept_from_task(task, "step-by-step").pairs:
        assert pair.positive.removeprefix(STEP_BY_STEP) == pair.negative.removeprefix(AT_ONCE)
        assert pair.positive.endswith("Answer:"), "read at the prompt's end"


# Refused


def test_too_few_training_questions_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "words.csv"
    path.write_text(
        "question,answer,split\n" + "".join(f"a{n},b{n},{('train', 'validation', 'test')[n % 3]}\n" for n in range(9))
    )
    with pytest.raises(SteeringError, match="3 training questions"):
        concept_from_task(load_task(path, "test"))
    with pytest.raises(SteeringError, match="makes 3 pairs from 3 training questions"):
        concept_from_task(load_task(path, "test"), "step-by-step")
    with pytest.raises(SteeringError, match="Unknown design"):
        concept_from_task(load_task(path, "test"), "none")


@pytest.mark.parametrize("design", DESIGNS)
def test_a_task_without_a_training_part_is_refused(design: str, tmp_path: Path) -> None:
    path = tmp_path / "words.csv"
    path.write_text(
        "question,answer,split\n" + "".join(f"a{n},b{n},{'validation' if n % 2 else 'test'}\n" for n in range(40))
    )
    with pytest.raises(SteeringError, match="words has no training part"):
        concept_from_task(load_task(path, "test"), design)
