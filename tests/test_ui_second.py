"""A second concept on the Steer tab: its vector acts in every text, beside the first one's λ."""

import csv
import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pages import fields, last, press

from steering.concepts import load_concept
from steering.library import Shelf
from steering.ui.state.drafts import Draft
from steering.ui.state.second import second_names, second_of, texts_key
from steering.ui.state.settings import FIELDS, FILE_PREFIX, LAMBDAS, Settings
from steering.ui.state.workspace import Session, Workspace
from steering.ui.tabs.export import files as exports
from steering.ui.tabs.export.handlers import load_session, update_script
from steering.ui.tabs.steer import text
from steering.ui.tabs.steer.handlers import LONG_TASK, Steering
from steering.ui.tabs.steer.second import menu, update_second
from steering.ui.viewer.texts import PageTexts

pytestmark = [
    pytest.mark.filterwarnings("ignore::UserWarning:gradio"),  # without a page, a toast is a warning
    pytest.mark.usefixtures("own_cache"),
]

PROMPT = "The weather"


@pytest.fixture
def shelf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))


@pytest.fixture
def steering() -> Steering:
    return Steering(Workspace())


def both(folders: tuple[str, str], **changes: Any) -> list[Any]:
    return fields(*folders, **{"second": "formality", "second_lam": -0.4, **changes})


def steer(steering: Steering, session: Session, values: list[Any]) -> dict[str, Any]:
    changes = list(press(LONG_TASK, steering.steer, session, values, PROMPT))
    assert "side by side" in last(changes, "status")
    return dict(last(changes, "viewer"))


def test_two_concepts_act_at_once_beside_the_unsteered_text(steering: Steering, folders: tuple[str, str]) -> None:
    session, alone = Session(), Session()
    data, plain = steer(steering, session, both(folders)), steer(steering, alone, fields(*folders))
    assert [row["lam"] for row in data["rows"]] == list(LAMBDAS)
    assert data["also"] == "casual 0.4"
    assert data["lead"].endswith("All but the baseline are also pushed by 0.4 towards “casual”, whatever λ is.")
    (unsteered,) = (row for row in plain["rows"] if row["lam"] == 0)
    assert data["baseline"]["text"] == unsteered["text"]
    assert data["baseline"]["word"] == "baseline"
    assert "baseline" not in [row["word"] for row in data["rows"]]
    assert all(row["moves"] and row["tokens"] for row in data["rows"] if row["text"])
    assert "also" not in plain
    more = list(press(LONG_TASK, steering.add_text, session, both(folders), PROMPT, 0.25))
    assert [row["lam"] for row in last(more, "viewer")["rows"]] == sorted([*LAMBDAS, 0.25])
    assert last(more, "viewer")["baseline"]["text"] == unsteered["text"]


def test_texts_are_out_of_date_when_the_second_concept_changes(steering: Steering, folders: tuple[str, str]) -> None:
    session = Session()
    steer(steering, session, both(folders))

    def stale(values: list[Any]) -> bool:
        return text.STALE_GRID in steering.notices(session, Settings.read(*values), PROMPT)["stale"]

    assert not stale(both(folders))
    assert stale(both(folders, second_lam=0.4))
    assert stale(both(folders, second="courage"))
    assert stale(fields(*folders))
    pairs = load_concept("formality").pairs
    session.drafts["formality"] = Draft(replace(load_concept("formality"), pairs=pairs[:-1]), load_concept("formality"))
    assert stale(both(folders))
    nothing = both(folders, second_lam=0)
    assert texts_key(session, Settings.read(*nothing), PROMPT) == texts_key(
        session, Settings.read(*fields(*folders)), PROMPT
    )


def test_the_page_says_how_the_two_lie_to_each_other(steering: Steering, folders: tuple[str, str]) -> None:
    session, workspace = Session(), steering.workspace

    def said(**changes: Any) -> str:
        return str(update_second(workspace, session, Settings.read(*both(folders, **changes)))["second_note"])

    assert said(second="") == ""
    assert text.SECOND_NEEDS_LAM in said(second_lam=0)
    assert text.SECOND_NOT_MADE in said()
    assert "no concept “none such”" in said(second="none such")
    steer(steering, session, both(folders))
    assert "cosine" in said()
    assert "layers" in said()
    assert "“sad”" in said(second="sentiment")
    assert "cosine −1.00" in said(second="sentiment"), "the same direction, pushed to its other side"
    assert "cosine +1.00" in said(second="sentiment", second_lam=1)


@pytest.mark.parametrize(
    ("cosine", "words"),
    [
        (-0.4, "“formal” lies on the side of “sad” (cosine −0.40"),
        (0.4, "“formal” lies on the side of “happy” (cosine +0.40"),
        (0.01, "neither takes from the other"),
    ],
)
def test_a_conflict_is_said_in_words(cosine: float, words: str) -> None:
    said = text.conflict("formal", ("happy", "sad"), cosine, 12, 0.08)
    assert words in said
    assert "12 layers" in said
    if cosine < 0:
        assert "towards “happy” they work against each other" in said


def test_a_second_concept_needs_the_operator_that_adds(steering: Steering, folders: tuple[str, str]) -> None:
    changes = list(press(LONG_TASK, steering.steer, Session(), both(folders, operator="rotate"), PROMPT))
    assert "the operator rotate does not add" in last(changes, "status")
    assert not any("viewer" in change for change in changes)


@pytest.mark.usefixtures("shelf")
def test_a_saved_vector_can_be_the_second(steering: Steering, folders: tuple[str, str]) -> None:
    session, workspace = Session(), steering.workspace
    other = fields(*folders, concept="courage")
    steer(steering, Session(), other)
    vector = workspace.vectors.get(Settings.read(*other), load_concept("courage"))
    assert vector is not None
    entry = Shelf.own().keep(vector, "brave one")
    name = FILE_PREFIX + entry.name
    assert name in second_names(session)
    assert "value" not in menu(session)["second"]
    assert (name, name) in menu(session)["second"]["choices"]
    values = both(folders, second=name)
    assert second_of(session, Settings.read(*values)) is not None
    assert steer(steering, session, values)["also"] == "fearful 0.4"
    script = update_script(workspace, session, Settings.read(*values), PROMPT)["take_script"]
    assert f"also = load_vector({str(entry.path)!r}, child)" in script
    Shelf.own().delete(entry.name)
    lost = list(press(LONG_TASK, steering.steer, session, values, PROMPT))
    assert "no concept “file: brave-one”" in last(lost, "status")


@pytest.mark.usefixtures("shelf")
def test_exports_hold_the_second_concept_and_a_session_brings_it_back(
    steering: Steering, folders: tuple[str, str]
) -> None:
    session, own = Session(), replace(load_concept("formality"), name="mine")
    session.drafts["mine"] = Draft(own, own)
    values = both(folders, second="mine")
    data, settings = steer(steering, session, values), Settings.read(*values)
    rows = list(csv.DictReader(io.StringIO(Path(exports.write_texts(session, settings)).read_text("utf-8"))))
    assert [row["second_concept"] for row in rows] == ["", *["casual 0.4"] * len(LAMBDAS)]
    assert rows[0]["text"] == data["baseline"]["text"]
    report = Path(exports.write_report(session, steering.workspace, settings, PROMPT)).read_text("utf-8")
    assert "also pushed by a second concept: casual 0.4" in report
    assert "mine, λ = -0.4" in report
    script = update_script(steering.workspace, session, settings, PROMPT)["take_script"]
    compile(script, "script.py", "exec")
    assert "also=-0.4 * also," in script
    assert "second = Concept(" in script

    restored = Session()
    changes = load_session(restored, exports.write_session(session, values, PROMPT), choices=dict.fromkeys(FIELDS))
    assert (changes["second"], changes["second_lam"]) == ("mine", -0.4)
    assert restored.draft("mine").concept == own
    assert changes["viewer"]["baseline"]["text"] == data["baseline"]["text"]
    assert changes["viewer"]["also"] == "casual 0.4"
    written = restored.record(PageTexts).for_concept(load_concept("sentiment"))
    assert written is not None
    assert written.current(restored, settings, PROMPT)
