"""Residual norms and anchor texts."""

import json
import re
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path

import pytest
import torch
from conftest import loaded
from test_activations import close
from tiny import byte_tokenizer, tiny_model

from steering.errors import SteeringError
from steering.models.activations import residual_norms
from steering.models.anchors import LIST_HEAD, anchor_lists, anchor_texts, read_anchors
from steering.models.blocks import editing
from steering.models.language_model import LanguageModel
from steering.tasks import load_task
from steering.tasks.sources import WORD_FORMS

pytestmark = pytest.mark.usefixtures("fresh_cache")


# Norms and anchors


@pytest.mark.parametrize("family", ["llama", "gemma3", "gpt2"])
def test_residual_norms_are_medians_without_first_tokens(family: str) -> None:
    model = loaded(family)
    texts = anchor_texts()[::20]
    lengths: list[list[torch.Tensor]] = [[] for _ in range(model.n_layers)]
    for text in texts:
        ids = torch.tensor([model.token_ids(text)])
        with torch.no_grad(), editing(model.blocks, lambda i, out: lengths[i].append(out[0, 1:].norm(dim=-1)) or None):
            model.model(input_ids=ids, use_cache=False)
    expected = torch.stack([torch.cat(layer).median() for layer in lengths])
    close(residual_norms(model), expected)
    assert (expected > 0).all()


def test_the_anchors_are_many_and_different() -> None:
    texts = anchor_texts()
    assert len(texts) >= 500
    assert len(set(texts)) == len(texts)
    assert all(text == text.strip() and text for text in texts)


def test_a_users_anchors_are_read_line_by_line(tmp_path: Path) -> None:
    path = tmp_path / "mine.txt"
    path.write_bytes("\ufeffErster Text.\r\n\r\n  Zweiter, äöü  \n".encode())
    assert read_anchors(path) == ("Erster Text.", "Zweiter, äöü")


@pytest.mark.parametrize(
    ("content", "message"), [(b"", "no anchor texts"), (b" \n\n", "no anchor"), (b"\xff", "cannot be read")]
)
def test_anchors_that_cannot_be_read_are_refused(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "mine.txt"
    path.write_bytes(content)
    with pytest.raises(SteeringError, match=message):
        read_anchors(path)
    with pytest.raises(SteeringError, match="cannot be read"):
        read_anchors(tmp_path / "none.txt")


@pytest.mark.usefixtures("fresh_cache")
def test_residual_norms_of_a_model_with_a_short_context_come_from_the_beginnings_of_texts() -> None:
    tiny = tiny_model("gpt2")
    tiny.config.n_positions = 16
    model = LanguageModel(tiny, byte_tokenizer(), "short")
    assert model.context == 16
    assert max(len(model.token_ids(text)) for text in anchor_texts()[::20]) > 16
    read: list[int] = []
    tiny.get_input_embeddings().register_forward_hook(lambda _module, _inputs, output: read.append(output.shape[1]))
    assert residual_norms(model).shape == (model.n_layers,)
    assert max(read) == 16


def test_no_word_form_is_among_the_anchor_lists() -> None:
    """A map that had read a task's pairs would be judged on what it had learnt by heart."""
    pairs = {
        tuple(line.lower().split(" → "))
        for text in anchor_lists()
        for line in text.removeprefix(LIST_HEAD).splitlines()
    }
    for name in WORD_FORMS:
        for split in ("validation", "test"):
            task = load_task(f"word-forms:{name}", split)
            for item in (*task.items, *task.pool):
                question, answer = item.question.lower(), item.answer.lower()
                assert not {(question, answer), (answer, question)} & pairs, item


def test_relations_of_held_out_lists_are_not_in_the_fit() -> None:
    texts = anchor_lists()
    fitted = {line for place, text in enumerate(texts) if place % 6 or place >= 144 for line in text.splitlines()[1:]}
    held_out = [text.splitlines()[1:] for text in texts[:144:6]]
    assert len(held_out) == 24
    shared = [sum(line in fitted for line in lines) / len(lines) for lines in held_out]
    assert max(shared) < 0.5  # Single pairs may stand in two relations.


def kinds_of_questions() -> dict[str, list[list[str]]]:
    rows = (files("steering.models") / "anchor_questions.jsonl").read_text("utf-8").splitlines()
    return {row["relation"]: row["pairs"] for row in map(json.loads, rows)}


def test_anchor_questions_are_many_and_no_bundled_task_asks_for_one() -> None:
    kinds = kinds_of_questions()
    assert len(kinds) == 54
    questions = [question for pairs in kinds.values() for question, _ in pairs]
    assert len(set(questions)) == len(questions)
    assert all(len(pairs) >= 8 for pairs in kinds.values())
    assert not {item.question for item in load_task("questions", "all").items} & set(questions)
    for pairs in kinds.values():
        for text in (text for pair in pairs for text in pair):
            assert text == text.strip()
            assert text
            assert "\n" not in text


@pytest.mark.parametrize(
    ("kind", "answer"),
    [
        ("sum", lambda a, b: a + b),
        ("difference", lambda a, b: a - b),
        ("product", lambda a, b: a * b),
        ("quotient", lambda b, a: a // b),
        ("double", lambda a: 2 * a),
        ("half", lambda a: a // 2),
        ("next number", lambda a: a + 1),
        ("larger number", max),
        ("smaller number", min),
        ("days in weeks", lambda a: 7 * a),
        ("dozens", lambda a: 12 * a),
        ("age", lambda a, b: a + b),
        ("sequence", lambda a, b, _, d: d + (b - a)),
        ("clock", lambda a, b: (a + b - 1) % 12 + 1),
    ],
)
def test_answers_about_numbers_are_right(kind: str, answer: Callable[..., int]) -> None:
    for question, right in kinds_of_questions()[kind]:
        assert answer(*map(int, re.findall(r"\d+", question))) == int(right), question
