"""The Studies tab, without a browser: a study is planned, run, shown, and one of its cells is steered with."""

from pathlib import Path
from typing import Any

import pytest
from pages import fields, last, press
from test_studies import task_file

from steering.errors import SteeringError
from steering.library import Shelf
from steering.studies import STUDY, StudySettings, read_evals, vector_of, write_settings
from steering.ui.state.settings import FIELDS, Settings
from steering.ui.state.strengths import Strengths
from steering.ui.state.workspace import Session, Workspace
from steering.ui.tabs.studies import text
from steering.ui.tabs.studies.handlers import LONG_TASK, Studies, StudyState
from steering.vectors import load_vector

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:gradio")  # without a page, a toast is a warning


@pytest.fixture(autouse=True)
def own_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))


@pytest.fixture
def study(folders: tuple[str, str], tmp_path: Path) -> str:
    """A YAML file with a cell that works and one that fails."""
    parent, child = folders
    settings = StudySettings(
        name="small",
        parents=((parent,),),
        children=(child,),
        tasks=(task_file(tmp_path / "own.jsonl"),),
        concepts=("from-task", "no-such-concept"),
        layers=("relative",),
        shots=3,
    )
    write_settings(settings, tmp_path / "small.yaml")
    return str(tmp_path / "small.yaml")


def test_a_study_is_run_and_shown_and_a_cell_is_steered_with(
    study: str, folders: tuple[str, str], tmp_path: Path
) -> None:
    studies, session, values = Studies(Workspace()), Session(), fields(*folders)
    with pytest.raises(SteeringError, match="No results yet"):
        studies.show(session, study)
    assert "2 cells, 0 of them done" in studies.plan(session, study)["studies_takes"]

    changes = list(press(LONG_TASK, studies.run, session, values, study))
    folder = session.record(StudyState).folder
    assert folder == tmp_path / "data" / "steering-lab" / "studies" / "small"
    assert text.shown("small", 2, 1) in last(changes, "studies_status")
    assert "no-such-concept" in last(changes, "studies_table")
    assert last(changes, "studies_run")["interactive"]
    (shown,) = read_evals(folder).query("status == 'success'").itertuples()
    (choice,) = last(changes, "studies_cell")["choices"]
    assert choice[1] == shown.eval_id
    assert "2 cells, 1 of them done" in studies.plan(session, study)["studies_takes"]

    # The folder alone, in another session, shows the same.
    again, other = Session(), Studies(Workspace())
    assert other.show(again, str(folder))["studies_table"] == last(changes, "studies_table")
    title = last(changes, "studies_picture")["value"]
    assert other.draw(again, title)["studies_plot"]["value"] == last(changes, "studies_plot")["value"]

    used = other.use(again, choice[1], *values)
    after = dict(zip(FIELDS, values, strict=True)) | {name: used[name] for name in FIELDS if name in used}
    plain: dict[str, Any] = {name: each["value"] if isinstance(each, dict) else each for name, each in after.items()}
    settings = Settings.read(*(plain[name] for name in FIELDS))
    steer = again.record(StudyState).results[choice[1]].details["steer"]
    assert settings.steering.positions == steer["positions"]
    assert list(settings.steering.profile) == pytest.approx(steer["profile"])
    concept = again.draft(settings.concept).concept
    assert again.record(Strengths).chosen[concept.name] == steer["lam"]
    vector = other.workspace.vectors.get(settings, concept)
    assert vector is not None
    assert vector.digest == load_vector(vector_of(folder, choice[1])).digest
    assert [entry.name for entry in Shelf.own().entries()]


def test_a_study_says_what_it_asks_and_a_name_that_is_still_typed_is_no_mistake() -> None:
    studies = Studies(Workspace())
    assert "Question 1: which parent layer" in studies.question(Session(), "layer-maps")["studies_question"]
    assert studies.question(Session(), "layer-m")["studies_question"] == ""
    assert studies.question(Session(), None)["studies_question"] == ""


def test_what_cannot_be_used_gets_a_sentence(study: str, folders: tuple[str, str]) -> None:
    studies, session = Studies(Workspace()), Session()
    for name, sentence in (("", text.NO_STUDY), ("nowhere.yaml", "cannot be read"), (str(Path(study).parent), STUDY)):
        with pytest.raises(SteeringError, match=sentence):
            studies.show(session, name)
    with pytest.raises(SteeringError, match="Choose a cell first"):
        studies.use(session, "none", *fields(*folders))
    public = Studies(Workspace(["a"]))
    with pytest.raises(SteeringError, match="only bundled studies"):
        public.show(session, study)
    with pytest.raises(SteeringError, match="gemma-3-270m"):
        public.show(session, "layer-maps")
