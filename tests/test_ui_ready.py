"""Work that cannot succeed is refused before anything long begins, and a light task does not wait behind a heavy one."""

import inspect
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import gradio as gr
import pytest
from pages import fields, form

from steering.concepts import load_concept
from steering.errors import ModelError, SteeringError
from steering.models import check_name
from steering.ui import build_app
from steering.ui.events.binder import EventBinder
from steering.ui.events.long_tasks import Changes, LongTask
from steering.ui.state.drafts import Draft
from steering.ui.state.ready import check_writing
from steering.ui.state.settings import DEFAULT, FIELDS, Settings
from steering.ui.state.workspace import Session, Workspace
from steering.ui.tabs.concept import checking, comparing, from_task, gaining
from steering.ui.tabs.concept import handlers as concept
from steering.ui.tabs.layers.handlers import Layers
from steering.ui.tabs.layers.preview import Preview
from steering.ui.tabs.library.handlers import SavedVectors
from steering.ui.tabs.steer.handlers import Steering
from steering.ui.tabs.tune.handlers import Tune
from steering.ui.tabs.vote.handlers import Voting

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:gradio")  # without a page, a toast is a warning

BUNDLED = (DEFAULT.parent, DEFAULT.child)


def settings(**changes: Any) -> Settings:
    return Settings.read(*fields(*BUNDLED, **changes))


def without_pairs() -> Session:
    """A page whose sentiment has no usable pairs, and that keeps it as both designs."""
    session, original = Session(), load_concept("sentiment")
    session.drafts["sentiment"] = Draft(replace(original, pairs=original.pairs[:1]), original)
    for letter in ("A", "B"):
        comparing.keep_design(letter, session, "sentiment")
    return session


W = Workspace()
CHECKS: dict[str, tuple[Callable[..., Any], tuple[Any, ...]]] = {
    "Generate": (Steering(W).check, ("Hello",)),
    "Set by KL": (Steering(W).check_budget, (1.0,)),
    "Check pairs": (checking.Checking(W, concept.write_table).check_table, ()),
    "Compare": (comparing.Comparing(W).check, ("Hello", 0.3, "explained variance")),
    "Compute": (Layers(W).check_map, ("scores",)),
    "Measure the effect": (Layers(W).check, ()),
    "Preview": (Preview(W).check, ("Hello", 0.3)),
    "Tune": (Tune(W).check, tuple(form(Session()))),
    "Count": (Voting(W).check_task, ("test", *form(Session()))),
    "Ask": (Voting(W).check_question, ("1 + 1?", "", "2", "number", True, *form(Session()))),
    "Save": (SavedVectors(W).check_save, ("",)),
    "Write": (SavedVectors(W).check_write, ("gguf", 0.3)),
}


@pytest.mark.parametrize("button", CHECKS)
def test_pairs_that_cannot_be_used_are_refused_without_a_model(button: str) -> None:
    check, values = CHECKS[button]
    with pytest.raises(SteeringError, match="cannot be used"):
        check(without_pairs(), settings(), *values)
    session = Session()
    for letter in ("A", "B"):
        comparing.keep_design(letter, session, "sentiment")
    check(session, settings(), *values)
    with pytest.raises(SteeringError, match="There is no file or folder /no/such/model"):
        check(session, Settings.read(*fields("/no/such/model", BUNDLED[1])), *values)
    assert W.loaded() == ()


def test_what_does_not_suit_the_models_is_refused_where_their_size_is_known(folders: tuple[str, str]) -> None:
    session, workspace = Session(), Workspace()
    for changes, words in (({"layers": "7-to-1"}, "parent layer 7"), ({"layers": "1-to-4"}, "child layer 4")):
        with pytest.raises(SteeringError, match=words):
            check_writing(workspace, session, Settings.read(*fields(*folders, **changes)))
    with pytest.raises(SteeringError, match="3 weights, but this child has 4 layers"):
        check_writing(workspace, session, Settings.read(*fields(*folders, profile="3x1")))
    check_writing(workspace, session, Settings.read(*fields(*folders, layers="2-to-3", profile="4x1")))


def test_designs_and_tasks_that_do_not_exist_are_refused_without_a_model() -> None:
    making, measuring = from_task.MakingPairs(W, concept.write_table), gaining.Gaining(W)
    for check in (making.check, lambda *values: measuring.check(*values, 5)):
        with pytest.raises(SteeringError, match="no design"):
            check(Session(), settings(), "word-forms:plural", "none such")
        with pytest.raises(SteeringError, match="no task"):
            check(Session(), settings(), "none such", "shots")


def test_every_button_of_a_long_task_has_its_check() -> None:
    begins: list[Any] = []
    unchecked = []
    for listener in build_app().fns.values():
        handler = inspect.getclosurevars(listener.fn).nonlocals.get("handler") if listener.fn else None
        if getattr(handler, "__qualname__", "") == "EventBinder.long_task.<locals>.begin":
            inside = inspect.getclosurevars(handler).nonlocals
            begins.append(inside)
            unchecked += [inside["task"].name] if inside["check"] is None else []
    assert len(begins) > 12
    assert unchecked == []


def test_a_refused_task_says_why_at_once_and_leaves_another_one_running() -> None:
    def refuse(*_values: Any) -> None:
        raise SteeringError("Nothing to do.")

    def handler(*_values: Any) -> Iterator[Changes]:
        yield {"said": "worked"}

    task, workspace = LongTask("steer", ("press",), "stop", "said"), Workspace()
    with gr.Blocks() as demo:
        page: dict[str, Any] = {"said": gr.HTML("words"), "press": gr.Button("Go"), "stop": gr.Button()}
        events = EventBinder(demo, page | _sidebar(), workspace)
        events.long_task(page["press"].click, task, handler, check=refuse)
    begin, work = (inspect.getclosurevars(listener.fn).nonlocals["handler"] for listener in demo.fns.values())
    session, values = Session(), fields(*BUNDLED)
    refused = begin(session, *values)
    assert "Nothing to do." in refused["said"]
    assert refused["press"]["interactive"]
    assert session.jobs == {}
    assert list(work(session, *values)) == [{}]
    running = session.begin_job("steer")
    assert not begin(session, *values)["press"]["interactive"], "the one that runs can be stopped still"
    assert not running.stop.is_set()
    assert "is empty" in begin(session, *fields(*BUNDLED, seed=None))["said"]
    assert [session.next_job("steer").skipped for _ in range(3)] == [False, True, True]


def _sidebar() -> dict[str, Any]:
    return {name: gr.Textbox() for name in FIELDS}


@pytest.mark.parametrize(
    "name", ["/no/such/model", "~/none", "./none", "a/b/c", "none.gguf", "~nobody/x", r"C:\\models\\x"]
)
def test_a_path_that_is_missing_is_called_missing(name: str) -> None:
    with pytest.raises(ModelError, match="There is no file or folder"):
        check_name(name)


def test_other_names_are_left_to_whoever_fetches_them(tmp_path: Any) -> None:
    for name in (*BUNDLED, "owner/name", str(tmp_path)):
        check_name(name)
    with pytest.raises(ModelError, match="Did you mean gemma"):
        check_name("gemma-3")
    (tmp_path / "x.txt").write_text("")
    with pytest.raises(ModelError, match="is no model"):
        check_name(str(tmp_path / "x.txt"))


def test_a_ready_vector_is_saved_without_a_turn() -> None:
    workspace, session, chosen = Workspace(), Session(), settings()
    saving = SavedVectors(workspace)
    assert not saving.has_vector(session, chosen)
    assert not saving.has_child(session, chosen)
    workspace.vectors.keep(session, chosen, load_concept("sentiment"), "a vector")  # type: ignore[arg-type]
    assert saving.has_vector(session, chosen)
