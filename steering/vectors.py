"""Steering vectors: one direction a layer, found from contrast pairs, with its quality on pairs that the fit never saw.

The methods are pure functions of differences and activations. Carrying a vector to another model is `transfer`'s task.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import KFold

from steering.activations import record
from steering.concepts import Concept, lint
from steering.errors import MismatchError, Progress, SteeringError, part_of, silent
from steering.models import LanguageModel
from steering.storage import read_tensors, write_tensors

FORMAT = 1
"""Version of the vector file's header."""

NO_DIFFERENCE = 1e-5
"""A difference shorter than this share of the activations' length is rounding, not signal (float32)."""

_FOLDS = 5


@dataclass(frozen=True)
class LayerQuality:
    """How well one layer's direction stands for the concept, on pairs left out of the fit.

    Attributes:
        told_apart: share of held-out pairs whose positive side lies further along the direction.
        explained: share of the differences' squared length that lies along the direction.
        agreement: cosine between the directions of two halves of the pairs.
        dropped: pairs whose two sides do not differ at this layer.
    """

    told_apart: float
    explained: float
    agreement: float
    dropped: int


@dataclass(frozen=True)
class SteeringVector:
    """A direction for every layer of one model.

    Attributes:
        directions: float32 `[n_layers, d_model]`; each row has length 1, or is zero where the layer carries no signal.
        model: fingerprint of the model whose residual stream it lives in.
        model_name: what that model is called.
        concept: name of the concept.
        labels: what λ > 0 and λ < 0 push towards.
        method: name of the direction method, a key of `DIRECTION_METHODS`.
        quality: per layer, empty where it was not measured.
        projections: `[n_layers, n_pairs]`, each pair's difference along the direction, as a cosine; None when unknown.
        provenance: where it came from: hashes, seeds, versions, and for a carried vector how it was carried.
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

    def __post_init__(self) -> None:
        if self.directions.ndim != 2 or not torch.isfinite(self.directions).all():
            raise SteeringError("Directions must be finite numbers of shape [n_layers, d_model].")

    @property
    def signal(self) -> tuple[bool, ...]:
        """Which layers carry signal, and are steered."""
        return tuple(bool(row.any()) for row in self.directions)

    @property
    def report(self) -> Mapping[str, Any] | None:
        """How the vector was carried, the fields of `transfer.TransferReport`; None for a model's own vector."""
        return self.provenance.get("transfer")

    def check_model(self, model: LanguageModel) -> None:
        """Make sure that the vector lives in this model's residual stream.

        Raises:
            MismatchError: it belongs to another model.
        """
        shape = (model.n_layers, model.d_model)
        if self.model != model.fingerprint or tuple(self.directions.shape) != shape:
            raise MismatchError(
                f"This vector belongs to {self.model_name} {tuple(self.directions.shape)} and cannot steer {model.name} "
                f"{shape}. Carry it over with transfer() first."
            )

    def __neg__(self) -> "SteeringVector":
        return replace(self, directions=-self.directions, labels=self.labels[::-1])


def pca(differences: torch.Tensor) -> torch.Tensor:
    """First right singular vector of the unit differences, not centred, `[n_pairs, d]` to `[d]`.

    Source: arXiv 2512.19069, read so that the mean direction is kept.
    """
    return torch.linalg.svd(_units(differences), full_matrices=False).Vh[0]


def pca_centred(differences: torch.Tensor) -> torch.Tensor:
    """First principal component of the unit differences, centred as textbooks do, `[n_pairs, d]` to `[d]`.

    The mean of the differences, which is the concept, is what centring takes away; offered because it is a literal
    reading of arXiv 2512.19069.
    """
    units = _units(differences)
    return torch.linalg.svd(units - units.mean(dim=0), full_matrices=False).Vh[0]


def mean(differences: torch.Tensor) -> torch.Tensor:
    """Mean of the differences, `[n_pairs, d]` to `[d]`."""
    return differences.mean(dim=0)


def logistic(differences: torch.Tensor) -> torch.Tensor:
    """Normal of a logistic regression that tells a difference from its opposite, `[n_pairs, d]` to `[d]`.

    Working on differences takes each pair's topic away; the two signs make the classifier pass through the origin.
    """
    size = differences.norm(dim=1).median()
    rows = torch.cat([differences, -differences]) / size
    signs = [1] * len(differences) + [-1] * len(differences)
    fit = LogisticRegression(fit_intercept=False, max_iter=1000).fit(rows.numpy(), signs)
    return torch.from_numpy(fit.coef_[0])


DIRECTION_METHODS: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "pca": pca,
    "pca_centred": pca_centred,
    "mean": mean,
    "logistic": logistic,
}


def extract(
    model: LanguageModel, concept: Concept, method: str = "pca", *, progress: Progress = silent
) -> SteeringVector:
    """Extract a concept's steering vector in the model's own space (algorithm 1 of arXiv 2512.19069).

    Args:
        model: the model that reads the pairs.
        concept: the contrast pairs.
        method: a key of `DIRECTION_METHODS`.
        progress: told how far the reading is.

    Raises:
        SteeringError: unknown method, pairs that cannot be used, or no layer with signal.
    """
    serious = [str(problem) for problem in lint(concept.pairs) if problem.serious]
    if serious:
        raise SteeringError(f"The pairs of {concept.name} cannot be used. " + " ".join(serious))
    texts = [pair.positive for pair in concept.pairs] + [pair.negative for pair in concept.pairs]
    values = record(model, texts, progress=part_of(progress, 0.0, 0.8)).values.double()
    progress(f"Finding the directions of {concept.name}", 0.8)
    positive, negative = values.chunk(2)
    vector = fit(positive, negative, method, noise=max(NO_DIFFERENCE, torch.finfo(model.dtype).eps / 4))
    if not any(vector.signal):
        raise SteeringError(
            f"No layer of {model.name} tells the two sides of {concept.name} apart: their last tokens agree."
        )
    return replace(
        vector,
        model=model.fingerprint,
        model_name=model.name,
        concept=concept.name,
        labels=(concept.positive_label, concept.negative_label),
        provenance={
            "pairs": len(concept.pairs),
            "pairs_hash": concept.digest,
            "dtype": str(model.dtype).removeprefix("torch."),
            "revision": model.revision,
            "torch": torch.__version__,
        },
    )


def fit(positive: torch.Tensor, negative: torch.Tensor, method: str, noise: float = NO_DIFFERENCE) -> SteeringVector:
    """Find each layer's direction from activations, with quality measured on pairs left out.

    Args:
        positive: `[n_pairs, n_layers, d_model]`, float64.
        negative: the other sides, of the same shape.
        method: a key of `DIRECTION_METHODS`.
        noise: differences shorter than this share of the activations' length are dropped and counted.

    Returns:
        A vector that belongs to no model yet.

    Raises:
        SteeringError: unknown method.
    """
    if method not in DIRECTION_METHODS:
        raise SteeringError(f"Unknown direction method {method!r}. Choose one of {', '.join(DIRECTION_METHODS)}.")
    differences = positive - negative
    lengths = (positive.norm(dim=-1) + negative.norm(dim=-1)) / 2
    usable = differences.norm(dim=-1) > noise * lengths
    directions, quality, projections = [], [], []
    for layer in range(differences.shape[1]):
        kept = differences[usable[:, layer], layer]
        direction = (
            _direction(kept, method) if _enough(kept, differences) else torch.zeros(differences.shape[-1]).double()
        )
        directions.append(direction)
        quality.append(_quality(kept, method, len(differences)))
        projections.append(_units(differences[:, layer]) @ direction)
    return SteeringVector(
        directions=torch.stack(directions).float(),
        model="",
        model_name="",
        concept="",
        labels=("positive", "negative"),
        method=method,
        quality=tuple(quality),
        projections=torch.stack(projections).float(),
    )


def random_like(vector: SteeringVector, seed: int) -> SteeringVector:
    """A control: random directions of the same lengths at the same layers, for the same model."""
    generator = torch.Generator().manual_seed(seed)
    noise = torch.randn(vector.directions.shape, generator=generator)
    directions = torch.nn.functional.normalize(noise, dim=-1) * vector.directions.norm(dim=-1, keepdim=True)
    return replace(
        vector,
        directions=directions,
        method=f"random, seed {seed}",
        quality=(),
        projections=None,
        provenance={"seed": seed},
    )


def save_vector(vector: SteeringVector, path: str | Path) -> None:
    """Write a vector file: safetensors with the tensor `directions` and everything else in the JSON header."""
    header = {
        "format": FORMAT,
        "model": vector.model,
        "model_name": vector.model_name,
        "concept": vector.concept,
        "labels": list(vector.labels),
        "method": vector.method,
        "quality": [asdict(layer) for layer in vector.quality],
        "projections": None if vector.projections is None else vector.projections.tolist(),
        "provenance": dict(vector.provenance),
    }
    write_tensors(Path(path), {"directions": vector.directions}, header)


def load_vector(path: str | Path) -> SteeringVector:
    """Read a vector file.

    Raises:
        SteeringError: no such file, not a vector file, or from a newer version.
    """
    tensors, header = read_tensors(Path(path))
    if isinstance(header.get("format"), int) and header["format"] > FORMAT:
        raise SteeringError(
            f"{path} has format {header['format']}; this version reads up to {FORMAT}. Update Steering Lab."
        )
    if "directions" not in tensors or "model" not in header:
        raise SteeringError(f"{path} is not a vector file: expected the tensor 'directions', found {sorted(tensors)}.")
    try:
        return SteeringVector(
            directions=tensors["directions"].float(),
            model=header["model"],
            model_name=header["model_name"],
            concept=header["concept"],
            labels=(header["labels"][0], header["labels"][1]),
            method=header["method"],
            quality=tuple(LayerQuality(**layer) for layer in header["quality"]),
            projections=None if header.get("projections") is None else torch.tensor(header["projections"]),
            provenance=header["provenance"],
        )
    except (KeyError, IndexError, TypeError) as error:
        raise SteeringError(
            f"{path} is not a vector file: its header is incomplete ({error}). Save the vector again."
        ) from error


def _units(rows: torch.Tensor) -> torch.Tensor:
    return torch.nn.functional.normalize(rows, dim=-1, eps=1e-30)


def _enough(kept: torch.Tensor, differences: torch.Tensor) -> bool:
    return len(kept) >= max(2, len(differences) / 2)


def _direction(differences: torch.Tensor, method: str) -> torch.Tensor:
    direction = DIRECTION_METHODS[method](differences)
    # Positive λ must push towards the positive pole, whatever sign the decomposition chose.
    if (_units(differences) @ direction).mean() < 0:
        direction = -direction
    return torch.nn.functional.normalize(direction, dim=0, eps=1e-30)


def _quality(kept: torch.Tensor, method: str, total: int) -> LayerQuality:
    if len(kept) < max(_FOLDS, total / 2):
        return LayerQuality(0.5, 0.0, 0.0, total - len(kept))
    apart: list[torch.Tensor] = []
    explained: list[torch.Tensor] = []
    for train, test in KFold(_FOLDS, shuffle=True, random_state=0).split(kept):
        along = kept[test] @ _direction(kept[train], method)
        apart.append(along > 0)
        explained.append(along.square() / kept[test].square().sum(dim=1))
    halves: Sequence[torch.Tensor] = [_direction(kept[start::2], method) for start in (0, 1)]
    return LayerQuality(
        told_apart=float(torch.cat(apart).double().mean()),
        explained=float(torch.cat(explained).mean()),
        agreement=float(halves[0] @ halves[1]),
        dropped=total - len(kept),
    )
