"""Tasks: what is read, how it is split, and what a prompt looks like."""

import contextlib
import json
from pathlib import Path

import pytest
from tiny import byte_tokenizer, tiny_model

from steering.errors import SteeringError
from steering.models.language_model import LanguageModel
from steering.tasks.sources import generated
from steering.tasks.task import load_task

CHOOSE = {"question": "Which is a metal?", "choices": ["copper", "wood", "wool"], "answer": 0}


def write(folder: Path, rows: object, name: str = "own.jsonl") -> Path:
    path = folder / name
    text = "\n".join(map(json.dumps, rows)) if isinstance(rows, list) and name.endswith("l") else json.dumps(rows)
    path.write_text(rows if isinstance(rows, str) else text, "utf-8")
    return path


def sums(count: int, **more: object) -> list[dict[str, object]]:
    return [{"question": f"What is {place} + {place}?", "answer": 2 * place, **more} for place in range(count)]


def chat(name: str = "chat") -> LanguageModel:
    tokenizer = byte_tokenizer(chat=True)
    return LanguageModel(tiny_model("gpt2", tokenizer=tokenizer), tokenizer, name)


def test_the_bundled_questions_have_four_choices_and_two_parts() -> None:
    parts = [load_task("questions", split) for split in ("validation", "test")]
    assert all(len(part.items) >= 100 and part.kind == "choice" for part in parts)
    assert all(len(item.choices) == 4 for part in parts for item in part.items)
    asked = [{item.question for item in part.items} for part in parts]
    assert not asked[0] & asked[1]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("own.jsonl", '{"question": "Q1", "answer": "4"}\n\n{"question": "Q2", "answer": 5.5}'),
        ("own.json", '[{"question": "Q1", "answer": "4"}, {"question": "Q2", "answer": 5.5}]'),
        ("own.csv", "question,answer\nQ1,4\nQ2,5.5\n"),
    ],
)
def test_a_file_is_read_in_three_layouts(tmp_path: Path, name: str, text: str) -> None:
    task = load_task(write(tmp_path, text, name), "all")
    assert [(item.question, item.answer) for item in task.items] == [("Q1", "4"), ("Q2", "5.5")]
    assert (task.name, task.kind) == ("own", "number")


@pytest.mark.parametrize("answer", [1, "1", "B", "b", "wood"])
def test_the_right_choice_may_be_an_index_a_letter_or_a_text(tmp_path: Path, answer: object) -> None:
    task = load_task(write(tmp_path, [{**CHOOSE, "answer": answer}, CHOOSE]), "all")
    assert (task.kind, [item.answer for item in task.items]) == ("choice", ["B", "A"])


def test_an_index_is_not_taken_for_a_choice_that_is_a_number(tmp_path: Path) -> None:
    choices = {"choices": ["0", "2", "1"]}
    rows = [{"question": "1 + 1?", **choices, "answer": 1}, {"question": "1 - 1?", **choices, "answer": 0}]
    assert load_task(write(tmp_path, rows), "all").items[0].answer == "B"


def test_choices_in_a_table(tmp_path: Path) -> None:
    text = 'question,choices,answer\nQ1,a b|c,1\nQ2,"[""x"", ""y""]",A\nQ3,a b|c,0\n'
    items = load_task(write(tmp_path, text, "own.csv"), "all").items
    assert [(item.choices, item.answer) for item in items[:2]] == [(("a b", "c"), "B"), (("x", "y"), "A")]


def test_parts_share_no_question_and_do_not_depend_on_order_or_seed(tmp_path: Path) -> None:
    rows = [*sums(60), {"question": "What is 3 + 3?", "answer": 6, "id": "again"}]
    path, back = write(tmp_path, rows), write(tmp_path, rows[::-1], "back.jsonl")
    parts = {split: {item.question for item in load_task(path, split).items} for split in ("validation", "test")}
    assert not parts["validation"] & parts["test"]
    for split, asked in parts.items():
        assert {item.question for item in load_task(back, split, seed=7).items} == asked
        assert not asked & {item.question for item in load_task(path, split).pool}
    assert sum(len(load_task(path, split).items) for split in parts) + len(load_task(path).pool) == len(rows)


def test_a_files_own_split_is_kept_and_training_part_serves_for_validation(tmp_path: Path) -> None:
    rows = [
        {"question": f"{split} {place}", "answer": "1", "split": split}
        for split in ("train", "test")
        for place in range(9)
    ]
    path = write(tmp_path, rows)
    test, validation = load_task(path, "test"), load_task(path, "validation")
    assert {item.question for item in test.items} == {f"test {place}" for place in range(9)}
    assert all(item.question.startswith("train") for item in (*validation.items, *validation.pool, *test.pool))
    assert not set(validation.items) & set(validation.pool)


def test_a_question_that_a_file_puts_into_two_parts_is_kept_for_the_later_one(tmp_path: Path) -> None:
    rows = [
        {"question": question, "answer": 1, "split": split}
        for split, questions in {"train": "abc", "validation": "bde", "test": "cdf"}.items()
        for question in questions
    ]
    parts = {split: load_task(write(tmp_path, rows), split) for split in ("validation", "test")}
    assert [[item.question for item in parts[split].items] for split in parts] == [["b", "e"], ["c", "d", "f"]]
    assert [item.question for item in parts["test"].pool] == ["a"]
    assert "3 that stand in several parts are kept in the last of them" in parts["test"].about
    whole = load_task(write(tmp_path, rows), "all")
    assert len(whole.items) == 9


def test_a_limit_is_a_fixed_random_choice(tmp_path: Path) -> None:
    path = write(tmp_path, sums(40))
    few, more, other = (set(load_task(path, "all", limit=n, seed=s).items) for n, s in ((5, 0), (10, 0), (5, 1)))
    assert (len(few), len(more)) == (5, 10)
    assert few < more
    assert few != other


GENERATORS = ("chain_sum", "products", "leg_counting", "letter_counting", "gcd", "gsm_symbolic", "basic_arithmetic")


@pytest.mark.parametrize("name", GENERATORS)
def test_generated_parts_have_their_sizes_and_share_no_question(name: str) -> None:
    parts = {split: load_task(f"reasoning-gym:{name}", split) for split in ("validation", "test")}
    train = parts["test"].pool
    questions = [item.question for item in (*train, *parts["validation"].items, *parts["test"].items)]
    assert (len(train), len(parts["validation"].items), len(parts["test"].items)) == (100, 200, 500)
    assert len(set(questions)) == 800
    assert parts["validation"].pool == train
    generated.cache_clear()
    assert parts == {split: load_task(f"reasoning-gym:{name}", split) for split in parts}


def test_generated_answers_are_right() -> None:
    task = load_task("reasoning-gym:chain_sum", "validation", limit=20)
    assert task.kind == "number"
    for item in task.items:
        assert eval(item.question.split(":")[1].rstrip("= ")) == int(item.answer)


class Few:
    """A generator that knows a handful of questions, some without an answer, and repeats them."""

    def __init__(self, known: int, size: int, seed: int) -> None:
        self.known, self.size, self.seed = known, size, seed

    def __iter__(self):
        for place in range(self.size):
            number = (self.seed + 7 * place) % self.known
            yield {"question": f" {number}?" + " " * (place % 2), "answer": [str(number), None, ""][number % 3]}


def test_an_exhausted_generator_says_so_and_fills_every_part(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reasoning_gym.create_dataset", lambda _, size, seed: Few(216, size, seed))
    generated.cache_clear()
    parts = {split: load_task("reasoning-gym:chain_sum", split) for split in ("validation", "test")}
    generated.cache_clear()
    sizes = {split: len(part.items) for split, part in parts.items()}
    assert (len(parts["test"].pool), sizes) == (9, {"validation": 18, "test": 45})
    assert "only 72 different questions" in parts["test"].about


def test_a_generator_that_runs_programs_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reasoning_gym.create_dataset", lambda *_, **__: pytest.fail("it was asked"))
    with pytest.raises(SteeringError, match=r"codeio.*runs programs"):
        load_task("reasoning-gym:codeio")


def test_a_generator_that_fails_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object, **__: object) -> None:
        raise AssertionError("no datasets")

    monkeypatch.setattr("reasoning_gym.create_dataset", fails)
    generated.cache_clear()
    with pytest.raises(SteeringError, match=r"cannot generate 'chain_sum'.*no datasets"):
        load_task("reasoning-gym:chain_sum")


@pytest.mark.parametrize(
    ("rows", "sentence"),
    [
        ([{"question": "Q"}], "has no 'answer'"),
        ([{"question": "Q", "answer": 1}, {"question": "R"}], "row 2.*has no answer"),
        ([{"question": " ", "answer": 1}], "row 1.*has no question"),
        (["Q"], "must be an object"),
        ([{**CHOOSE, "answer": 4}], "none of its 3 choices"),
        ([{**CHOOSE, "choices": ["one"]}], "between 2 and 26"),
        ([{**CHOOSE, "choices": "one two"}], "between 2 and 26"),
        ([{**CHOOSE, "choices": 3}], "must be a list"),
        ([{**CHOOSE, "choices": ["a", "a"]}], "all different"),
        ([CHOOSE, {"question": "Q", "answer": 1}], "two files"),
        ([{"question": "Q", "answer": 1, "id": "x"}] * 2, "occurs twice"),
        ([{"question": "Q", "answer": 1, "split": "exam"}], "'exam'"),
        ([], "is empty"),
        ("[]", "no questions"),
        ("{", "own.jsonl is not valid JSONL, line 1"),
    ],
)
def test_a_bad_file_is_named_with_what_is_wrong(tmp_path: Path, rows: object, sentence: str) -> None:
    with pytest.raises(SteeringError, match=sentence):
        load_task(write(tmp_path, rows), "all")


@pytest.mark.parametrize(
    ("source", "sentence"),
    [
        ("nope", "Choose one of questions, gsm8k"),
        ("nope.jsonl", "cannot be read"),
        ("reasoning-gym:chain_sums", "Did you mean chain_sum"),
        ("gsm8k", r"fetched from the Hub .* \.jsonl file"),
    ],
)
@pytest.mark.usefixtures("fresh_cache")
def test_a_task_that_cannot_be_had_says_what_to_do(source: str, sentence: str) -> None:
    with pytest.raises(SteeringError, match=sentence):
        load_task(source)
    with pytest.raises(SteeringError, match="Unknown split 'dev'"):
        load_task(source, "dev")


CHOICES = {"question": "Q", "choices": ["a", "b"]}
SURROGATE = r'{"question": "\ud800", "answer": 1}'
HOSTILE = {
    "deep.jsonl": "[" * 100_000,
    "deep.json": "[" * 100_000,
    "deep.csv": "question,answer,choices\nQ,a," + "[" * 100_000 + "\n",
    "long.csv": f"question,answer\n{'x' * 200_000},1\n",
    "zero.csv": "question,answer\nQ\x00,1\n",
    "digits.jsonl": f'{{"question": "Q", "answer": {"9" * 5_000}}}',
    "surrogate.jsonl": SURROGATE,
    "surrogate.json": f"[{SURROGATE}]",
    "surrogate-choice.jsonl": r'{"question": "Q", "answer": 0, "choices": ["\ud800", "b"]}',
    "surrogate-id.jsonl": r'{"question": "Q", "answer": 0, "id": "\ud800"}',
    "split-list.jsonl": '{"question": "Q", "answer": 1, "split": ["test"]}',
    "split-object.jsonl": '{"question": "Q", "answer": 1, "split": {}}\n{"question": "R", "answer": 1, "split": {"a": 1}}',
    **{
        f"answer-{number}.jsonl": json.dumps({**CHOICES, "answer": answer})
        for number, answer in enumerate(["²", "ß", "9" * 5_000, "١", "ﬃ", "-1", 1e300, True, [], {"a": 1}])
    },
}


@pytest.mark.parametrize("split", ["all", "test"])
@pytest.mark.parametrize("name", HOSTILE)
def test_no_file_can_cause_anything_but_an_error_with_a_sentence(tmp_path: Path, name: str, split: str) -> None:
    with contextlib.suppress(SteeringError):
        task = load_task(write(tmp_path, HOSTILE[name], name), split)
        assert task.digest


def test_a_line_ends_only_where_json_lines_do(tmp_path: Path) -> None:
    path = write(tmp_path, '{"question": "one\u2028two\x85", "answer": "4"}\r\n{"question": "Q2", "answer": 5}\n')
    assert [item.question for item in load_task(path, "all").items] == ["one\u2028two", "Q2"]
