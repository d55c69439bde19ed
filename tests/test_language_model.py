"""A loaded model: its fingerprint, its tokens and its prompts."""

import copy
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from test_models import TEXT
from tiny import FAMILIES, byte_tokenizer, piece_tokenizer, save_tiny, tiny_model
from transformers import (
    PreTrainedModel,
)

from steering.errors import MismatchError, SteeringError
from steering.interop import Foreign, card
from steering.library.saved_vectors import own_card
from steering.models.language_model import LanguageModel, pad
from steering.models.loading import load_model
from steering.steer.intervention import plan
from steering.transfer.carry import transfer
from steering.vectors.vector import SteeringVector, load_vector, save_vector

# Fingerprint


@pytest.mark.parametrize("family", ["llama", "gemma3", "gpt2"])
def test_a_fingerprint_survives_saving_and_bfloat16(tmp_path: Path, family: str) -> None:
    folder = save_tiny(tmp_path / "m", family)
    fresh = LanguageModel(tiny_model(family), byte_tokenizer(), "fresh").fingerprint
    assert load_model(str(folder), dtype="float32").fingerprint == fresh
    assert load_model(str(folder), dtype="bfloat16").fingerprint == fresh


@pytest.mark.parametrize("stored", [torch.float32, torch.bfloat16, torch.float16], ids=str)
@pytest.mark.parametrize("family", ["llama", "gpt2", "mixtral", "gemma3-multimodal"])
def test_a_fingerprint_is_the_same_in_every_type(tmp_path: Path, family: str, stored: torch.dtype) -> None:
    folder = save_tiny(tmp_path / "m", family)
    tiny_model(family).to(stored).save_pretrained(folder)
    found = {dtype: load_model(str(folder), dtype=dtype).fingerprint for dtype in ("float32", "bfloat16", "float16")}
    assert len(set(found.values())) == 1, found


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
def test_a_vector_from_when_float16_had_a_fingerprint_of_its_own_still_fits(tmp_path: Path, dtype: str) -> None:
    folder = save_tiny(tmp_path / "m", "llama")
    model = load_model(str(folder), dtype=dtype)
    former = LanguageModel(tiny_model("llama").half(), byte_tokenizer(), "x").fingerprint
    assert former != model.fingerprint, "the weights are so round that nothing is tested"
    directions = torch.ones(model.n_layers, model.d_model)
    vector = SteeringVector(directions, former, "x", "noise", ("more", "less"), "random")
    save_vector(vector, tmp_path / "v.safetensors")
    assert load_vector(tmp_path / "v.safetensors", model).model == model.fingerprint
    assert own_card(vector, model, "v.safetensors").fits
    rows = Foreign({0: directions[0]}, None, {"model": former})
    assert card(rows, model, "v.gguf", "gguf").fits
    assert plan(model, vector).model == model.fingerprint
    child = LanguageModel(tiny_model("gpt2"), byte_tokenizer(), "child")
    assert transfer(vector, model, child, width="truncate").model == child.fingerprint
    assert transfer(vector, model, model).model == model.fingerprint
    for strange in (replace(vector, model="0" * 16), replace(vector, directions=directions[1:])):
        with pytest.raises(MismatchError):
            strange.check_model(model)


def test_fingerprints_tell_models_apart() -> None:
    def fingerprint(tiny: PreTrainedModel) -> str:
        return LanguageModel(tiny, byte_tokenizer(), "x").fingerprint

    nudged = tiny_model("llama")
    with torch.no_grad():
        nudged.model.layers[2].mlp.up_proj.weight[0, 0] += 1.0
    found = [
        *(fingerprint(tiny_model(family)) for family in FAMILIES),
        fingerprint(tiny_model("llama", seed=1)),
        fingerprint(tiny_model("llama", layers=5)),
        fingerprint(tiny_model("llama", width=40)),
        fingerprint(nudged),
    ]
    assert len(set(found)) == len(found)


# Tokens


@pytest.mark.parametrize("tokenizer", [byte_tokenizer, piece_tokenizer])
@pytest.mark.parametrize("plain", [False, True])
def test_a_prompt_begins_exactly_once(tokenizer: Callable[..., Any], plain: bool) -> None:
    chat = tokenizer(chat=True)
    model = LanguageModel(tiny_model("llama", tokenizer=chat), chat, "chat")
    ids = model.prompt_ids(TEXT, plain=plain)
    n_begin = 0 if chat.bos_token_id is None else 1
    assert ids.count(chat.bos_token_id) == n_begin
    assert ids[:n_begin] == [chat.bos_token_id][:n_begin]
    assert TEXT in chat.decode(ids)
    assert ("<user>" in chat.decode(ids)) is not plain
    assert chat.decode(ids).endswith("<assistant>") is not plain
    expected = chat.apply_chat_template([{"role": "user", "content": TEXT}], add_generation_prompt=True)
    assert plain or ids == list(expected["input_ids"])


def test_without_a_chat_template_a_prompt_is_raw_text(model: LanguageModel) -> None:
    assert not model.has_chat_template
    assert model.prompt_ids(TEXT) == model.prompt_ids(TEXT, plain=True) == model.token_ids(TEXT)


@pytest.mark.parametrize("tokenizer", [byte_tokenizer, piece_tokenizer])
@pytest.mark.parametrize("plain", [False, True])
def test_a_continuation_is_tokenised_behind_its_prompt(tokenizer: Callable[..., Any], plain: bool) -> None:
    chat = tokenizer(chat=True)
    model = LanguageModel(tiny_model("llama", tokenizer=chat), chat, "chat")
    head = model.prompt_ids(TEXT, plain=plain)
    tail = model.continuation_ids(TEXT, " The rooms are clean.", plain=plain)
    assert head + tail == model.prompt_ids(f"{TEXT} The rooms are clean.", plain=True) or not plain
    assert chat.decode(head + tail).endswith(" The rooms are clean.")
    assert not chat.decode(head + tail).endswith("  The rooms are clean.")


def test_a_token_that_would_span_the_boundary_is_split_there() -> None:
    """The prompt has been read, so its tokens stay; what follows it begins with a token of its own."""
    pieces = piece_tokenizer()
    model = LanguageModel(tiny_model("llama", tokenizer=pieces), pieces, "x")
    head = model.token_ids("the pe")
    assert model.token_ids("the people")[: len(head)] != head, "the tokens do not span, so nothing is tested"
    tail = model.continuation_ids("the pe", "ople", plain=True)
    assert "".join(pieces.convert_ids_to_tokens(head + tail)) == "<s>▁the▁people"


def test_an_empty_prompt_needs_a_first_token() -> None:
    bare = LanguageModel(tiny_model("gpt2"), byte_tokenizer(), "bare")
    with pytest.raises(SteeringError, match="The prompt is empty: bare"):
        bare.prompt_ids("")
    pieces = piece_tokenizer()
    assert LanguageModel(tiny_model("llama", tokenizer=pieces), pieces, "x").prompt_ids("") == [pieces.bos_token_id]


@pytest.mark.parametrize("tokenizer", [byte_tokenizer, piece_tokenizer])
def test_the_tokenizer_is_left_as_it_was(tokenizer: Callable[..., Any]) -> None:
    mine = copy.deepcopy(tokenizer(chat=True))

    def state() -> tuple[object, ...]:
        return (
            mine.backend_tokenizer.to_str(),
            mine.padding_side,
            mine.truncation_side,
            mine.pad_token,
            mine.chat_template,
            mine.special_tokens_map,
        )

    before = state()
    model = LanguageModel(tiny_model("llama", tokenizer=mine), mine, "mine")
    model.prompt_ids(TEXT)
    pad([model.token_ids(TEXT), model.token_ids("short")], model)
    assert model.tokenizer is mine
    assert state() == before


def test_padding_is_on_the_right_and_marked(llama: LanguageModel) -> None:
    batch = pad([[5, 6, 7], [8]], llama)
    assert batch.mask.tolist() == [[1, 1, 1], [1, 0, 0]]
    assert batch.ids[0].tolist() == [5, 6, 7]
    assert batch.ids[1, 0] == 8


def test_stop_ids_are_the_tokenizers_and_the_configs() -> None:
    tiny = tiny_model("llama")
    tiny.generation_config.eos_token_id = [7, 9]
    model = LanguageModel(tiny, byte_tokenizer(), "x")
    assert model.stop_ids == {byte_tokenizer().eos_token_id, 7, 9}
    tiny.generation_config.eos_token_id = None
    assert model.stop_ids == {byte_tokenizer().eos_token_id}


def test_a_layer_that_does_not_exist_is_told_with_the_range(llama: LanguageModel) -> None:
    assert [llama.layer(number) for number in range(4)] == [0, 1, 2, 3]
    for number in (-1, 4, 40):
        with pytest.raises(SteeringError, match=f"Layer {number} does not exist: tiny-llama has layers 0 to 3"):
            llama.layer(number)
