"""Thinking models' answers, the strict and the flexible reading, and several right answers."""

from pathlib import Path

import pytest
from tiny import byte_tokenizer, tiny_model

from steering.evaluation.columns import Column, judge
from steering.evaluation.evaluation import Evaluation
from steering.evaluation.scoring import Outcome
from steering.evaluation.voting import vote
from steering.models.language_model import LanguageModel
from steering.tasks import READERS, SAME, STRICT, Item, Style, Task
from steering.tasks.answers import opens_thought, without_thoughts
from steering.tasks.prompting import requests

CHOICES = ("red", "blue")
ANSWERS = {"choice": "B", "number": "12", "math": "12", "text": "twelve"}
FORMS = {"choice": "B. blue", "number": "#### 12", "math": r"\boxed{12}", "text": "#### twelve"}
FIELD = Path(__file__).parents[2] / "shared" / "field" / "answer-think-letter.txt"


@pytest.mark.parametrize("kind", ANSWERS)
@pytest.mark.parametrize(
    "thought",
    [
        "<think>\nMaybe A, #### 7 or \\boxed{7}.\n</think>\n\n",
        "Maybe A, #### 7 or \\boxed{7}.\n</think>\n\n",
        "<think>A</think><thinking>#### 7 \\boxed{7}</thinking>\n",
        "<think>A <think> again #### 7 \\boxed{7}</think>\n",
    ],
)
def test_what_is_thought_is_no_answer(kind: str, thought: str) -> None:
    for readers in (READERS, STRICT):
        answer = readers[kind](thought + FORMS[kind], CHOICES)
        assert answer is not None
        assert SAME[kind](answer, ANSWERS[kind])


@pytest.mark.parametrize("kind", ANSWERS)
def test_an_unfinished_thought_is_no_answer(kind: str) -> None:
    for readers in (READERS, STRICT):
        assert readers[kind](f"<think>The answer is B: {FORMS[kind]}", CHOICES) is None


def test_a_thought_ends_where_it_is_closed() -> None:
    assert without_thoughts("a<think>b</think>c<think>d") == "ac"
    assert without_thoughts("no tags") == "no tags"
    assert opens_thought("assistant\n<think>\n")
    assert not opens_thought("<think>\n\n</think>\n\n")


def test_the_answer_of_the_field_is_read() -> None:
    if not FIELD.exists():
        pytest.skip(f"there is no {FIELD}")
    assert READERS["choice"](FIELD.read_text("utf-8"), ("red", "blue", "green")) == "B"


@pytest.mark.parametrize(
    ("kind", "text", "strict"),
    [
        ("number", "It is 12.", None),
        ("math", "#### 12", None),
        # Any words can be an answer that is alone in the first line; these are not the right one.
        ("text", "The answer is twelve", "The answer is twelve"),
        ("choice", "I would choose option B", None),
    ],
)
def test_flexible_reads_what_strict_does_not(kind: str, text: str, strict: str | None) -> None:
    flexible = READERS[kind](text, CHOICES)
    assert flexible is not None
    assert SAME[kind](flexible, ANSWERS[kind])
    assert STRICT[kind](text, CHOICES) == strict
    assert strict is None or not SAME[kind](strict, ANSWERS[kind])


def test_both_ways_of_reading_are_known_for_every_kind() -> None:
    assert READERS.keys() == STRICT.keys() == SAME.keys()


def column(lam: float, *texts: str, also: tuple[str, ...] = ()) -> Column:
    items = [Item(f"q{place}", "?", "12", also=also) for place in range(len(texts))]
    answers = tuple(judge("number", item, Outcome(text, 1)) for item, text in zip(items, texts, strict=True))
    return Column(lam, answers, ("12",) * len(texts))


def test_accuracy_is_flexible_and_the_strict_one_stands_beside_it() -> None:
    both = column(0.0, "#### 12", "it is 12", "#### 7", "nothing")
    assert (both.accuracy, both.strict_accuracy) == (0.5, 0.25)
    data = both.as_json()
    assert (data["accuracy"], data["strict_accuracy"], data["correct"]) == (0.5, 0.25, [1, 1, 0, 0])
    weighed = judge("choice", Item("q", "?", "A", CHOICES), Outcome(scores=(-1.0, -2.0)))
    assert Column(0.0, (weighed,), ("A",)).as_json()["strict_accuracy"] is None


def test_any_of_several_right_answers_counts_alone_and_in_a_vote() -> None:
    columns = (
        column(0.0, "it is 12", also=("24",)),
        column(0.1, "24", also=("24",)),
        column(0.2, "24.0", also=("24",)),
    )
    assert [each.accuracy for each in columns] == [1, 1, 1]
    counted = vote(Evaluation("own", "test", "number", "generate", columns))
    assert (counted.ballots[0].winner, counted.ballots[0].votes, counted.correct) == ("24", 2, (True,))
    assert column(0.0, "24").accuracy == 0


def test_a_second_right_answer_changes_the_hash_of_a_task_and_none_does_not() -> None:
    plain, more = (Task("own", "all", "number", (Item("q", "?", "12", also=also),)) for also in ((), ("24",)))
    assert plain.digest != more.digest
    assert plain.digest == "21a5ce6e0dd0936aa0955e1527355d77"


def test_a_prompt_that_opens_a_thought_is_gone_on_with(monkeypatch: pytest.MonkeyPatch) -> None:
    tokenizer = byte_tokenizer(chat=True)
    # The tokenizer is shared by many tests.
    monkeypatch.setattr(tokenizer, "chat_template", "{% for m in messages %}{{ m['content'] }}{% endfor %}<think>\n")
    child = LanguageModel(tiny_model("gpt2", tokenizer=tokenizer), tokenizer, "thinker")
    task = Task("own", "all", "number", (Item("q", "?", "12"),))
    request = requests(child, task, Style())[0]
    assert request.before == "<think>"
    assert judge("number", request.item, Outcome("It is 12, so", 4), request.before).outcome == "no answer"
    assert judge("number", request.item, Outcome("No.</think>It is 12", 4), request.before).outcome == "right"
    assert requests(child, task, Style(plain=True))[0].before == ""
