"""Speed of decoding on a GPU, at the true shapes of three models with random weights, as ratios within one run.

Weights do not change how long a step takes, so nothing is fetched.
"""

import gc
from collections.abc import Callable, Mapping
from dataclasses import asdict
from functools import partial
from typing import Any

import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import (
    AutoModelForCausalLM,
    Gemma2Config,
    LlamaConfig,
    PreTrainedConfig,
    PreTrainedTokenizerFast,
    Qwen3Config,
)

from steering.cli.bench.timing import Line, Rounds, linear_weights, ratio, timed
from steering.errors import Progress, SteeringError, silent
from steering.models import LanguageModel
from steering.steer import Intervention, Sampling, SteeringSettings, decode, plan
from steering.vectors import SteeringVector

SHAPES: Mapping[str, Callable[[], PreTrainedConfig]] = {
    "Qwen3-0.6B": lambda: Qwen3Config(
        vocab_size=151_936,
        hidden_size=1024,
        intermediate_size=3072,
        num_hidden_layers=28,
        num_attention_heads=16,
        num_key_value_heads=8,
        head_dim=128,
        tie_word_embeddings=True,
    ),
    "Llama-3.2-1B": lambda: LlamaConfig(
        vocab_size=128_256,
        hidden_size=2048,
        intermediate_size=8192,
        num_hidden_layers=16,
        num_attention_heads=32,
        num_key_value_heads=8,
        head_dim=64,
        tie_word_embeddings=True,
    ),
    "gemma-2-2b": lambda: Gemma2Config(
        vocab_size=256_000,
        hidden_size=2304,
        intermediate_size=9216,
        num_hidden_layers=26,
        num_attention_heads=8,
        num_key_value_heads=4,
        head_dim=256,
        sliding_window=4096,
    ),
}
"""The shapes of the children of arXiv 2512.19069, from their own configs."""

_TOKENS = 64
"""New tokens of every row."""

_MANY_TOKENS = 256
"""The same where rows with and without vectors are compared: recording a step is then a small part."""

_PROMPT = 32
"""Tokens of the prompt."""

_ROWS = 16

_MANY_ROWS = 128
"""Rows of a batch while questions are answered."""

_COPIED = 2**32
"""Bytes that are copied to measure the memory."""

_SIDE, _PRODUCTS = 8192, 8
"""Rows and columns of the matrices, and how many products of them measure the processor."""


def bench_gpu(
    device: str = "cuda",
    *,
    shapes: Mapping[str, Callable[[], PreTrainedConfig]] = SHAPES,
    repeats: int = 5,
    progress: Progress = silent,
) -> dict[str, Any]:
    """Time decoding on a GPU.

    Args:
        device: where the models are.
        shapes: a config by name.
        repeats: how often each arm is timed.
        progress: told what is being timed.

    Returns:
        The machine, and under "lines" the table.

    Raises:
        SteeringError: there is no such device.
    """
    if device == "cuda" and not torch.cuda.is_available():
        raise SteeringError("There is no GPU here that PyTorch can use.")
    lines: list[Line] = []
    for name, config in shapes.items():
        model = random_model(name, config(), device)
        report = partial(progress, f"Timing the shape of {name}")
        rounds = timed(_arms(model), repeats, report)
        lines += [*_lines(name, rounds), *_limits(name, model, rounds)]
        del model
        gc.collect()
    machine = torch.cuda.get_device_name() if device == "cuda" else device
    return {"machine": f"{machine}, PyTorch {torch.__version__}", "lines": [asdict(line) for line in lines]}


def random_model(name: str, config: PreTrainedConfig, device: str) -> LanguageModel:
    """A model of a shape with random weights in bfloat16, and a tokenizer of bytes."""
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    tokenizer = Tokenizer(models.BPE({letter: number for number, letter in enumerate(sorted(alphabet))}, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    with torch.device(device):
        model = AutoModelForCausalLM.from_config(config, dtype=torch.bfloat16)
    return LanguageModel(model, PreTrainedTokenizerFast(tokenizer_object=tokenizer), name)


def _arms(model: LanguageModel) -> dict[str, Callable[[], None]]:
    """What is timed: so many rows, each with a vector of its own, at all layers or one; recorded or step by step."""
    generator = torch.Generator().manual_seed(0)
    directions = torch.randn(_ROWS, model.n_layers, model.d_model, generator=generator)
    vectors = [
        SteeringVector(each, model.fingerprint, model.name, "noise", ("more", "less"), "random") for each in directions
    ]
    one_layer = [float(layer == model.n_layers // 2) for layer in range(model.n_layers)]
    everywhere = [plan(model, vector, SteeringSettings(scale="unit")) for vector in vectors]
    at_one = [plan(model, vector, SteeringSettings(scale="unit", profile=one_layer)) for vector in vectors]
    prompt = list(range(1, _PROMPT + 1))

    def write(n: int, plans: list[Intervention] | None, *, tokens: int = _TOKENS, record: bool = True) -> None:
        sampling = Sampling(max_new_tokens=tokens, stop=False)
        what = None if plans is None else plans[:n]
        for _ in decode(model, [prompt] * n, what, [0.1] * n, sampling, record=record):
            pass

    return {
        "1": lambda: write(1, None),
        "13": lambda: write(13, everywhere),
        "16": lambda: write(16, everywhere),
        "1 step by step": lambda: write(1, None, record=False),
        "13 step by step": lambda: write(13, everywhere, record=False),
        "long 1": lambda: write(1, None, tokens=_MANY_TOKENS),
        "long 16": lambda: write(16, None, tokens=_MANY_TOKENS),
        "long 16 everywhere": lambda: write(16, everywhere, tokens=_MANY_TOKENS),
        "long 16 at one": lambda: write(16, at_one, tokens=_MANY_TOKENS),
        "many rows": lambda: write(_MANY_ROWS, None),
        "memory": _copying(model.device),
        "matrix": _multiplying(model.device),
    }


def _lines(name: str, rounds: Rounds) -> list[Line]:
    return [
        ratio(f"{name}: 16 rows, each with a vector, over one row without", rounds["16"], rounds["1"]),
        ratio(
            f"{name}: 16 rows with vectors at every layer over without",
            rounds["long 16 everywhere"],
            rounds["long 16"],
        ),
        ratio(f"{name}: 16 rows with vectors at one layer over without", rounds["long 16 at one"], rounds["long 16"]),
        ratio(f"{name}: 13 steered rows, step by step over recorded", rounds["13 step by step"], rounds["13"]),
        ratio(f"{name}: one row, step by step over recorded", rounds["1 step by step"], rounds["1"]),
    ]


def _limits(name: str, model: LanguageModel, rounds: Rounds) -> list[Line]:
    """How near decoding is to what the memory and the processor allow."""
    weights = linear_weights(model)
    read = weights * model.dtype.itemsize / (2 * _COPIED)
    reading = [_MANY_TOKENS * read * seconds for seconds in rounds["memory"]]
    done = _MANY_ROWS * _TOKENS * weights / (_PRODUCTS * _SIDE**3)
    products = [done * seconds for seconds in rounds["matrix"]]
    return [
        ratio(f"{name}: reading the weights once a token over one row", reading, rounds["long 1"]),
        ratio(f"{name}: matrix products of {_MANY_ROWS} rows over writing them", products, rounds["many rows"]),
    ]


def _copying(device: torch.device) -> Callable[[], None]:
    source = torch.ones(_COPIED, dtype=torch.uint8, device=device)
    target = torch.empty_like(source)
    return lambda: _wait(target.copy_(source))


def _multiplying(device: torch.device) -> Callable[[], None]:
    matrix = torch.randn(_SIDE, _SIDE, device=device, dtype=torch.bfloat16)
    return lambda: _wait([matrix @ matrix for _ in range(_PRODUCTS)][-1])


def _wait(result: torch.Tensor) -> None:
    result.flatten()[0].item()
