"""The list layout: how pairs of words are put as lines, and how a line is read."""

from pathlib import Path

import pytest
from conftest import loaded
from test_cli_scoring import run, words
from test_tasks import CHOOSE, chat, sums, write

from steering.errors import SteeringError
from steering.evaluation import NEW_TOKENS, Scorer, Setup, Store, ask, evaluate
from steering.evaluation.columns import judge
from steering.evaluation.scoring import Outcome, outcome
from steering.storage import key
from steering.tasks import READERS, SAME, Item, Style, Task, load_task, requests
from steering.tasks.prompting import LIST_HEAD, examples
from steering.ui.tabs.vote.question import TaskCursor, question_task

__all__ = ["words"]  # a fixture

TABLE = (
    "question,answer,split\nkalt,cold,train\nwarm,warm thing,train\ngut,good,validation\nNew York,the Big Apple,test\n"
)


@pytest.fixture
def pairs(tmp_path: Path) -> Path:
    return write(tmp_path, TABLE, "pairs.csv")


def test_a_list_without_examples() -> None:
    task = load_task("word-forms:past-tense")
    request = requests(chat(), task, Style())[0]
    assert request.text == f"Here is a list.\n{task.items[0].question} →"
    assert request.stop == "\n"
    assert request.tails == ()
    assert list(request.ids) == chat().prompt_ids(request.text, plain=True), "without the chat template"


def test_a_list_with_two_examples(pairs: Path) -> None:
    task = load_task(pairs)
    lines = "".join(f"{shot.question} → {shot.answer}\n" for shot in examples(task, 2))
    assert sorted(lines.splitlines()) == ["kalt → cold", "warm → warm thing"]
    (request,) = requests(loaded("gpt2"), task, Style(shots=2))
    assert request.text == f"Here is a list.\n{lines}New York →"


def test_an_instruction_stands_before_a_list(pairs: Path) -> None:
    (request,) = requests(loaded("gpt2"), load_task(pairs), Style(instruction="Be brief."))
    assert request.text == "Be brief.\n\nHere is a list.\nNew York →"


def test_auto_makes_a_list_of_words_alone(tmp_path: Path, pairs: Path) -> None:
    auto = Style()
    assert auto.layout_for(load_task(pairs)) == "list"
    assert auto.layout_for(load_task(write(tmp_path, sums(4)), "all")) == "question", "numbers"
    assert auto.layout_for(load_task("questions")) == "question", "choices"
    assert Style(plain=False).layout_for(load_task(pairs)) == "question", "a chat turn"
    assert Style(plain=True).layout_for(load_task(pairs)) == "list"
    assert Style(layout="question").layout_for(load_task(pairs)) == "question"
    for rows in ("a b c d,cold", "cold,a b c d", '"a\nb",cold'):
        longer = load_task(write(tmp_path, f"{TABLE}{rows},train\n", "longer.csv"))
        assert auto.layout_for(longer) == "question", "one long row anywhere, so that all parts are put alike"
    assert load_task(pairs, limit=1).word_pairs


def test_a_question_keeps_its_prompt_and_its_reader(pairs: Path) -> None:
    style, task = Style(layout="question"), load_task(pairs)
    assert style.kind_for(task) == "text"
    assert requests(loaded("gpt2"), task, style)[0].text == "Question: New York\nAnswer:"


def test_a_list_of_numbers_can_be_asked_for(tmp_path: Path) -> None:
    style, task = Style(layout="list"), load_task(write(tmp_path, sums(4)), "all")
    assert requests(chat(), task, style)[0].text == f"{LIST_HEAD}What is 0 + 0? →"
    assert style.kind_for(task) == "line"


def test_layouts_that_do_not_fit(tmp_path: Path, pairs: Path) -> None:
    with pytest.raises(SteeringError, match="Unknown layout 'table'"):
        Style(layout="table")
    with pytest.raises(SteeringError, match="own has choices, which a list does not show"):
        requests(chat(), load_task(write(tmp_path, [CHOOSE]), "all"), Style(layout="list"))
    with pytest.raises(SteeringError, match="without the chat template"):
        requests(chat(), load_task(pairs), Style(layout="list", plain=False))
    lines = load_task(write(tmp_path, [{"question": "a\nb", "answer": "c"}]), "all")
    with pytest.raises(SteeringError, match="own-1 of own has several lines"):
        requests(chat(), lines, Style(layout="list"))


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        (" went", "went"),
        (" went \nsee → saw", "went"),
        (" New York", "New York"),
        (" went. The answer is gone", "went. The answer is gone"),
        (" went #### gone", "went #### gone"),
        ("", None),
        ("\nwent", None),
        ("  \n", None),
    ],
)
def test_the_first_line_is_the_answer(text: str, answer: str | None) -> None:
    assert READERS["line"](text, ()) == answer


def test_a_line_is_compared_exactly_but_for_spaces_around_it() -> None:
    same = SAME["line"]
    assert same(" went ", "went")
    for other in ("Went", "went.", "we nt", "wents", "50%"):
        assert not same(other, "went")
    assert not same("0.5", "50%")


@pytest.mark.parametrize(
    ("text", "verdict"), [(" Paris", "right"), (" paris", "wrong"), (" Paris.", "wrong"), ("", "no answer")]
)
def test_a_row_is_judged_by_its_line(text: str, verdict: str) -> None:
    assert judge("line", Item("1", "France", "Paris"), Outcome(text)).outcome == verdict


def test_a_row_ends_with_its_line(pairs: Path) -> None:
    child = chat()
    (request,) = requests(child, load_task(pairs), Style())
    tokens = tuple(child.token_ids(" good\ngut → well"))
    row = outcome(child, request, tokens, "")
    assert (row.text, row.ended) == (" good", "stop")
    assert row.n_tokens < len(tokens)


def test_a_list_is_scored_with_its_own_reader_and_length(pairs: Path, tmp_path: Path, vector_for) -> None:
    child = chat()
    vector, store = vector_for(child), tmp_path / "rows.sqlite"
    task = load_task(pairs)
    assert Scorer(child, task, Setup(), Store(store)).sampling.max_new_tokens == NEW_TOKENS["line"] == 12
    assert Scorer(child, task, Setup(Style(layout="question")), Store(store)).sampling.max_new_tokens == 200
    assert Scorer(child, task, Setup(max_new_tokens=3), Store(store)).sampling.max_new_tokens == 3
    grid = evaluate(child, vector, pairs, (0.0, 0.5), setup=Setup(), store=store)
    assert grid.kind == "line"
    assert grid.provenance["style"]["layout"] == "list"
    assert grid.provenance["style"]["plain"] is True
    assert all("\n" not in answer.text for column in grid.columns for answer in column.answers)
    *_, alone = ask(Scorer(child, task, Setup(), Store(tmp_path / "other.sqlite")), vector, (0.0, 0.5))
    assert alone.kind == "line"
    assert alone.columns == grid.columns


def test_layouts_share_no_rows(pairs: Path) -> None:
    child, task = chat(), load_task(pairs)
    keys = {
        key(request.ids, request.tails, request.stop)
        for layout in ("list", "question")
        for request in requests(child, task, Style(layout=layout, plain=True if layout == "list" else None))
    }
    assert len(keys) == 2


def test_a_question_of_a_task_is_voted_on_in_the_tasks_layout(pairs: Path) -> None:
    cursor = TaskCursor()
    item, task, _ = cursor.next_question(str(pairs))
    taken: Task = question_task(item.question, "", item.answer, task.kind, cursor)
    assert Style().layout_for(taken) == "list"
    typed = question_task("Who wrote Hamlet?", "", "Shakespeare", "text", cursor)
    assert Style().layout_for(typed) == "question"


def test_the_command_line_takes_a_layout(capsys: pytest.CaptureFixture[str], words: list[str], pairs: Path) -> None:
    prompts = [
        run(capsys, "evaluate", *words, "--task", str(pairs), "--preview", *more)["prompt"]
        for more in ([], ["--layout", "list"], ["--layout", "question", "--plain"])
    ]
    assert prompts[0] == prompts[1]
    assert prompts[0].endswith("Here is a list.\nNew York →")
    assert prompts[2].endswith("Question: New York\nAnswer:")
