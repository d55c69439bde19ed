"""Sessions: what is saved comes back, and a file that says anything else is refused with a sentence."""

import json
from typing import Any

import pytest

from steering.concepts.files import load_concept
from steering.errors import SteeringError
from steering.library.sessions import SavedSession, parse_session, session_text
from steering.steer.grid import Grid, Health, Row
from steering.steer.next_tokens import Move

HEALTH = Health(0.1, 0.2, 9.5, same_as_baseline=False, degenerate=True)
GRID = Grid("child", "Ask", (1, 2), (Row(-0.3, "<b>no</b>", (3, 4), "length", HEALTH),), {"scale": "residual"})
SAVED = SavedSession(
    fields={"parent": "a", "temperature": 0.5, "chat": True, "seed": 3},
    concept=load_concept("sentiment"),
    prompt="Ask\nthis",
    grid=GRID,
    moves={-0.3: (Move(" sad", 0.1, 0.4),)},
    current=False,
)


def test_a_session_comes_back_as_it_was() -> None:
    assert parse_session(session_text(SAVED)) == SAVED


def test_a_session_without_texts_comes_back() -> None:
    bare = SavedSession({}, load_concept("time"), "")
    assert parse_session(session_text(bare)) == bare


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"kind": "other"}, "not a session"),
        ({"format": 2}, "format"),
        ({"format": True}, "format"),
        ({"fields": []}, "fields"),
        ({"fields": {"parent": ["a"]}}, "parent"),
        ({"fields": {"seed": float("nan")}}, "seed"),
        ({"prompt": 3}, "prompt"),
        ({"concept": {"pairs": [{"positive": 1}]}}, "row 1"),
        ({"concept": None}, "pairs"),
        ({"grid": {"format": 1}}, "child"),
        ({"moves": {"x": []}}, "not a λ"),
        ({"moves": {"0.1": [{"token": "a", "before": 2, "after": 0}]}}, "move"),
    ],
)
def test_anything_else_is_refused(change: dict[str, Any], words: str) -> None:
    with pytest.raises(SteeringError, match=words):
        parse_session(json.dumps(json.loads(session_text(SAVED)) | change))


@pytest.mark.parametrize("text", ["", "[]", "{", "3", "[" * 100_000])
def test_what_is_no_session_at_all_is_refused(text: str) -> None:
    with pytest.raises(SteeringError, match="not a session file"):
        parse_session(text)
