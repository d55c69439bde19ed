"""The Library tab without a browser: vectors kept and used, sessions, the report and the script, with tiny models."""

import re
from contextlib import redirect_stdout
from dataclasses import replace
from io import StringIO
from pathlib import Path
from typing import Any

import pandas
import pytest
import torch
from pages import fields, last, press

from steering.concepts.concept import ContrastPair
from steering.concepts.files import load_concept
from steering.errors import SteeringError
from steering.library import Shelf
from steering.measure import Projections, Similarity
from steering.ui.sidebar.cards import update_cards
from steering.ui.state.drafts import Draft
from steering.ui.state.settings import FIELDS, FILE_PREFIX, Settings
from steering.ui.state.workspace import Session, Workspace
from steering.ui.tabs.export import files as exports
from steering.ui.tabs.export import report, report_text, script
from steering.ui.tabs.export import text as export_text
from steering.ui.tabs.export.handlers import load_session, update_script
from steering.ui.tabs.layers.pairs import LayerComparison, PairState
from steering.ui.tabs.library import text
from steering.ui.tabs.library.comparing import compare_vectors
from steering.ui.tabs.library.handlers import LONG_TASK, LibraryState, SavedVectors
from steering.ui.tabs.steer.handlers import LONG_TASK as STEER
from steering.ui.tabs.steer.handlers import Steering
from steering.ui.viewer.texts import PageTexts

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:gradio")  # without a page, a toast is a warning

EVIL = '<img src=x onerror="document.title=1">'
PROMPT = "Ask\n'this' \"now\""
FREE: dict[str, Any] = dict.fromkeys(FIELDS)


@pytest.fixture(autouse=True)
def own_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))


@pytest.fixture(scope="module")
def workspace() -> Workspace:
    """Models and vectors are made once for all tests here."""
    return Workspace()


@pytest.fixture
def saved(workspace: Workspace) -> SavedVectors:
    return SavedVectors(workspace)


def steered(workspace: Workspace, session: Session, values: list[Any], prompt: str = PROMPT) -> None:
    list(press(STEER, Steering(workspace).steer, session, values, prompt))


def run_script(code: str) -> str:
    message = StringIO()
    with redirect_stdout(message):
        exec(compile(code, "script", "exec"), {})
    return message.getvalue()


def printed(session: Session, concept: str) -> str:
    rows = session.record(PageTexts).written[concept].grid.rows
    return "".join(f"λ = {row.lam:+g}\n{row.text}\n\n" for row in rows)


# Saved vectors


def test_a_vector_is_saved_checked_and_used_instead_of_one_made_from_pairs(
    saved: SavedVectors, folders: tuple[str, str]
) -> None:
    session, values = Session(), fields(*folders)
    all_changes = list(press(LONG_TASK, saved.save, session, values, "mine / first"))
    assert last(all_changes, "lib_chosen") == "mine-first"
    checked = list(press(LONG_TASK, saved.check, session, values, "mine-first"))
    assert "matches" in last(checked, "lib_card")
    assert last(checked, "lib_use")["interactive"]
    used = saved.use(session, *values)
    assert used["concept"]["value"] == f"{FILE_PREFIX}mine-first"
    current = Settings.read(*fields(*folders, concept=used["concept"]["value"]))
    concept = session.draft(current.concept).concept
    vector = saved.workspace.vector(session, current, concept)
    kept_vector = Shelf.own().entry("mine-first").vector
    assert kept_vector is not None
    assert (vector.directions == kept_vector.directions).all()
    assert text_of_card(saved, session, current).count("Read from a file") == 1
    mean_settings = Settings.read(*fields(*folders, concept=current.concept, method="mean"))
    assert saved.workspace.vectors.get(mean_settings, concept) is None
    assert saved.workspace.vector(session, mean_settings, concept).method == "mean", (
        "another method is made from the file's pairs"
    )


def text_of_card(saved: SavedVectors, session: Session, settings: Settings) -> str:
    return str(update_cards(saved.workspace, session, settings)["vector"])


def test_a_vector_for_another_child_is_refused_with_what_was_expected(
    saved: SavedVectors, folders: tuple[str, str]
) -> None:
    session, values = Session(), fields(*folders)
    list(press(LONG_TASK, saved.save, session, values, "mine"))
    other_fields = fields(folders[0], folders[0])
    all_changes = list(press(LONG_TASK, saved.check, session, other_fields, "mine"))
    card = last(all_changes, "lib_card")
    assert "✕ differs" in card
    assert '<td class="long">32</td><td class="long">40</td>' in card
    assert not last(all_changes, "lib_use")["interactive"]
    assert text.CHECK_FIRST in saved.use(session, *other_fields)["lib_status"]


def test_an_uploaded_file_is_checked_before_it_is_kept(
    saved: SavedVectors, folders: tuple[str, str], tmp_path: Path
) -> None:
    session, values = Session(), fields(*folders)
    bad = tmp_path / "bad.gguf"
    bad.write_bytes(b"no such thing")
    assert "not a readable GGUF" in last(list(press(LONG_TASK, saved.upload, session, values, str(bad))), "lib_status")
    assert session.record(LibraryState).uploaded is None
    exported = list(press(LONG_TASK, saved.write, session, values, "gguf", 1.0))
    file = last(exported, "lib_file")
    assert "block 0" in last(exported, "lib_notes")
    all_changes = list(press(LONG_TASK, saved.upload, session, values, file))
    assert "matches" in last(all_changes, "lib_card")
    kept_vector = list(press(LONG_TASK, saved.keep, session, values, True))
    entry = Shelf.own().entry(last(kept_vector, "lib_chosen"))
    assert entry.vector is not None
    assert entry.vector.provenance["imported"]["format"] == "gguf"


def test_a_deletion_is_undone(saved: SavedVectors, folders: tuple[str, str]) -> None:
    session, values = Session(), fields(*folders)
    list(press(LONG_TASK, saved.save, session, values, "mine"))
    gone = saved.delete(session, "mine")
    assert gone["lib_table"]["rows"] == []
    assert gone["lib_undo"]["interactive"]
    assert [row["name"] for row in saved.undo(session)["lib_table"]["rows"]] == ["mine"]


def test_two_vectors_are_compared_layer_by_layer(saved: SavedVectors, folders: tuple[str, str]) -> None:
    session, values = Session(), fields(*folders)
    list(press(LONG_TASK, saved.save, session, values, "one"))
    list(press(LONG_TASK, saved.save, session, values, "same"))
    list(press(LONG_TASK, saved.save, session, fields(folders[0], folders[0]), "parent"))
    changes = compare_vectors(session, "one", "same")
    cosines = changes["lib_cosines"]["value"].data[1].y
    assert [value for value in cosines if value is not None] == pytest.approx([1] * 4)
    assert "different spaces" in compare_vectors(session, "one", "parent")["lib_compared"]
    assert compare_vectors(session, "one", None)["lib_sides"] == ""


# Export


def test_the_script_writes_the_texts_of_the_page(workspace: Workspace, folders: tuple[str, str]) -> None:
    session = Session()
    values = fields(
        *folders, temperature=0.7, seed=5, scale="unit", profile="late", positions="response", method="mean"
    )
    steered(workspace, session, values)
    changes = update_script(workspace, session, Settings.read(*values), PROMPT)
    assert changes["take_stale"] == ""
    assert run_script(changes["take_script"]) == printed(session, "sentiment")
    assert (
        export_text.PYTHON_STALE
        in update_script(workspace, session, Settings.read(*fields(*folders)), PROMPT)["take_stale"]
    )


def test_edited_pairs_are_written_into_the_script(workspace: Workspace, folders: tuple[str, str]) -> None:
    session, values = Session(), fields(*folders)
    original = load_concept("sentiment")
    edited = replace(original, pairs=(ContrastPair('It\'s "good"\n', "It is bad."), *original.pairs[:7]))
    session.drafts["sentiment"] = Draft(edited, original)
    steered(workspace, session, values)
    code = script.python_script(Settings.read(*values), edited, PROMPT)
    assert "load_concept" not in code
    assert run_script(code) == printed(session, "sentiment")


def test_the_script_reads_the_file_that_is_steered_with(saved: SavedVectors, folders: tuple[str, str]) -> None:
    session, values = Session(), fields(*folders)
    list(press(LONG_TASK, saved.save, session, values, "mine"))
    list(press(LONG_TASK, saved.check, session, values, "mine"))
    name = saved.use(session, *values)["concept"]["value"]
    values = fields(*folders, concept=name)
    steered(saved.workspace, session, values)
    code = update_script(saved.workspace, session, Settings.read(*values), PROMPT)["take_script"]
    assert "load_vector" in code
    assert run_script(code) == printed(session, name)


def test_a_session_brings_the_page_back(workspace: Workspace, folders: tuple[str, str]) -> None:
    session, values = Session(), fields(*folders, seed=3, method="mean")
    original = load_concept("sentiment")
    session.drafts["sentiment"] = Draft(replace(original, pairs=original.pairs[:9]), original)
    steered(workspace, session, values)
    path = exports.write_session(session, values, PROMPT)
    fresh = Session()
    changes = load_session(fresh, path, choices=FREE)
    assert [changes[name] for name in FIELDS if name != "concept"] == [
        value for name, value in zip(FIELDS, values, strict=True) if name != "concept"
    ]
    assert changes["prompt"] == PROMPT
    assert len(fresh.draft("sentiment").concept.pairs) == 9
    assert fresh.draft("sentiment").modified
    texts = [row["text"] for row in changes["viewer"]["rows"]]
    assert texts == [row.text for row in session.record(PageTexts).written["sentiment"].grid.rows]
    assert Steering(workspace).notices(fresh, Settings.read(*values), PROMPT)["stale"] == ""
    assert exports.write_session(fresh, values, PROMPT) != path
    assert Path(exports.write_session(fresh, values, PROMPT)).read_text() == Path(path).read_text()


def test_a_session_with_settings_that_the_page_does_not_know_changes_nothing(
    workspace: Workspace, folders: tuple[str, str], tmp_path: Path
) -> None:
    session, values = Session(), fields(*folders)
    steered(workspace, session, values)
    path = Path(exports.write_session(session, values, PROMPT))
    for bad, words in (
        (path.read_text().replace('"method": "pca"', '"method": "magic"'), "magic"),
        (path.read_text().replace('"method": "pca",', ""), "method"),
        (path.read_text().replace('"seed": 0', '"seed": "x"'), "a number"),
        (path.read_text().replace('"max_new_tokens": 6,\n    "temp', '"temp'), "how many tokens"),
        ("{}", "not a session"),
    ):
        assert bad != path.read_text()
        (tmp_path / "bad.json").write_text(bad)
        fresh = Session()
        changes = load_session(fresh, str(tmp_path / "bad.json"), choices=FREE | {"method": ["pca", "mean"]})
        assert list(changes) == ["take_status"]
        assert words in changes["take_status"]
        assert fresh == Session()


def test_the_csv_holds_every_text(workspace: Workspace, folders: tuple[str, str]) -> None:
    session, values = Session(), fields(*folders)
    steered(workspace, session, values)
    table = pandas.read_csv(exports.write_texts(session, Settings.read(*values)), keep_default_na=False)
    grid = session.record(PageTexts).written["sentiment"].grid
    assert list(table["lambda"]) == [row.lam for row in grid.rows]
    assert list(table["text"]) == [row.text for row in grid.rows]
    assert set(table["prompt"]) == {PROMPT}
    empty = Session()
    empty.drafts["mine"] = Draft(replace(load_concept("time"), name="mine"), load_concept("time"))
    with pytest.raises(SteeringError, match="no texts"):
        exports.write_texts(empty, Settings.read(*fields(concept="mine")))


def report_of(workspace: Workspace, session: Session, values: list[Any], prompt: str) -> str:
    return report.page_report(session, workspace, Settings.read(*values), prompt)


def test_the_report_is_complete_and_loads_nothing(workspace: Workspace, folders: tuple[str, str]) -> None:
    session, values = Session(), fields(*folders)
    original = load_concept("sentiment")
    pairs = (ContrastPair(EVIL, "b"), *original.pairs[:9])
    session.drafts["sentiment"] = Draft(replace(original, pairs=pairs, positive_label=EVIL), original)
    steered(workspace, session, values, EVIL)
    written = session.record(PageTexts).written["sentiment"]
    rows = (replace(written.grid.rows[0], text=EVIL), *written.grid.rows[1:])
    written.grid = replace(written.grid, rows=rows)
    page = report_of(workspace, session, values, EVIL)
    assert "<img" not in re.sub(r"<script.*?</script>", "", page, flags=re.S)
    assert page.count("plotly.js v") == 1, "the library is embedded once"
    assert not re.findall(r"""<(?:script|link|img)[^>]+(?:src|href)=["']?https?:""", page)
    assert "default-src 'none'" in page
    assert page.count("<article") == 13
    assert "held-out R²" in page
    assert "10 pairs" in page
    stale = report_of(workspace, session, fields(*folders, seed=9), EVIL)
    assert "made with other settings" in stale


def test_the_report_shows_the_map_of_layers_that_is_on_the_page(workspace: Workspace, folders: tuple[str, str]) -> None:
    session, values = Session(), fields(*folders)
    without = report_of(workspace, session, values, PROMPT)
    similarity = Similarity("scores", torch.eye(2), 0.5, "a", "b", "sentiment", 20)
    texts = Projections(torch.zeros(4, 2), torch.zeros(4, 2), ("t",) * 4, ("happy", "sad"))
    session.record(PairState).comparison = LayerComparison(similarity, texts)
    page = report_of(workspace, session, values, PROMPT)
    assert report_text.rests_on(similarity) in page
    assert report_text.rests_on(similarity) not in without


def test_a_report_without_anything_computed_is_still_a_report() -> None:
    page = report_of(Workspace(), Session(), fields(concept="time", child="other"), "x")
    assert "Settings" in page
