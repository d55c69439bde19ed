"""The rotated twin: a wider, deeper Llama that computes exactly what a given Llama computes.

The residual stream of the twin is that of the original times an isometry `Q`. So whatever is carried from one
to the other has a known right answer: activations are `a @ Q`, a direction `v` becomes `v @ Q`, and steering
the twin by the carried direction gives the logits of the steered original.

This is possible because a Llama touches its residual stream in three ways only:

* a matrix writes to it (token embedding, `o_proj`, `down_proj`): let it write through `Q`;
* a matrix reads from it (`q/k/v_proj`, `gate/up_proj`, `lm_head`): let it read through `Q.T`;
* an RMSNorm stands before each reader. Its weights scale single coordinates, which a rotation mixes, so they
  are multiplied into the readers. What is left divides by the root of the mean square. Over `D` coordinates
  the same vector has `d / D` of the mean square that it has over `d`: the twin's `eps` is smaller by `d / D`,
  and a constant norm weight `sqrt(d / D)` restores the scale.
"""

import copy
import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from transformers import LlamaForCausalLM

READERS = {
    "input_layernorm": ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"),
    "post_attention_layernorm": ("mlp.gate_proj", "mlp.up_proj"),
}
WRITERS = ("self_attn.o_proj", "mlp.down_proj")


class RotatedTwin(NamedTuple):
    """A twin and its relation to the original; unpacks as `twin, isometry, layer_of`."""

    model: LlamaForCausalLM
    """Equivalent to the original: same logits, up to the rounding of float32."""

    isometry: torch.Tensor
    """`Q`, float64 `[d, D]`, with `Q @ Q.T = I`: where the original has `a`, the twin has `a @ Q`."""

    layer_of: list[int]
    """For each block of the twin, the original's block that has the same output (times `Q`)."""


def rotated_twin(
    model: LlamaForCausalLM, *, width: int, extra_layers: Sequence[int] = (), seed: int = 0
) -> RotatedTwin:
    """Build a model that is exactly equivalent to `model` in a rotated, possibly larger residual space.

    Worked out in float64 and rounded once. The original is not changed, nor is torch's global random state.

    Args:
        model: A Llama without biases. With norm weights other than 1, as `tiny_model` draws them, the twin
            also tests that nobody reads single coordinates.
        width: `D`, the twin's width: at least `d`, and a multiple of the number of attention heads.
        extra_layers: The original's blocks after which to insert a block that writes exactly zero, so that it
            repeats their output; name a block twice for two. There is no place before block 0: the output
            there would be the embeddings, which no block of the original puts out.
        seed: Another seed gives another rotation.

    Raises:
        ValueError: When the width, a place of `extra_layers`, or a bias makes the twin impossible.
    """
    config = model.config
    if width < config.hidden_size or width % config.num_attention_heads:
        heads = config.num_attention_heads
        raise ValueError(f"Width {width} must be a multiple of {heads} and at least {config.hidden_size}.")
    if not set(extra_layers) <= set(range(config.num_hidden_layers)):
        raise ValueError(f"{list(extra_layers)} must name blocks from 0 to {config.num_hidden_layers - 1}.")
    if config.attention_bias or config.mlp_bias:
        raise ValueError("A Llama with biases cannot be rotated by this function.")

    shrink = config.hidden_size / width
    layer_of = sorted([*range(config.num_hidden_layers), *extra_layers])
    q = _isometry(config.hidden_size, width, seed)
    old = {name: value.detach().double() for name, value in model.state_dict().items()}
    constant = torch.full((width,), math.sqrt(shrink), dtype=torch.float64)

    new = {
        "model.embed_tokens.weight": old["model.embed_tokens.weight"] @ q,
        "model.norm.weight": constant,
        "lm_head.weight": old["lm_head.weight"] * old["model.norm.weight"] @ q,
    }
    for j, i in enumerate(layer_of):
        to, of = f"model.layers.{j}", f"model.layers.{i}"
        writes_zero = j > 0 and layer_of[j - 1] == i
        for norm, readers in READERS.items():
            new[f"{to}.{norm}.weight"] = constant
            for name in readers:
                new[f"{to}.{name}.weight"] = old[f"{of}.{name}.weight"] * old[f"{of}.{norm}.weight"] @ q
        for name in WRITERS:
            written = q.T @ old[f"{of}.{name}.weight"]
            new[f"{to}.{name}.weight"] = torch.zeros_like(written) if writes_zero else written

    twin_config = copy.deepcopy(config)
    twin_config.head_dim = model.model.layers[0].self_attn.head_dim
    twin_config.hidden_size = width
    twin_config.num_hidden_layers = len(layer_of)
    twin_config.rms_norm_eps = config.rms_norm_eps * shrink
    twin_config.tie_word_embeddings = False
    with torch.random.fork_rng(devices=[]):
        twin = LlamaForCausalLM(twin_config)
    twin.load_state_dict(new)
    twin.generation_config = copy.deepcopy(model.generation_config)
    twin.eval()
    return RotatedTwin(twin, q, layer_of)


def _isometry(d: int, width: int, seed: int) -> torch.Tensor:
    """Draw `[d, width]` with orthonormal rows, float64, evenly over all such matrices."""
    generator = torch.Generator().manual_seed(seed)
    columns, triangle = torch.linalg.qr(torch.randn(width, d, generator=generator, dtype=torch.float64))
    isometry: torch.Tensor = (columns * triangle.diagonal().sign()).T.contiguous()
    return isometry
