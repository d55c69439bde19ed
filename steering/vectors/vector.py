"""Steering vectors: one direction a layer with its quality, their arithmetic, and their files."""

import hashlib
import math
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar

import torch

from steering.errors import MismatchError, SteeringError
from steering.models import LanguageModel
from steering.stats import check_seed
from steering.storage import read_tensors, write_tensors
from steering.vectors.directions import LayerQuality

FORMAT = 2
"""Version of the vector file's header. Files of every version up to this one are read."""

_QUALITY_KEYS = {
    "told_apart": "pairwise_accuracy",
    "explained": "explained_variance",
    "agreement": "split_half_cosine",
    "dropped": "dropped",
}
"""Keys of a layer's quality in the file's header, and the fields of `LayerQuality` that they hold."""

_UNIT_TOLERANCE = 1e-5
"""Lengths within this distance of 1 count as 1: normalised float32 rows differ from it by less."""


@dataclass(frozen=True)
class SteeringVector:
    """A direction for every layer of one model.

    Vectors of one model can be added, subtracted and scaled. The result is not normalised: `2 * v`
    at λ = 1 steers like `v` at λ = 2, a sum adds the offsets of both vectors, and `v - v` adds nothing.

    Attributes:
        directions: float32 `[n_layers, d_model]`; a row is zero where the layer carries no signal. Rows of an
            extracted or carried vector have length 1; rows of a sum or a multiple may have any length.
        model: fingerprint of the model that the directions belong to.
        model_name: what that model is called.
        concept: name of the concept.
        labels: the poles that λ > 0 and λ < 0 steer towards.
        method: name of the direction method, a key of `DIRECTION_METHODS`.
        quality: per layer, empty where it was not measured.
        projections: `[n_layers, n_pairs]`, each pair's difference along the direction, as a cosine; None when unknown.
        provenance: its origin: hashes, seeds, versions, and for a carried vector how it was carried.
        pairs: the texts that it was extracted from, positive then negative; empty when unknown.
    """

    directions: torch.Tensor
    model: str
    model_name: str
    concept: str
    labels: tuple[str, str]
    method: str
    quality: tuple[LayerQuality, ...] = ()
    projections: torch.Tensor | None = None
    provenance: Mapping[str, Any] = field(default_factory=dict)
    pairs: tuple[tuple[str, str], ...] = ()

    def __post_init__(self) -> None:
        if self.directions.ndim != 2 or not torch.isfinite(self.directions).all():
            raise SteeringError("Directions must be finite numbers of shape [n_layers, d_model].")

    @property
    def signal(self) -> tuple[bool, ...]:
        """Which layers carry signal, and are steered."""
        return tuple(bool(row.any()) for row in self.directions)

    @property
    def lengths(self) -> torch.Tensor:
        """Length of every row `[n_layers]`; exactly 1 where it is 1 up to rounding."""
        lengths = self.directions.norm(dim=-1)
        return torch.where((lengths - 1).abs() < _UNIT_TOLERANCE, 1.0, lengths)

    @property
    def sizes(self) -> tuple[float, ...] | None:
        """Per layer, the mean length along the direction of the differences that it was extracted from; None when unknown.

        Directions of length 1 do not tell how much of a concept each layer holds; these lengths do.
        """
        sizes = self.provenance.get("sizes")  # A file may hold anything.
        if not isinstance(sizes, list | tuple) or len(sizes) != len(self.directions):
            return None
        known = all(isinstance(size, int | float) and math.isfinite(size) and size >= 0 for size in sizes)
        return tuple(map(float, sizes)) if known else None

    @property
    def report(self) -> Mapping[str, Any] | None:
        """How the vector was carried, the fields of `transfer.TransferReport`; None for a model's own vector."""
        return self.provenance.get("transfer")

    @property
    def digest(self) -> str:
        """Hash of the directions."""
        return _digest(self.directions)

    def belongs_to(self, model: LanguageModel) -> bool:
        """Whether the directions belong to this model's residual stream."""
        return tuple(self.directions.shape) == (model.n_layers, model.d_model) and model.has_fingerprint(self.model)

    def check_model(self, model: LanguageModel) -> None:
        """Check that the directions belong to this model's residual stream.

        Raises:
            MismatchError: it belongs to another model.
        """
        shape = (model.n_layers, model.d_model)
        if not self.belongs_to(model):
            raise MismatchError(
                f"This vector belongs to {self.model_name} {tuple(self.directions.shape)}, fingerprint "
                f"{self.model or 'unknown'}, and cannot steer {model.name} {shape}, fingerprint {model.fingerprint}. "
                "Carry it over with transfer() first."
            )

    def adopted(self, model: LanguageModel) -> "SteeringVector":
        """The same vector with the model's present fingerprint in place of one that an earlier version computed.

        Raises:
            MismatchError: it belongs to another model.
        """
        self.check_model(model)
        return self if self.model == model.fingerprint else replace(self, model=model.fingerprint)

    applied: ClassVar[Callable[..., AbstractContextManager[None]]]
    """`with vector.applied(model, 0.3): model.generate(...)`, see `steering.steer.applied`, which comes later in the order of
    packages and sets this."""

    def __neg__(self) -> "SteeringVector":
        return replace(self, directions=-self.directions, labels=self.labels[::-1])

    def __mul__(self, factor: float) -> "SteeringVector":
        """Scale the directions; a factor below 0 swaps the poles.

        Raises:
            SteeringError: the factor is not finite.
        """
        if isinstance(factor, SteeringVector):
            return NotImplemented
        if not math.isfinite(factor):
            raise SteeringError(f"A vector cannot be multiplied by {factor}; use a finite number.")
        if factor < 0:
            return -(self * -factor)
        provenance = {**self.provenance, "factor": factor * self.provenance.get("factor", 1.0)}
        return replace(self, directions=factor * self.directions, provenance=provenance)

    __rmul__ = __mul__

    def __add__(self, other: "SteeringVector") -> "SteeringVector":
        """Add the directions of two vectors of one model, layer by layer.

        Under the scale "residual" the layer weights are spread over the layers with signal, so the offsets add up exactly where
        both vectors carry signal at the same layers. Quality and projections of the parts do not hold for the sum and are
        dropped.

        Raises:
            MismatchError: the two belong to different models.
        """
        if not isinstance(other, SteeringVector):
            return NotImplemented
        if self.model != other.model or self.directions.shape != other.directions.shape:
            raise MismatchError(
                f"A vector of {self.model_name} {tuple(self.directions.shape)}, fingerprint {self.model or 'unknown'}, and "
                f"one of {other.model_name} {tuple(other.directions.shape)}, fingerprint {other.model or 'unknown'}, cannot "
                "be added: they live in different spaces. Carry both into one model with transfer() first."
            )
        # Sorted, so that a + b and b + a are the same record.
        parts = sorted((self, other), key=lambda part: (part.concept, part.labels, part.method))
        return replace(
            self,
            directions=self.directions + other.directions,
            concept=" + ".join(part.concept for part in parts),
            labels=(" + ".join(part.labels[0] for part in parts), " + ".join(part.labels[1] for part in parts)),
            method=" + ".join(dict.fromkeys(part.method for part in parts)),
            quality=(),
            projections=None,
            provenance={"sum": [{"concept": part.concept, **part.provenance} for part in parts]},
            pairs=(),
        )

    def __sub__(self, other: "SteeringVector") -> "SteeringVector":
        return NotImplemented if not isinstance(other, SteeringVector) else self + -other


def random_like(vector: SteeringVector, seed: int) -> SteeringVector:
    """A control: random directions of the same lengths at the same layers, for the same model.

    Vectors of equal lengths get the same control from the same seed, so that its results can be shared.

    Raises:
        SteeringError: a seed that no generator takes.
    """
    check_seed(seed)
    generator = torch.Generator().manual_seed(seed)
    noise = torch.randn(vector.directions.shape, generator=generator)
    return replace(
        vector,
        directions=torch.nn.functional.normalize(noise, dim=-1) * vector.lengths[:, None],
        method=f"random, seed {seed}",
        quality=(),
        projections=None,
        provenance={"seed": seed},
        pairs=(),
    )


def save_vector(vector: SteeringVector, path: str | Path) -> None:
    """Write a vector file: safetensors with the tensor `directions` and everything else in the JSON header.

    The header repeats the shape and the layers with signal and holds the SHA-256 of the numbers, so that damage is detected
    when the file is read.
    """
    header = {
        "format": FORMAT,
        "model": vector.model,
        "model_name": vector.model_name,
        "shape": list(vector.directions.shape),
        "signal": list(vector.signal),
        "sha256": vector.digest,
        "concept": vector.concept,
        "labels": list(vector.labels),
        "pairs": [list(pair) for pair in vector.pairs],
        "method": vector.method,
        "quality": [{key: getattr(layer, name) for key, name in _QUALITY_KEYS.items()} for layer in vector.quality],
        "projections": None if vector.projections is None else vector.projections.tolist(),
        "provenance": dict(vector.provenance),
    }
    write_tensors(Path(path), {"directions": vector.directions.float()}, header)


def load_vector(path: str | Path, model: LanguageModel | None = None) -> SteeringVector:
    """Read a vector file of any version up to this one's.

    Args:
        path: the file.
        model: the model that is to be steered, where the vector must belong to it.

    Raises:
        SteeringError: no such file, not a vector file, damaged, or from a newer version.
        MismatchError: it belongs to another model than `model`.
    """
    tensors, header = read_tensors(Path(path))
    version = header.get("format")
    if not isinstance(version, int) or "model" not in header or sorted(tensors) != ["directions"]:
        raise SteeringError(
            f"{path} is not a vector file: expected one tensor 'directions' and a header with 'format' and 'model', found "
            f"tensors {sorted(tensors)} and header entries {sorted(header)}."
        )
    if version > FORMAT:
        raise SteeringError(f"{path} has format {version}; this version reads up to {FORMAT}. Update Steering Lab.")
    directions = tensors["directions"].float()
    actual = {
        "shape": list(directions.shape),
        "signal": [bool(row.any()) for row in directions],
        "sha256": _digest(directions),
    }
    for name, value in actual.items():
        if header.get(name, value) != value:
            raise SteeringError(
                f"{path} is damaged: its header says {name} {header[name]}, its directions have {value}. Save it again."
            )
    try:
        vector = SteeringVector(
            directions=directions,
            model=header["model"],
            model_name=header["model_name"],
            concept=header["concept"],
            labels=(header["labels"][0], header["labels"][1]),
            method=header["method"],
            quality=tuple(
                LayerQuality(**{name: layer[key] for key, name in _QUALITY_KEYS.items()}) for layer in header["quality"]
            ),
            projections=None if header.get("projections") is None else torch.tensor(header["projections"]),
            provenance=header["provenance"],
            pairs=tuple((positive, negative) for positive, negative in header.get("pairs", ())),
        )
    except (KeyError, IndexError, TypeError, ValueError) as error:
        raise SteeringError(
            f"{path} is not a vector file: its header is incomplete ({error}). Save the vector again."
        ) from error
    return vector if model is None else vector.adopted(model)


def _digest(directions: torch.Tensor) -> str:
    return hashlib.sha256(directions.detach().cpu().float().contiguous().numpy().tobytes()).hexdigest()
