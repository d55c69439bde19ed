"""`with vector.applied(model, 0.3): model.generate(...)` steers as the decode loop here does, and leaves a model as it was."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from conftest import loaded
from tiny import byte_tokenizer, piece_tokenizer, save_tiny, tiny_model
from transformers import AutoModelForCausalLM

from steering.errors import MismatchError, ModelError, SteeringError
from steering.models import LanguageModel, load_model
from steering.steer import Sampling, SteeringSettings, applied, decode, plan, steer
from steering.vectors import SteeringVector

Make = Callable[..., SteeringVector]
LAM = 0.5
PROMPTS = ("The people on the platform talk about the weather.", "Rain in the spring")
NEW = 6


def left_padded(model: LanguageModel, texts: tuple[str, ...] = PROMPTS) -> dict[str, torch.Tensor]:
    rows = [model.token_ids(text) for text in texts]
    width = max(map(len, rows))
    ids = torch.tensor([[row[0]] * (width - len(row)) + row for row in rows])
    mask = torch.tensor([[0] * (width - len(row)) + [1] * len(row) for row in rows])
    return {"input_ids": ids, "attention_mask": mask}


def written(model: LanguageModel, batch: dict[str, torch.Tensor], **settings: Any) -> list[list[int]]:
    """New tokens of every row, by the `generate` of transformers."""
    settings = {"do_sample": False, "eos_token_id": None, "pad_token_id": 0, **settings}
    rows = model.model.generate(**batch, max_new_tokens=NEW, **settings)
    return [row[batch["input_ids"].shape[1] :].tolist() for row in rows]


def decoded(
    model: LanguageModel, vector: SteeringVector, lambdas: list[float], settings: SteeringSettings
) -> list[list[int]]:
    """The same by the decode loop of this library."""
    ids = [model.token_ids(text) for text in PROMPTS]
    *_, last = decode(model, ids, plan(model, vector, settings), lambdas, Sampling(NEW, stop=False))
    return [list(row) for row in last.tokens]


def state(model: Any) -> tuple[object, ...]:
    """What steering could leave behind on a model."""
    hooks = [
        (len(module._forward_hooks), len(module._forward_pre_hooks), module.training) for module in model.modules()
    ]
    return hooks, sorted(vars(model)), [p.data_ptr() for p in model.parameters()]


# It steers as this library does


@pytest.mark.parametrize("positions", ["all", "response"])
def test_generate_writes_what_the_decode_loop_writes(model: LanguageModel, vector_for: Make, positions: str) -> None:
    vector, batch, settings = vector_for(model), left_padded(model), SteeringSettings(positions=positions)
    before, plain = state(model.model), written(model, batch)
    with applied(vector, model.model, LAM, settings=settings, tokenizer=model.tokenizer):
        steered = written(model, batch)
    assert steered == decoded(model, vector, [LAM, LAM], settings)
    assert steered != plain
    assert state(model.model) == before
    assert written(model, batch) == plain


def test_one_number_a_row_and_without_a_cache(llama: LanguageModel, vector_for: Make) -> None:
    vector, batch = vector_for(llama), left_padded(llama)
    for positions, operator in (("all", "add"), ("response", "add"), ("response", "ablate"), ("all", "rotate")):
        settings = SteeringSettings(positions=positions, operator=operator)
        expected = decoded(llama, vector, [LAM, -LAM], settings)
        with vector.applied(llama, [LAM, -LAM], settings=settings):
            assert written(llama, batch) == expected
            assert written(llama, batch, use_cache=False) == expected


def test_a_forward_pass_moves_as_under_steer(llama: LanguageModel, vector_for: Make) -> None:
    vector, ids = vector_for(llama), torch.tensor([llama.token_ids(PROMPTS[0])] * 2)
    for settings, length in ((SteeringSettings(), 1), (SteeringSettings(positions="response"), ids.shape[1])):
        with torch.no_grad(), steer(llama, plan(llama, vector, settings), [LAM, 0.0], prompt_length=length):
            expected = llama.model(input_ids=ids).logits
        with torch.no_grad(), vector.applied(llama.model, [LAM, 0.0], settings=settings, tokenizer=llama.tokenizer):
            assert torch.equal(llama.model(ids).logits, expected)


def test_zero_is_the_model_itself_and_gradients_flow(llama: LanguageModel, vector_for: Make) -> None:
    ids = torch.tensor([llama.token_ids(PROMPTS[0])])
    plain = llama.model(input_ids=ids).logits
    with vector_for(llama).applied(llama, 0):
        logits = llama.model(input_ids=ids).logits
    assert torch.equal(logits, plain)
    (gradient,) = torch.autograd.grad(logits.sum(), [llama.blocks[0].self_attn.q_proj.weight])
    assert gradient.any()


@pytest.mark.parametrize(
    "copying", [{"num_beams": 3}, {"do_sample": True, "top_k": 1}], ids=["beams", "samples of the likeliest token"]
)
def test_copies_of_a_row_are_steered_as_their_row(
    llama: LanguageModel, vector_for: Make, copying: dict[str, Any]
) -> None:
    vector, batch = vector_for(llama), left_padded(llama, (PROMPTS[0], PROMPTS[0]))
    alone = {}
    for lam in (LAM, -LAM):
        with vector.applied(llama, lam):
            alone[lam] = written(llama, left_padded(llama, PROMPTS[:1]), num_return_sequences=3, **copying)
    with vector.applied(llama, [LAM, -LAM]):
        assert written(llama, batch, num_return_sequences=3, **copying) == [*alone[LAM], *alone[-LAM]]
    assert alone[LAM] != alone[-LAM]


# What does not fit is said


def test_rows_that_do_not_match_are_said(llama: LanguageModel, vector_for: Make) -> None:
    vector, batch = vector_for(llama), left_padded(llama)
    four = {name: torch.cat([value, value]) for name, value in batch.items()}
    before = state(llama.model)
    for lambdas, given, rows in (([0.1] * 3, batch, 2), ([0.1] * 2, four, 4), ([0.1] * 4, batch, 2)):
        with (
            pytest.raises(SteeringError, match=f"There are {len(lambdas)} strengths for a batch of {rows} rows"),
            vector.applied(llama, lambdas),
        ):
            written(llama, given, num_beams=2)
        with (
            pytest.raises(SteeringError, match=f"{len(lambdas)} strengths for a batch of {rows} rows"),
            vector.applied(llama, lambdas),
        ):
            llama.model(**given)
    assert state(llama.model) == before


def test_what_cannot_be_steered_is_said(llama: LanguageModel, vector_for: Make) -> None:
    vector, given = vector_for(llama), {"tokenizer": llama.tokenizer}
    for what, model, lam, message in (
        (vector, "smollm2", 0.1, "A str cannot be steered; give a causal language model"),
        (vector, torch.nn.Linear(2, 2), 0.1, "A Linear cannot be steered"),
        (vector, llama.model, float("nan"), "λ must be"),
        (vector, llama.model, [], "λ must be"),
        (vector, tiny_model("llama", seed=1, tokenizer=piece_tokenizer()), 0.1, "cannot steer"),
        (vector, tiny_model("llama", width=40, tokenizer=piece_tokenizer()), 0.1, "cannot steer"),
    ):
        with pytest.raises(SteeringError, match=message), applied(what, model, lam, **given):
            pytest.fail("the context must not be entered")
    with pytest.raises(ModelError, match="give it as tokenizer="), vector.applied(tiny_model("llama"), 0.1):
        pytest.fail("the context must not be entered")
    with pytest.raises(MismatchError), replace(vector, model="0123456789abcdef").applied(llama, 0.1):
        pytest.fail("the context must not be entered")


def test_a_model_that_is_steered_is_not_measured_for_another_vector(llama: LanguageModel, vector_for: Make) -> None:
    vector = vector_for(llama)
    with (
        vector.applied(llama, 0.1),
        pytest.raises(SteeringError, match="is steered already"),
        vector.applied(llama, 0.2),
    ):
        pytest.fail("the context must not be entered")
    with vector.applied(llama, 0.2):
        pass


# Nothing is left


def test_after_an_error_nothing_is_left(vector_for: Make) -> None:
    tiny = tiny_model("llama")
    model = LanguageModel(tiny, byte_tokenizer(), "tiny")
    vector = vector_for(model)
    tiny.train()
    tiny.model.norm.eval()
    before = state(tiny)

    def fail() -> None:
        with vector.applied(tiny, 0.3, tokenizer=byte_tokenizer()):
            assert state(tiny) != before
            raise RuntimeError("out of paper")

    with pytest.raises(RuntimeError, match="out of paper"):
        fail()
    assert state(tiny) == before
    with pytest.raises(MismatchError), (vector_for(loaded("gpt2"))).applied(tiny, 0.3, tokenizer=byte_tokenizer()):
        pytest.fail("the context must not be entered")
    assert state(tiny) == before


def test_a_generate_of_the_owner_comes_back(vector_for: Make) -> None:
    tiny = tiny_model("llama")
    own = tiny.generate
    tiny.generate = own
    vector = vector_for(LanguageModel(tiny, byte_tokenizer(), "tiny"))
    with vector.applied(tiny, 0.3, tokenizer=byte_tokenizer()):
        assert tiny.generate is not own
    assert vars(tiny)["generate"] is own


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
def test_a_model_from_a_folder_needs_no_tokenizer_and_fits_in_every_type(
    tmp_path: Path, vector_for: Make, dtype: torch.dtype
) -> None:
    folder = save_tiny(tmp_path / "model", "llama")
    vector = vector_for(load_model(str(folder), dtype="float32"))
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=dtype)
    ids = torch.tensor([byte_tokenizer()(PROMPTS[0])["input_ids"]])
    plain = model(ids).logits
    with vector.applied(model, 0.3):
        assert not torch.equal(model(ids).logits, plain)
    assert torch.equal(model(ids).logits, plain)
