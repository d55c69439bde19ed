"""Steps that commands share: loading models, making the vector, showing progress and results."""

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from steering.concepts import Concept
from steering.errors import SteeringError
from steering.formatting import strength
from steering.measure import Strength, strength_at, unsteered_texts
from steering.models import LanguageModel, load_model
from steering.steer import SteeringSettings
from steering.transfer import transfer
from steering.vectors import SteeringVector, extract, load_vector


def load(name: str) -> LanguageModel:
    """Load a model in the type that the command line asks for, with progress."""
    context = click.get_current_context(silent=True)
    return load_model(name, dtype=(context and context.obj) or "auto", progress=progress)


def load_pair(parent: str, child: str) -> tuple[LanguageModel, LanguageModel]:
    """Load a parent and a child, once where they are the same."""
    parent_model = load(parent)
    return parent_model, parent_model if child == parent else load(child)


def vector_for(
    child: LanguageModel,
    *,
    vector_file: Path | None,
    parent: str | None,
    concept: Concept | None,
    method: str,
    layers: str,
    width: str,
    anchors: str | None,
) -> SteeringVector:
    """The vector that steers the child: from a file, carried over where it is another model's, or freshly extracted."""
    if vector_file is not None:
        vector = load_vector(vector_file)
        if vector.belongs_to(child):
            return vector.adopted(child)
        parent_model = load(parent or vector.model_name)
    elif parent is None or concept is None:
        raise SteeringError("Give either --vector FILE, or both --parent MODEL and --concept CONCEPT.")
    else:
        parent_model = child if parent == child.name else load(parent)
        vector = extract(parent_model, concept, method, progress=progress)
    return transfer(vector, parent_model, child, layers=layers, width=width, anchors=anchors, progress=progress)


def strengths_for(
    child: LanguageModel, vector: SteeringVector, budgets: Sequence[float], settings: SteeringSettings
) -> tuple[Strength, ...]:
    """The λ of each KL budget on either side of 0, from the lowest to the highest; written to standard error, too."""
    texts = unsteered_texts(child)
    by_side = [
        strength_at(child, vector, budget, settings, texts=texts, side=side, progress=progress)
        for budget in budgets
        for side in (-1, 1)
    ]
    for each in sorted(by_side, key=lambda each: each.lam):
        print(f"KL {each.budget:g} nats: λ = {strength(each.lam)}", file=sys.stderr)
    return tuple(sorted(by_side, key=lambda each: each.lam))


def strength_for(child: LanguageModel, vector: SteeringVector, kl: float, settings: SteeringSettings) -> Strength:
    """The λ above 0 of one KL budget; written to standard error, too."""
    reached = strength_at(child, vector, kl, settings, progress=progress)
    print(f"KL {kl:g} nats: λ = {strength(reached.lam)}", file=sys.stderr)
    return reached


def progress(what: str, fraction: float) -> None:
    """Write how far the work is to standard error, on one line where that is a terminal."""
    print(f"\r{what} {fraction:4.0%}\033[K", end="" if sys.stderr.isatty() else "\n", file=sys.stderr, flush=True)


def show(data: dict[str, Any], text: str, as_json: bool) -> None:
    """Print a result: one JSON object, or its text."""
    if sys.stderr.isatty():
        print("\r\033[K", end="", file=sys.stderr)
    print(json.dumps(data, ensure_ascii=False) if as_json else text)
