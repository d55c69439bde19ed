"""The check card: what of another tool's file matches a model, what does not, and what nobody can know."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

import torch

from steering.errors import SteeringError
from steering.formatting import ranges
from steering.interop.baked import Foreign
from steering.models import LanguageModel
from steering.vectors import SteeringVector, units

FROM_EMBEDDINGS = (
    "hidden states are counted from the embeddings, so number k may be block k − 1: if it is, count from 1, "
    "--count-from 1"
)
WITH_EMBEDDINGS = "hidden states are counted from the embeddings: if the first row is theirs, save the file without it"

Status = Literal["matches", "differs", "unknown"]


@dataclass(frozen=True)
class Finding:
    """One line of a card.

    Attributes:
        what: what was compared.
        expected: what the model needs, in words.
        found: what the file holds, in words.
        status: "matches", "differs", or "unknown" where the file does not say.
        stops: whether the file cannot be used because of it.
        advice: what may explain a difference, a sentence; "" for nothing.
    """

    what: str
    expected: str
    found: str
    status: Status
    stops: bool = False
    advice: str = ""

    def __str__(self) -> str:
        advice = f" ({self.advice})" if self.advice else ""
        return f"{self.what}: expected {self.expected}, found {self.found}{advice}"


@dataclass(frozen=True)
class Card:
    """How a file of another tool fits a model.

    Attributes:
        file: name of the file.
        format: what it was read as.
        model: name of the model.
        findings: one line for everything that was compared.
    """

    file: str
    format: str
    model: str
    findings: tuple[Finding, ...]

    @property
    def fits(self) -> bool:
        """Whether nothing that was found stops the file from being used."""
        return not any(finding.stops for finding in self.findings)

    def as_json(self) -> dict[str, Any]:
        """The record as JSON can write it."""
        return {**asdict(self), "findings": [asdict(finding) for finding in self.findings], "fits": self.fits}


def card(foreign: Foreign, model: LanguageModel, file: str, format: str) -> Card:
    """Compare what was read with a model."""
    stated = foreign.statement
    family = str(model.model.config.get_text_config().model_type)
    broken = [layer for layer, row in sorted(foreign.rows.items()) if not torch.isfinite(row).all()]
    widths = sorted({len(row) for row in foreign.rows.values()})
    lengths = [float(row.norm()) for row in foreign.rows.values()]
    strength = f"λ = {stated['lam']:g}, scale {stated['scale']}" if {"lam", "scale"} <= set(stated) else None
    return Card(
        file,
        format,
        model.name,
        (
            _same("width", str(model.d_model), ", ".join(map(str, widths)), stops=True),
            _layers(foreign, model.n_layers),
            Finding(
                "numbers",
                "all finite",
                f"not finite at layers {ranges(broken)}" if broken else "all finite",
                "differs" if broken else "matches",
                bool(broken),
            ),
            # Tools name families in their own ways (gemma3 here, gemma3_text there), so another name alone stops nothing.
            _same("family", family, foreign.family),
            _same("fingerprint", model.fingerprint, model.own_fingerprint(stated.get("model")), stops=True),
            Finding(
                "strength",
                "length 1 a layer, or a λ that is stated",
                f"lengths from {min(lengths):.3g} to {max(lengths):.3g}" + (f" ({strength})" if strength else ""),
                "matches" if strength or all(abs(length - 1) < 1e-3 for length in lengths) else "unknown",
            ),
            Finding("concept", "a name", str(stated.get("concept", "nothing")), "matches" if stated else "unknown"),
        ),
    )


def to_vector(
    foreign: Foreign, model: LanguageModel, name: str, format: str, *, unit_length: bool = False
) -> SteeringVector:
    """Rows that fit a model as its vector; layers that the file does not have carry no signal.

    Raises:
        SteeringError: every row is zero.
    """
    directions = torch.zeros(model.n_layers, model.d_model)
    for layer, row in foreign.rows.items():
        directions[layer] = row
    if not directions.any():
        raise SteeringError(f"{name} holds nothing but zeros.")
    if unit_length:
        directions = units(directions)
    stated: Mapping[str, Any] = foreign.statement
    return SteeringVector(
        directions=directions,
        model=model.fingerprint,
        model_name=model.name,
        concept=str(stated.get("concept", name)),
        labels=(str(stated.get("positive", "positive")), str(stated.get("negative", "negative"))),
        method=str(stated.get("method", "unknown")),
        provenance={"imported": {"format": format, "unit_length": unit_length, **stated}},
    )


def _layers(foreign: Foreign, n_layers: int) -> Finding:
    numbers = sorted(foreign.rows)
    if foreign.numbered:
        wrong = numbers[0] < 0 or numbers[-1] >= n_layers
        shifted = wrong and numbers[0] >= 1
        expected, present = f"numbers from 0 to {n_layers - 1}", ranges(numbers)
    else:
        wrong, shifted = len(numbers) != n_layers, len(numbers) == n_layers + 1
        expected, present = (
            f"{n_layers} rows",
            f"{len(numbers)} rows, which layers {ranges(numbers)} have in this order",
        )
    advice = (FROM_EMBEDDINGS if foreign.numbered else WITH_EMBEDDINGS) if shifted else ""
    return Finding("layers", expected, present, "differs" if wrong else "matches", wrong, advice)


def _same(what: str, expected: str, found: str | None, *, stops: bool = False) -> Finding:
    if found is None or found == "unknown":
        return Finding(what, expected, "nothing", "unknown")
    return Finding(what, expected, found, "matches" if found == expected else "differs", stops and found != expected)
