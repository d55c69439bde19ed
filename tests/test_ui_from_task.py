"""Pairs from a task on the Concept tab, without a browser: the table, its undo, uploads, and what is said of a wrong input."""

import json
from pathlib import Path

import pytest
from pages import fields, last, press

from steering.concepts import load_concept
from steering.evaluation import OWN_DESIGNS
from steering.tasks import DESIGNS, concept_from_task, load_task
from steering.ui.questions.form import Uploads
from steering.ui.questions.text import TASKS
from steering.ui.state.workspace import Session, Workspace
from steering.ui.tabs.concept import from_task, handlers, text
from steering.ui.tabs.concept.from_task import LONG_TASK, MakingPairs
from steering.ui.tabs.tune import handlers as tuning
from steering.ui.text import STOPPED

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:gradio")  # without a page, a toast is a warning

PLURAL = "word-forms:plural"


@pytest.fixture
def making() -> MakingPairs:
    return MakingPairs(Workspace(), handlers.write_table)


def status(making: MakingPairs, session: Session, source: object, design: object) -> str:
    changes = list(press(LONG_TASK, making.make, session, fields(seed=2), source, design))
    assert last(changes, "task_make")["interactive"]
    return str(last(changes, "task_status"))


@pytest.mark.parametrize("design", ["shots", "right-wrong", "step-by-step"])
def test_pairs_land_in_the_table_with_name_and_poles_and_one_undo_takes_them_back(
    making: MakingPairs, design: str
) -> None:
    session = Session()
    before = session.draft("sentiment").with_labels("glad", "sad")
    session.drafts["sentiment"] = before
    changes = list(press(LONG_TASK, making.make, session, fields(seed=2), PLURAL, design))
    concept = concept_from_task(load_task(PLURAL, "validation"), design, seed=2)
    draft = session.draft("sentiment")
    assert draft.concept == concept
    assert last(changes, "pairs") == [[pair.positive, pair.negative] for pair in concept.pairs]
    assert (last(changes, "positive_label"), last(changes, "negative_label")) == (
        concept.positive_label,
        concept.negative_label,
    )
    assert concept.name in last(changes, "heading")
    assert last(changes, "undo")["interactive"]
    assert "40 pairs" in last(changes, "task_status")
    labels = (concept.positive_label, concept.negative_label)
    handlers.undo(session, "sentiment", draft.rows, *labels)
    assert session.draft("sentiment") == before


def test_a_wrong_input_gets_a_sentence_and_changes_nothing(making: MakingPairs) -> None:
    session = Session()
    for source, design, words in (
        ("/etc/passwd", "shots", "There is no task"),
        (None, "shots", "There is no task"),
        ("word-forms:plurals", "shots", "Did you mean plural"),
        (PLURAL, "none", "There is no design"),
        (PLURAL, "worked", "no worked solution is known"),
        ("questions", "shots", "questions has no training part"),
    ):
        assert words in status(making, session, source, design)
    assert session.draft("sentiment").concept == load_concept("sentiment")
    assert not session.draft("sentiment").history


def test_stop_leaves_the_table_as_it_is(making: MakingPairs) -> None:
    session = Session()
    LONG_TASK.begin(session)
    LONG_TASK.request_stop(session)
    changes = list(LONG_TASK.work(session, making.make, fields(), PLURAL, "shots"))
    assert STOPPED in last(changes, "task_status")
    assert not session.draft("sentiment").history


def test_an_uploaded_task_is_in_both_menus(making: MakingPairs, tmp_path: Path) -> None:
    rows = [
        {"question": f"What is {n} + {n}?", "answer": 2 * n, "solution": f"Twice {n} is {2 * n}.", "split": part}
        for part in ("train", "validation", "test")
        for n in range(9)
    ]
    rows = [row | {"question": f"{row['question']} ({row['split']})"} for row in rows]
    path = tmp_path / "sums.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)))
    session = Session()
    assert "There is no task" in status(making, session, str(path), "worked")
    changes = from_task.upload(session, str(path))
    assert changes["task_source"]["value"] == str(path)
    assert changes["task_source"]["choices"] == changes["tune_task"]["choices"] == [*TASKS, ("sums.jsonl", str(path))]
    assert "9 pairs" in status(making, session, str(path), "worked")
    assert tuning.upload(session, str(path))["task_source"]["choices"][-1] == ("sums.jsonl", str(path))
    path.write_text("no rows")
    other = Session()
    assert "not valid JSONL" in from_task.upload(other, str(path))["task_status"]
    assert not other.record(Uploads).files


def test_a_design_of_own_answers_loads_the_models_and_says_when_the_child_is_never_right(
    making: MakingPairs, folders: tuple[str, str], tmp_path: Path
) -> None:
    path = tmp_path / "few.csv"
    parts = ["train"] * 4 + ["validation", "test"]
    path.write_text("question,answer,split\n" + "".join(f"up {n},{n}7919000,{part}\n" for n, part in enumerate(parts)))
    session = Session()
    from_task.upload(session, str(path))
    changes = list(press(LONG_TASK, making.make, session, fields(*folders), str(path), "self"))
    assert "The design &#x27;self&#x27; makes 0 pairs" in last(changes, "task_status")
    assert set(making.workspace.loaded()) == set(folders)


def test_the_menu_offers_every_design() -> None:
    assert set(text.TASK_DESIGNS) == {*DESIGNS, *OWN_DESIGNS}
