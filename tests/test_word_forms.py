"""Word-form tasks: what every list of pairs must hold, and how one is loaded."""

import json
from collections import Counter
from collections.abc import Callable
from importlib.resources import files

import pytest

from steering.errors import SteeringError
from steering.tasks.sources import WORD_FORMS
from steering.tasks.task import load_task, task_names

ROWS = {
    path.name.removesuffix(".jsonl"): [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    for path in (files("steering.tasks") / "word_forms").iterdir()
    if path.name.endswith(".jsonl")
}
NAMES = sorted(ROWS)

LAWS: dict[str, tuple[Callable[[str, str], bool], set[str]]] = {
    # What an answer looks like, and the questions whose answer is irregular.
    "ing-form": (lambda _, answer: answer.endswith("ing"), set()),
    "third-person": (lambda question, answer: answer.endswith("s") and answer[:2] == question[:2], set()),
    "plural": (
        lambda _, answer: answer.endswith("s"),
        {"man", "woman", "child", "foot", "tooth", "mouse", "goose", "ox", "grandchild", "gentleman"}
        | {"policeman", "fireman", "postman", "fisherman", "snowman"},
    ),
    "comparative": (
        lambda question, answer: answer == f"more {question}" or (answer.endswith("er") and answer[0] == question[0]),
        {"good", "bad"},
    ),
    "superlative": (
        lambda question, answer: answer == f"most {question}" or (answer.endswith("est") and answer[0] == question[0]),
        {"good", "bad"},
    ),
    "adverb": (lambda question, answer: answer.endswith("ly") and answer[0] == question[0], {"good"}),
    "agent-noun": (lambda question, answer: answer[:2] == question[:2], set()),
    "noun-form": (lambda question, answer: answer[0] == question[0], set()),
    "prefix-opposite": (
        lambda question, answer: answer.endswith(question) and 1 <= len(answer) - len(question) <= 3,
        set(),
    ),
    "past-tense": (lambda question, answer: answer[0] == question[0], {"go", "eat"}),
    "past-participle": (lambda question, answer: answer[0] == question[0], set()),
}

CAPITALIZED = {"capital", "nationality"}
DAYS_AND_MONTHS = {"Monday", "Tuesday", "Thursday", "Friday", "Saturday", "Sunday", "January", "April"}


def test_there_are_at_least_twelve_tasks() -> None:
    assert len(NAMES) >= 12


@pytest.mark.parametrize("name", NAMES)
def test_every_task_has_40_examples_40_for_tuning_and_70_or_more_to_report(name: str) -> None:
    rows = ROWS[name]
    assert all(set(row) == {"question", "answer", "split"} for row in rows)
    sizes = Counter(row["split"] for row in rows)
    assert set(sizes) == {"train", "validation", "test"}
    assert sizes["train"] == sizes["validation"] == 40
    assert sizes["test"] >= 70


@pytest.mark.parametrize("name", NAMES)
def test_no_question_stands_twice_and_none_is_its_own_answer(name: str) -> None:
    rows = ROWS[name]
    questions = [row["question"].casefold() for row in rows]
    assert len(set(questions)) == len(questions)
    assert not [row for row in rows if row["question"].casefold() == row["answer"].casefold()]


@pytest.mark.parametrize("name", NAMES)
def test_no_pair_stands_in_both_orders(name: str) -> None:
    pairs = {(row["question"], row["answer"]) for row in ROWS[name]}
    assert not {(answer, question) for question, answer in pairs} & pairs


@pytest.mark.parametrize("name", NAMES)
def test_words_are_at_most_three_trimmed_and_lower_case_but_for_names(name: str) -> None:
    for row in ROWS[name]:
        for text in (row["question"], row["answer"]):
            assert text == " ".join(text.split())
            assert 1 <= len(text.split()) <= 3
            if name in CAPITALIZED:
                assert text[0].isupper(), text
            else:
                assert text == text.lower() or text in DAYS_AND_MONTHS


@pytest.mark.parametrize("name", sorted(LAWS))
def test_answers_follow_the_rule_but_for_the_irregular_ones(name: str) -> None:
    rule, irregular = LAWS[name]
    assert {row["question"] for row in ROWS[name] if not rule(row["question"], row["answer"])} == irregular


@pytest.mark.parametrize(
    ("name", "question", "answer"),
    [
        ("past-tense", "walk", "walked"),
        ("past-tense", "stop", "stopped"),
        ("past-tense", "go", "went"),
        ("past-participle", "write", "written"),
        ("ing-form", "swim", "swimming"),
        ("ing-form", "see", "seeing"),
        ("third-person", "carry", "carries"),
        ("third-person", "have", "has"),
        ("plural", "child", "children"),
        ("plural", "city", "cities"),
        ("comparative", "big", "bigger"),
        ("superlative", "beautiful", "most beautiful"),
        ("adverb", "easy", "easily"),
        ("agent-noun", "teach", "teacher"),
        ("noun-form", "decide", "decision"),
        ("antonym", "hot", "cold"),
        ("prefix-opposite", "possible", "impossible"),
        ("capital", "France", "Paris"),
        ("nationality", "France", "French"),
        ("english-spanish", "dog", "perro"),
        ("present-tense", "went", "go"),
        ("base-form", "swimming", "swim"),
        ("singular", "children", "child"),
    ],
)
def test_known_answers(name: str, question: str, answer: str) -> None:
    assert {row["question"]: row["answer"] for row in ROWS[name]}[question] == answer


@pytest.mark.parametrize(
    ("name", "inverse"), [("past-tense", "present-tense"), ("ing-form", "base-form"), ("plural", "singular")]
)
def test_an_inverse_task_has_the_same_pairs_in_the_same_parts(name: str, inverse: str) -> None:
    pairs = {(row["question"], row["answer"], row["split"]) for row in ROWS[name]}
    assert {(row["answer"], row["question"], row["split"]) for row in ROWS[inverse]} == pairs


def test_every_list_is_a_task_with_a_name() -> None:
    assert sorted(WORD_FORMS) == NAMES
    assert {f"word-forms:{name}" for name in NAMES} <= set(task_names())


@pytest.mark.parametrize("name", NAMES)
def test_a_task_holds_the_rows_of_its_list(name: str) -> None:
    for split in ("validation", "test"):
        task = load_task(f"word-forms:{name}", split)
        rows = [(row["question"], row["answer"]) for row in ROWS[name] if row["split"] == split]
        assert [(item.question, item.answer) for item in task.items] == rows
        assert task.kind == "text"
        assert task.name == f"word-forms:{name}"
        shown = {item.question for item in task.pool}
        assert shown == {row["question"] for row in ROWS[name] if row["split"] == "train"}
        assert not shown & {item.question for item in task.items}


def test_an_unknown_name_suggests_the_nearest() -> None:
    with pytest.raises(SteeringError, match=r"no task of word forms 'past-tens'\. Did you mean past-tense\?"):
        load_task("word-forms:past-tens")
    with pytest.raises(SteeringError, match=r"no task of word forms 'xyz'\. Choose one of adverb, agent-noun"):
        load_task("word-forms:xyz")
