"""Files of other tools: a steering vector written as they read it, and theirs read with a card of what fits.

None of them knows λ, scales or profiles, so what is written is the push itself, λ and all. Nothing that could run code is ever
read: a format that exists as a pickle alone is written, and not read.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from steering.errors import MismatchError, SteeringError
from steering.interop import control_vectors, lm_eval, tensors, vllm
from steering.interop.baked import Baked, Foreign, bake
from steering.interop.compatibility import Card, card, to_vector
from steering.models import LanguageModel
from steering.steer import DEFAULT_SETTINGS, SteeringSettings
from steering.storage import unreadable
from steering.vectors import SteeringVector

EXPORTS: dict[str, Callable[[Baked, Path], tuple[str, ...]]] = {
    "gguf": control_vectors.write_llama_cpp,
    "repeng": control_vectors.write_repeng,
    "steering-vectors": tensors.write,
    "lm-eval": lm_eval.write,
    "vllm-lens": vllm.write_lens,
    "easysteer": vllm.write_easysteer,
}
"""Writes a push into a file and returns what the reader of that file has to know."""

IMPORTS: dict[str, Callable[[Path], Foreign]] = {
    "gguf": control_vectors.read,
    "repeng": control_vectors.read,
    "steering-vectors": tensors.read,
    "safetensors": tensors.read,
    "lm-eval": lm_eval.refuse,
}
"""Reads the rows of a file. `AUTO` stands for the one that the file's content asks for."""

AUTO = "auto"
_ENDINGS = {".gguf": "gguf", ".safetensors": "safetensors"}

KEEPS_POSITIONS = {"easysteer"}
EVERY_TOKEN = "The settings steer the {positions} alone; the other tool steers every token."


@dataclass(frozen=True)
class Export:
    """A file that was written for another tool.

    Attributes:
        path: the file.
        format: a key of `EXPORTS`.
        lam: the strength that is baked in.
        scale: what λ means, see `intervention.plan`.
        layers: the layers that the file steers.
        notes: what is lost or has to be known, a sentence each.
    """

    path: Path
    format: str
    lam: float
    scale: str
    layers: tuple[int, ...]
    notes: tuple[str, ...]


def export_vector(
    vector: SteeringVector,
    path: str | Path,
    format: str,
    *,
    lam: float = 0.2,
    child: LanguageModel | None = None,
    settings: SteeringSettings = DEFAULT_SETTINGS,
) -> Export:
    """Write what one λ adds to the residual stream as a file of another tool.

    The other tool's own strength multiplies λ: a file with λ = 0.2 used at strength 2 steers with λ = 0.4, and one with λ = 1
    makes that strength mean λ.

    Args:
        vector: the vector.
        path: the file to write.
        format: a key of `EXPORTS`.
        lam: the strength that is baked in.
        child: the model that the vector is for; can be left out under the scale "unit" with the profile "all", and not for
            lm-eval, whose files name the model's modules.
        settings: scale, layer profile and positions; only EasySteer keeps positions, and a note says so where it matters.

    Raises:
        MismatchError: the vector belongs to another model.
        SteeringError: unknown format, a λ that pushes nowhere, or a child is needed and missing.
    """
    if format not in EXPORTS:
        raise SteeringError(f"Unknown format {format!r}. Choose one of {', '.join(EXPORTS)}.")
    baked = bake(vector, lam, child=child, settings=settings)
    notes = EXPORTS[format](baked, Path(path))
    if settings.positions != "all" and format not in KEEPS_POSITIONS:
        notes = (*notes, EVERY_TOKEN.format(positions=settings.positions))
    return Export(Path(path), format, lam, settings.scale, tuple(baked.active), notes)


def import_vector(
    path: str | Path, format: str, model: LanguageModel, *, unit_length: bool = False, count_from: int = 0
) -> tuple[SteeringVector, Card]:
    """Read another tool's file as a vector of one model.

    Args:
        path: the file.
        format: a key of `IMPORTS`, or `AUTO`.
        model: the model that the file is meant for; few files say which that is.
        unit_length: bring every row to length 1, for use under the scale "residual". Otherwise the rows stay as they are,
            and λ = 1 under the scale "unit" is what the other tool does at strength 1.
        count_from: the number that the file gives the first block; 1 for files that count hidden states, whose number 0 is
            the embeddings.

    Returns:
        The vector, and what is known about how it fits the model.

    Raises:
        MismatchError: the file does not fit the model; the message says what was expected and what was found.
        SteeringError: unknown format, a file that cannot be read, or one that could run code.
    """
    source = Path(path)
    format = format_of(source) if format == AUTO else format
    foreign = read(source, format).counted_from(count_from)
    checked = card(foreign, model, source.name, format)
    if stops := [finding for finding in checked.findings if finding.stops]:
        raise MismatchError(
            f"{source} does not fit {model.name}: " + "; ".join(str(finding) for finding in stops) + ". Choose the "
            "model that it was made for."
        )
    return to_vector(foreign, model, source.stem, format, unit_length=unit_length), checked


def read(path: Path, format: str) -> Foreign:
    """Read the rows and statements of another tool's file.

    Raises:
        SteeringError: unknown format, no such file, one that cannot be read, or one that could run code.
    """
    if format not in IMPORTS:
        raise SteeringError(f"Unknown format {format!r}. Choose one of {', '.join(IMPORTS)}, or {AUTO}.")
    check_file(path)
    if IMPORTS[format] is not lm_eval.refuse and (problem := unreadable(path)):
        raise SteeringError(problem)
    return IMPORTS[format](path)


def format_of(path: Path) -> str:
    """The format of a vector file by its content: a key of `IMPORTS`; by its ending where the content is damaged.

    Raises:
        SteeringError: no such file, or one that is no vector file.
    """
    check_file(path)
    if problem := unreadable(path):
        raise SteeringError(problem)
    with path.open("rb") as file:
        start = file.read(16)
    if start.startswith(b"GGUF"):
        return "gguf"
    # A safetensors file begins with the length of its header in eight bytes.
    if start[8:].startswith(b'{"'):
        return "safetensors"
    if path.suffix.lower() not in _ENDINGS:
        raise SteeringError(
            f"{path} is not a vector file: those are GGUF or safetensors, and it begins with {start!r}. Convert it first."
        )
    return _ENDINGS[path.suffix.lower()]


def check_file(path: Path) -> None:
    """Make sure that a file is there.

    Raises:
        SteeringError: it is not, or a folder is.
    """
    if path.is_dir():
        raise SteeringError(unreadable(path) or f"{path} is a folder. Give the vector file that lies in it.")
    if not path.is_file():
        raise SteeringError(f"There is no file {path}.")
