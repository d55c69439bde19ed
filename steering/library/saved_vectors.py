"""One vector file: whether it fits a model, what is read from it, and what it is called; `shelf` keeps many."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from safetensors import SafetensorError, safe_open

from steering.concepts import Concept, ContrastPair
from steering.errors import SteeringError
from steering.formatting import ranges
from steering.interop import Card, Finding, Foreign, card, format_of, import_vector, read
from steering.models import LanguageModel
from steering.storage import HEADER, key
from steering.vectors import SteeringVector, load_vector

OWN = "steering-lab"
"""Format of the files that are stem here."""

_MOST_LETTERS = 48
"""Even in letters of four bytes, a name with a number, an ending and what `storage.atomic` adds fits in 255 bytes."""

_DEVICES = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE | re.DOTALL)
"""Names that mean a device on Windows, with any ending."""


def inspect(path: Path, model: LanguageModel, *, count_from: int = 0) -> Card:
    """Say how a vector file of any readable format fits a model, also where it does not.

    Args:
        path: the file.
        model: the model that is to be steered.
        count_from: for files of other tools: the number of the first block, see `import_vector`.

    Raises:
        SteeringError: a file that cannot be read, or one that could run code.
    """
    format = _format(path)
    if format == OWN:
        return own_card(load_vector(path), model, path.name)
    return card(read(path, format).counted_from(count_from), model, path.name, format)


def open_file(path: Path, model: LanguageModel, *, unit_length: bool = False, count_from: int = 0) -> SteeringVector:
    """Read a vector file of any readable format for a model.

    Args:
        path: the file.
        model: the model that is to be steered.
        unit_length: for files of other tools: bring every row to length 1.
        count_from: for files of other tools: the number of the first block, see `import_vector`.

    Raises:
        MismatchError: it belongs to another model.
        SteeringError: a file that cannot be read, or one that could run code.
    """
    format = _format(path)
    if format == OWN:
        return load_vector(path, model)
    return import_vector(path, format, model, unit_length=unit_length, count_from=count_from)[0]


def _format(path: Path) -> str:
    """The format that a file is read as: `OWN`, or a key of `interop.IMPORTS`."""
    format = format_of(path)
    return OWN if format == "safetensors" and _has_our_header(path) else format


def own_card(vector: SteeringVector, model: LanguageModel, file: str) -> Card:
    """Compare a vector of a file of ours with a model."""
    steered = [layer for layer, carries in enumerate(vector.signal) if carries]
    rows, width = vector.directions.shape
    unit = Foreign({layer: vector.directions[layer] for layer in steered}, None, {"concept": vector.concept})
    strength = next(finding for finding in card(unit, model, file, OWN).findings if finding.what == "strength")
    numbers = Finding("file", "numbers as they were saved", "numbers as they were saved", "matches")
    return Card(
        file,
        OWN,
        model.name,
        (
            numbers,
            _equal("width", str(model.d_model), str(width)),
            _equal("layers", str(model.n_layers), str(rows)),
            _equal("fingerprint", model.fingerprint, model.own_fingerprint(vector.model) or "nothing"),
            _known("made for", "a name", vector.model_name),
            Finding("signal", "some layers", f"layers {ranges(steered)}", "matches"),
            strength,
            _known("concept", "a name", vector.concept),
            _known("pairs", "the texts behind it", f"{len(vector.pairs)} pairs" if vector.pairs else ""),
            _known("carried from", "the parent's name", " + ".join(carried_from(vector))),
        ),
    )


@dataclass(frozen=True)
class ReadConcept(Concept):
    """The pairs of a vector that was read from a file.

    Attributes:
        directions: hash of the vector's directions.
    """

    directions: str = ""

    @property
    def digest(self) -> str:
        """Hash of the pairs and of the vector, so that two files of one name and with the same pairs are told apart."""
        return key(super().digest, self.directions)


def as_concept(vector: SteeringVector, name: str) -> ReadConcept:
    """The pairs and poles that a vector came from, as a concept; without pairs where the file does not hold them."""
    pairs = tuple(ContrastPair(positive, negative) for positive, negative in vector.pairs)
    words = f"{vector.concept}, from a vector file."
    return ReadConcept(name, *vector.labels, pairs, description=words, directions=vector.digest)


def carried_from(vector: SteeringVector) -> tuple[str, ...]:
    """Names of the parents that a vector was carried from, also where it was joined of parts; none for a model's own vector."""
    joined = vector.provenance.get("combined")
    parts = joined if isinstance(joined, list) else [vector.provenance]
    reports = [part.get("transfer") for part in parts if isinstance(part, Mapping)]
    names = [str(report["parent"]) for report in reports if isinstance(report, Mapping) and "parent" in report]
    return tuple(dict.fromkeys(names))


def proposed_name(vector: SteeringVector) -> str:
    """What a vector is called when nobody gives it a name: concept, models and method."""
    parents = "+".join(map(_stem, carried_from(vector)))
    models = f"{parents}-to-{_stem(vector.model_name)}" if parents else _stem(vector.model_name)
    return safe_name(f"{vector.concept}-{models}-{vector.method}")


def safe_name(name: str, otherwise: str = "") -> str:
    """A name with the letters alone that every system takes in a file name.

    Args:
        name: any text.
        otherwise: the name where nothing is left of it.

    Raises:
        SteeringError: nothing is left of it, and there is no other.
    """
    stem = re.sub(r"[^\w.+-]+", "-", name).strip("-.")[:_MOST_LETTERS].strip("-.") or otherwise
    if _DEVICES.fullmatch(stem):
        stem = f"_{stem}"
    if not stem:
        raise SteeringError(f"{name!r} cannot be the name of a file. Use letters and digits.")
    return stem


def _has_our_header(path: Path) -> bool:
    try:
        with safe_open(path, framework="pt") as file:
            return HEADER in (file.metadata() or {})
    except (SafetensorError, OSError):
        return False


def _stem(name: str) -> str:
    return name.rstrip("/").rsplit("/", 1)[-1]


def _equal(what: str, expected: str, found: str) -> Finding:
    return Finding(what, expected, found, "matches" if expected == found else "differs", expected != found)


def _known(what: str, expected: str, found: str) -> Finding:
    return Finding(what, expected, found or "nothing", "matches" if found else "unknown")
