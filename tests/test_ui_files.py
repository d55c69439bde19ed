"""Names of any kind, and the files for download: where they are written, and how long they exist."""

import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pages import fields, last, press

from steering.concepts import load_concept
from steering.errors import SteeringError
from steering.library import Shelf
from steering.library import saved_vectors as library
from steering.library.sessions import SavedSession, session_text
from steering.ui.sidebar.cards import update_cards
from steering.ui.state.drafts import Draft
from steering.ui.state.files import MAX_FOLDERS, DownloadFiles
from steering.ui.state.presets import preset
from steering.ui.state.settings import FIELDS, Settings
from steering.ui.state.workspace import Session, Workspace
from steering.ui.tabs.concept import handlers as table
from steering.ui.tabs.export import files as exports
from steering.ui.tabs.export.handlers import load_session, update_script
from steering.ui.tabs.layers.handlers import Layers
from steering.ui.tabs.library.handlers import LONG_TASK, SavedVectors
from steering.ui.tabs.steer.handlers import Steering
from steering.ui.viewer.texts import ConceptTexts, PageTexts

NAMES = {
    "up": "../x",
    "up and up": "../../../etc/x",
    "absolute": "/tmp/y",
    "slash": "happy/sad",
    "backslash": "happy\\sad",
    "null": "a\0b",
    "lines": "a\nb\r\nc",
    "long": "x" * 300,
    "long letters": "𠀀" * 300,
    "emoji": "🙂",
    "dot": ".",
    "dots": "..",
    "hidden": ".profile",
    "device": "CON",
    "device with ending": "nul.tar",
    "surrogate": "\ud800",
    "tilde": "~nobody-of-this-name",
    "spaces": " a  b ",
    "preset": "../precomputed/sentiment",
}

FREE: dict[str, Any] = dict.fromkeys(FIELDS)

every_name = pytest.mark.parametrize("name", NAMES.values(), ids=NAMES.keys())
every_utf8_name = pytest.mark.parametrize("name", [name for name in NAMES.values() if name != "\ud800"])
"""All names but the lone surrogate, which neither the page nor the readers of files accept."""


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder for temporary files, empty, with a neighbour that a name could lead to; and an empty library."""
    folder = tmp_path / "inner" / "temporary"
    folder.mkdir(parents=True)
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.chdir(tmp_path)
    return folder


@pytest.fixture
def escaped(temporary: Path, tmp_path: Path) -> Iterator[None]:
    """Holds that nothing was written outside of the folder for temporary files."""

    def outside() -> set[Path]:
        return {path for path in tmp_path.rglob("*") if not path.is_relative_to(temporary)}

    before = outside()
    candidates = {Path(f"/tmp/y{ending}") for ending in (".csv", ".json", ".html")}
    existing = {path for path in candidates if path.exists()}
    yield
    assert outside() == before
    assert {path for path in candidates if path.exists()} == existing


def session_with_concept(name: str) -> Session:
    """A session with a new concept of that name and its texts."""
    session, concept = Session(), replace(load_concept("sentiment"), name=name)
    session.drafts[name] = Draft(concept, concept)
    finished = preset("sentiment")
    assert finished is not None
    session.record(PageTexts).written[name] = ConceptTexts(finished.grid, (), finished.moves)
    return session


def inside(path: str, folder: Path) -> bool:
    """Whether a file lies in a folder of its own within the folder for temporary files."""
    return Path(path).is_file() and Path(path).resolve().parent.parent == folder.resolve()


@every_name
@pytest.mark.usefixtures("escaped")
def test_files_of_a_concept_of_any_name_are_written_to_temporary_folders(name: str, temporary: Path) -> None:
    session, workspace, values = session_with_concept(name), Workspace(), fields(concept=name)
    written = [
        table.download(session, session.draft(name).rows, name)["download"],
        exports.write_texts(session, Settings.read(*values)),
        exports.write_session(session, values, "Hello"),
        exports.write_report(session, workspace, Settings.read(*values), "Hello"),
    ]
    for path in written:
        assert inside(path, temporary)
        library.safe_name(Path(path).stem)
    assert [Path(path).suffix for path in written] == [".csv", ".csv", ".json", ".html"]


@every_name
def test_no_name_stops_the_page_from_being_brought_up_to_date(name: str) -> None:
    session, workspace, values = session_with_concept(name), Workspace(), fields(concept=name)
    del session.record(PageTexts).written[name]
    settings = Settings.read(*values)
    assert preset(name) is None
    assert Steering(workspace).notices(session, settings, "Hello")["viewer"]["phase"] == "empty"
    assert Layers(workspace).notices(session, settings, "scores")["plot_stale"] == ""
    assert update_cards(workspace, session, settings)["vector"]
    assert "take_script" in update_script(workspace, session, settings, "Hello")
    assert workspace.shape(name) is None


@every_name
def test_a_name_that_the_page_does_not_know_is_no_path(name: str, tmp_path: Path, monkeypatch: Any) -> None:
    (tmp_path / "in").mkdir()
    monkeypatch.chdir(tmp_path / "in")
    shutil.copy(Path(library.__file__).parent.parent / "concepts" / "bundled" / "sentiment.json", tmp_path / "x")
    with pytest.raises(SteeringError, match="This page has no concept"):
        Session().draft(name)
    with pytest.raises(SteeringError, match="There is no vector"):
        Shelf.own().entry(name)


def test_a_file_of_the_server_is_no_concept(tmp_path: Path) -> None:
    path = tmp_path / "theirs.json"
    path.write_text(json.dumps({"pairs": [{"positive": "secret", "negative": "text"}]}))
    with pytest.raises(SteeringError, match="This page has no concept"):
        Session().draft(str(path))


@every_utf8_name
def test_a_session_may_bring_a_concept_of_any_name(name: str, tmp_path: Path) -> None:
    session = Session()
    assert "The session is back" in load_session(session, saved(name, tmp_path), choices=FREE)["take_status"]
    assert session.draft(name).concept.pairs == load_concept("sentiment").pairs


def test_a_session_with_half_a_character_is_refused_in_words(tmp_path: Path) -> None:
    path = Path(saved("half", tmp_path))
    path.write_text(path.read_text("utf-8").replace("half", "\\ud800"), "utf-8")
    session = Session()
    assert "half of a character" in load_session(session, str(path), choices=FREE)["take_status"]
    assert session == Session()


def saved(name: str, folder: Path) -> str:
    """A session file with a concept of that name."""
    concept = replace(load_concept("sentiment"), name=name)
    session = SavedSession(dict(zip(FIELDS, fields(concept=name), strict=True)), concept, "Hello")
    (folder / "session.json").write_text(session_text(session), "utf-8")
    return str(folder / "session.json")


def test_a_session_of_an_earlier_version_adds_and_a_newer_one_brings_its_operator_back(tmp_path: Path) -> None:
    path = Path(saved("sentiment", tmp_path))
    data = json.loads(path.read_text("utf-8"))
    data["fields"]["operator"] = "rotate"
    path.write_text(json.dumps(data), "utf-8")
    assert load_session(Session(), str(path), choices=FREE)["operator"] == "rotate"
    del data["fields"]["operator"]
    path.write_text(json.dumps(data), "utf-8")
    assert load_session(Session(), str(path), choices=FREE)["operator"] == "add"


@every_utf8_name
def test_a_vector_of_a_concept_of_any_name_is_saved_and_downloaded(
    name: str, folders: tuple[str, str], temporary: Path
) -> None:
    session, saved = session_with_concept(name), SavedVectors(Workspace())
    values = fields(folders[0], folders[0], concept=name)
    all_changes = list(press(LONG_TASK, saved.save, session, values, ""))
    chosen = last(all_changes, "lib_chosen")
    assert Shelf.own().entry(chosen).path.parent == Shelf.own().folder
    assert inside(saved.download(session, chosen), temporary)
    written = list(press(LONG_TASK, saved.write, session, values, "steering-vectors", 0.5))
    assert inside(last(written, "lib_file"), temporary)
    uploaded = shutil.copy(Shelf.own().entry(chosen).path, temporary / "🙂.safetensors")
    list(press(LONG_TASK, saved.upload, session, values, str(uploaded)))
    kept_name = last(list(press(LONG_TASK, saved.keep, session, values, False)), "lib_chosen")
    assert Shelf.own().entry(kept_name).path.parent == Shelf.own().folder


@every_name
def test_a_name_given_to_a_vector_stays_in_the_library(name: str) -> None:
    safe = library.safe_name(name, otherwise="other")
    assert safe == os.path.basename(safe)
    assert safe not in ("", ".", "..")
    assert safe.split(".")[0].upper() not in ("CON", "NUL")
    assert len(f".{safe}-99.safetensors.12345678.partial".encode()) <= 255


# Lifetime of files


def test_a_page_keeps_a_bounded_number_of_files_and_none_when_it_is_closed(temporary: Path) -> None:
    workspace = Workspace()
    session = workspace.session("page")
    rows = session.draft("sentiment").rows
    for _ in range(3 * MAX_FOLDERS):
        newest = table.download(session, rows, "sentiment")["download"]
    assert len(list(temporary.iterdir())) == MAX_FOLDERS
    assert Path(newest).is_file()
    other_path = table.download(workspace.session("other"), rows, "sentiment")["download"]
    workspace.close("page")
    assert [path.name for path in temporary.rglob("*.csv")] == ["sentiment.csv"]
    assert Path(other_path).is_file()


def test_two_files_of_one_name_are_in_two_folders(temporary: Path) -> None:
    files = DownloadFiles()
    first, second = files.write("a", ".txt", "1"), files.write("a", ".txt", "2")
    assert (Path(first).read_text(), Path(second).read_text()) == ("1", "2")
    files.remove()
    assert not list(temporary.iterdir())
