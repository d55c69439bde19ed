"""The Concept tab without a browser: drafts, the table, and what is said about the pairs."""

from dataclasses import replace
from pathlib import Path

import pytest

from steering.concepts import Problem, lint, load_concept
from steering.errors import SteeringError
from steering.ui.concept import handlers as table
from steering.ui.concept import render, text
from steering.ui.drafts import Draft
from steering.ui.text import MODIFIED
from steering.ui.workspace import Session

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:gradio")  # a toast outside of a page is a warning

EVIL = '<img src=x onerror="document.title=1">'


def test_edits_can_be_taken_back_one_by_one() -> None:
    original = load_concept("sentiment")
    start = Draft(original, original)
    edited = start.with_rows([["a", "b"]]).added().with_labels("up", "down")
    assert edited.modified
    assert edited.undone().undone().concept.pairs[0].positive == "a"
    assert edited.undone().undone().undone() == start
    assert start.undone() is start


def test_the_same_edit_twice_is_one_edit() -> None:
    original = load_concept("sentiment")
    start = Draft(original, original)
    assert start.with_rows(start.rows) is start
    once = start.with_rows([["a", "b"]])
    assert once.with_rows([["a", "b"]]) is once


def test_reset_can_be_taken_back() -> None:
    original = load_concept("sentiment")
    edited = Draft(original, original).without(0)
    assert not edited.reset().modified
    assert edited.reset().undone().concept == edited.concept
    assert edited.without(99) is edited


def test_an_uploaded_file_brings_pairs_and_json_brings_labels() -> None:
    original = load_concept("sentiment")
    draft = Draft(original, original)
    assert len(draft.with_file("positive,negative\na,b\n", "csv", "mine").concept.pairs) == 1
    both = '{"positive_label": "hot", "negative_label": "cold", "pairs": [{"positive": "a", "negative": "b"}]}'
    assert draft.with_file(both, "json", "mine").concept.positive_label == "hot"
    with pytest.raises(SteeringError, match="row 1"):
        draft.with_file("text\nx\n", "csv", "mine")


def test_download_can_be_uploaded_again() -> None:
    original = load_concept("sentiment")
    draft = Draft(original, original)
    path = Path(table.download(draft.rows, "sentiment"))
    assert path.name == "sentiment.csv"
    assert draft.with_file(path.read_text("utf-8"), "csv", "sentiment") is draft


def test_problems_come_worst_first_with_their_rows() -> None:
    found = render.problems([Problem(2, "Mild one"), Problem(5, "Bad one", serious=True), Problem(None, "of all")])
    assert found.index("Bad one") < found.index("Mild one")
    assert "row 5" in found
    assert "row 2" in found
    assert text.NO_PROBLEMS in render.problems([])


def test_edits_in_the_table_reach_the_linter_and_survive_another_concept() -> None:
    session = Session()
    rows = session.draft("sentiment").rows
    rows[2] = ["", "x"]
    changes = table.typed(session, "sentiment", rows, "happy", "sad")
    assert "row 3" in changes["problems"]
    assert "pairs" not in changes
    assert MODIFIED in changes["heading"]
    table.opened(session, "courage")
    assert table.opened(session, "sentiment")["pairs"][2] == ["", "x"]
    undone = table.undo(session, "sentiment", rows)
    assert not session.draft("sentiment").modified
    assert undone["pairs"][2] != ["", "x"]


def test_delete_needs_a_clicked_row() -> None:
    session = Session()
    rows = session.draft("sentiment").rows
    assert table.delete(session, "sentiment", rows) == {}
    assert "3" in table.select(session, "sentiment", 2)["delete_pair"]
    assert table.delete(session, "sentiment", rows)["pairs"] == rows[:2] + rows[3:]


def test_a_broken_upload_says_what_is_wrong(tmp_path: Path) -> None:
    broken = tmp_path / "broken.csv"
    broken.write_text("only,these\n1,2\n")
    assert "positive" in table.upload(Session(), "sentiment", str(broken))["pairs_message"]
    binary = tmp_path / "binary.csv"
    binary.write_bytes(b"\xff\xfe\x00")
    assert "UTF-8" in table.upload(Session(), "sentiment", str(binary))["pairs_message"]


def test_the_bundled_pairs_have_no_problem() -> None:
    assert table.shown(Session(), "sentiment", table=True)["problems"].count("fine") == 1
    assert not [problem for problem in lint(load_concept("sentiment").pairs) if problem.serious]


def test_what_people_write_is_escaped() -> None:
    concept = load_concept("sentiment")
    draft = Draft(replace(concept, name=EVIL, description=EVIL), concept)
    assert "<img" not in render.problems([Problem(1, EVIL)]) + render.pairs_heading(draft)
