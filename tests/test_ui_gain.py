"""A gain on the Concept tab, without a browser: what is measured and shown, and steering with the vector as it was chosen."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from pages import fields, last, press

from steering.errors import SteeringError
from steering.evaluation import OWN_DESIGNS, Gain, gain, power_sentence, task_parts
from steering.library import Shelf
from steering.library import saved_vectors as library
from steering.steer import generate
from steering.tasks import DESIGNS, Style, plain_prompt
from steering.ui.render import note
from steering.ui.state.settings import FIELDS, LAMBDAS, Settings
from steering.ui.state.strengths import Strengths
from steering.ui.state.workspace import Session, Workspace
from steering.ui.tabs.concept import from_task, gaining, text
from steering.ui.tabs.concept.gaining import LONG_TASK, Gaining, GainState
from steering.ui.tabs.export.handlers import update_script
from steering.ui.tabs.library.handlers import SavedVectors
from steering.ui.tabs.library.render import details
from steering.ui.tabs.steer.handlers import LONG_TASK as STEER
from steering.ui.tabs.steer.handlers import Steering
from steering.ui.text import STOPPED
from steering.ui.viewer.texts import PageTexts

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:gradio")  # without a page, a toast is a warning

SHOWN = ("gain_plot", "gain_verdict", "gain_table", "gain_use")
SIX = 6


@pytest.fixture(autouse=True)
def own_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))


@pytest.fixture(scope="module")
def workspace() -> Workspace:
    return Workspace()


@pytest.fixture
def measuring(workspace: Workspace) -> Gaining:
    return Gaining(workspace)


@pytest.fixture(scope="module")
def task(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Pairs of words, whose training part has no worked solution."""
    rows = [
        {"question": f"{split[:2]}{place}", "answer": f"{split[0]}{place}x", "split": split}
        for split, count in (("train", 10), ("validation", 5), ("test", SIX))
        for place in range(count)
    ]
    path = tmp_path_factory.mktemp("tasks") / "own.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)), "utf-8")
    return str(path)


def session_with(task: str) -> Session:
    session = Session()
    from_task.upload(session, task)
    return session


def measure(measuring: Gaining, session: Session, values: list[Any], *form: object) -> list[dict[str, Any]]:
    return list(press(LONG_TASK, measuring.measure, session, values, *form))


def newest(session: Session) -> Gain:
    measured = session.record(GainState).measured
    assert measured is not None
    return measured.gain


def used(measuring: Gaining, session: Session, values: list[Any]) -> tuple[dict[str, Any], Settings]:
    """What the button changes, and the sidebar's settings after it."""
    changes = measuring.use(session, *values)
    after = dict(zip(FIELDS, values, strict=True)) | {name: changes[name] for name in FIELDS if name in changes}
    plain = {name: value["value"] if isinstance(value, dict) else value for name, value in after.items()}
    return changes, Settings.read(*(plain[name] for name in FIELDS))


def test_the_page_shows_the_power_first_and_then_what_the_core_measures(
    measuring: Gaining, folders: tuple[str, str], task: str
) -> None:
    session, values = session_with(task), fields(*folders, method="mean", seed=3)
    changes = measure(measuring, session, values, task, "shots", 4)
    power = [number for number, change in enumerate(changes) if change.get("gain_power") == note(power_sentence(4))]
    loaded = [number for number, change in enumerate(changes) if "gain_plot" in change]
    assert power[0] < loaded[0]
    parent, child = measuring.workspace.models(Settings.read(*values))
    direct = gain(parent, child, task, method="mean", limit=4, seed=3)
    assert newest(session).as_json() == direct.as_json()
    assert direct.verdict in last(changes, "gain_verdict").replace("&#x27;", "'")
    assert all(f">{arm.name}</th>" in last(changes, "gain_table") for arm in direct.arms)
    assert sorted(last(changes, "gain_plot")["value"].data[0].y) == sorted(arm.name for arm in direct.arms)
    assert last(changes, "gain_power") == ""
    assert last(changes, "gain_run")["interactive"]


def test_a_stopped_or_failed_run_leaves_the_earlier_result(
    measuring: Gaining, folders: tuple[str, str], task: str
) -> None:
    session, values = session_with(task), fields(*folders)
    measure(measuring, session, values, task, "shots", SIX)
    before = session.record(GainState).measured

    LONG_TASK.begin(session)
    stopped = []
    for change in LONG_TASK.work(session, measuring.measure, values, task, "right-wrong", 2):
        stopped.append(change)
        if change.get("gain_power"):
            LONG_TASK.request_stop(session)
    assert STOPPED in last(stopped, "gain_status")
    failed = measure(measuring, session, values, task, "worked", 2)
    assert "no worked solution is known" in last(failed, "gain_status")

    for changes in (stopped, failed):
        assert any(change.get("gain_power") for change in changes), "the run began"
        assert last(changes, "gain_power") == ""
        assert not any(name in change for change in changes for name in SHOWN)
    assert session.record(GainState).measured is before


@pytest.mark.parametrize("design", OWN_DESIGNS)
def test_a_design_of_own_answers_is_refused_in_a_sentence(
    measuring: Gaining, folders: tuple[str, str], task: str, design: str
) -> None:
    session = session_with(task)
    words = str(last(measure(measuring, session, fields(*folders), task, design, SIX), "gain_status"))
    assert design in words
    assert all(name in words for name in DESIGNS)


def test_a_wrong_input_gets_a_sentence(measuring: Gaining, folders: tuple[str, str], task: str) -> None:
    session = session_with(task)
    for source, design, limit, words in (
        ("/etc/passwd", "shots", SIX, "There is no task"),
        (task, "none", SIX, "There is no design"),
        (task, "shots", None, "Test questions is empty"),
        (task, "shots", 0, "The limit"),
    ):
        assert words in last(measure(measuring, session, fields(*folders), source, design, limit), "gain_status")
    assert session.record(GainState).measured is None
    with pytest.raises(SteeringError, match="Measure the gain first"):
        measuring.use(session, *fields(*folders))


def test_steering_with_the_vector_writes_what_the_core_writes_with_the_chosen_setting(
    measuring: Gaining, folders: tuple[str, str], task: str
) -> None:
    workspace, session, values = measuring.workspace, session_with(task), fields(*folders)
    measure(measuring, session, values, task, "shots", SIX)
    result = newest(session)
    arm, lam = result.arm("carried"), result.arm("carried").chosen["lam"]

    # Whatever the sidebar shows by now, also another child.
    elsewhere = fields(*folders[::-1], method="pca", scale="unit", positions="all", temperature=1, system="Be brief.")
    changes, settings = used(measuring, session, elsewhere)
    concept = session.draft(settings.concept).concept
    assert concept.name == "file: own-shots"
    assert (concept.positive_label, concept.negative_label) == result.vector.labels
    assert arm.steering is not None
    assert settings.steering == replace(arm.steering, profile=tuple(arm.steering.profile))
    assert not settings.chat
    vector = workspace.vector(session, settings, concept)
    assert torch.equal(vector.directions, result.vector.directions)

    validation, _ = task_parts(task, SIX, 0)
    assert changes["prompt"] == plain_prompt(validation, validation.items[0], Style(plain=True))
    assert changes["viewer"]["choose"] == lam
    assert [row["lam"] for row in changes["viewer"]["rows"]] == sorted({*LAMBDAS, lam})
    shown = Steering(workspace).notices(session, settings, changes["prompt"])["viewer"]
    assert [row["lam"] for row in shown["rows"]] == sorted({*LAMBDAS, lam})

    list(press(STEER, Steering(workspace).steer, session, used_values(settings), changes["prompt"]))
    texts = session.record(PageTexts).written[concept.name].grid
    child = workspace.models(settings)[1]
    direct = generate(
        child,
        changes["prompt"],
        result.vector,
        [0.0, lam],
        sampling=settings.sampling,
        settings=arm.steering,
        plain=True,
    )
    assert [texts.at(each).token_ids for each in (0.0, lam)] == [row.token_ids for row in direct.rows]
    assert "load_vector" in update_script(workspace, session, settings, changes["prompt"])["take_script"]


def used_values(settings: Settings) -> list[Any]:
    """The sidebar's values for these settings."""
    sampling = settings.sampling
    return fields(
        **{
            name: getattr(settings, name)
            for name in ("parent", "child", "concept", "method", "layers", "width", "scale", "positions", "operator")
        },
        profile=gaining.profiles.write(settings.profile),
        max_new_tokens=sampling.max_new_tokens,
        chat=settings.chat,
    )


def test_using_it_twice_keeps_one_file(measuring: Gaining, folders: tuple[str, str], task: str) -> None:
    session, values = session_with(task), fields(*folders)
    measure(measuring, session, values, task, "shots", SIX)
    names = {used(measuring, session, values)[1].concept for _ in range(2)}
    assert names == {"file: own-shots"}
    (entry,) = Shelf.own().entries()
    assert entry.name == "own-shots"
    parent = measuring.workspace.models(Settings.read(*values))[0].name
    assert library.carried_from(newest(session).vector) == (parent,)
    (row,) = SavedVectors(measuring.workspace).table_changes(session)["lib_table"]["rows"]
    assert "nothing was carried" not in details(entry)
    assert any(f"{Path(parent).name} → " in cell for cell in row["cells"])


def test_a_chosen_strength_joins_the_grid_of_its_concept_alone() -> None:
    strengths = Strengths({"mine": 0.65, "yours": 0.3})
    assert strengths.grid("other") == strengths.grid("yours") == LAMBDAS
    assert strengths.grid("mine") == (*LAMBDAS, 0.65)


def test_a_gain_is_marked_when_what_it_depends_on_has_changed(
    measuring: Gaining, folders: tuple[str, str], task: str
) -> None:
    session, form = session_with(task), (task, "shots", SIX)
    measure(measuring, session, fields(*folders), *form)

    def stale(values: list[Any], *changed: object) -> bool:
        return text.STALE_GAIN in measuring.notices(session, Settings.read(*values), *(changed or form))["gain_stale"]

    assert not stale(fields(*folders))
    assert not stale(fields(*folders, concept="formality", profile="middle", chat=False))
    assert stale(fields(*folders, method="mean"))
    assert stale(fields(*folders[::-1]))
    assert stale(fields(*folders), task, "right-wrong", SIX)
    assert stale(fields(*folders), task, "shots", 3)
