"""Contrast pairs from what models write: the child's right and wrong answers, and the parent's shorter solutions."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from conftest import loaded

from steering.errors import SteeringError
from steering.evaluation import OWN_DESIGNS, own_answers, pairs_from_answers
from steering.evaluation.scoring import Job, Outcome
from steering.models import LanguageModel
from steering.steer import Sampling
from steering.tasks import Request, load_task

N = 6


@pytest.fixture
def task(tmp_path: Path) -> Any:
    parts = ["train"] * N + ["validation", "test"] * 2
    rows = [{"id": f"q{n}", "question": f"What is {n} + 1?", "answer": n + 1, "split": p} for n, p in enumerate(parts)]
    path = tmp_path / "sums.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)))
    return load_task(path, "validation")


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """Replaces what the models write, and keeps the prompts that they were given.

    In sample s the child answers question n rightly where s is even; question 0 always, question 1 never. The parent drops
    all words but the last, and spoils the answer of question 2.
    """
    prompts: list[list[str]] = []

    def score(
        model: LanguageModel, asked: Sequence[Request], jobs: Sequence[Job], intervention: None, sampling: Sampling
    ) -> Iterator[list[tuple[Job, Outcome]]]:
        del model, intervention
        sample = len(prompts)
        prompts.append([request.text for request in asked])
        batch = []
        for place, lam in jobs:
            n = int(asked[place].item.id[1:])
            right = n == 0 or (n != 1 and sample % 2 == 0)
            text = f" If we add them we get {n + 1 if right else n + 2} " + "x " * (sample // 2)
            if not sampling.temperature:
                text = f" {n + 1 + (n == 2)} "
            batch.append(((place, lam), Outcome(text, 5, "length")))
        yield []
        yield batch

    monkeypatch.setattr(own_answers, "score", score)
    return prompts


def test_self_pairs_hold_a_right_and_a_wrong_answer_of_like_length(task: Any, written: list[list[str]]) -> None:
    made = pairs_from_answers(task, "self", loaded("llama"), samples=4)
    assert len(written) == 4
    assert set(made.left_out) == {"q0", "q1"}, "never wrong, never right"
    assert set(made.items) == {"q2", "q3", "q4", "q5"}
    for name, pair in zip(made.items, made.concept.pairs, strict=True):
        n = int(name[1:])
        assert pair.positive == f"Question: What is {n} + 1?\nAnswer: If we add them we get {n + 1}"
        assert pair.negative == f"Question: What is {n} + 1?\nAnswer: If we add them we get {n + 2}"
    assert "2 more are left out: the child's answers are not both right and wrong" in made.concept.description


def test_dense_pairs_hold_a_shorter_solution_that_is_still_right(task: Any, written: list[list[str]]) -> None:
    made = pairs_from_answers(task, "dense", loaded("llama"), loaded("gpt2"), samples=2)
    assert set(made.left_out) == {"q1", "q2"}, "never right, and spoilt by the rewriting"
    for name, pair in zip(made.items, made.concept.pairs, strict=True):
        n = int(name[1:])
        assert pair.positive == f"Question: What is {n} + 1?\nAnswer: {n + 1}"
        assert pair.negative.endswith(f"we get {n + 1}")
    assert all("If we add them we get" in prompt for prompt in written[-1]), "the parent reads the child's solution"


def test_training_questions_alone_are_asked(task: Any, written: list[list[str]]) -> None:
    pairs_from_answers(task, "self", loaded("llama"), samples=2)
    training, scored = [{item.question for item in items} for items in (task.pool, task.items)]
    assert all(len(prompts) == N and not any(q in text for text in prompts for q in scored) for prompts in written)
    assert all(any(q in text for q in training) for prompts in written for text in prompts)
    with pytest.raises(SteeringError, match="makes 3 pairs from 5 training questions"):
        pairs_from_answers(task, "self", loaded("llama"), samples=2, shots=1)


def test_a_child_that_is_never_right_is_refused(task: Any) -> None:
    told: list[float] = []
    with pytest.raises(SteeringError, match=r"makes 0 pairs from 2 .* not both right and wrong"):
        pairs_from_answers(
            task, "self", loaded("llama"), samples=1, limit=2, progress=lambda _, fraction: told.append(fraction)
        )
    assert told[-1] == 1.0


def test_what_is_missing_is_said(task: Any) -> None:
    with pytest.raises(SteeringError, match="Name a parent"):
        pairs_from_answers(task, "dense", loaded("llama"))
    with pytest.raises(SteeringError, match=f"Choose one of {', '.join(OWN_DESIGNS)}"):
        pairs_from_answers(task, "shots", loaded("llama"))
