"""The page as a short Python script that uses the public interface of the library, and generates the page's texts."""

from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path

from steering.concepts import Concept, bundled_concepts, load_concept
from steering.steer import Sampling
from steering.ui.state.settings import LAMBDAS, Settings

_ALWAYS_WRITTEN = ("max_new_tokens",)
"""Fields of the sampling that are written even if they have their default value."""


def python_script(
    settings: Settings,
    concept: Concept,
    prompt: str,
    *,
    lambdas: Sequence[float] = LAMBDAS,
    file: Path | None = None,
) -> str:
    """The script.

    Args:
        settings: of the sidebar.
        concept: with the edited pairs; they are part of the script if they differ from the bundled ones.
        prompt: for the child.
        lambdas: strengths, in the order of the texts.
        file: the vector file to load; None if the vector is extracted from pairs.
    """
    bundled = concept.name in bundled_concepts() and concept == load_concept(concept.name)
    vector_code = _loading_code(settings, file) if file else _extraction_code(settings, concept, bundled)
    names = {"generate", "load_model"} | ({"load_vector"} if file else {"extract", "transfer"})
    names |= set() if file else {"load_concept"} if bundled else {"Concept"}
    pairs = "from steering.concepts import ContrastPair\n" if not file and not bundled else ""
    system = f"    system={settings.system!r},\n" if settings.system else ""
    return (
        f"from steering import {', '.join(sorted(names, key=lambda name: (name.islower(), name)))}\n{pairs}"
        f"from steering.steer import Sampling\n\n{vector_code}\n"
        f"grid = generate(\n    child,\n    {prompt!r},\n    vector,\n"
        f"    lambdas={[float(lam) for lam in lambdas]},\n"
        f"    sampling={_sampling(settings.sampling)},\n"
        f"    scale={settings.scale!r},\n    profile={_profile(settings)},\n    positions={settings.positions!r},\n"
        f"    operator={settings.operator!r},\n"
        f"    plain={not settings.chat},\n{system})\n"
        'for row in grid.rows:\n    print(f"λ = {row.lam:+g}\\n{row.text}\\n")\n'
    )


def _extraction_code(settings: Settings, concept: Concept, bundled: bool) -> str:
    return (
        f"parent = load_model({settings.parent!r})\nchild = load_model({settings.child!r})\n"
        f"concept = {f'load_concept({concept.name!r})' if bundled else _concept_code(concept)}\n"
        f"vector = extract(parent, concept, method={settings.method!r})\n"
        f"vector = transfer(vector, parent, child, layers={settings.layers!r}, width={settings.width!r})\n"
    )


def _loading_code(settings: Settings, file: Path) -> str:
    return f"child = load_model({settings.child!r})\nvector = load_vector({str(file)!r}, child)\n"


def _concept_code(concept: Concept) -> str:
    pairs = "".join(f"        ContrastPair({pair.positive!r}, {pair.negative!r}),\n" for pair in concept.pairs)
    return (
        f"Concept(\n    name={concept.name!r},\n    positive_label={concept.positive_label!r},\n"
        f"    negative_label={concept.negative_label!r},\n    pairs=(\n{pairs}    ),\n)"
    )


def _sampling(sampling: Sampling) -> str:
    default = Sampling()
    arguments = [
        f"{field.name}={getattr(sampling, field.name)!r}"
        for field in fields(sampling)
        if field.name in _ALWAYS_WRITTEN or getattr(sampling, field.name) != getattr(default, field.name)
    ]
    return f"Sampling({', '.join(arguments)})"


def _profile(settings: Settings) -> str:
    return repr(settings.profile) if isinstance(settings.profile, str) else repr([float(w) for w in settings.profile])
