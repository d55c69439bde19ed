"""Every family's blocks are found by what they do; what cannot be loaded or steered is refused in a sentence."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from tiny import FAMILIES, byte_tokenizer, tiny_model
from torch import nn
from transformers import (
    GPT2LMHeadModel,
    PreTrainedModel,
)

from steering.errors import ModelError
from steering.models.blocks import check_blocks, editing, find_blocks
from steering.models.language_model import PROBE, LanguageModel

TEXT = "The morning train was late again."


def probe_of(model: LanguageModel) -> torch.Tensor:
    return torch.tensor([model.token_ids(PROBE)])


# Finding blocks


def test_the_blocks_are_as_many_and_as_wide_as_the_config_says(model: LanguageModel) -> None:
    config = model.model.config.get_text_config()
    assert model.n_layers == len(model.blocks) == config.num_hidden_layers
    assert model.d_model == config.hidden_size


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize(("layers", "width"), [(1, 16), (7, 48)])
def test_any_depth_and_width(family: str, layers: int, width: int) -> None:
    found = LanguageModel(tiny_model(family, layers=layers, width=width), byte_tokenizer(), family)
    assert (found.n_layers, found.d_model) == (layers, width)


def test_a_layer_is_the_output_of_its_block(model: LanguageModel) -> None:
    """The blocks stand one after another: what block i puts out, block i + 1 takes in."""
    taken, given = [], []
    handles = [block.register_forward_pre_hook(lambda _, inputs: taken.append(inputs[0])) for block in model.blocks]
    try:
        with torch.no_grad(), editing(model.blocks, lambda _, hidden: given.append(hidden)):
            model.model(input_ids=probe_of(model), use_cache=False)
    finally:
        for handle in handles:
            handle.remove()
    assert len(taken) == len(given) == model.n_layers
    for out, into in zip(given[:-1], taken[1:], strict=True):
        assert torch.equal(out, into)


def test_a_multimodal_model_gives_its_text_tower() -> None:
    tiny = tiny_model("gemma3-multimodal", layers=3, width=32)
    found = LanguageModel(tiny, byte_tokenizer(), "seeing")
    vision = [module for name, module in tiny.named_modules() if "vision" in name and isinstance(module, nn.ModuleList)]
    assert max(map(len, vision)) > found.n_layers == 3, "the vision tower has the longer list"
    assert not {id(block) for block in found.blocks} & {id(block) for members in vision for block in members}


class TupleBlock(nn.Module):
    """A block as older models have it: more than the hidden states comes out."""

    def __init__(self, block: nn.Module) -> None:
        super().__init__()
        self.block = block
        self.width = 1

    def forward(self, *args: Any, **kwargs: Any) -> tuple[torch.Tensor, str]:
        return self.block(*args, **kwargs), "attention weights"


class Unwrapping(nn.Module):
    """A causal model whose blocks return tuples, and which takes them apart itself."""

    def __init__(self, plain: PreTrainedModel) -> None:
        super().__init__()
        self.embed = plain.get_input_embeddings()
        self.layers = nn.ModuleList(TupleBlock(nn.Linear(32, 32)) for _ in range(3))
        self.head = plain.get_output_embeddings()

    def forward(self, input_ids: torch.Tensor, **_: Any) -> Any:
        hidden = self.embed(input_ids)
        for layer in self.layers:
            hidden, extra = layer(hidden)
            assert extra == "attention weights", "a hook must give back the same kind"

        class Output:
            logits = self.head(hidden)

        return Output


def test_blocks_that_return_tuples_are_found_and_edited() -> None:
    wrapped = Unwrapping(tiny_model("llama"))
    probe = torch.tensor([[1, 2, 3]])
    blocks, width = find_blocks(wrapped, probe)
    assert (len(blocks), width) == (3, 32)
    check_blocks(wrapped, blocks, probe)
    seen = []
    with torch.no_grad():
        plain = wrapped(probe).logits
        with editing(blocks, lambda layer, hidden: seen.append((layer, hidden.shape)) or hidden * 2, [2]):
            edited = wrapped(probe).logits
    assert seen == [(2, (1, 3, 32))]
    torch.testing.assert_close(edited, 2 * plain)


def test_editing_leaves_the_given_tensor_as_it_was(llama: LanguageModel) -> None:
    given, copies = [], []

    def edit(_layer: int, hidden: torch.Tensor) -> torch.Tensor:
        given.append(hidden)
        copies.append(hidden.clone())
        return hidden + 1

    with torch.no_grad(), editing(llama.blocks, edit):
        llama.model(input_ids=probe_of(llama), use_cache=False)
    assert all(torch.equal(one, other) for one, other in zip(given, copies, strict=True))


@pytest.mark.parametrize("failing", [0, 2, 3])
def test_no_hook_stays_when_registering_one_fails(
    llama: LanguageModel, monkeypatch: pytest.MonkeyPatch, hooks: Callable[[LanguageModel], int], failing: int
) -> None:
    def refuse(_hook: object) -> None:
        raise RuntimeError("no more hooks")

    monkeypatch.setattr(llama.blocks[failing], "register_forward_hook", refuse)
    with pytest.raises(RuntimeError, match="no more hooks"), editing(llama.blocks, lambda _, hidden: hidden):
        pass
    assert hooks(llama) == 0


def test_finding_leaves_no_hook(model: LanguageModel, hooks: Callable[[LanguageModel], int]) -> None:
    assert hooks(model) == 0


class Ignoring(GPT2LMHeadModel):
    """Runs its blocks and throws away what they say."""

    def forward(self, input_ids: torch.Tensor, use_cache: bool = False, **_: Any) -> Any:
        super().forward(input_ids=input_ids, use_cache=use_cache)

        class Output:
            logits = self.lm_head(self.transformer.wte(input_ids))

        return Output


def test_a_model_that_ignores_its_blocks_is_refused() -> None:
    tiny = tiny_model("gpt2")
    tiny.__class__ = Ignoring
    with pytest.raises(ModelError, match="ignores what is added to the output of its GPT2Block blocks"):
        LanguageModel(tiny, byte_tokenizer(), "deaf")


def test_a_model_without_a_list_of_blocks_is_refused() -> None:
    class Flat(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embed = nn.Embedding(8, 4)
            self.experts = nn.ModuleList([nn.Linear(4, 8)])

        def forward(self, input_ids: torch.Tensor, **_: Any) -> torch.Tensor:
            return self.embed(input_ids)

    with pytest.raises(ModelError, match=r"No decoder blocks were found in Flat.*experts \(1 x Linear\)"):
        find_blocks(Flat(), torch.tensor([[1, 2, 3]]))


def test_a_model_that_never_says_the_same_twice_is_refused() -> None:
    tiny = tiny_model("llama")
    tiny.lm_head.register_forward_hook(lambda _module, _inputs, output: output + torch.rand(()))
    with pytest.raises(ModelError, match="gives other logits when nothing is added"):
        LanguageModel(tiny, byte_tokenizer(), "restless")
