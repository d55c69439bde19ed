"""The multiple-choice questions: well formed, balanced, and without a clue in the form of the right answer."""

import json
import re
from collections import Counter
from itertools import combinations
from pathlib import Path
from statistics import mean
from typing import NamedTuple

import pytest
from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS

import steering

FILE = Path(steering.__file__).parent / "tasks" / "questions.jsonl"
SPLITS = ("validation", "test")
PER_SPLIT = 120


class Question(NamedTuple):
    id: str
    question: str
    choices: list[str]
    answer: int
    split: str

    @property
    def right(self) -> str:
        return self.choices[self.answer]

    @property
    def wrong(self) -> list[str]:
        return [choice for place, choice in enumerate(self.choices) if place != self.answer]


LINES = FILE.read_bytes().decode("utf-8").split("\n")[:-1]
QUESTIONS = [Question(**json.loads(line)) for line in LINES]


def half(split: str) -> list[Question]:
    return [q for q in QUESTIONS if q.split == split]


def words(text: str) -> set[str]:
    return set(re.findall(r"[a-z]{3,}", text.lower())) - ENGLISH_STOP_WORDS


def overlap(choice: str, question: str) -> float:
    """Share of the words of a choice that stand in the question, also as the beginning of another word or the reverse."""
    asked, said = words(question), words(choice)
    return sum(any(a.startswith(s) or s.startswith(a) for a in asked) for s in said) / max(1, len(said))


def test_every_line_is_one_object_in_its_plainest_encoding() -> None:
    plain = "".join(json.dumps(q._asdict(), ensure_ascii=False) + "\n" for q in QUESTIONS)
    assert FILE.read_bytes() == plain.encode("ascii")  # No curly quote or accent, which models split differently.


def test_there_are_as_many_questions_in_each_split() -> None:
    assert Counter(q.split for q in QUESTIONS) == dict.fromkeys(SPLITS, PER_SPLIT)
    assert [q.id for q in QUESTIONS] == [f"q{number:03d}" for number in range(1, 2 * PER_SPLIT + 1)]


def test_the_splits_take_turns_so_that_the_halves_are_alike() -> None:
    assert [q.split for q in QUESTIONS] == list(SPLITS) * PER_SPLIT


@pytest.mark.parametrize("split", SPLITS)
def test_right_answers_stand_at_every_position_equally_often(split: str) -> None:
    assert Counter(q.answer for q in half(split)) == dict.fromkeys(range(4), PER_SPLIT // 4)


def test_each_question_is_plain_text_that_asks_once() -> None:
    for q in QUESTIONS:
        assert q.question == " ".join(q.question.split()), q.id
        assert q.question[0].isupper(), q.id
        assert q.question.find("?") == len(q.question) - 1, q.id


def test_each_question_has_four_distinct_short_choices() -> None:
    for q in QUESTIONS:
        assert len({choice.lower() for choice in q.choices}) == len(q.choices) == 4, q.id
        assert all(1 <= len(choice.split()) <= 6 for choice in q.choices), q.id


def test_each_choice_goes_on_after_the_word_answer() -> None:
    for q in QUESTIONS:
        # No letter of its own, no full stop; either all four are names or none is.
        assert all(re.fullmatch(r"[A-Za-z']+( [A-Za-z']+)*", choice) for choice in q.choices), q.id
        assert len({choice[0].isupper() for choice in q.choices}) == 1, q.id
        assert not any(re.search(r"\b(above|all of|none of|both of)\b", choice) for choice in q.choices), q.id


def test_no_question_is_asked_twice() -> None:
    assert len({q.question.lower() for q in QUESTIONS}) == len(QUESTIONS)
    asked = [(q.id, words(q.question) | words(q.right)) for q in QUESTIONS]
    alike = [(a, b) for (a, x), (b, y) in combinations(asked, 2) if len(x & y) > 0.5 * len(x | y)]
    assert not alike


def test_hardly_a_question_is_a_negation() -> None:
    assert sum(bool(re.search(r"\b(not|no|never|except|nobody|without)\b", q.question)) for q in QUESTIONS) <= 8
    assert not any("NOT" in q.question for q in QUESTIONS)


@pytest.mark.parametrize("split", SPLITS)
@pytest.mark.parametrize("unit", [len, lambda choice: len(choice.split())], ids=["characters", "words"])
def test_the_right_choice_is_as_long_as_the_others(split: str, unit) -> None:
    right = mean(unit(q.right) for q in half(split))
    wrong = mean(unit(choice) for q in half(split) for choice in q.wrong)
    assert right == pytest.approx(wrong, rel=0.1)


@pytest.mark.parametrize("split", SPLITS)
@pytest.mark.parametrize("extreme", [max, min], ids=["longest", "shortest"])
def test_taking_the_longest_or_the_shortest_choice_is_a_guess(split: str, extreme) -> None:
    def hit(q: Question) -> float:
        best = [choice for choice in q.choices if len(choice) == extreme(map(len, q.choices))]
        return (q.right in best) / len(best)

    # 0.25 by chance, and a standard error of 0.04 over 120 questions.
    assert mean(hit(q) for q in half(split)) == pytest.approx(0.25, abs=0.1)


@pytest.mark.parametrize("split", SPLITS)
def test_words_of_the_question_give_nothing_away(split: str) -> None:
    right = mean(overlap(q.right, q.question) for q in half(split))
    wrong = mean(overlap(choice, q.question) for q in half(split) for choice in q.wrong)
    assert right == pytest.approx(wrong, abs=0.03)


def test_the_halves_are_of_the_same_length() -> None:
    first, second = (mean(len(q.question) for q in half(split)) for split in SPLITS)
    assert first == pytest.approx(second, rel=0.1)


def test_no_answer_is_right_again_and_again() -> None:
    assert max(Counter(q.right for q in QUESTIONS).values()) <= 4
