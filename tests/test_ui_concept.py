"""The Concept tab without a browser: the table, the check of the pairs, and the comparison of two designs."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pages import fields, last, press

from steering.concepts.concept import ContrastPair
from steering.concepts.files import load_concept
from steering.concepts.lint import Problem, lint
from steering.measure.pair_checks import leave_out
from steering.ui.state.drafts import Draft
from steering.ui.state.settings import Settings
from steering.ui.state.workspace import Session, Workspace
from steering.ui.tabs.concept import checking, comparing, render, text, votes
from steering.ui.tabs.concept import handlers as table
from steering.ui.tabs.concept.checking import Checking, CheckState
from steering.ui.tabs.concept.comparing import Comparing
from steering.ui.text import MODIFIED

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:gradio")  # without a page, a toast is a warning

LABELS = ("happy", "sad")
"""Of the bundled sentiment."""

EVIL = '<img src=x onerror="document.title=1">'


def test_download_can_be_uploaded_again() -> None:
    original = load_concept("sentiment")
    draft = Draft(original, original)
    session = Session()
    path = Path(table.download(session, draft.rows, "sentiment")["download"])
    assert path.name == "sentiment.csv"
    assert draft.with_concept(load_concept(path)) is draft


def test_problems_come_worst_first_with_their_rows() -> None:
    html = render.problem_list([Problem(2, "Mild one"), Problem(5, "Bad one", serious=True), Problem(None, "of all")])
    assert html.index("Bad one") < html.index("Mild one")
    assert "row 5" in html
    assert "row 2" in html
    assert text.NO_PROBLEMS in render.problem_list([])


def test_edits_in_the_table_reach_the_linter_and_survive_another_concept() -> None:
    session = Session()
    rows = session.draft("sentiment").rows
    rows[2] = ["", "x"]
    changes = table.edit_table(session, "sentiment", rows, "happy", "sad")
    assert "row 3" in changes["problems"]
    assert "pairs" not in changes
    assert MODIFIED in changes["heading"]
    table.write_table(session, "courage")
    assert table.write_table(session, "sentiment")["pairs"][2] == ["", "x"]
    undone = table.undo(session, "sentiment", rows, *LABELS)
    assert not session.draft("sentiment").modified
    assert undone["pairs"][2] != ["", "x"]


def test_delete_needs_a_clicked_row() -> None:
    session = Session()
    rows = session.draft("sentiment").rows
    assert table.delete(session, "sentiment", rows, *LABELS) == {}
    assert "3" in table.select(session, "sentiment", 2)["delete_pair"]
    assert table.delete(session, "sentiment", rows, *LABELS)["pairs"] == rows[:2] + rows[3:]


def test_a_broken_upload_says_what_is_wrong(tmp_path: Path) -> None:
    broken = tmp_path / "broken.csv"
    broken.write_text("only,these\n1,2\n")
    assert "positive" in table.upload(Session(), "sentiment", str(broken))["pairs_message"]
    binary = tmp_path / "binary.csv"
    binary.write_bytes(b"\xff\xfe\x00")
    assert "UTF-8" in table.upload(Session(), "sentiment", str(binary))["pairs_message"]


def test_an_upload_may_be_any_file_of_pairs_and_what_was_done_to_read_it_is_shown(tmp_path: Path) -> None:
    file = tmp_path / "Mine.TSV"
    file.write_text("chosen\trejected\nan é\ta\n\t\n", "cp1252")
    changes = table.upload(Session(), "sentiment", str(file))
    assert changes["pairs"] == [["an é", "a"]]
    for note in ("Read as Windows-1252", "Skipped 1 blank row", "Positive texts are in &#x27;chosen&#x27;"):
        assert note in changes["pairs_message"]
    file.write_text("good\tbad\na\tb\n")
    assert text.NAME_COLUMNS in table.upload(Session(), "sentiment", str(file))["pairs_message"]
    assert table.upload(Session(), "sentiment", str(tmp_path / "gone.csv"))["pairs_message"]


def test_the_bundled_pairs_have_no_problem() -> None:
    assert table.draft_changes(Session(), "sentiment", table=True)["problems"].count("fine") == 1
    assert not [problem for problem in lint(load_concept("sentiment").pairs) if problem.serious]


def test_text_of_users_is_escaped() -> None:
    concept = load_concept("sentiment")
    draft = Draft(replace(concept, name=EVIL, description=EVIL), concept)
    assert "<img" not in render.problem_list([Problem(1, EVIL)]) + render.pairs_heading(draft)


def test_what_stands_in_the_labels_is_kept_by_every_button() -> None:
    """A letter and a click can be so close that the click comes first."""
    session = Session()
    rows = session.draft("sentiment").rows
    changes = table.add(session, "sentiment", rows, "happy", "gloomy")
    assert changes["negative_label"] == session.draft("sentiment").concept.negative_label == "gloomy"
    assert table.undo(session, "sentiment", changes["pairs"], "happy", "gloomy")["negative_label"] == "gloomy"
    assert table.undo(session, "sentiment", rows, "happy", "gloomy")["negative_label"] == "sad"


def test_a_label_that_was_left_is_shown_as_it_is_kept() -> None:
    session = Session()
    rows = session.draft("sentiment").rows
    table.edit_table(session, "sentiment", rows, "happy", "gloomy ")
    assert table.leave_label("negative_label", session, "sentiment", rows, "happy", "gloomy ", "gloomy ") == {
        "negative_label": "gloomy"
    }
    assert table.leave_label("positive_label", session, "sentiment", rows, " ", "gloomy", " ") == {
        "positive_label": "happy"
    }
    assert table.leave_label("positive_label", session, "sentiment", rows, "happy", "gloomy", "happy") == {}


# Pasted pairs and new concepts


def test_pasting_adds_to_the_table_and_says_what_is_wrong() -> None:
    session = Session()
    rows = session.draft("sentiment").rows
    assert text.NOTHING_PASTED in table.paste(session, "sentiment", rows, *LABELS, " ")["pairs_message"]
    assert "Line 1" in table.paste(session, "sentiment", rows, *LABELS, "alone")["pairs_message"]
    assert not session.draft("sentiment").modified
    changes = table.paste(session, "sentiment", rows, *LABELS, "up | down")
    assert changes["pairs"] == [*rows, ["up", "down"]]
    assert changes["pasted"] == ""
    assert changes["paste"]["open"] is False


def test_a_new_concept_is_chosen_and_opens_with_what_was_pasted() -> None:
    session = Session()
    assert text.NO_NAME in table.start_concept(session, "", " ")["pairs_message"]
    first = table.start_concept(session, "up | down\nhigh | low", "mine")["concept"]
    assert (first["value"], first["choices"][-1]) == ("mine", "mine")
    assert table.write_table(session, "mine")["pairs"] == [["up", "down"], ["high", "low"]]
    second = table.start_concept(session, "", "mine")["concept"]
    assert second["choices"][-2:] == ["mine", "mine 2"]
    assert table.write_table(session, "mine 2")["pairs"] == [["", ""]]
    assert table.write_table(session, "mine 2")["reset"]["value"] == text.RESET_OWN
    assert table.write_table(session, "sentiment")["reset"]["value"] == text.RESET


# Pairs held against the others


@pytest.mark.parametrize(
    ("positive", "negative", "difference"),
    [
        ("The soup was a joy", "The soup was a pity", ("The soup was …", "joy", "pity")),
        ("We won by far", "We lost by far", ("We", "won", "lost")),
        ("Up", "Down", ("", "Up", "Down")),
        ("very very good", "very good", ("very", "very", "")),
        ("same", "same", ("same", "", "")),
    ],
)
def test_the_list_shows_where_a_pair_differs(positive: str, negative: str, difference: tuple[str, str, str]) -> None:
    assert votes.difference(ContrastPair(positive, negative)) == difference


Pressed = tuple[Checking, Session, list[Any], list[dict[str, Any]]]


@pytest.fixture
def checked(folders: tuple[str, str]) -> Pressed:
    check, session, values = Checking(Workspace(), table.write_table), Session(), fields(*folders)
    return check, session, values, list(press(checking.LONG_TASK, check.check, session, values))


def test_checked_pairs_are_listed_with_those_that_fight_first(checked: Pressed) -> None:
    _, session, _, all_changes = checked
    rows = last(all_changes, "votes")["rows"]
    assert sorted(row["number"] for row in rows) == list(range(1, 33))
    assert [row["score"] for row in rows] == sorted(row["score"] for row in rows)
    assert all(row["fights"] == (row["score"] < 0) == (row["mark"] == votes.FIGHTS) for row in rows)
    assert "32" in last(all_changes, "check_status")
    assert last(all_changes, "check")["interactive"]
    assert session.record(CheckState).chosen is None


def test_a_chosen_pair_can_be_left_out_and_restored(checked: Pressed) -> None:
    check, session, values, all_changes = checked
    settings, pairs = Settings.read(*values), load_concept("sentiment").pairs
    assert check.notices(session, settings)["check_stale"] == ""
    number = last(all_changes, "votes")["rows"][0]["number"]
    detail = check.choose(session, number - 1)
    assert f"Row {number}" in detail["vote_detail"]
    assert "n = 31 pairs" in detail["vote_detail"]
    assert detail["leave_out"]["visible"]
    left = check.leave_out(session, "sentiment")
    assert len(left["pairs"]) == 31
    assert [pairs[number - 1].positive, pairs[number - 1].negative] not in left["pairs"]
    notices = check.notices(session, settings)
    assert text.STALE_VOTES in notices["check_stale"]
    assert [row["number"] for row in notices["votes"]["rows"] if row["gone"]] == [number]
    assert not notices["leave_out"]["interactive"]
    assert check.leave_out(session, "sentiment") == {}, "it is not deleted twice"
    table.undo(session, "sentiment", session.draft("sentiment").rows, *LABELS)
    back = check.notices(session, settings)
    assert back["check_stale"] == ""
    assert not any(row["gone"] for row in back["votes"]["rows"])


def test_a_check_grows_old_with_the_method_and_not_with_the_child(checked: Pressed, folders: tuple[str, str]) -> None:
    check, session, _, _ = checked
    parent, child = folders
    others = (fields(parent, child, method="mean"), fields(parent, parent), fields(parent, child, concept="courage"))
    stale = [text.STALE_VOTES in check.notices(session, Settings.read(*values))["check_stale"] for values in others]
    assert stale == [True, False, True]


def test_pairs_that_cannot_be_used_give_an_error_beside_the_button(folders: tuple[str, str]) -> None:
    session = Session()
    table.start_concept(session, "", "mine")
    check = Checking(Workspace(), table.write_table)
    all_changes = list(press(checking.LONG_TASK, check.check, session, fields(*folders, concept="mine")))
    assert "cannot be used" in last(all_changes, "check_status")
    assert check.choose(session, 0) == check.leave_out(session, "mine") == {}


# Two designs


def test_designs_are_kept_as_they_stand() -> None:
    session = Session()
    assert "Empty" in comparing.design_cards(session)["design_a"]
    changes = comparing.keep_design("A", session, "sentiment")
    assert "32 pairs" in changes["design_a"]
    session.drafts["sentiment"] = session.draft("sentiment").without(0)
    assert "32 pairs" in comparing.design_cards(session)["design_a"]
    assert "courage" in comparing.load_design("B", session, "courage")["design_b"]
    assert "courage" in comparing.load_design("B", session, None)["design_b"]


def test_two_designs_are_compared_and_written_with_in_one_batch(folders: tuple[str, str]) -> None:
    compare, session, values = Comparing(Workspace()), Session(), fields(*folders)
    comparing.keep_design("A", session, "sentiment")
    missing = list(press(comparing.LONG_TASK, compare.compare, session, values, "Hello", 0.3, "explained variance"))
    assert text.NEEDS_BOTH.format(letter="B") in last(missing, "compare_status")
    comparing.load_design("B", session, "courage")
    for prompt, lam, words in ((" ", 0.3, text.EMPTY_PROMPT), ("Hello", None, text.NEEDS_STRENGTH)):
        assert words in last(
            list(press(comparing.LONG_TASK, compare.compare, session, values, prompt, lam, "explained variance")),
            "compare_status",
        )
    all_changes = list(press(comparing.LONG_TASK, compare.compare, session, values, "Hello", 0.3, "explained variance"))
    assert text.WRITTEN in last(all_changes, "compare_status")
    texts = last(all_changes, "design_texts")
    assert [texts.count(name) for name in ("Baseline", "Design A", "Design B")] == [1, 1, 1]
    assert "λ = +0.3" in texts
    assert len(last(all_changes, "design_cosines").data[1].y) == 3
    assert "explained variance" in last(all_changes, "design_quality").layout.yaxis.title.text
    assert "split-half" in comparing.show_quality(session, "split-half cosine")["design_quality"].data[0].hovertemplate
    settings = Settings.read(*values)
    assert compare.notices(session, settings, "Hello", 0.3)["compare_stale"] == ""
    for prompt, lam in (("Hello", 0.2), ("Bye", 0.3)):
        assert text.STALE_COMPARISON in compare.notices(session, settings, prompt, lam)["compare_stale"]
    comparing.keep_design("B", session, "sentiment")
    assert text.STALE_COMPARISON in compare.notices(session, settings, "Hello", 0.3)["compare_stale"]


def test_text_of_users_in_designs_is_escaped(checked: Pressed) -> None:
    check, session, _, _ = checked
    check.choose(session, 0)
    state = session.record(CheckState)
    assert state.design is not None
    assert state.votes is not None
    concept = replace(load_concept("sentiment"), name=EVIL, positive_label=EVIL, pairs=(ContrastPair(EVIL, EVIL),) * 4)
    html = render.pair_detail(concept.pairs[0], 0, state.votes, leave_out(state.design, 0))
    assert "<img" not in html + render.design("A", concept)
