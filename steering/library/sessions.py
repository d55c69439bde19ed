"""A session as JSON and back: what was chosen, the pairs, the prompt, and the texts with what made them.

A file may come from anywhere, so everything in it is checked, and nothing in it is ever run.
"""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import torch
import transformers

from steering.concepts import Concept, format_concept, parse_concept
from steering.errors import SteeringError
from steering.steer import Grid, Move, grid_from_json, grid_json

FORMAT = 1
"""Version of the file; those of every version up to this one are read."""

_KIND = "steering-lab session"


@dataclass(frozen=True)
class SavedSession:
    """Everything that brings a page back.

    Attributes:
        fields: what was chosen, by the name of the setting: text, numbers, yes or no.
        concept: the pairs and labels as they were edited.
        prompt: what the child was asked.
        grid: the texts; None where none were written.
        moves: by λ, the next tokens that moved most.
        current: whether these settings, pairs and prompt made the texts.
        second: the pairs and labels of the concept that is added beside the first one; None where there is none.
        versions: of the libraries that saved it.
    """

    fields: Mapping[str, str | float | bool]
    concept: Concept
    prompt: str
    grid: Grid | None = None
    moves: Mapping[float, Sequence[Move]] = field(default_factory=dict)
    current: bool = True
    second: Concept | None = None
    versions: Mapping[str, str] = field(
        default_factory=lambda: {"torch": torch.__version__, "transformers": transformers.__version__}
    )


def session_text(session: SavedSession) -> str:
    """A session as JSON text; `parse_session` reads it back."""
    data = {
        "kind": _KIND,
        "format": FORMAT,
        "fields": dict(session.fields),
        "concept": json.loads(format_concept(session.concept, "json")),
        **({} if session.second is None else {"second": json.loads(format_concept(session.second, "json"))}),
        "prompt": session.prompt,
        "grid": None if session.grid is None else grid_json(session.grid),
        "moves": {f"{lam:g}": [asdict(move) for move in several] for lam, several in session.moves.items()},
        "current": session.current,
        "versions": dict(session.versions),
    }
    return json.dumps(data, ensure_ascii=False, indent=1) + "\n"


def parse_session(text: str) -> SavedSession:
    """Read a session.

    Args:
        text: contents of a session file, or of anything that claims to be one.

    Raises:
        SteeringError: it is none, or damaged; the sentence says where.
    """
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise SteeringError(f"This is not a session file: it is not JSON ({error}).") from error
    try:
        json.dumps(data, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        raise SteeringError(
            "This is not a session file: it holds half of a character (a lone surrogate), which is no text."
        ) from error
    if not isinstance(data, dict) or data.get("kind") != _KIND:
        raise SteeringError("This is not a session file: it does not say that Steering Lab saved it.")
    version = data.get("format")
    if type(version) is not int or not 1 <= version <= FORMAT:
        raise SteeringError(f"The session has the format {version!r:.20}; this version reads 1 to {FORMAT}.")
    fields, versions, moves = (_mapping(data, name) for name in ("fields", "versions", "moves"))
    for name, value in fields.items():
        if not isinstance(value, str | bool) and not _number(value):
            raise SteeringError(f"In the session, the setting {name[:40]!r} is neither text, a number, nor yes or no.")
    if not isinstance(data.get("prompt"), str):
        raise SteeringError("In the session, the prompt is missing.")
    return SavedSession(
        fields=fields,
        concept=parse_concept(json.dumps(data.get("concept")), "json", "The session"),
        prompt=data["prompt"],
        grid=None if data.get("grid") is None else grid_from_json(data["grid"]),
        moves={_lam(lam): tuple(map(_move, _list(several))) for lam, several in moves.items()},
        current=data.get("current") is True,
        second=None if data.get("second") is None else parse_concept(json.dumps(data["second"]), "json", "The session"),
        versions={name: str(value)[:40] for name, value in versions.items()},
    )


def _mapping(data: Mapping[str, Any], name: str) -> dict[str, Any]:
    section = data.get(name)
    if not isinstance(section, dict):
        raise SteeringError(f"In the session, {name} must be a JSON object.")
    return section


def _list(data: object) -> list[Any]:
    if not isinstance(data, list):
        raise SteeringError("In the session, the moves of a λ must be a list.")
    return data


def _lam(words: str) -> float:
    try:
        lam = float(words)
    except ValueError:
        lam = math.nan
    if not math.isfinite(lam):
        raise SteeringError(f"In the session, {words[:20]!r} is not a λ.")
    return lam


def _move(data: object) -> Move:
    if isinstance(data, dict) and isinstance(data.get("token"), str):
        before: Any = data.get("before")
        after: Any = data.get("after")
        if _number(before) and _number(after) and 0 <= before <= 1 and 0 <= after <= 1:
            return Move(data["token"], float(before), float(after))
    raise SteeringError("In the session, a move must have a token and its probability before and after.")


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
