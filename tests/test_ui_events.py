"""Handlers as the page calls them: errors, closed pages, and second starts."""

import inspect
import threading
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import gradio as gr
import pytest
from pages import fields, form, last, press

from steering.errors import Progress, SteeringError
from steering.ui import build_app, text
from steering.ui.background import worker
from steering.ui.background.jobs import Job
from steering.ui.events.binder import EventBinder
from steering.ui.events.long_tasks import Changes, LongTask
from steering.ui.questions.form import Form
from steering.ui.questions.text import MOST_TOKENS, QUESTIONS, SHOTS
from steering.ui.state.settings import FIELDS, Settings
from steering.ui.state.workspace import Session, Workspace
from steering.ui.tabs.concept import comparing
from steering.ui.tabs.concept import text as concept_text
from steering.ui.tabs.layers import preview
from steering.ui.tabs.layers import text as layers_text
from steering.ui.tabs.library import handlers as library
from steering.ui.tabs.library import text as library_text
from steering.ui.tabs.steer import handlers as steer
from steering.ui.tabs.steer import text as steer_text
from steering.ui.tabs.tune import handlers as tune
from steering.ui.tabs.vote import handlers as vote

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:gradio")  # without a page, a toast is a warning

LONG_TASK = LongTask("steer", ("generate",), "stop", "status")
PAGE = SimpleNamespace(session_hash="page")
EVIL = "<img src=x>"


@pytest.fixture
def toasts(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The messages of toasts."""
    message: list[str] = []
    monkeypatch.setattr(gr, "Warning", message.append)
    return message


def bind(handler: Callable[..., Any], *, status: str = "said") -> tuple[Callable[..., Any], dict[str, Any]]:
    """A handler as Gradio calls it, and the components by name."""
    with gr.Blocks() as demo:
        page = {"said": gr.HTML("words"), "other": gr.HTML("words"), "press": gr.Button()}
        EventBinder(demo, page, Workspace()).on(page["press"].click, handler, outputs=["other"], status=status)
    (function,) = (listener.fn for listener in demo.fns.values())
    return function, page


def outputs_of(function: Callable[..., Any], *values: Any) -> list[Any]:
    """All values that Gradio gets from a handler."""
    return list(function(PAGE, *values)) if inspect.isgeneratorfunction(function) else [function(PAGE, *values)]


def raises_steering_error(_session: Session) -> Changes:
    """Fails with an error of the user."""
    raise SteeringError(f"{EVIL} is wrong.")


def raises_late(session: Session) -> Iterator[Changes]:
    """Changes something, and then fails."""
    yield {"other": "new"}
    raises_steering_error(session)


def raises_unexpected(session: Session) -> Changes:
    """Fails with an error that is not a SteeringError."""
    return {"other": 1 / len(session.jobs)}


@pytest.mark.parametrize("handler", [raises_steering_error, raises_late])
def test_every_handler_shows_its_error_beside_the_control_and_in_a_toast(
    handler: Callable[..., Any], toasts: list[str]
) -> None:
    function, page = bind(handler)
    newest = outputs_of(function)[-1]
    assert list(newest) == [page["said"]], "all else stays as it was"
    assert "&lt;img src=x&gt; is wrong." in newest[page["said"]]
    assert toasts == ["&lt;img src=x&gt; is wrong."]


def test_an_unexpected_error_is_logged_and_shown(toasts: list[str], caplog: pytest.LogCaptureFixture) -> None:
    function, page = bind(raises_unexpected)
    (newest,) = outputs_of(function)
    assert text.UNEXPECTED in newest[page["said"]]
    assert toasts == [text.UNEXPECTED]
    assert "ZeroDivisionError" in caplog.text
    assert "raises_unexpected failed" in caplog.text


def test_a_handler_without_a_status_shows_its_error_in_a_toast_only(toasts: list[str]) -> None:
    function, _ = bind(raises_steering_error, status="")
    assert outputs_of(function) == [gr.skip()]
    assert len(toasts) == 1


def test_every_python_handler_of_the_page_goes_through_the_binder() -> None:
    """Other handlers would neither show their errors nor know about closed pages."""
    functions = [listener.fn for listener in build_app().fns.values() if listener.fn]
    others = [
        listener.__qualname__ for listener in functions if not listener.__qualname__.startswith("EventBinder._bound.")
    ]
    assert others == ["_unload.<locals>.unload"]


def test_a_notice_that_fails_does_not_keep_the_others_from_being_updated(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def fails(*_values: Any) -> Changes:
        raise ZeroDivisionError

    def works(*_values: Any) -> Changes:
        return {"other": "new"}

    with gr.Blocks() as demo:
        events = EventBinder(demo, {"other": gr.HTML()}, Workspace())
    events.notice(fails)
    events.notice(works, outputs=["other"])
    changes = events.changed(Session(), fields(), {})
    assert changes["other"] == "new"
    assert text.UNEXPECTED in changes["relation"]
    assert "ZeroDivisionError" in caplog.text


def test_lone_surrogates_are_replaced_before_a_handler_is_called() -> None:
    received: list[Any] = []

    def take(_session: Session, *values: Any) -> Changes:
        received.extend(values)
        return {}

    function, _ = bind(take)
    outputs_of(function, "a\ud800b", [["\udfff", 1, None]], {"words": "\ud800"}, "🙂")
    assert received == ["a?b", [["?", 1, None]], {"words": "?"}, "🙂"]


def test_of_events_of_a_field_in_quick_succession_the_newest_is_never_dropped() -> None:
    """Gradio drops an event that occurs while an earlier one is handled, unless it is told otherwise."""
    config = build_app().get_config_file()
    fields = {
        part["id"]: part["props"].get("label")
        for part in config["components"]
        if part["type"] in ("textbox", "number", "slider", "dropdown", "dataframe", "radio", "checkbox")
    }
    dropping = [
        (fields[target], event)
        for listener in config["dependencies"]
        for target, event in listener["targets"]
        if target in fields and event in ("input", "change") and listener["backend_fn"]
        if listener["trigger_mode"] != "always_last"
    ]
    assert dropping == []


# Number fields that were cleared


@pytest.mark.parametrize("name", ["max_new_tokens", "temperature", "top_p", "top_k", "repetition_penalty", "seed"])
def test_a_cleared_number_of_the_sidebar_is_named(name: str) -> None:
    with pytest.raises(SteeringError, match="is empty"):
        Settings.read(*fields(**{name: None}))


@pytest.mark.parametrize(("name", "label"), [("limit", QUESTIONS), ("shots", SHOTS), ("most", MOST_TOKENS)])
@pytest.mark.parametrize("value", [None, float("nan"), float("inf"), "x"])
def test_a_number_of_the_form_that_is_none_is_named(name: str, label: str, value: Any) -> None:
    words = f"{label} is empty. Type a number" if value is None else f"{label} is {value}, which is no finite number"
    with pytest.raises(SteeringError, match=words):
        Form.read((), *form(Session(), **{name: value}))
    assert label in tune.Tune(Workspace()).notices(
        Session(), Settings.read(*fields()), *form(Session(), **{name: value})
    )["tune_stale"]  # fmt: skip


def test_a_cleared_strength_is_named_on_every_tab(toasts: list[str]) -> None:
    session, workspace, values = Session(), Workspace(), fields()
    comparing.keep_design("A", session, "sentiment")
    comparing.keep_design("B", session, "sentiment")
    compare = comparing.Comparing(workspace).compare
    cleared: list[tuple[LongTask, Callable[..., Iterator[Changes]], tuple[Any, ...], str]] = [
        (library.LONG_TASK, library.SavedVectors(workspace).write, ("gguf", None), library_text.LAM),
        (preview.LONG_TASK, preview.Preview(workspace).write, ("Hello", None), layers_text.PREVIEW_LAM),
        (steer.LONG_TASK, steer.Steering(workspace).add_text, ("Hello", None), steer_text.EXACT),
        (comparing.LONG_TASK, compare, ("Hello", None, "explained"), concept_text.NEEDS_STRENGTH),
    ]
    for task, handler, inputs, words in cleared:
        assert words in last(list(press(task, handler, session, values, *inputs)), task.status)
    assert text.UNEXPECTED not in toasts
    assert len(toasts) == len(cleared)
    preview_tab = preview.Preview(workspace)
    assert preview_tab.lam_changed(session, None, *values) == {}
    assert "preview_stale" in preview_tab.notices(session, Settings.read(*values), "Hello", None)


# Closed pages


def test_a_late_request_does_not_bring_a_closed_page_back(toasts: list[str]) -> None:
    workspace = Workspace()
    workspace.session("page")
    workspace.close("page")
    late = workspace.session("page")
    assert text.CLOSED in LONG_TASK.begin(late)["status"]
    assert not workspace.busy()
    assert workspace.session("page") == Session(closed=True)
    done: list[str] = []

    def handler(*_values: Any) -> Iterator[Changes]:
        done.append("worked")
        yield {}

    (ended,) = LONG_TASK.work(workspace.session("page"), handler, fields())
    assert text.CLOSED in ended["status"]
    assert not ended["stop"]["interactive"]
    assert done == toasts == []


def test_a_run_of_a_closed_page_is_under_way_until_its_step_has_ended() -> None:
    """Also where nobody asks for the run's changes any more: its hooks are there as long as its step is."""
    workspace, end = Workspace(), threading.Event()
    session = workspace.session("page")

    def step(progress: Progress) -> None:
        progress("A step", 0.1)
        assert end.wait(60)

    def handler(_session: Session, job: Job, _settings: Settings) -> Iterator[Changes]:
        yield from LONG_TASK.step(job, step)

    LONG_TASK.begin(session)
    run = LONG_TASK.work(session, handler, fields())
    assert "A step" in next(run)["status"]
    workspace.close("page")
    assert workspace.pages == 0
    assert workspace.busy(), "the run has not ended"
    run.close()
    assert workspace.busy(), "its step has not ended"
    end.set()
    worker.submit(lambda: None).result()
    assert not workspace.busy()


def test_what_a_newer_run_has_replaced_is_under_way_until_it_has_ended() -> None:
    workspace = Workspace()
    session = workspace.session("page")
    LONG_TASK.begin(session)
    first = session.next_job("steer")
    LONG_TASK.begin(session)
    assert workspace.jobs == 2
    second = session.next_job("steer")
    session.finish("steer", second)
    assert workspace.jobs == 1
    session.finish("steer", first)
    assert workspace.jobs == 0


def test_a_closed_page_waits_for_no_run_that_never_began() -> None:
    workspace = Workspace()
    LONG_TASK.begin(workspace.session("page"))
    assert workspace.jobs == 1
    workspace.close("page")
    assert workspace.jobs == 0


def test_a_run_that_begins_while_its_page_is_closed_is_stopped() -> None:
    workspace = Workspace()
    session = workspace.session("page")  # As a handler has it that was called before the page was closed.
    workspace.close("page")
    assert session.begin_job("steer").stop.is_set()
    assert session.next_job("steer").stop.is_set()


def test_a_page_that_never_was_open_is_closed_without_harm_and_few_are_remembered() -> None:
    workspace = Workspace()
    for number in range(5000):
        workspace.close(str(number))
    assert workspace.session("4999").closed
    assert len(workspace._closed) < 5000


def test_closing_stops_also_what_waits_behind_a_newer_run() -> None:
    session = Session()
    jobs = [session.begin_job("steer"), session.begin_job("steer"), session.begin_job("vote")]
    session.close()
    assert all(job.stop.is_set() for job in jobs)


# A second start


def test_the_end_of_a_run_repeats_the_last_updates_of_components() -> None:
    """Gradio's client deletes in place what a following yield does not repeat: a button once stayed disabled."""
    enabled = gr.update(interactive=True)

    def handler(*_: Any) -> Iterator[Changes]:
        yield {"earlier": gr.update(visible=True)}
        yield {"use": enabled, "card": "words"}

    session = Workspace().session("page")
    *_, before, ended = LONG_TASK.work(session, handler, fields())
    assert before == {"use": enabled, "card": "words"}
    assert ended == {"use": enabled} | LONG_TASK.buttons(running=False)


def test_a_run_that_is_left_closes_its_handler_at_once() -> None:
    closed: list[bool] = []

    def handler(*_: Any) -> Iterator[Changes]:
        try:
            yield {"card": "words"}
        finally:
            closed.append(True)

    run = LONG_TASK.work(Workspace().session("page"), handler, fields())
    next(run)
    run.close()  # type: ignore[attr-defined]
    assert closed == [True]


def test_a_second_start_stops_the_first_and_stop_reaches_the_second() -> None:
    session, workspace, worked = Session(), Workspace(), list[tuple[str, Job]]()

    def handler(_session: Session, job: Job, _settings: Settings, name: str) -> Iterator[Changes]:
        worked.append((name, job))
        yield {}
        job.raise_if_stopped()

    LONG_TASK.begin(session)
    first = LONG_TASK.work(session, handler, fields(), "first")
    next(first)
    LONG_TASK.begin(session)
    (ended,) = first
    assert ended == LONG_TASK.buttons(running=True), "Stop stays, and the words belong to the second"
    second = LONG_TASK.work(session, handler, fields(), "second")
    next(second)
    LONG_TASK.request_stop(session)
    assert text.STOPPED in next(second)["status"]
    assert [name for name, _ in worked] == ["first", "second"]
    assert all(job.stop.is_set() for _, job in worked)
    assert session.jobs == {}
    assert not workspace.busy()


def test_two_starts_at_once_leave_no_run_without_a_stop() -> None:
    session = Session()
    start = threading.Barrier(8)

    def begin() -> None:
        start.wait()
        LONG_TASK.begin(session)

    threads = [threading.Thread(target=begin) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    LONG_TASK.request_stop(session)
    assert all(session.next_job("steer").stop.is_set() for _ in threads)


def test_a_run_that_was_not_asked_for_first_can_be_stopped_too() -> None:
    """As after a restart of the server between the two requests of one press."""
    session = Session()
    LONG_TASK.request_stop(session)
    job = session.next_job("steer")
    LONG_TASK.request_stop(session)
    assert job.stop.is_set()


def test_a_question_cannot_be_put_with_a_cleared_number() -> None:
    session = Session()
    with pytest.raises(SteeringError, match=QUESTIONS):
        list(
            vote.Voting(Workspace()).count(session, Job(), Settings.read(*fields()), "test", *form(session, limit=None))
        )
    assert len(FIELDS) == len(fields())
