"""The recorded numbers are each text's own: not its padding's, not its neighbours', not a steered model's."""

import copy
from collections.abc import Callable

import pytest
import torch
from tiny import byte_tokenizer, tiny_model
from tokenizers import normalizers

from steering.errors import SteeringError
from steering.models import activations
from steering.models.activations import (
    batches,
    block_outputs,
    read_blocks,
    record,
    residual_norms,
)
from steering.models.language_model import LanguageModel, pad
from steering.steer.intervention import plan, steer
from steering.vectors.vector import SteeringVector

# Of different lengths, in no order, one twice, one longer than a sliding window, one that ends like padding.
TEXTS = (
    "The food is good.",
    "I like this place very much, and the people who work here are kind to everyone who comes in from the rain.",
    "Soup",
    "What do you think of the weather in the spring?",
    "The food is good.",
    "It is over.<|end|>",
)

pytestmark = pytest.mark.usefixtures("fresh_cache")


def own_hooks(model: LanguageModel, text: str) -> torch.Tensor:
    """Every block's output at the last token of one text alone, `[n_layers, d_model]`, read without steering's code."""
    found: list[torch.Tensor] = []

    def keep(_module: object, _inputs: object, output: torch.Tensor | tuple[torch.Tensor]) -> None:
        found.append((output if isinstance(output, torch.Tensor) else output[0])[0, -1].float())

    handles = [block.register_forward_hook(keep) for block in model.blocks]
    try:
        with torch.no_grad():
            model.model(input_ids=torch.tensor([model.tokenizer(text)["input_ids"]]), use_cache=False)
    finally:
        for handle in handles:
            handle.remove()
    return torch.stack(found)


def close(found: torch.Tensor, expected: torch.Tensor) -> None:
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)


def test_every_text_gives_its_own_last_token_in_order(model: LanguageModel) -> None:
    found = record(model, TEXTS)
    assert found.values.shape == (len(TEXTS), model.n_layers, model.d_model)
    assert found.values.dtype == torch.float32
    assert found.model == model.fingerprint
    for row, text in zip(found.values, TEXTS, strict=True):
        close(row, own_hooks(model, text))
    assert len({tuple(row[-1].tolist()) for row in found.values}) == len(set(TEXTS))


def test_a_batch_is_the_same_as_one_text_at_a_time(model: LanguageModel) -> None:
    together = record(model, TEXTS).values
    alone = torch.cat([record(model, [text]).values for text in TEXTS])
    close(together, alone)


def test_many_batches_are_the_same_as_one(llama: LanguageModel, monkeypatch: pytest.MonkeyPatch) -> None:
    together = record(llama, TEXTS[::-1]).values.flip(0)
    monkeypatch.setattr(activations, "batches", lambda rows: batches(rows, tokens=40))
    close(record(llama, TEXTS).values, together)


def test_the_padding_side_and_token_of_the_tokenizer_do_not_matter() -> None:
    """`<|end|>` both ends a text and pads a batch: a text that ends with it keeps it."""
    tokenizer = copy.deepcopy(byte_tokenizer())
    tokenizer.padding_side = "left"
    tiny = tiny_model("gpt2")
    left = record(LanguageModel(tiny, tokenizer, "left"), TEXTS).values
    assert torch.equal(left, record(LanguageModel(tiny, byte_tokenizer(), "right"), TEXTS).values)
    assert tokenizer.pad_token == "<|end|>"
    close(left[-1], own_hooks(LanguageModel(tiny, byte_tokenizer(), "x"), TEXTS[-1]))
    assert not torch.allclose(left[-1], own_hooks(LanguageModel(tiny, byte_tokenizer(), "x"), "It is over."), atol=0.1)


def test_every_token_can_be_read(model: LanguageModel) -> None:
    rows = [model.token_ids(text) for text in TEXTS]
    last: dict[int, torch.Tensor] = {}

    def keep(members: list[int], hidden: list[torch.Tensor]) -> None:
        assert len(hidden) == model.n_layers
        for place, member in enumerate(members):
            last[member] = torch.stack([layer[place, len(rows[member]) - 1] for layer in hidden])

    read_blocks(model, rows, keep)
    assert sorted(last) == list(range(len(TEXTS)))
    close(torch.stack([last[row] for row in range(len(TEXTS))]), record(model, TEXTS).values)


def test_reading_while_steering_is_read_unsteered_only_outside(
    llama: LanguageModel, vector_for: Callable[..., SteeringVector]
) -> None:
    """A generation that is under way does not reach into what is recorded between its steps."""
    from steering.steer.decoding import decode
    from steering.steer.sampling import Sampling

    plain = record(llama, TEXTS).values
    intervention = plan(llama, vector_for(llama))
    for _step in decode(llama, [[1, 2, 3]], intervention, [5.0], Sampling(max_new_tokens=2)):
        batch = pad([llama.token_ids(text) for text in TEXTS], llama)
        hidden = block_outputs(llama, batch.ids, batch.mask)
        last = batch.mask.sum(dim=1) - 1
        close(torch.stack([layer[torch.arange(len(TEXTS)), last] for layer in hidden], dim=1), plain)
    with steer(llama, intervention, [5.0] * len(TEXTS)):
        moved = block_outputs(llama, batch.ids, batch.mask)
    assert not torch.allclose(moved[-1], hidden[-1], atol=0.1), "the comparison above would notice"


def test_reading_stops_before_the_output_layer(model: LanguageModel) -> None:
    ran = []
    handle = model.model.get_output_embeddings().register_forward_hook(lambda *_: ran.append(1))
    try:
        record(model, TEXTS)
        assert ran == []
        with torch.no_grad():
            model.model(input_ids=torch.tensor([[1, 2]]))
        assert ran == [1], "the count above would notice"
    finally:
        handle.remove()


def test_reading_changes_nothing_in_the_model(model: LanguageModel, hooks: Callable[[LanguageModel], int]) -> None:
    ids = torch.tensor([model.token_ids(TEXTS[1])])
    with torch.no_grad():
        before = model.model(input_ids=ids).logits
        record(model, TEXTS)
        assert torch.equal(model.model(input_ids=ids).logits, before)
    assert hooks(model) == 0
    assert not torch.is_inference_mode_enabled()
    assert torch.is_grad_enabled()


def test_a_progress_that_raises_stops_the_reading_cleanly(
    llama: LanguageModel, hooks: Callable[[LanguageModel], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    class StopPressed(Exception):
        pass

    def stop(_what: str, fraction: float) -> None:
        if fraction > 0.4:
            raise StopPressed

    monkeypatch.setattr(activations, "batches", lambda rows: batches(rows, tokens=40))
    with pytest.raises(StopPressed):
        record(llama, TEXTS, progress=stop)
    assert hooks(llama) == 0
    assert llama.lock.acquire(blocking=False)
    llama.lock.release()
    close(record(llama, TEXTS).values[2], own_hooks(llama, TEXTS[2]))


def test_progress_runs_from_nothing_to_all(llama: LanguageModel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(activations, "batches", lambda rows: batches(rows, tokens=40))
    told: list[float] = []
    record(llama, TEXTS, progress=lambda _what, fraction: told.append(fraction))
    assert told == sorted(told)
    assert (told[0], told[-1]) == (0.0, 1.0)
    assert len(told) > 3


@pytest.mark.parametrize("texts", [["good", ""], [" \n"], [""]])
def test_an_empty_text_is_refused(model: LanguageModel, texts: list[str]) -> None:
    with pytest.raises(SteeringError, match="An empty text has no last token"):
        record(model, texts)


@pytest.mark.parametrize("family", ["gpt2", "llama"])
def test_a_text_longer_than_the_model_can_read_is_refused(family: str) -> None:
    model = LanguageModel(tiny_model(family), byte_tokenizer(), family)
    assert model.context == 512
    with pytest.raises(SteeringError, match=rf"The text has \d+ tokens; {family} reads up to 512. Shorten it."):
        record(model, ["rain " * 600])


# Batches


def test_batches_hold_every_text_once_and_few_enough_tokens() -> None:
    rows = [[0] * length for length in (5, 1, 9, 3, 3, 30, 2, 8)]
    groups = batches(rows, tokens=18)
    assert sorted(position for group in groups for position in group) == list(range(len(rows)))
    for group in groups:
        assert len(group) == 1 or len(group) * max(len(rows[position]) for position in group) <= 18
    longest = [len(rows[group[0]]) for group in groups]
    assert longest == sorted(longest, reverse=True)
    assert len(groups) < len(rows)
    assert batches([]) == []


# Cache


def refuse_to_run(model: LanguageModel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model.model, "forward", lambda *_, **__: pytest.fail("the model ran"))


def test_what_was_read_is_not_read_again(llama: LanguageModel, monkeypatch: pytest.MonkeyPatch) -> None:
    first = record(llama, TEXTS)
    norms = residual_norms(llama)
    refuse_to_run(llama, monkeypatch)
    again = record(llama, TEXTS)
    assert torch.equal(again.values, first.values)
    assert (again.model, again.texts) == (first.model, first.texts)
    assert torch.equal(residual_norms(llama), norms)


@pytest.mark.parametrize("texts", [TEXTS[:-1], TEXTS[::-1], (*TEXTS[:-1], "It is over. <|end|>")])
def test_other_texts_are_read(llama: LanguageModel, texts: tuple[str, ...]) -> None:
    first = record(llama, TEXTS)
    other = record(llama, texts)
    assert other.texts != first.texts
    close(other.values[0], own_hooks(llama, texts[0]))
    close(other.values[-1], own_hooks(llama, texts[-1]))


def test_another_dtype_and_another_model_are_read() -> None:
    def read(seed: int, dtype: torch.dtype) -> torch.Tensor:
        return record(LanguageModel(tiny_model("llama", seed=seed).to(dtype), byte_tokenizer(), "x"), TEXTS).values

    exact, rounded, other = read(0, torch.float32), read(0, torch.bfloat16), read(1, torch.float32)
    assert rounded.dtype == torch.float32
    assert not torch.equal(exact, rounded)
    assert not torch.allclose(exact, other, atol=0.1)


def test_another_tokenizer_reads_again() -> None:
    """The same weights with a tokenizer that splits otherwise see other tokens."""
    tiny = tiny_model("gpt2")
    record(LanguageModel(tiny, byte_tokenizer(), "x"), ["Soup"])
    other = copy.deepcopy(byte_tokenizer())
    other.backend_tokenizer.normalizer = normalizers.Lowercase()
    model = LanguageModel.__new__(LanguageModel)
    model.__dict__.update(LanguageModel(tiny, byte_tokenizer(), "x").__dict__, tokenizer=other)
    assert other("Soup")["input_ids"] != byte_tokenizer()("Soup")["input_ids"]
    close(record(model, ["Soup"]).values[0], own_hooks(model, "Soup"))
