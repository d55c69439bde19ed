"""The decode loop writes what the model alone would write, row by row, whatever else is in the batch."""

import inspect
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
import torch
from conftest import loaded
from tiny import FAMILIES, byte_tokenizer, tiny_model

from steering.errors import SteeringError
from steering.models.language_model import LanguageModel
from steering.steer.batch import Step
from steering.steer.decoding import decode
from steering.steer.intervention import Intervention, plan, steer
from steering.steer.prompts import Steering
from steering.steer.sampling import Sampling
from steering.steer.settings import SteeringSettings
from steering.vectors.vector import SteeringVector

Make = Callable[..., SteeringVector]

# The longest is past the sliding windows, and the shortest far below.
TEXTS = (
    "The morning train was late again, so the people on the platform began to talk about the weather and the news.",
    "Soup",
    "I like this place very much.",
)
N = 6


def last(
    model: LanguageModel,
    prompts: Sequence[Sequence[int]],
    what: Intervention | None = None,
    lambdas: Sequence[float] | None = None,
    **settings: Any,
) -> Step:
    sampling = Sampling(**{"max_new_tokens": N, **settings})
    *_, step = decode(model, prompts, what, lambdas or [0.0] * len(prompts), sampling)
    return step


def prompts_of(model: LanguageModel) -> list[list[int]]:
    return [model.token_ids(text) for text in TEXTS]


def by_transformers(model: LanguageModel, prompt: list[int], n: int = N, **settings: Any) -> tuple[int, ...]:
    """New tokens as `generate` chooses them, without the end-of-text token."""
    ids = torch.tensor([prompt])
    with torch.inference_mode():
        found = model.model.generate(
            ids, attention_mask=torch.ones_like(ids), do_sample=False, max_new_tokens=n, **settings
        )[0, len(prompt) :].tolist()
    ends = [place for place, token in enumerate(found) if token in model.stop_ids]
    return tuple(found[: ends[0]] if ends else found)


def slowly(model: LanguageModel, prompt: list[int], what: Intervention, lam: float, n: int = N) -> tuple[int, ...]:
    """Greedy tokens without a cache: the whole text is read again for every token."""
    ids = list(prompt)
    for _ in range(n):
        # What is steered: every position, or those from the prompt's last one on.
        with torch.inference_mode(), steer(model, what, [lam], prompt_length=len(prompt)):
            logits = model.model(input_ids=torch.tensor([ids]), use_cache=False).logits
        ids.append(int(logits[0, -1].argmax()))
    return tuple(ids[len(prompt) :])


@pytest.fixture(params=["llama", "gemma3", "gpt2"])
def some(request: pytest.FixtureRequest) -> LanguageModel:
    """One family with rotated and one with learned positions, and one with sliding windows."""
    return loaded(request.param)


# The same text


def test_at_zero_the_tokens_are_those_of_transformers(model: LanguageModel, vector_for: Make) -> None:
    what = plan(model, vector_for(model))
    for prompt in prompts_of(model):
        expected = by_transformers(model, prompt)
        assert len(set(expected)) > 1, "a text that is worth comparing"
        step = last(model, [prompt] * 3, what, [0.0, 1.0, -1.0])
        assert step.tokens[0] == expected
        assert step.tokens[1] != expected
        assert last(model, [prompt]).tokens[0] == expected, "also without hooks"


def test_a_row_that_is_complete_leaves_the_batch(vector_for: Make) -> None:
    model = loaded("llama")
    prompts, lambdas = prompts_of(model), [0.2, 0.0, -0.2]
    what = plan(model, vector_for(model))
    sampling = Sampling(max_new_tokens=N, stop=False)
    *_, whole = decode(model, prompts, what, lambdas, sampling)
    lengths = [N, 2, 4]
    sizes: list[int] = []
    watch = model.blocks[0].register_forward_hook(lambda _module, _inputs, output: sizes.append(len(output)))
    try:
        *_, cut = decode(
            model, prompts, what, lambdas, sampling, complete=lambda row, tokens: len(tokens) == lengths[row]
        )
    finally:
        watch.remove()
    assert cut.tokens == tuple(tokens[:length] for tokens, length in zip(whole.tokens, lengths, strict=True))
    assert cut.ended == ("length", "stop", "stop")
    assert sizes[-N:] == [3, 3, 2, 2, 1, 1]


@pytest.mark.parametrize("positions", ["all", "response"])
def test_the_cache_changes_nothing(model: LanguageModel, vector_for: Make, positions: str) -> None:
    what = plan(model, vector_for(model), SteeringSettings(positions=positions))
    prompt = prompts_of(model)[0]
    lambdas = [-0.4, 0.0, 0.4]
    step = last(model, [prompt] * 3, what, lambdas, stop=False)
    for lam, tokens in zip(lambdas, step.tokens, strict=True):
        assert tokens == slowly(model, prompt, what, lam)


def test_where_it_is_steered_matters(llama: LanguageModel, vector_for: Make) -> None:
    """Otherwise the test above could not tell the two apart."""
    prompt = prompts_of(llama)[0]
    texts = {
        last(llama, [prompt], plan(llama, vector_for(llama), SteeringSettings(positions=positions)), [0.8]).tokens[0]
        for positions in ("all", "response")
    }
    assert len(texts) == 2


def test_left_padding_changes_nothing(model: LanguageModel, vector_for: Make) -> None:
    what = plan(model, vector_for(model))
    prompts, lambdas = prompts_of(model), [0.4, -0.4, 0.0]
    together = last(model, prompts, what, lambdas, stop=False)
    for row, (prompt, lam) in enumerate(zip(prompts, lambdas, strict=True)):
        assert together.tokens[row] == last(model, [prompt], what, [lam], stop=False).tokens[0]
        assert together.tokens[row] == slowly(model, prompt, what, lam)


def test_left_padding_changes_no_logit(model: LanguageModel) -> None:
    from steering.steer.batch import Batch, Rows

    prompts = prompts_of(model)
    with torch.inference_mode():
        rows = Rows(model, prompts, Sampling(), Steering(None, [0.0] * len(prompts)))
        together = Batch(model, rows, prompts)._forward()
        for row, prompt in enumerate(prompts):
            alone = model.model(input_ids=torch.tensor([prompt]), use_cache=False).logits[0, -1]
            torch.testing.assert_close(together[row], alone, rtol=1e-4, atol=1e-4)


def test_a_row_alone_is_the_same_row_in_a_batch(model: LanguageModel, vector_for: Make) -> None:
    alone_is_together(model, vector_for(model))


@pytest.mark.parametrize("sampling", [{"temperature": 1.0, "seed": 3}, {"repetition_penalty": 1.5}], ids=str)
def test_a_sampled_row_alone_is_the_same_row_in_a_batch(
    some: LanguageModel, vector_for: Make, sampling: dict[str, Any]
) -> None:
    alone_is_together(some, vector_for(some), **sampling)


def alone_is_together(model: LanguageModel, vector: SteeringVector, **sampling: Any) -> None:
    what = plan(model, vector)
    prompt, lambdas = prompts_of(model)[2], [0.0, 0.3, -0.3, 0.3]
    together = last(model, [prompt] * 4, what, lambdas, **sampling)
    for row, lam in enumerate(lambdas):
        assert together.tokens[row] == last(model, [prompt], what, [lam], **sampling).tokens[0]
    assert together.tokens[1] == together.tokens[3]


@pytest.mark.parametrize("penalty", [1.3, 0.7])
@pytest.mark.parametrize("family", ["llama", "gpt2", "gemma3"])
def test_the_repetition_penalty_is_transformers(family: str, penalty: float) -> None:
    model = LanguageModel(tiny_model(family), byte_tokenizer(), family)
    prompts, settings = prompts_of(model), {"repetition_penalty": penalty, "max_new_tokens": 2 * N}
    expected = [by_transformers(model, prompt, 2 * N, repetition_penalty=penalty) for prompt in prompts]
    assert [last(model, [prompt], **settings).tokens[0] for prompt in prompts] == expected
    assert list(last(model, prompts, **settings).tokens) == expected
    assert expected != [by_transformers(model, prompt, 2 * N) for prompt in prompts]


def test_padding_is_not_penalised_as_if_it_had_been_written() -> None:
    """Token 0 pads a row; a row that never wrote it may still choose it."""
    tiny = tiny_model("llama")
    model = LanguageModel(tiny, byte_tokenizer(), "x")
    settings = {"repetition_penalty": 3.0, "stop": False}
    long, short = model.token_ids(TEXTS[0]), model.token_ids(TEXTS[1])
    first = last(model, [short], **settings).tokens[0][0]
    with torch.no_grad():  # Give token 0 the place of the one that the short prompt goes on with.
        for matrix in (tiny.model.embed_tokens.weight, tiny.lm_head.weight):
            matrix[[0, first]] = matrix[[first, 0]].clone()
    alone = last(model, [short], **settings).tokens[0]
    assert alone[0] == 0
    assert last(model, [long, short], **settings).tokens[1] == alone


# Steps


def test_every_step_adds_one_token_to_every_running_row(model: LanguageModel) -> None:
    steps = list(decode(model, prompts_of(model), None, [0.0] * 3, Sampling(max_new_tokens=5, stop=False)))
    assert [[len(row) for row in step.tokens] for step in steps] == [[n] * 3 for n in range(1, 6)]
    for before, after in pairwise(steps):
        assert all(new[:-1] == old for old, new in zip(before.tokens, after.tokens, strict=True))
    assert [step.ended for step in steps] == [("",) * 3] * 4 + [("length",) * 3]


def ending(model: LanguageModel, token: int) -> LanguageModel:
    """The same model, for which another token ends a text."""
    other = LanguageModel.__new__(LanguageModel)
    other.__dict__.update(model.__dict__)
    other.__class__ = type("Ending", (LanguageModel,), {"stop_ids": frozenset({token})})
    return other


def test_rows_that_end_leave_the_batch_and_the_others_do_not_notice(
    model: LanguageModel, vector_for: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    what = plan(model, vector_for(model))
    prompts = [*prompts_of(model), prompts_of(model)[2]]
    lambdas = [0.0, 0.3, -0.3, 0.6]
    full = last(model, prompts, what, lambdas, stop=False).tokens
    stop = full[1][2]
    lengths = [row.index(stop) if stop in row else N for row in full]
    assert lengths[1] <= 2
    assert len(set(lengths)) > 1, "the rows end at different steps"

    sizes: list[int] = []
    forward = model.model.forward

    def count(*args: Any, **kwargs: Any) -> Any:
        sizes.append(kwargs["input_ids"].shape[0])
        return forward(*args, **kwargs)

    count.__signature__ = inspect.signature(forward)  # type: ignore[attr-defined]
    monkeypatch.setattr(model.model, "forward", count)
    found = last(ending(model, stop), prompts, what, lambdas)
    assert [tuple(row) for row in found.tokens] == [row[:n] for row, n in zip(full, lengths, strict=True)]
    assert found.ended == tuple("end of text" if n < N else "length" for n in lengths)
    assert sizes == [sum(n >= step for n in lengths) for step in range(N) if any(n >= step for n in lengths)]


def test_a_text_ends_at_the_models_own_end(model: LanguageModel) -> None:
    prompt = prompts_of(model)[0]
    stop = last(model, [prompt], stop=False).tokens[0][2]
    first = last(model, [prompt], stop=False).tokens[0].index(stop)
    step = last(ending(model, stop), [prompt])
    assert (len(step.tokens[0]), step.ended) == (first, ("end of text",))
    assert stop not in step.tokens[0]
    forced = last(ending(model, stop), [prompt], stop=False)
    assert (len(forced.tokens[0]), forced.ended) == (N, ("length",))
    assert stop in forced.tokens[0]


def test_the_first_token_may_end_a_text(llama: LanguageModel) -> None:
    prompt = prompts_of(llama)[0]
    stop = last(llama, [prompt]).tokens[0][0]
    steps = list(decode(ending(llama, stop), [prompt], None, [0.0], Sampling()))
    assert steps == [Step(((),), ("end of text",))]


def test_one_token_is_one_step(llama: LanguageModel) -> None:
    (step,) = decode(llama, prompts_of(llama), None, [0.0] * 3, Sampling(max_new_tokens=1))
    assert [len(row) for row in step.tokens] == [1, 1, 1]
    assert step.ended == ("length",) * 3


# Between steps


def test_between_steps_the_model_is_free_and_unsteered(
    model: LanguageModel, vector_for: Make, hooks: Callable[[LanguageModel], int]
) -> None:
    ids = torch.tensor([prompts_of(model)[0]])
    with torch.no_grad():
        plain = model.model(input_ids=ids, use_cache=False).logits
    running = decode(model, prompts_of(model), plan(model, vector_for(model)), [1.0] * 3, Sampling())
    for _ in range(3):
        next(running)
        assert hooks(model) == 0
        assert not torch.is_inference_mode_enabled()
        with torch.no_grad():
            assert torch.equal(model.model(input_ids=ids, use_cache=False).logits, plain)
    running.close()
    assert hooks(model) == 0
    assert torch.is_grad_enabled()


def test_two_loops_that_take_turns_do_not_mix(llama: LanguageModel, vector_for: Make) -> None:
    what, prompts = plan(llama, vector_for(llama)), prompts_of(llama)
    alone = [last(llama, prompts, what, [lam] * 3) for lam in (0.7, -0.7)]
    loops = [decode(llama, prompts, what, [lam] * 3, Sampling(max_new_tokens=N)) for lam in (0.7, -0.7)]
    turns = list(zip(*loops, strict=True))
    assert list(turns[-1]) == alone
    assert alone[0] != alone[1]


# Sampling


def test_the_same_seed_gives_the_same_text_and_another_seed_another(some: LanguageModel) -> None:
    prompt = prompts_of(some)[0]

    def write(seed: int) -> tuple[int, ...]:
        return last(some, [prompt], temperature=1.0, seed=seed, stop=False).tokens[0]

    state = torch.get_rng_state()
    assert write(0) == write(0)
    assert len({write(seed) for seed in range(4)}) == 4
    assert torch.equal(torch.get_rng_state(), state), "the global randomness is neither used nor set"


def test_equal_rows_draw_equal_numbers(llama: LanguageModel) -> None:
    step = last(llama, [prompts_of(llama)[0]] * 3, temperature=1.0)
    assert len(set(step.tokens)) == 1


def test_rows_that_leave_do_not_change_what_others_draw(llama: LanguageModel) -> None:
    prompts = prompts_of(llama)
    full = last(llama, prompts, temperature=1.0, stop=False).tokens
    stop = full[0][2]
    found = last(ending(llama, stop), prompts, temperature=1.0).tokens
    assert len(found[0]) <= 2
    assert found[1] == (full[1][: full[1].index(stop)] if stop in full[1] else full[1])


def next_token_shares(model: LanguageModel, n: int = 1500, **settings: Any) -> torch.Tensor:
    """How often each token is drawn first, over as many seeds as rows."""
    prompt = prompts_of(model)[2]
    from steering.steer.batch import Batch, Rows

    with torch.inference_mode():
        rows = Rows(model, [prompt], Sampling(**settings), Steering(None, [0.0]))
        scores = rows._processors(rows._history, Batch(model, rows, [prompt])._forward())
        rows.running, rows._generators = [0], [torch.Generator().manual_seed(settings.get("seed", 0))]
        drawn = torch.tensor([rows._choose(scores).item() for _ in range(n)])
    return torch.bincount(drawn, minlength=len(model.tokenizer)) / n


def test_sampling_follows_the_models_probabilities(llama: LanguageModel) -> None:
    with torch.no_grad():
        logits = llama.model(input_ids=torch.tensor([prompts_of(llama)[2]])).logits[0, -1]
    for temperature in (0.5, 1.0, 2.0):
        expected = (logits / temperature).softmax(dim=-1)
        found = next_token_shares(llama, temperature=temperature)
        assert (found - expected).abs().max() < 0.06  # 1500 draws: more than four standard deviations.


def test_top_k_and_top_p_keep_the_likeliest_tokens(llama: LanguageModel) -> None:
    with torch.no_grad():
        likely = llama.model(input_ids=torch.tensor([prompts_of(llama)[2]])).logits[0, -1].softmax(dim=-1)
    order = likely.argsort(descending=True).tolist()
    top_k = next_token_shares(llama, n=300, temperature=3.0, top_k=3).nonzero().flatten().tolist()
    assert sorted(top_k) == sorted(order[:3])
    smallest = int((likely[order].cumsum(dim=0) < 0.7).sum()) + 1
    top_p = next_token_shares(llama, n=600, temperature=1.0, top_p=0.7).nonzero().flatten().tolist()
    assert set(top_p) <= set(order[:smallest])
    assert len(top_p) > smallest / 3


@pytest.mark.parametrize("narrow", [{"top_k": 1}, {"top_p": 1e-6}, {"temperature": 1e-4}], ids=str)
def test_narrowed_to_one_token_sampling_is_greedy(some: LanguageModel, narrow: dict[str, float]) -> None:
    prompts = prompts_of(some)
    assert last(some, prompts, **{"temperature": 1.0, **narrow}) == last(some, prompts)


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("max_new_tokens", 0),
        ("max_new_tokens", -5),
        ("temperature", -0.1),
        ("temperature", 11.0),
        ("temperature", float("nan")),
        ("top_p", 0.0),
        ("top_p", 1.01),
        ("top_p", float("nan")),
        ("top_k", -1),
        ("repetition_penalty", 0.0),
        ("repetition_penalty", -1.0),
        ("repetition_penalty", float("inf")),
    ],
)
def test_settings_out_of_range_are_refused_with_the_value(setting: str, value: float) -> None:
    with pytest.raises(SteeringError, match=rf"{setting.split('_')[0]}.*is {value};"):
        Sampling(**{setting: value})
    with pytest.raises(SteeringError):
        replace(Sampling(), **{setting: value})


@pytest.mark.parametrize("family", FAMILIES)
def test_a_model_of_one_layer_and_a_prompt_of_one_token(family: str) -> None:
    model = LanguageModel(tiny_model(family, layers=1), byte_tokenizer(), family)
    assert last(model, [[40], [41]]).tokens[0] == by_transformers(model, [40])
