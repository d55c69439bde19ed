"""How questions are put: prompts, choices, examples and instructions."""

from copy import deepcopy
from dataclasses import replace
from pathlib import Path

import pytest
from conftest import loaded
from test_tasks import CHOOSE, chat, sums, write
from tiny import piece_tokenizer, tiny_model

from steering.errors import SteeringError
from steering.models.language_model import LanguageModel
from steering.tasks import STRICT, Item
from steering.tasks.prompting import Style, examples, preview, requests, right_ids, right_text, scored
from steering.tasks.task import Task, load_task


def test_weighed_choices_follow_a_plain_question(tmp_path: Path) -> None:
    child = LanguageModel(tiny_model("llama", tokenizer=piece_tokenizer()), piece_tokenizer(), "pieces")
    task = load_task(write(tmp_path, [CHOOSE]), "all")
    request = requests(child, task, Style())[0]
    assert request.text == "Question: Which is a metal?\nAnswer:"
    for choice, tail in zip(task.items[0].choices, request.tails, strict=True):
        assert [*request.ids, *tail] == child.token_ids(f"{request.text} {choice}")
    shown = preview(child, task, Style())
    assert shown.startswith("<s>")
    assert "copper" in shown


def test_weighed_choices_begin_an_assistants_turn(tmp_path: Path) -> None:
    tokenizer = piece_tokenizer(chat=True)
    child = LanguageModel(tiny_model("llama", tokenizer=tokenizer), tokenizer, "chat")
    task = load_task(write(tmp_path, [CHOOSE]), "all")
    request = requests(child, task, Style("likelihood", plain=False))[0]
    for choice, tail in zip(task.items[0].choices, request.tails, strict=True):
        assert "".join(tokenizer.convert_ids_to_tokens(tail)) == choice.replace(" ", "▁"), "no space before it"


def test_a_chat_model_is_asked_in_a_turn_and_a_plain_one_goes_on(tmp_path: Path) -> None:
    child, task = chat(), load_task(write(tmp_path, sums(30)), "test")
    turn, bare = (requests(child, task, Style(plain=plain))[0] for plain in (None, True))
    assert "<user>" in child.tokenizer.decode(turn.ids)
    assert "####" in turn.text
    assert turn.stop == ""
    assert "<user>" not in child.tokenizer.decode(bare.ids)
    assert bare.text == f"Question: {task.items[0].question}\nAnswer:"
    assert bare.stop


@pytest.mark.parametrize("split", ["validation", "test", "all"])
def test_an_example_is_never_scored(tmp_path: Path, split: str) -> None:
    task = load_task(write(tmp_path, sums(30)), split)
    shown = examples(task, 2)
    assert len(shown) == 2
    assert not set(shown) & set(scored(task, 2))
    for request in requests(loaded("gpt2"), task, Style(shots=2)):
        assert request.text.count("Question:") == 3
        assert request.text.endswith(f"Question: {request.item.question}\nAnswer:")
    same = load_task(write(tmp_path, sums(30)), "test")
    assert examples(same, 2) == shown, "tuning and reporting use the same examples"


def test_examples_show_their_solution_and_the_answer(tmp_path: Path) -> None:
    rows = [*sums(10, split="train", solution="We add."), {"question": "Q", "answer": "1", "split": "test"}]
    text = requests(loaded("gpt2"), load_task(write(tmp_path, rows)), Style(shots=1))[0].text
    shot = examples(load_task(write(tmp_path, rows)), 1)[0]
    assert f"Question: {shot.question}\nAnswer: We add.\n#### {shot.answer}\n\n" in text


def test_a_plain_example_without_a_solution_ends_with_the_bare_answer(tmp_path: Path) -> None:
    task, child = load_task(write(tmp_path, sums(30)), "test"), chat()
    shot, item = examples(task, 1)[0], task.items[0]
    bare, turn = (requests(child, task, Style(shots=1, plain=plain))[0].text for plain in (True, False))
    assert f"Question: {shot.question}\nAnswer: {shot.answer}\n\n" in bare
    assert f"Question: {shot.question}\nAnswer: #### {shot.answer}\n\n" in turn, "the form that the turn asks for"
    assert right_text(task, item, Style(plain=True)) == f" {item.answer}\n", "the end of its line belongs to it"
    assert right_text(task, item, Style(plain=False), plain=False) == f" #### {item.answer}"


def test_a_right_answer_ends_with_the_token_that_a_solved_question_has_there(tmp_path: Path) -> None:
    """A tokenizer may have a token for two line breaks."""
    task = load_task(write(tmp_path, sums(30)), "test")
    for ending, merged in (("\n", []), ("\n\n", ["\n\n"])):
        tokenizer = deepcopy(piece_tokenizer())
        tokenizer.add_tokens(merged)
        child = LanguageModel(tiny_model("llama", tokenizer=piece_tokenizer()), tokenizer, "pieces")
        request = requests(child, task, Style(plain=True))[0]
        written = [*request.ids, *right_ids(child, task, request, Style(plain=True))]
        assert tokenizer.decode(written, skip_special_tokens=True) == f"{request.text} {request.item.answer}{ending}"
        shown = child.token_ids(f"{request.text} {request.item.answer}\n\nQuestion:")
        assert shown[: len(written)] == written


def test_a_worked_solution_keeps_its_mark(tmp_path: Path) -> None:
    task = load_task(write(tmp_path, sums(30, solution="We add.")), "test")
    item = task.items[0]
    assert right_text(task, item, Style(plain=True)) == f" We add.\n#### {item.answer}\n"


@pytest.mark.parametrize("kind", ["number", "text"])
def test_a_plain_example_shows_a_form_that_is_read_strictly(kind: str) -> None:
    item = Item("1", "?", "12" if kind == "number" else "north, south")
    task, worked = Task("own", "all", kind, (item,)), replace(item, solution="We see.")
    for each in (item, worked):
        assert STRICT[kind](right_text(task, each, Style(plain=True)), ()) == item.answer


def test_an_instruction_comes_first(tmp_path: Path) -> None:
    task = load_task(write(tmp_path, sums(4)), "all")
    assert requests(loaded("gpt2"), task, Style(instruction="Be brave."))[0].text.startswith("Be brave.\n\nQuestion:")


def test_styles_that_do_not_fit(tmp_path: Path) -> None:
    task: Task = load_task(write(tmp_path, sums(4)), "all")
    with pytest.raises(SteeringError, match="no choices"):
        Style(mode="likelihood").mode_for(task)
    with pytest.raises(SteeringError, match="Unknown mode 'guess'"):
        Style(mode="guess")
    with pytest.raises(SteeringError, match="shots is -1"):
        Style(shots=-1)
    with pytest.raises(SteeringError, match="not 50"):
        requests(loaded("gpt2"), task, Style(shots=50))
