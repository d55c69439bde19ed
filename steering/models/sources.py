"""Where a model's files come from: the bundle, the Hub, a folder, or a .gguf file; and messages for failures to load."""

import difflib
import re
from pathlib import Path

import httpx
from huggingface_hub import errors as hub
from huggingface_hub import snapshot_download

from steering.errors import ModelError, Progress
from steering.models import bundled
from steering.storage import unreadable

_FILES = ["*.json", "*.safetensors", "*.model", "*.txt", "*.jinja"]

_TOKENIZERS = ("tokenizer*", "*.model", "vocab*", "tekken.json")
"""Files that hold a tokenizer, or its vocabulary, in the formats that transformers reads."""

_PATH = re.compile(r"[./~\\]|[A-Za-z]:[\\/]|[^/]+/[^/]+/")
"""Begins as a path and not as a Hub id, which has one slash inside."""

_GGUF_START = 512
"""Bytes of a GGUF file in which its architecture stands: it is the first entry of the header."""


def locate(name: str, progress: Progress) -> tuple[Path, str]:
    """Find, fetch or convert a model's files.

    Args:
        name: a bundled name, a Hub id, a folder, or a .gguf file.
        progress: told what is being done.

    Returns:
        The folder of its files, and the Hub commit that they are from ("" for other sources).

    Raises:
        ModelError: unknown name, no network, gated, or a broken file.
    """
    check_name(name)
    if name in bundled.CATALOGUE:
        return bundled.bundled_folder(bundled.CATALOGUE[name], progress), ""
    path = Path(name).expanduser()
    if path.suffix == ".gguf":
        if problem := unreadable(path):
            raise ModelError(problem)
        with path.open("rb") as file:
            if b"controlvector" in file.read(_GGUF_START):
                raise ModelError(f"{path} is a control vector, not a model: read it with python -m steering import.")
        return bundled.gguf_folder(path, progress), ""
    return (path, "") if path.is_dir() else _download(name, progress)


def check_name(name: str) -> None:
    """Check that a name can be that of a model, without fetching or converting anything.

    Args:
        name: a bundled name, a Hub id, a folder, or a .gguf file.

    Raises:
        ModelError: a folder or file that is missing or is no model, or a name of no kind.
    """
    if name in bundled.CATALOGUE:
        return
    missing = ModelError(f"There is no file or folder {name}. Check the path; it is looked up where the program runs.")
    try:
        path = Path(name).expanduser()
    except RuntimeError as error:  # "~nobody"
        raise missing from error
    if name and path.is_dir() and path.suffix != ".gguf":
        _check_folder(name, path)
        return
    if path.suffix == ".gguf" or _PATH.match(name):
        if not path.exists():
            raise missing
        if not path.is_file() or path.suffix != ".gguf":
            raise ModelError(f"{name} is no model: a model is a folder, or a file that ends in .gguf.")
        return
    if re.fullmatch(r"[\w.-]+/[\w.-]+", name):
        return
    names = list(bundled.CATALOGUE)
    suggestions = [known for known in names if name and name in known] or difflib.get_close_matches(
        name, names, n=2, cutoff=0.3
    )
    hint = f" Did you mean {' or '.join(suggestions)}?" if suggestions else ""
    raise ModelError(
        f"Unknown model {name!r}.{hint} Bundled models: {', '.join(bundled.CATALOGUE)}. A Hub id (owner/name), a folder or "
        "a .gguf file works too."
    )


def _check_folder(name: str, folder: Path) -> None:
    """Say what a folder is or lacks, where transformers would say something else about it.

    Raises:
        ModelError: an adapter, weights that were not fetched, or no tokenizer.
    """
    if problem := unreadable(folder):
        raise ModelError(problem)
    if problem := next(filter(None, map(unreadable, sorted(folder.glob("*.safetensors")))), None):
        raise ModelError(f"{name} cannot be loaded: {problem}")
    if (folder / "config.json").is_file() and not any(any(folder.glob(pattern)) for pattern in _TOKENIZERS):
        raise ModelError(
            f"{name} cannot be loaded: it has no tokenizer. Copy tokenizer.json and tokenizer_config.json of the model that it "
            "was trained from into the folder."
        )


def _download(name: str, progress: Progress) -> tuple[Path, str]:
    progress(f"Fetching {name} from the Hub", 0.0)
    try:
        folder = Path(
            # Some repositories hold the same weights once more in one file.
            snapshot_download(name, allow_patterns=_FILES, ignore_patterns=["consolidated*"])
        )
    except hub.GatedRepoError as error:
        raise ModelError(
            f"{name} is gated: accept its licence on its Hub page, then run `hf auth login` on this machine."
        ) from error
    except (hub.RepositoryNotFoundError, hub.HFValidationError) as error:
        raise ModelError(
            f"The Hub has no model {name!r}. Check owner and name; a private one needs `hf auth login`."
        ) from error
    except (
        hub.HfHubHTTPError,
        hub.LocalEntryNotFoundError,
        hub.OfflineModeIsEnabled,
        httpx.HTTPError,
        OSError,
    ) as error:
        raise ModelError(
            f"{name} is not on this machine and the Hub cannot be reached. Connect to the internet, or give a local folder, "
            f"a .gguf file, or a bundled model ({', '.join(bundled.CATALOGUE)})."
        ) from error
    return folder, folder.name


def explain(name: str, error: Exception) -> str:
    """Say in a sentence why transformers could not load a model, and what to do."""
    text = " ".join(str(error).split())
    if "trust_remote_code" in text or "custom code" in text:
        return f"{name} needs code of its own to run, and such code is never run here. Choose a model that transformers knows."
    if "Unrecognized configuration class" in text or "AutoModelForCausalLM" in text:
        return f"{name} is not a causal language model: transformers does not generate text with it. Choose a decoder model."
    if "safetensors" in text and "no file named" in text.lower():
        return f"{name} has no safetensors weights; other formats can run code when they are read. Choose a safetensors copy."
    if "ignore_mismatched_sizes" in text:
        return f"{name} cannot be loaded: its weights do not have the sizes that its config.json gives. Fetch it again."
    return f"{name} cannot be loaded: {text[:300]}"
