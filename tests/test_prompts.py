"""Prompts are read once, and nothing changes by it."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from conftest import loaded

from steering.models import can_skip_positions, new_cache
from steering.models.language_model import LanguageModel
from steering.steer import SteeringSettings, plan, steer
from steering.steer import prompts as module
from steering.steer.decoding import decode
from steering.steer.prompts import Pass, Steering, shared_passes, steered_logits
from steering.steer.sampling import Sampling
from steering.vectors.vector import SteeringVector

Make = Callable[..., SteeringVector]

HEAD = "Here is a list of questions, and each of them has one short answer. Is the rain good? Yes. "
QUESTIONS = ("Is the train late?", "How do you make a good soup, with 12 onions?", "Who waits?")


@pytest.fixture(autouse=True)
def share_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LEAST_SHARED", 1)


def test_the_rows_of_one_prompt_read_it_in_one_line() -> None:
    prompt = list(range(10))
    assert shared_passes([prompt] * 3, [None] * 3, gaps=True) == [Pass((0,), (tuple(prompt[:-1]),), (0, 0, 0))]
    # Steered differently from the first token on, rows share nothing; the two that are steered alike do.
    assert shared_passes([prompt] * 3, [1, 2, 3], gaps=True) == []
    (only,) = shared_passes([prompt] * 3, [1, 2, 1], gaps=True)
    assert (only.rows, only.lines) == ((0, 1), (0, 1, 0))


def test_a_common_beginning_is_read_once_for_all_prompts_behind_it() -> None:
    first, second, third = [1, 2, 3, 4, 5, 6], [1, 2, 3, 7], [1, 2, 3, 4, 5, 6]
    (head,) = shared_passes([first, second, third], [None] * 3, gaps=True)
    assert head == Pass((0,), ((1, 2, 3),), (0, 0, 0))
    # The second prompt has nothing but its last token behind the beginning, so the others are read on with all rows.
    longer = [*second, 8]
    head, distinct = shared_passes([first, longer, third], [None] * 3, gaps=True)
    assert distinct == Pass((0, 1), ((4, 5), (7,)), (0, 1, 0))
    # Padding between tokens is not always possible: then only whole prompts are shared.
    (only,) = shared_passes([first, longer, third], [None] * 3, gaps=False)
    assert only == Pass((0, 1), ((1, 2, 3, 4, 5), (1, 2, 3, 7)), (0, 1, 0))


@pytest.mark.parametrize("least", [1, 10**6])
@pytest.mark.parametrize("positions", ["all", "response", "first", ""])
def test_logits_are_those_of_one_pass_over_each_row(
    model: LanguageModel, vector_for: Make, monkeypatch: pytest.MonkeyPatch, positions: str, least: int
) -> None:
    monkeypatch.setattr(module, "LEAST_SHARED", least)
    what = plan(model, vector_for(model), SteeringSettings(positions=positions)) if positions else None
    rows, starts, lambdas = [], [], []
    for question in QUESTIONS:
        head = model.token_ids(HEAD + question)
        for tail in (model.token_ids("Yes."), model.token_ids("No, and the soup is cold."), [5]):
            for lam in (0.0, 0.4):
                rows.append([*head, *tail])
                starts.append(len(head))
                lambdas.append(lam)
    found = list(steered_logits(model, rows, starts, Steering(what, lambdas)))
    for row, start, lam, logits in zip(rows, starts, lambdas, found, strict=True):
        with torch.inference_mode():
            ids = torch.tensor([row])
            if what is None:
                expected = model.model(input_ids=ids, use_cache=False).logits
            else:
                with steer(model, what, [lam], prompt_length=start):
                    expected = model.model(input_ids=ids, use_cache=False).logits
        torch.testing.assert_close(logits, expected[0, start - 1 : -1], rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("positions", ["all", "response", "first"])
def test_a_batch_that_shares_its_prompts_writes_what_its_rows_write_alone(
    model: LanguageModel, vector_for: Make, positions: str
) -> None:
    what = plan(model, vector_for(model), SteeringSettings(positions=positions))
    sampling = Sampling(max_new_tokens=6, stop=False)
    rows = [(model.token_ids(HEAD + question), lam) for question in QUESTIONS for lam in (-0.3, 0.0, 0.3)]
    rows += rows[:2]
    *_, together = decode(model, [ids for ids, _ in rows], what, [lam for _, lam in rows], sampling)
    for (ids, lam), tokens in zip(rows, together.tokens, strict=True):
        *_, alone = decode(model, [ids], what, [lam], sampling)
        assert tokens == alone.tokens[0]


def test_all_strengths_of_a_prompt_read_it_once_where_it_is_not_steered(llama: LanguageModel, vector_for: Make) -> None:
    ids = llama.token_ids(HEAD)
    read: list[tuple[int, ...]] = []
    handle = llama.model.register_forward_pre_hook(
        lambda _module, _args, arguments: read.append(tuple(arguments["input_ids"].shape)), with_kwargs=True
    )
    try:
        for positions, expected in (
            ("response", [(1, len(ids) - 1), (4, 1), (4, 1)]),
            ("all", [(4, len(ids)), (4, 1)]),
        ):
            what = plan(llama, vector_for(llama), SteeringSettings(positions=positions))
            read.clear()
            steps: Any = decode(llama, [ids] * 4, what, [0.0, 0.1, 0.2, 0.3], Sampling(max_new_tokens=2, stop=False))
            n_steps = len(list(steps))
            assert (n_steps, read) == (2, expected)
    finally:
        handle.remove()


def test_padding_lies_between_tokens_only_where_nothing_counts_it() -> None:
    assert can_skip_positions(new_cache(loaded("llama").model.config))
    assert not can_skip_positions(new_cache(loaded("gemma3").model.config))
