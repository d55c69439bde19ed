"""Loading a causal language model from the bundle, the Hub, a folder or a .gguf file, checked and ready to be steered.

Weights are read from safetensors or GGUF alone, and code that comes with a model is never run.
"""

import ctypes
import math
import os
import sys
from pathlib import Path
from typing import Any

import psutil
import torch
from safetensors import safe_open
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer, PreTrainedTokenizerBase

from steering.errors import ModelError, ModelMemoryError, Progress, SteeringError, check_interrupt, silent
from steering.models.attention import use_grouped_attention
from steering.models.bundled import hidden_progress_bars, read_tokenizer
from steering.models.fingerprint import weights_hash
from steering.models.int8 import in_8_bits
from steering.models.language_model import LanguageModel
from steering.models.output_layer import use_faster_output_layer
from steering.models.packed import can_pack, pack_weights
from steering.models.sources import explain, locate

KERNELS = 64
"""Compiled matrix products that stay in memory, in each of two caches."""

_DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}

DTYPES = ("auto", *_DTYPES, "int8")
"""Types that a model can be loaded in."""


def load_model(
    name: str, *, dtype: str = "auto", device: str = "auto", device_map: str | None = None, progress: Progress = silent
) -> LanguageModel:
    """Load a model and make sure that it can be steered.

    Args:
        name: a bundled name (see `bundled.CATALOGUE`), a Hub id, a folder, or a .gguf file.
        dtype: "auto" (bfloat16 where the hardware computes in it, else float32), a torch dtype's name, or "int8": weights in
            8 bits, and all else in float32, on the CPU alone; see `int8`.
        device: "auto" (CUDA, then MPS, then CPU), or a torch device's name.
        device_map: "auto" spreads the model over all devices with accelerate.
        progress: told what is being done.

    Returns:
        The model, after a few small forward passes have checked that it can be steered.

    Raises:
        ModelError: unknown name, no network, gated, no causal language model, broken file, or not enough memory.
    """
    _use_fast_kernels()
    _bound_kernels()
    folder, revision = locate(name, progress)
    target = _device(device)
    if dtype not in DTYPES:
        raise ModelError(f"Unknown dtype {dtype!r}. Use auto, float32, bfloat16, float16 or int8.")
    if dtype == "int8" and (target.type != "cpu" or device_map):
        raise ModelError(
            f'dtype "int8" is for the CPU, not for {device_map or target}. Add device="cpu", or use dtype="auto".'
        )
    torch_dtype = (
        _stored_dtype(folder) if dtype == "int8" else _best_dtype(target) if dtype == "auto" else _DTYPES[dtype]
    )
    progress(f"Loading {name}", 0.0)
    try:
        _check_memory(name, folder, torch_dtype, target)
        model, loading = _read(folder, torch_dtype, device_map)
        # transformers initialises missing weights at random, and only warns.
        if missing := sorted(loading["missing_keys"]):
            raise ModelError(
                f"{name} is incomplete: its files hold no weights for {', '.join(missing[:3])}. Fetch it again."
            )
        tokenizer = read_tokenizer(folder)
        # Products keep weights in another form, so their hash is taken before. In float16 they are rounded twice.
        hashes = {} if torch_dtype == torch.float16 else {torch.bfloat16: weights_hash(model)}
        if dtype == "int8":
            progress(f"Rounding the weights of {name} to 8 bits", 0.7)
            in_8_bits(model)
        placed = model if device_map else model.to(target)
        if not device_map:  # There layers have hooks of their own, which bring inputs to their device.
            if dtype != "int8" and can_pack(torch_dtype, target):
                pack_weights(placed)
            use_faster_output_layer(placed)
            use_grouped_attention(placed)
            _return_memory()
        loaded = LanguageModel(
            placed,
            tokenizer,
            name,
            revision,
            lambda hash_dtype: hashes.get(hash_dtype) or weights_hash(_read(folder, hash_dtype)[0]),
        )
        assert loaded.fingerprint, "computed here, where errors of the files are explained"
        return loaded
    except SteeringError:
        raise
    except (MemoryError, torch.OutOfMemoryError) as error:
        raise ModelMemoryError(_memory_advice(name, target)) from error
    except Exception as error:  # A damaged file can make transformers raise any exception.
        check_interrupt()
        if "not enough memory" in str(error) or "can't allocate memory" in str(error):
            raise ModelMemoryError(_memory_advice(name, target)) from error
        raise ModelError(explain(name, error)) from error


def wrap_model(model: Any, tokenizer: PreTrainedTokenizerBase | None = None) -> LanguageModel:
    """Check that a model that the caller has loaded with transformers can be steered.

    Args:
        model: a causal language model of transformers; it is set to evaluation mode.
        tokenizer: its tokenizer; read from where the model came from when None.

    Raises:
        ModelError: the model cannot be steered, or no tokenizer can be read.
    """
    name = getattr(model, "name_or_path", "") or type(model).__name__
    revision: str | None = getattr(model.config, "_commit_hash", None)
    if tokenizer is None:
        try:
            tokenizer = (
                read_tokenizer(Path(name))
                if Path(name).is_dir()
                else AutoTokenizer.from_pretrained(name, revision=revision, trust_remote_code=False)
            )
        except Exception as error:  # transformers raises any exception here.
            raise ModelError(f"The tokenizer of {name} cannot be read: give it as tokenizer=...") from error

    def hash_in(dtype: torch.dtype) -> str:
        settings = {"dtype": dtype, "use_safetensors": True, "trust_remote_code": False}
        return weights_hash(AutoModelForCausalLM.from_pretrained(name, revision=revision, **settings))

    has_files = Path(name).is_dir() or revision is not None
    return LanguageModel(model, tokenizer, name, revision or "", hash_in if has_files else None)


def plain_model(model: LanguageModel) -> Any:
    """A model that was loaded by its name, read once more as transformers keeps it: what its own speed is measured on."""
    return _read(locate(model.name, silent)[0], model.dtype)[0].to(model.device)


def _read(folder: Path, dtype: torch.dtype, device_map: str | None = None) -> tuple[Any, dict[str, Any]]:
    """The transformers model in a folder, on the CPU unless a device map says otherwise, and its loading info."""
    config = AutoConfig.from_pretrained(folder, trust_remote_code=False)
    with hidden_progress_bars():
        model, loading = AutoModelForCausalLM.from_pretrained(
            folder,
            config=config,
            dtype=dtype,
            device_map=device_map,
            use_safetensors=True,
            trust_remote_code=False,
            output_loading_info=True,
        )
    return model, loading


def _use_fast_kernels() -> None:
    # On AMD processors MKL dispatches to code that is up to twice as slow for a few rows, unless it is told to use AVX2.
    # It reads this variable at the first matrix product of the process. A value that the user has set is left alone.
    capabilities = torch.cpu.get_capabilities()
    if "AMD" in str(capabilities.get("cpu_name")) and capabilities.get("avx2"):
        os.environ.setdefault("MKL_CBWR", "AVX2")


def _bound_kernels() -> None:
    # In bfloat16 a matrix product is compiled for every shape, so for every length of a text, and kept in two caches of 1024
    # each: hundreds of megabytes, which fill up as long as texts have new lengths. One model needs a dozen products to decode.
    # PyTorch reads these variables at the first product of the process.
    for name in ("LRU_CACHE_CAPACITY", "ONEDNN_PRIMITIVE_CACHE_CAPACITY"):
        os.environ.setdefault(name, str(KERNELS))


def _return_memory() -> None:
    # The C library of most Linux systems keeps freed blocks of some megabytes, such as weights that are kept in products now.
    if sys.platform == "linux" and (trim := getattr(ctypes.CDLL(None), "malloc_trim", None)):
        trim(0)


def _device(name: str) -> torch.device:
    try:
        device = torch.device(_best_device() if name == "auto" else name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        raise ModelError(f"There is no device {name!r} here. Use auto or cpu.") from error
    return device


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
    capabilities = torch.cpu.get_capabilities()
    return (
        torch.bfloat16
        if capabilities.get("avx512_bf16") or capabilities.get("amx_bf16") or capabilities.get("bf16")
        else torch.float32
    )


def _stored_dtype(folder: Path) -> torch.dtype:
    """The type to read weights in before they are rounded to 8 bits: as they are stored, where that halves the memory."""
    for path in sorted(folder.glob("model*.safetensors")):
        with safe_open(path, framework="pt") as file:
            if all(file.get_slice(weight).get_dtype() == "BF16" for weight in file.keys()):  # noqa: SIM118
                return torch.bfloat16
    return torch.float32


def _check_memory(name: str, folder: Path, dtype: torch.dtype, device: torch.device) -> None:
    needed = 0
    for path in folder.glob("model*.safetensors"):
        with safe_open(path, framework="pt") as file:  # Reads the sizes alone.
            needed += sum(math.prod(file.get_slice(weight).get_shape()) for weight in file.keys()) * dtype.itemsize  # noqa: SIM118
    if device.type == "cpu" and needed > psutil.virtual_memory().available:
        raise ModelMemoryError(_memory_advice(name, device, needed))


def _memory_advice(name: str, device: torch.device, needed: int | None = None) -> str:
    size = f" (its weights take {needed / 1e9:.1f} GB)" if needed else ""
    return (
        f"{name} does not fit into the memory of {device}{size}. Choose a smaller model, close other programs, or load it "
        'with dtype="int8", dtype="bfloat16" or device_map="auto".'
    )
