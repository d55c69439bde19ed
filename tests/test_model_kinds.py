"""Mixtures of experts, state-space models and hybrids: what loads also writes, and what cannot write is refused at loading."""

import math
from typing import Any

import pytest
import torch
import transformers
from tiny import HEADS, MAX_LENGTH, byte_tokenizer, tiny_model
from transformers import AutoModelForCausalLM

from steering.errors import ModelError
from steering.models.language_model import LanguageModel
from steering.steer.decoding import Sampling, decode

ANY: dict[str, Any] = {
    "vocab_size": len(byte_tokenizer()),
    "hidden_size": 32,
    "num_hidden_layers": 4,
    "bos_token_id": None,
    "eos_token_id": None,
    "pad_token_id": None,
}
ATTENTION: dict[str, Any] = {
    **ANY,
    "num_attention_heads": HEADS,
    "num_key_value_heads": HEADS // 2,
    "intermediate_size": 64,
    "max_position_embeddings": MAX_LENGTH,
}
EXPERTS = {"num_experts": 4, "num_experts_per_tok": 2}
STATES = {"mamba_n_heads": 8, "mamba_d_head": 8, "mamba_d_state": 8, "mamba_n_groups": 1, "mamba_chunk_size": 8}

WRITE: dict[str, dict[str, Any]] = {
    "GptOss": {**ATTENTION, "head_dim": 8, "num_local_experts": 4, "num_experts_per_tok": 2, "sliding_window": 16},
    "Olmoe": {**ATTENTION, **EXPERTS, "hidden_size": 128},
    "Qwen3Moe": {**ATTENTION, **EXPERTS, "head_dim": 8, "moe_intermediate_size": 16},
    "Mamba2": {**ANY, "state_size": 8, "num_heads": 8, "head_dim": 8, "n_groups": 2, "chunk_size": 8},
    "Jamba": {
        **ATTENTION,
        "num_experts": 2,
        "num_experts_per_tok": 1,
        "attn_layer_period": 2,
        "attn_layer_offset": 1,
        "mamba_d_state": 8,
        "mamba_dt_rank": 4,
    },
    "Bamba": {**ATTENTION, **STATES, "attn_layer_indices": [1, 3]},
    "FalconH1": {**ATTENTION, **STATES, "mamba_n_heads": 4, "mamba_d_ssm": 32},
    "Lfm2": {**ATTENTION, "layer_types": ["conv", "full_attention"] * 2},
}
REFUSED: dict[str, dict[str, Any]] = {
    "Mamba": {**ANY, "state_size": 8, "time_step_rank": 4},
    "FalconMamba": {**ANY, "state_size": 8, "time_step_rank": 4},
    "Rwkv": {**ANY, "attention_hidden_size": 32, "intermediate_size": 64, "context_length": MAX_LENGTH},
    "RecurrentGemma": {
        **ANY,
        "num_attention_heads": HEADS,
        "num_key_value_heads": 1,
        "intermediate_size": 64,
        "lru_width": 32,
        "attention_window_size": 16,
    },
    "MiniMax": {**ATTENTION, "head_dim": 8, "num_local_experts": 2, "num_experts_per_tok": 1, "block_size": 8},
    "Bart": {"vocab_size": ANY["vocab_size"], "d_model": 32, "decoder_layers": 4, "encoder_layers": 1},
}


def built(kind: str, settings: dict[str, Any]) -> Any:
    config = getattr(transformers, f"{kind}Config", None)
    if config is None:
        pytest.skip(f"this version of transformers has no {kind}")
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.default_generator.manual_seed(0)
        model = AutoModelForCausalLM.from_config(config(**settings), dtype=torch.float32)
        for parameter in model.parameters():
            noise = torch.randn(parameter.shape)
            if parameter.ndim > 1:
                parameter.copy_(2 / math.sqrt(settings.get("hidden_size", 32)) * noise)
            else:
                parameter.add_(0.2 * noise)
    return model.eval()


@pytest.mark.parametrize("kind", WRITE)
def test_what_loads_writes_the_same_alone_as_in_a_batch_whose_rows_end(kind: str) -> None:
    tiny = built(kind, WRITE[kind])
    model = LanguageModel(tiny, byte_tokenizer(), kind)
    prompts = [model.token_ids(text) for text in ("The morning train was late again.", "Rain in the spring")]
    expected = []
    for prompt in prompts:
        ids = list(prompt)
        for _ in range(6):
            with torch.no_grad():
                ids.append(int(tiny(input_ids=torch.tensor([ids]), use_cache=False).logits[0, -1].argmax()))
        expected.append(ids[len(prompt) :])
    # The first text ends at its third token, so the second one goes on alone.
    end = expected[0][2]
    tiny.generation_config.eos_token_id = end
    *_, last = decode(model, prompts, None, [0.0, 0.0], Sampling(6))
    for tokens, whole in zip(last.tokens, expected, strict=True):
        assert list(tokens) == (whole[: whole.index(end)] if end in whole else whole)


@pytest.mark.parametrize("kind", REFUSED)
def test_what_cannot_write_is_refused_when_it_is_loaded(kind: str) -> None:
    with pytest.raises(ModelError, match=f"{kind}ForCausalLM cannot write: .* can be steered"):
        LanguageModel(built(kind, REFUSED[kind]), byte_tokenizer(), kind)


def test_rows_that_round_each_other_differently_are_still_measured() -> None:
    tiny = tiny_model("llama")
    tiny.lm_head.register_forward_hook(lambda _module, _inputs, output: output + 1e-6 * torch.rand(()))
    assert LanguageModel(tiny, byte_tokenizer(), "rounding").n_layers == 4
