"""Loading a causal language model from the bundle, the Hub, a folder or a .gguf file, ready to be read and steered.

Weights are read from safetensors or GGUF alone, and code that comes with a model is never run.
"""

import hashlib
import math
import os
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import psutil
import torch
from safetensors import safe_open
from torch import nn
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedTokenizerBase

from steering.errors import ModelError, Progress, SteeringError, silent
from steering.models.blocks import check_blocks, find_blocks
from steering.models.bundled import quietly, read_tokenizer
from steering.models.sources import explain, locate

_DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}

PROBE = "The river runs down to the sea."
"""Text of the forward passes that look a model over when it is loaded."""


class LanguageModel:
    """A causal language model with its decoder blocks found and checked.

    It owns weights, so it is not frozen; but nothing changes it after loading. Whoever runs it holds `lock`, so that
    one thread's steering never reaches another thread's text.

    Attributes:
        name: what it was loaded as.
        revision: Hub commit, or "" for anything else.
        model: the transformers model, in evaluation mode.
        tokenizer: its tokenizer, never changed.
        blocks: the decoder blocks; layer i is the output of `blocks[i]`.
        d_model: width of the residual stream.
        lock: held for the time of one forward pass.
    """

    def __init__(self, model: Any, tokenizer: PreTrainedTokenizerBase, name: str, revision: str = "") -> None:
        """Find and check the decoder blocks of a loaded model.

        Raises:
            ModelError: the model cannot be steered; the message names what was found in it.
        """
        self.name = name
        self.revision = revision
        self.model = model.eval()
        self.tokenizer = tokenizer
        self.lock = threading.RLock()
        probe = torch.tensor([self.token_ids(PROBE)], device=self.device)
        self.blocks, self.d_model = find_blocks(model, probe)
        check_blocks(model, self.blocks, probe)

    @property
    def n_layers(self) -> int:
        """Number of decoder blocks."""
        return len(self.blocks)

    @property
    def device(self) -> torch.device:
        """Device that token ids go to."""
        embeddings: nn.Module = self.model.get_input_embeddings()
        return next(embeddings.parameters()).device

    @property
    def dtype(self) -> torch.dtype:
        """Type of the activations."""
        dtype: torch.dtype = self.model.dtype
        return dtype

    @property
    def has_chat_template(self) -> bool:
        """Whether a prompt can be put as a user's turn of a conversation."""
        return bool(self.tokenizer.chat_template)

    @cached_property
    def fingerprint(self) -> str:
        """Hash that tells two models apart by their shapes and a sample of every weight; the same in float32 and bfloat16."""
        digest = hashlib.sha256()
        for name, weight in sorted(self.model.named_parameters()):
            flat = weight.detach().flatten()
            sample = flat[:: max(1, flat.numel() // 32)][:32].to("cpu", torch.bfloat16)
            digest.update(f"{name}{tuple(weight.shape)}".encode())
            digest.update(sample.view(torch.int16).numpy().tobytes())
        return digest.hexdigest()[:16]

    @property
    def context(self) -> int | None:
        """Most tokens that the model reads at once; None where its config does not say."""
        limit: int | None = getattr(self.model.config.get_text_config(), "max_position_embeddings", None)
        return limit

    @property
    def stop_ids(self) -> frozenset[int]:
        """Token ids that end a text."""
        ids = {self.tokenizer.eos_token_id}
        configured = self.model.generation_config.eos_token_id
        ids.update(configured if isinstance(configured, list) else [configured])
        return frozenset(token for token in ids if token is not None)

    def token_ids(self, text: str) -> list[int]:
        """Tokens of a raw text, with the special tokens that the tokenizer puts around any text."""
        return list(self.tokenizer(text)["input_ids"])

    def prompt_ids(self, prompt: str, *, plain: bool = False) -> list[int]:
        """Tokens of a prompt, as a user's turn where the model has a chat template.

        Args:
            prompt: what the user wrote.
            plain: send the prompt as it is, without the chat template.

        Raises:
            SteeringError: the prompt is empty and the model has nothing to begin with.
        """
        if plain or not self.has_chat_template:
            ids = self.token_ids(prompt)
        else:
            # The template writes the special tokens itself, so the tokenizer must not add them once more.
            turn = [{"role": "user", "content": prompt}]
            text = self.tokenizer.apply_chat_template(turn, tokenize=False, add_generation_prompt=True)
            ids = list(self.tokenizer(text, add_special_tokens=False)["input_ids"])
        if not ids:
            raise SteeringError(f"The prompt is empty: {self.name} needs at least one token to continue.")
        return ids

    def check_length(self, tokens: int) -> None:
        """Check that a text fits into the model's context.

        Raises:
            SteeringError: it has too many tokens.
        """
        if self.context and tokens > self.context:
            raise SteeringError(f"The text has {tokens} tokens; {self.name} reads up to {self.context}. Shorten it.")

    def layer(self, number: int) -> int:
        """Check a layer number.

        Raises:
            SteeringError: the model has no such layer.
        """
        if not 0 <= number < self.n_layers:
            raise SteeringError(f"Layer {number} does not exist: {self.name} has layers 0 to {self.n_layers - 1}.")
        return number

    def __repr__(self) -> str:
        return f"LanguageModel({self.name!r}, {self.n_layers} layers of {self.d_model}, {self.dtype}, {self.device})"


@dataclass(frozen=True)
class Batch:
    """Token ids of several texts, padded to one length.

    Attributes:
        ids: `[n_texts, seq]`.
        mask: `[n_texts, seq]`, 1 for a token and 0 for padding.
    """

    ids: torch.Tensor
    mask: torch.Tensor


def pad(rows: Sequence[Sequence[int]], model: LanguageModel) -> Batch:
    """Pad on the right, where a causal model's tokens cannot see the padding."""
    seq = max(len(row) for row in rows)
    ids = torch.zeros(len(rows), seq, dtype=torch.long)
    mask = torch.zeros(len(rows), seq, dtype=torch.long)
    for number, row in enumerate(rows):
        ids[number, : len(row)] = torch.tensor(row)
        mask[number, : len(row)] = 1
    return Batch(ids.to(model.device), mask.to(model.device))


def load_model(
    name: str, *, dtype: str = "auto", device: str = "auto", device_map: str | None = None, progress: Progress = silent
) -> LanguageModel:
    """Load a model and make sure that it can be steered.

    Args:
        name: a bundled name (see `bundled.CATALOGUE`), a Hub id, a folder, or a .gguf file.
        dtype: "auto" (bfloat16 where the hardware computes in it, else float32), or a torch dtype's name.
        device: "auto" (CUDA, then MPS, then CPU), or a torch device's name.
        device_map: "auto" spreads the model over all devices with accelerate.
        progress: told what is being done.

    Returns:
        The model, found steerable by two small forward passes.

    Raises:
        ModelError: unknown name, no network, gated, no causal language model, broken file, or not enough memory.
    """
    _use_fast_kernels()
    folder, revision = locate(name, progress)
    place = _device(device)
    if dtype not in ("auto", *_DTYPES):
        raise ModelError(f"Unknown dtype {dtype!r}. Use auto, float32, bfloat16 or float16.")
    kind = _best_dtype(place) if dtype == "auto" else _DTYPES[dtype]
    progress(f"Loading {name}", 0.0)
    try:
        _check_memory(name, folder, kind, place)
        config = AutoConfig.from_pretrained(folder, trust_remote_code=False)
        with quietly():
            model, loading = AutoModelForCausalLM.from_pretrained(
                folder,
                config=config,
                dtype=kind,
                device_map=device_map,
                use_safetensors=True,
                trust_remote_code=False,
                output_loading_info=True,
            )
        # transformers draws what the files lack at random, and only warns.
        if missing := sorted(loading["missing_keys"]):
            raise ModelError(
                f"{name} is incomplete: its files hold no weights for {', '.join(missing[:3])}. Fetch it again."
            )
        tokenizer = read_tokenizer(folder)
        return LanguageModel(model if device_map else model.to(place), tokenizer, name, revision)
    except SteeringError:
        raise
    except (MemoryError, torch.OutOfMemoryError) as error:
        raise ModelError(_memory_advice(name, place)) from error
    except (
        Exception
    ) as error:  # A damaged file can make transformers raise anything; whatever it is, the file is at fault.
        if "not enough memory" in str(error) or "can't allocate memory" in str(error):
            raise ModelError(_memory_advice(name, place)) from error
        raise ModelError(explain(name, error)) from error


def _use_fast_kernels() -> None:
    # On AMD processors MKL dispatches to code that is up to twice as slow for a few rows, unless it is told to use AVX2.
    # It reads this variable at the first matrix product of the process. A value that the user has set is left alone.
    can = torch.cpu.get_capabilities()
    if "AMD" in str(can.get("cpu_name")) and can.get("avx2"):
        os.environ.setdefault("MKL_CBWR", "AVX2")


def _device(name: str) -> torch.device:
    try:
        place = torch.device(_best_device() if name == "auto" else name)
        torch.empty(0, device=place)
    except (RuntimeError, AssertionError) as error:
        raise ModelError(f"There is no device {name!r} here. Use auto or cpu.") from error
    return place


def _best_device() -> str:
    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


def _best_dtype(device: torch.device) -> torch.dtype:
    if device.type == "cuda":
        return torch.bfloat16 if torch.cuda.is_bf16_supported(including_emulation=False) else torch.float16
    if device.type == "mps":
        return torch.bfloat16 if torch.backends.mps.is_macos_or_newer(14, 0) else torch.float32
    # Without the instructions bfloat16 is emulated, and several times slower than float32.
    can = torch.cpu.get_capabilities()
    return torch.bfloat16 if can.get("avx512_bf16") or can.get("amx_bf16") or can.get("bf16") else torch.float32


def _check_memory(name: str, folder: Path, dtype: torch.dtype, device: torch.device) -> None:
    needed = 0
    for path in folder.glob("model*.safetensors"):
        with safe_open(path, framework="pt") as file:  # Reads the sizes alone.
            needed += sum(math.prod(file.get_slice(weight).get_shape()) for weight in file.keys()) * dtype.itemsize  # noqa: SIM118
    if device.type == "cpu" and needed > psutil.virtual_memory().available:
        raise ModelError(_memory_advice(name, device, needed))


def _memory_advice(name: str, device: torch.device, needed: int | None = None) -> str:
    size = f" (its weights take {needed / 1e9:.1f} GB)" if needed else ""
    return (
        f"{name} does not fit into the memory of {device}{size}. Choose a smaller model, close other programs, or load it "
        'with dtype="bfloat16" or device_map="auto".'
    )
