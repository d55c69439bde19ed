"""The page as a short Python script that uses the public interface of the library, and generates the page's texts."""

from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path

from steering.concepts import Concept, bundled_concepts, load_concept
from steering.steer import Sampling
from steering.ui.state.second import Second
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
    second: Second | None = None,
    saved: Path | None = None,
) -> str:
    """The script.

    Args:
        settings: of the sidebar.
        concept: with the edited pairs; they are part of the script if they differ from the bundled ones.
        prompt: for the child.
        lambdas: strengths, in the order of the texts.
        file: the vector file to load; None if the vector is extracted from pairs.
        second: the second concept; None for none.
        saved: the vector file of the second concept; None if its vector is extracted from pairs.
    """
    vectors = [("concept", "vector", concept, file)]
    vectors += [("second", "also", second.concept, saved)] if second else []
    read = [each for *_, each, path in vectors if path is None]
    own = [each for each in read if not _bundled(each)]
    names = {"generate", "load_model"} | ({"extract", "transfer"} if read else set())
    names |= {"load_vector"} if len(read) < len(vectors) else set()
    names |= ({"load_concept"} if len(own) < len(read) else set()) | ({"Concept"} if own else set())
    pairs = "from steering.concepts import ContrastPair\n" if own else ""
    models = [f"parent = load_model({settings.parent!r})\n"] if read else []
    models += [f"child = load_model({settings.child!r})\n"]
    vector_code = "".join(_vector_code(settings, *each) for each in vectors)
    system = f"    system={settings.system!r},\n" if settings.system else ""
    also = f"    also={second.lam!r} * also,\n" if second else ""
    unsteered = 'print(f"unsteered\\n{grid.unsteered.text}\\n")\n' if second else ""
    return (
        f"from steering import {', '.join(sorted(names, key=lambda name: (name.islower(), name)))}\n{pairs}"
        f"from steering.steer import Sampling\n\n{''.join(models)}{vector_code}\n"
        f"grid = generate(\n    child,\n    {prompt!r},\n    vector,\n"
        f"    lambdas={[float(lam) for lam in lambdas]},\n{also}"
        f"    sampling={_sampling(settings.sampling)},\n"
        f"    scale={settings.scale!r},\n    profile={_profile(settings)},\n    positions={settings.positions!r},\n"
        f"    operator={settings.operator!r},\n"
        f"    plain={not settings.chat},\n{system})\n{unsteered}"
        'for row in grid.rows:\n    print(f"λ = {row.lam:+g}\\n{row.text}\\n")\n'
    )


def _bundled(concept: Concept) -> bool:
    return concept.name in bundled_concepts() and concept == load_concept(concept.name)


def _vector_code(settings: Settings, concept_name: str, vector_name: str, concept: Concept, file: Path | None) -> str:
    """Code that makes one vector, or loads it from a file."""
    if file is not None:
        return f"{vector_name} = load_vector({str(file)!r}, child)\n"
    source = f"load_concept({concept.name!r})" if _bundled(concept) else _concept_code(concept)
    return (
        f"{concept_name} = {source}\n"
        f"{vector_name} = extract(parent, {concept_name}, method={settings.method!r})\n"
        f"{vector_name} = transfer({vector_name}, parent, child, layers={settings.layers!r}, width={settings.width!r})\n"
    )


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
