"""Calls that share a batch write, token for token, what each of them writes alone, however they take turns."""

import gc
import weakref
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest
import torch
from conftest import loaded
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from steering.errors import interruptible
from steering.models.language_model import LanguageModel
from steering.steer import batch as batches
from steering.steer.batch import SharedBatch, Step
from steering.steer.decoding import decode
from steering.steer.intervention import plan
from steering.steer.sampling import Sampling
from steering.steer.settings import OPERATORS, POSITIONS, SteeringSettings
from steering.vectors.vector import SteeringVector

Make = Callable[..., SteeringVector]

# Within the tiny models' sliding windows, with what follows them.
TEXTS = ("Soup", "I like", "The", "A b")
N = 8


def call(model: LanguageModel, make: Make, number: int, shared: SharedBatch | None, **changes: Any) -> Iterator[Step]:
    """One of several calls that differ in everything: prompts, rows, vectors, λ, operators, positions, sampling, lengths."""
    vector = make(model, seed=number)
    what = plan(
        model,
        vector,
        SteeringSettings(operator=OPERATORS[number % len(OPERATORS)], positions=POSITIONS[number % len(POSITIONS)]),
    )
    lambdas = [0.0, 0.3, -0.5][: 1 + number % 3]
    prompts = [model.token_ids(TEXTS[(number + row) % len(TEXTS)]) for row in range(len(lambdas))]
    sampling = Sampling(
        **{
            "max_new_tokens": N - number % 4,
            "temperature": 0.9 * (number % 2),
            "repetition_penalty": 1.0 + 0.2 * (number % 2),
            "seed": number,
            "stop": number % 3 == 0,
            **changes,
        }
    )
    return decode(model, prompts, None if number % 5 == 4 else what, lambdas, sampling, shared=shared)


def in_turns(
    calls: Sequence[Iterator[Step]], turns: Sequence[int], closed: int | None = None, after: int = 0
) -> list[list[Step]]:
    """The steps of calls that are asked in the order of `turns`, and from then on one after the other until all have ended.

    One of them may be closed after so many turns.
    """
    steps: list[list[Step]] = [[] for _ in calls]
    for count, turn in enumerate(turns):
        if closed is not None and count == after:
            calls[closed].close()  # type: ignore[attr-defined]
        steps[turn] += [step for step in [next(calls[turn], None)] if step]
    for own, rest in zip(steps, calls, strict=True):
        own += rest
    return steps


@pytest.fixture
def passes(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The number of rows of every forward pass over one new token a row."""
    rows: list[int] = []
    real = batches.next_logits

    def counted(model: Any, inputs: torch.Tensor, *rest: Any, **named: Any) -> torch.Tensor:
        rows.extend([len(inputs)] if inputs.shape[1] == 1 else [])
        return real(model, inputs, *rest, **named)

    monkeypatch.setattr(batches, "next_logits", counted)
    return rows


EVERYONE = tuple(range(5))


def test_what_is_written_does_not_depend_on_who_else_writes(model: LanguageModel, vector_for: Make) -> None:
    alone = [list(call(model, vector_for, number, None)) for number in EVERYONE]
    shared = SharedBatch()
    assert in_turns([call(model, vector_for, number, shared) for number in EVERYONE], EVERYONE * N) == alone


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    turns=st.lists(st.sampled_from(EVERYONE), max_size=50),
    closed=st.sampled_from(EVERYONE),
    after=st.integers(0, 50),
)
def test_in_any_order_of_turns_also_when_a_call_is_closed(
    vector_for: Make, turns: list[int], closed: int, after: int
) -> None:
    model, shared = loaded("llama"), SharedBatch()
    steps = in_turns([call(model, vector_for, number, shared) for number in EVERYONE], turns, closed, after)
    for number, own in enumerate(steps):
        alone = list(call(model, vector_for, number, None))
        assert own == (alone[: len(own)] if number == closed else alone)


def test_calls_that_take_turns_share_their_forward_passes(vector_for: Make, passes: list[int]) -> None:
    model, shared = loaded("llama"), SharedBatch()
    calls = [call(model, vector_for, number, shared, max_new_tokens=N, stop=False) for number in range(3)]
    in_turns(calls, [0, 1, 2] * N)
    assert max(passes) == 1 + 2 + 3
    assert len(passes) <= N + 2, "three times N - 1, if each made its own"


def test_rows_of_a_call_that_is_closed_are_not_computed_any_more(vector_for: Make, passes: list[int]) -> None:
    model, shared = loaded("llama"), SharedBatch()
    calls = [call(model, vector_for, number, shared, max_new_tokens=N, stop=False) for number in (0, 2)]
    in_turns(calls, [0, 1] * 3, closed=1, after=4)
    assert passes[-1] == 1
    assert max(passes) == 1 + 3


def test_when_all_have_ended_nothing_of_them_is_kept(vector_for: Make) -> None:
    model, shared = loaded("llama"), SharedBatch()
    kept: list[weakref.ref[Any]] = []
    for ends_early in (False, True):
        what = plan(model, vector_for(model))
        kept.append(weakref.ref(what))
        steps = decode(model, [model.token_ids("Soup")], what, [0.3], Sampling(N, stop=False), shared=shared)
        next(steps), next(steps)
        if ends_early:
            steps.close()  # type: ignore[attr-defined]
        else:
            assert list(steps)
        del what, steps
    gc.collect()
    assert [each() for each in kept] == [None, None]


def test_a_pass_that_is_stopped_half_way_changes_nothing_for_the_others(vector_for: Make) -> None:
    model, shared = loaded("llama"), SharedBatch()
    alone = [list(call(model, vector_for, number, None, stop=False)) for number in (0, 1)]
    calls = [call(model, vector_for, number, shared, stop=False) for number in (0, 1)]
    steps = [[next(each), next(each)] for each in calls]
    blocks_left = [1]

    def stop() -> None:
        blocks_left[0] -= 1
        if blocks_left[0] < 0:
            raise KeyboardInterrupt

    with interruptible(stop), pytest.raises(KeyboardInterrupt):
        steps[0].extend(calls[0])
    assert blocks_left == [-1], "behind the second block of a step of both"
    assert steps[0] == alone[0][: len(steps[0])]
    assert steps[1] + list(calls[1]) == alone[1]


@pytest.mark.parametrize("closed", [0, 1, 2])
def test_a_call_that_is_closed_in_the_middle_of_a_step_changes_nothing_for_the_others(
    vector_for: Make, closed: int
) -> None:
    """A page is closed in a thread of its own, whatever the thread of the models does meanwhile."""
    model, shared = loaded("llama"), SharedBatch()
    prompt, sampling = [model.token_ids("Soup")], Sampling(N, stop=False)

    def close(_row: int, tokens: Sequence[int]) -> bool:
        if len(tokens) < 3 or others[closed].gi_running:  # type: ignore[attr-defined]
            return False
        others[closed].close()  # type: ignore[attr-defined]
        return True  # A row that ends makes the batch smaller in this step.

    others = [call(model, vector_for, number, shared, max_new_tokens=N, stop=False) for number in range(3)]
    alone = [list(call(model, vector_for, number, None, max_new_tokens=N, stop=False)) for number in range(3)]
    closing = decode(model, prompt, None, [0.0], sampling, shared=shared, complete=close)
    found = in_turns([*others[:2], closing, others[2]], [0, 1, 2, 3] * N)
    for number, own in enumerate((found[0], found[1], found[3])):
        assert own == (alone[number][: len(own)] if number == closed else alone[number])


def test_an_error_of_one_call_is_its_own(vector_for: Make) -> None:
    model, shared = loaded("llama"), SharedBatch()

    def fail(_row: int, tokens: Sequence[int]) -> bool:
        if len(tokens) == 3:
            raise ValueError("mine")
        return False

    prompt, sampling = [model.token_ids("Soup")], Sampling(N, stop=False)
    failing = decode(model, prompt, None, [0.0], sampling, shared=shared, complete=fail)
    other = call(model, vector_for, 1, shared)
    alone = list(call(model, vector_for, 1, None))
    assert len([next(failing), next(failing)]) == 2
    assert list(other) == alone
    with pytest.raises(ValueError, match="mine"):
        next(failing)


def test_a_batch_that_others_join_again_and_again_does_not_grow(vector_for: Make) -> None:
    model, shared = loaded("llama"), SharedBatch()
    widths: list[int] = []
    calls = [call(model, vector_for, 1, shared, max_new_tokens=N, stop=False)]
    for number in range(2, 12):
        for _ in range(N // 2):
            next(calls[-1])
        calls.append(call(model, vector_for, number, shared, max_new_tokens=N, stop=False))
        next(calls[-1]), next(calls[-1])
        assert shared._batch is not None
        widths.append(shared._batch._mask.shape[1])
        list(calls[-2])
    assert max(widths[3:]) <= max(widths[:3])


def test_a_batch_that_is_full_takes_no_more(
    vector_for: Make, passes: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batches, "MOST_TOKENS", 3 * 2 * N)
    model, shared = loaded("llama"), SharedBatch()
    in_turns([call(model, vector_for, 2, shared), call(model, vector_for, 5, shared)], [0, 1] * N)
    assert max(passes) == 3
