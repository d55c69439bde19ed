"""Loading a causal language model from the bundle, the Hub, a folder or a .gguf file, ready to be read and steered.

Weights are read from safetensors or GGUF alone, and code that comes with a model is never run.
"""

import math
import os
from pathlib import Path
from typing import Any

import psutil
import torch
from safetensors import safe_open
from transformers import AutoConfig, AutoModelForCausalLM

from steering.errors import ModelError, Progress, SteeringError, silent
from steering.models.bundled import quietly, read_tokenizer
from steering.models.fingerprint import weights_hash
from steering.models.language_model import LanguageModel
from steering.models.sources import explain, locate

_DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


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
        The model, found steerable by a few small forward passes.

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
        model, loading = _read(folder, kind, device_map)
        # transformers draws what the files lack at random, and only warns.
        if missing := sorted(loading["missing_keys"]):
            raise ModelError(
                f"{name} is incomplete: its files hold no weights for {', '.join(missing[:3])}. Fetch it again."
            )
        tokenizer = read_tokenizer(folder)
        whole = model if device_map else model.to(place)
        loaded = LanguageModel(whole, tokenizer, name, revision, lambda other: weights_hash(_read(folder, other)[0]))
        assert loaded.fingerprint, "worked out now, while what can go wrong with the files is explained"
        return loaded
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


def _read(folder: Path, dtype: torch.dtype, device_map: str | None = None) -> tuple[Any, dict[str, Any]]:
    """The transformers model in a folder, on the CPU where no device map says otherwise, and what was missing in its files."""
    config = AutoConfig.from_pretrained(folder, trust_remote_code=False)
    with quietly():
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
