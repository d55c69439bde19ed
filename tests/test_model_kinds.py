"""Mixtures of experts, state-space models and hybrids: what loads also writes, and what cannot write is refused at loading."""

import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from tiny import FAMILIES, HEADS, MAX_LENGTH, byte_tokenizer, tiny_model
from transformers import AutoModelForCausalLM

from steering.errors import ModelError
from steering.models.language_model import LanguageModel
from steering.steer.decoding import decode
from steering.steer.intervention import plan, steer
from steering.steer.sampling import Sampling
from steering.vectors.vector import SteeringVector

GUIDE = (Path(__file__).parent.parent / "docs" / "guide.md").read_text("utf-8")

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
    "Olmo": ATTENTION,
    "Olmo2": ATTENTION,
    "Granite": ATTENTION,
    "StableLm": ATTENTION,
    "Cohere": ATTENTION,
    "Cohere2": {**ATTENTION, "sliding_window": 16, "layer_types": ["sliding_attention", "full_attention"] * 2},
    "Glm4": {**ATTENTION, "head_dim": 8},
    "SmolLM3": {**ATTENTION, "no_rope_layers": [1, 1, 1, 0]},
    "Qwen3Next": {
        **ATTENTION,
        **EXPERTS,
        "head_dim": 8,
        "moe_intermediate_size": 16,
        "shared_expert_intermediate_size": 16,
        "linear_key_head_dim": 8,
        "linear_value_head_dim": 8,
        "linear_num_key_heads": 2,
        "linear_num_value_heads": 4,
        "layer_types": ["linear_attention", "full_attention"] * 2,
    },
    "DeepseekV3": {
        **ATTENTION,
        "num_key_value_heads": HEADS,
        "q_lora_rank": 16,
        "kv_lora_rank": 16,
        "qk_rope_head_dim": 8,
        "qk_nope_head_dim": 8,
        "v_head_dim": 8,
        "moe_intermediate_size": 16,
        "n_routed_experts": 4,
        "n_shared_experts": 1,
        "num_experts_per_tok": 2,
        "n_group": 1,
        "topk_group": 1,
        "first_k_dense_replace": 1,
    },
    "Falcon": {**ANY, "num_attention_heads": HEADS, "alibi": False, "new_decoder_architecture": False},
    "Bloom": {**ANY, "n_head": HEADS},
}
STREAMS: dict[str, dict[str, Any]] = {
    "Gemma3nText": {
        **ATTENTION,
        "head_dim": 8,
        "vocab_size_per_layer_input": ANY["vocab_size"],
        "hidden_size_per_layer_input": 8,
        "laurel_rank": 4,
        "num_kv_shared_layers": 0,
        "altup_num_inputs": 2,
        "altup_active_idx": 0,
        "sliding_window": 16,
        "layer_types": ["sliding_attention", "full_attention"] * 2,
        "activation_sparsity_pattern": [0.0] * 4,
    },
}
"""Kinds whose blocks return several residual streams at once."""
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


@pytest.mark.parametrize("kind", WRITE)
def test_what_loads_is_steered_row_by_row_and_left_as_it_was(
    kind: str, vector_for: Callable[..., SteeringVector], hooks: Callable[[LanguageModel], int]
) -> None:
    """A row of a batch, step by step with a cache, as alone without one; a row with λ = 0 as without hooks."""
    model = LanguageModel(built(kind, WRITE[kind]), byte_tokenizer(), kind)
    assert model.n_layers == ANY["num_hidden_layers"]
    prompt, lambdas = model.token_ids("The morning train was late again."), [0.0, 0.4, -0.4]
    what = plan(model, vector_for(model))
    *_, last = decode(model, [prompt] * 3, what, lambdas, Sampling(5, stop=False))
    *_, plain = decode(model, [prompt], None, [0.0], Sampling(5, stop=False))
    assert last.tokens[0] == plain.tokens[0]
    assert len(set(last.tokens)) > 1
    for lam, tokens in zip(lambdas, last.tokens, strict=True):
        ids = list(prompt)
        for _ in tokens:
            with torch.inference_mode(), steer(model, what, [lam]):
                logits = model.model(input_ids=torch.tensor([ids]), use_cache=False).logits
            ids.append(int(logits[0, -1].argmax()))
        assert list(tokens) == ids[len(prompt) :]
    assert hooks(model) == 0


@pytest.mark.parametrize("kind", REFUSED)
def test_what_cannot_write_is_refused_when_it_is_loaded(kind: str) -> None:
    with pytest.raises(ModelError, match=f"{kind}ForCausalLM cannot write: .* can be steered"):
        LanguageModel(built(kind, REFUSED[kind]), byte_tokenizer(), kind)


@pytest.mark.parametrize("kind", STREAMS)
def test_several_streams_are_not_taken_for_one(kind: str) -> None:
    """A list beside the blocks returns `[batch, seq, width]`, and is not taken for the blocks."""
    blocks = rf"layers \(4 x {kind}DecoderLayer returning \[2, 1, \d+, 32\]\)"
    with pytest.raises(ModelError, match=f"No decoder blocks were found in .*{blocks}"):
        LanguageModel(built(kind, STREAMS[kind]), byte_tokenizer(), kind)


def test_the_guide_lists_every_kind_as_it_is_here() -> None:
    listed = dict(re.findall(r"^\| [^|]+ \| `(\w+)` \| (\w+)[^|]*\|$", GUIDE, re.MULTILINE))
    steered = {type(tiny_model(family)).__name__ for family in FAMILIES} | {f"{kind}ForCausalLM" for kind in WRITE}
    refused = {f"{kind}ForCausalLM" for kind in REFUSED} | {
        type(built(kind, settings)).__name__ for kind, settings in STREAMS.items()
    }
    assert listed == dict.fromkeys(steered, "steered") | dict.fromkeys(refused, "refused")


def test_rows_that_round_each_other_differently_are_still_measured() -> None:
    tiny = tiny_model("llama")
    tiny.lm_head.register_forward_hook(lambda _module, _inputs, output: output + 1e-6 * torch.rand(()))
    assert LanguageModel(tiny, byte_tokenizer(), "rounding").n_layers == 4
