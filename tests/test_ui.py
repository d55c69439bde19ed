"""The page as a whole without a browser: settings, cards, jobs, and how the app is put together."""

import inspect
import itertools
import re
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gradio as gr
import pytest
from pages import fields

from steering import ui
from steering.concepts.files import load_concept
from steering.errors import Progress, SteeringError
from steering.models.activations import record
from steering.models.language_model import LanguageModel
from steering.steer.grid import Grid, stream
from steering.steer.sampling import Sampling
from steering.transfer import LAYER_MAPS, WIDTH_MAPS
from steering.ui import build_app, render, text
from steering.ui.background import worker as worker
from steering.ui.background.jobs import Job, ProgressReport, Stopped, throttled, work_with_progress
from steering.ui.background.line import Line, Place
from steering.ui.events.binder import EventBinder
from steering.ui.events.long_tasks import LongTask, by_component
from steering.ui.state.drafts import Draft
from steering.ui.state.settings import Settings
from steering.ui.state.shapes import Shape
from steering.ui.state.workspace import Session, Workspace
from steering.vectors.vector import SteeringVector

EVIL = '<img src=x onerror="document.title=1">'


def test_text_of_users_is_escaped() -> None:
    concept = load_concept("sentiment")
    draft = Draft(replace(concept, name=EVIL, description=EVIL), concept)
    settings = Settings.read(*fields(parent=EVIL, child=EVIL + "2"))
    pieces = [
        render.message(EVIL, "error"),
        render.progress(ProgressReport(EVIL, 0.5)),
        render.relation(settings, None, None),
        render.vector_state(draft, None, False),
        render.verdict([EVIL, EVIL]),
        render.note(EVIL),
    ]
    assert not any("<img" in piece for piece in pieces)


def test_relation_says_how_models_are_joined() -> None:
    card = render.relation(Settings.read(*fields()), Shape(18, 640), Shape(30, 576))
    assert "18 layers of width 640" in card
    assert "30 layers of width 576" in card
    assert "ridge" in card
    assert set(LAYER_MAPS) == set(text.LAYER_WORDS)
    assert set(WIDTH_MAPS) == set(text.WIDTH_WORDS)
    assert "known once it is loaded" in render.relation(Settings.read(*fields()), None, None)
    assert "used as it is" in render.relation(Settings.read(*fields(child="a")), None, None)


def test_progress_guesses_the_time_left_only_when_it_can() -> None:
    assert ProgressReport("x", 0.05, 10).seconds_left is None
    assert ProgressReport("x", 0.5, 10).seconds_left == pytest.approx(10)
    assert ProgressReport("x", 0.5, 10, age=4).seconds_left == pytest.approx(6)
    assert ProgressReport("x", 0.5, 10, age=40).seconds_left is None
    assert text.STOPPING in render.progress(ProgressReport("x", 0.5, stopping=True))


# Settings


def test_settings_reject_an_empty_field_by_name() -> None:
    with pytest.raises(SteeringError, match=text.SEED):
        Settings.read(*fields(seed=None))
    with pytest.raises(SteeringError, match="parent"):
        Settings.read(*fields(parent=" "))
    with pytest.raises(SteeringError, match="temperature"):
        Settings.read(*fields(temperature=99))


def test_sampling_makes_texts_stale_but_not_the_vector() -> None:
    concept = load_concept("sentiment")
    first, second = Settings.read(*fields()), Settings.read(*fields(temperature=1))
    assert first.vector_key(concept) == second.vector_key(concept)
    assert first.grid_key(concept, "p") != second.grid_key(concept, "p")
    assert first.grid_key(concept, "p") != first.grid_key(concept, "q")
    assert first.vector_key(concept) != Settings.read(*fields(width="truncate")).vector_key(concept)


# Jobs


def test_watched_work_reports_and_returns() -> None:
    seen = [threading.Event() for _ in range(3)]

    def work(progress: Progress) -> int:
        for step in range(3):
            progress(f"step {step}", step / 3)
            assert seen[step].wait(60)
        return 42

    def show(report: ProgressReport) -> ProgressReport:
        seen[round(report.fraction * 3)].set()
        return report

    reports, result = _run(work_with_progress(work, Job(), show))
    assert result == 42
    assert sorted({(report.fraction, report.what) for report in reports}) == [
        (step / 3, f"step {step}") for step in range(3)
    ]


def test_stop_ends_the_work_at_its_next_report() -> None:
    job, taken = Job(), []

    def work(progress: Progress) -> None:
        for step in range(3):
            progress("counting", step / 3)
            taken.append(step)
            assert job.stop.wait(60)

    reports = work_with_progress(work, job, lambda report: report)
    next(reports)
    job.stop.set()
    with pytest.raises(Stopped):
        list(reports)
    assert taken == [0]


@pytest.mark.usefixtures("fresh_cache")
def test_stop_ends_the_work_in_the_middle_of_a_forward_pass(
    llama: LanguageModel, hooks: Callable[[LanguageModel], int]
) -> None:
    """A pass over many texts takes seconds, for which the next page would wait."""
    job, passed = Job(), list[int]()

    def stop(layer: int) -> Callable[..., None]:
        return lambda *_: (passed.append(layer), job.stop.set())[0]

    handles = [block.register_forward_pre_hook(stop(layer)) for layer, block in enumerate(llama.blocks)]
    try:
        with pytest.raises(Stopped):
            list(work_with_progress(lambda progress: record(llama, ["a text"], progress=progress), job, str))
    finally:
        for handle in handles:
            handle.remove()
    assert passed == [0]
    assert hooks(llama) == 0
    assert llama.lock.acquire(blocking=False), "the model is free for the next page"
    llama.lock.release()


@pytest.mark.usefixtures("fresh_cache")
def test_a_stopped_step_of_writing_leaves_no_hook(
    llama: LanguageModel, hooks: Callable[[LanguageModel], int], vector_for: Callable[..., SteeringVector]
) -> None:
    job, taken = Job(), list[Grid]()
    texts = stream(llama, "The weather", vector_for(llama), [0.0, 0.5], max_new_tokens=8)

    def seen() -> Iterator[Grid]:
        for grid in texts:
            taken.append(grid)
            yield grid

    handle = llama.blocks[1].register_forward_pre_hook(lambda *_: job.stop.set() if taken else None)
    try:
        with pytest.raises(Stopped):
            list(throttled(seen(), job))
    finally:
        handle.remove()
    assert len(taken) == 1
    assert hooks(llama) == 0


def test_closing_the_page_stops_the_work() -> None:
    job = Job()
    reports = work_with_progress(lambda progress: (progress("x", 0.0), job.stop.wait(60)), job, lambda report: report)
    next(reports)
    reports.close()
    assert job.stop.is_set()


def test_errors_of_the_work_are_raised_where_it_is_watched() -> None:
    def work(_progress: Progress) -> None:
        raise SteeringError("no such layer")

    with pytest.raises(SteeringError, match="no such layer"):
        list(work_with_progress(work, Job(), lambda report: report))


def test_models_work_in_one_thread_whoever_asks() -> None:
    """Two computing threads slow each other down; see `worker`."""
    threads = set()

    def steps() -> Iterator[int]:
        for number in range(3):
            threads.add(threading.get_ident())
            yield number

    def ask() -> None:
        list(work_with_progress(lambda _: threads.add(threading.get_ident()), Job(), lambda report: report))
        assert list(worker.iterate(steps())) == [0, 1, 2]

    pages = [threading.Thread(target=ask) for _ in range(4)]
    for page in pages:
        page.start()
    for page in pages:
        page.join()
    assert len(threads) == 1
    assert threading.get_ident() not in threads


def test_an_error_in_the_worker_is_raised_for_its_caller_only() -> None:
    with pytest.raises(ZeroDivisionError):
        worker.submit(lambda: 1 // 0).result()
    assert worker.submit(lambda: 42).result() == 42


def test_throttling_keeps_the_first_step_the_last_one_and_some_between() -> None:
    def yielded(n: int, seconds: float) -> list[int]:
        """The steps that are yielded of n steps that take some seconds each."""
        clock = itertools.count()
        return list(throttled(iter(range(n)), Job(), lambda: next(clock) * seconds))

    assert yielded(5, 0.01) == [0, 4]
    assert yielded(10, 0.125) == [0, 3, 6, 9]
    assert yielded(9, 0.125) == [0, 3, 6, 8]
    assert yielded(3, 1) == [0, 1, 2]
    assert yielded(0, 1) == []


def test_stop_ends_throttled_steps() -> None:
    job, steps_done = Job(), []

    def steps() -> Iterator[int]:
        for number in range(100):
            steps_done.append(number)
            if number == 3:
                job.stop.set()
            yield number

    with pytest.raises(Stopped):
        list(throttled(steps(), job))
    assert steps_done == [0, 1, 2, 3]


def _run(generator: Any) -> tuple[list[Any], Any]:
    values = []
    while True:
        try:
            values.append(next(generator))
        except StopIteration as end:
            return values, end.value


def test_closing_a_page_removes_its_session() -> None:
    workspace, task = Workspace(), LongTask("steer", ("generate",), "stop", "status")
    session = workspace.session("page")
    task.begin(session)
    session.draft("sentiment")
    job = session.jobs["steer"]
    workspace.close("page")
    assert job.stop.is_set()
    assert workspace.session("page") == Session(closed=True)


def test_the_last_message_of_a_task_is_not_overtaken_by_the_answer_to_stop() -> None:
    workspace, task = Workspace(), LongTask("steer", ("generate",), "stop", "status")
    session = workspace.session("page")
    task.begin(session)
    assert "status" not in task.request_stop(session)
    assert session.jobs["steer"].stop.is_set()
    stops = [function for function in build_app().fns.values() if text.STOPPING in str(function.js)]
    assert len(stops) > 8
    assert {(function.fn, len(function.outputs)) for function in stops} == {(None, 1)}, "the page alone shows it"


def test_a_task_that_waits_says_its_place_and_what_it_waits_for() -> None:
    now = [0.0]
    line = Line(lambda: now[0])
    first, second, third = (line.join(title) for title in ("Compare", "Generate", "Compute"))
    assert line.wait(second, 0) == Place(1, "Compare", 0.0)
    assert line.wait(first, 0) is None
    now[0] = 35.0
    assert line.wait(third, 0) == Place(2, "Compare", 35.0)
    line.leave(second)  # It was stopped.
    assert line.wait(third, 0) == Place(1, "Compare", 35.0)
    line.leave(first)
    line.leave(first)
    assert line.wait(third, 0) is None
    assert "2 runs are before yours" in text.in_line(2, "Compare", 35.2)
    assert "“Compare” has been running for 35 s" in text.in_line(1, "Compare", 35.2)


def test_tasks_that_can_share_the_models_work_together_unless_another_one_stands_between() -> None:
    line = Line(lambda: 0.0)
    first, second, heavy, last = (line.join(title) for title in ("Generate", "Generate", "Compare", "Generate"))
    line.share(second)
    line.share(last)
    assert line.wait(first, 0) is None
    assert line.wait(second, 0) == Place(1, "Generate", 0.0), "the first one has its vector to make"
    line.share(first)
    assert line.wait(second, 0) is None
    assert line.wait(heavy, 0) == Place(2, "Generate", 0.0)
    assert line.wait(last, 0) == Place(3, "Generate", 0.0), "or tasks of the other kind would wait for ever"
    line.leave(first)
    assert line.wait(heavy, 0) == Place(1, "Generate", 0.0)
    line.leave(second)
    assert line.wait(last, 0) == Place(1, "Compare", 0.0)
    assert line.wait(heavy, 0) is None
    line.leave(heavy)
    assert line.wait(last, 0) is None


def test_a_task_shares_the_models_as_soon_as_it_only_writes_and_its_errors_are_its_own() -> None:
    line, task, at_hand = Line(), LongTask("steer", ("generate",), "stop", "status"), [False]

    def handler(*_values: Any) -> Iterator[dict[str, Any]]:
        yield {"status": "made"}
        at_hand[0] = True
        yield {"viewer": "written"}
        yield {"viewer": "measured"}

    def can_share(*_values: Any) -> bool:
        return at_hand[0]

    def broken(*_values: Any) -> bool:
        raise SteeringError("mine")

    first, second = (task.in_line(line, "Generate", handler, shares=can_share) for _ in range(2))
    failing = task.in_line(line, "Generate", handler, shares=broken)
    runs = [each(Session(), Job(), Settings.read(*fields())) for each in (first, failing, second)]
    assert next(runs[0]) == {"status": "made"}
    with pytest.raises(SteeringError, match="mine"):
        next(runs[1])
    assert "Yours is next" in next(runs[2])["status"]
    assert next(runs[0]) == {"viewer": "written"}
    assert next(runs[2]) == {"status": "made"}, "beside the first one"
    assert next(runs[0]) == {"viewer": "measured"}
    runs[0].close()
    assert line.wait(line.join("Compare"), 0) == Place(1, "Generate", pytest.approx(0, abs=60))


def _waiting(line: Line, task: LongTask, light: bool) -> Iterator[dict[str, Any]]:
    def handler(*_values: Any) -> Iterator[dict[str, Any]]:
        yield {"viewer": "written"}

    queued = task.in_line(line, "Generate", handler, lambda *_values: light)
    return queued(Session(), Job(), Settings.read(*fields()))


def test_a_heavy_task_waits_for_its_turn_and_a_light_one_does_not() -> None:
    line, task = Line(), LongTask("steer", ("generate",), "stop", "status")
    running = line.join("Compare")
    assert list(_waiting(line, task, light=True)) == [{"viewer": "written"}]
    heavy = _waiting(line, task, light=False)
    assert "“Compare” has been running" in next(heavy)["status"]
    line.leave(running)
    assert next(heavy) == {"viewer": "written"}
    assert list(heavy) == []
    assert line.wait(line.join("next"), 0) is None, "it has left the line"


def test_a_task_that_waits_can_be_stopped_or_dropped_and_leaves_the_line() -> None:
    line, task, job = Line(), LongTask("steer", ("generate",), "stop", "status"), Job()
    running = line.join("Compare")
    queued = task.in_line(line, "Generate", lambda *_values: iter(()))
    stopped, dropped = (queued(Session(), each, Settings.read(*fields())) for each in (job, Job()))
    next(stopped)
    assert "2 runs are before yours" in next(dropped)["status"]
    dropped.close()
    job.stop.set()
    with pytest.raises(Stopped):
        list(stopped)
    line.leave(running)
    assert line.wait(line.join("next"), 0) is None


def test_a_step_that_reports_nothing_shows_that_time_goes_by() -> None:
    assert "s so far" not in render.progress(ProgressReport("x", 0.0, 1))
    assert text.STARTING in render.progress(ProgressReport("", 0.0, 0, age=4))
    assert "4 s so far" in render.progress(ProgressReport("", 0.0, 0, age=4))


def test_the_work_of_a_run_is_never_skipped_because_an_earlier_one_has_not_ended() -> None:
    """Gradio's client skips an event by default while one of the same dependency is pending: the newer run would never work."""
    works = [each for each in build_app().fns.values() if each.concurrency_id == "long"]
    assert len(works) > 20
    assert {each.trigger_mode for each in works} == {"multiple"}


def test_the_app_is_built_without_a_model_and_opens_no_endpoint() -> None:
    demo = build_app()
    config = demo.get_config_file()
    public = [
        dependency["api_name"] for dependency in config["dependencies"] if dependency["api_visibility"] != "private"
    ]
    assert public == []
    assert not config["analytics_enabled"]


def test_a_handler_without_changes_changes_nothing() -> None:
    assert by_component({}, {}) == gr.skip()


def test_a_run_that_yields_nothing_changes_nothing() -> None:
    def silent(session: Session) -> Iterator[dict[str, Any]]:
        del session
        yield from ()

    with gr.Blocks() as demo:
        page = {"said": gr.HTML("words", elem_id="said"), "press": gr.Button()}
        EventBinder(demo, page, Workspace()).on(page["press"].click, silent, outputs=["said"])
    (function,) = (listener.fn for listener in demo.fns.values())
    assert list(function(SimpleNamespace(session_hash="page"))) == [gr.skip()]


def test_long_tasks_share_one_worker() -> None:
    def is_run(function: Any) -> bool:
        handler = inspect.getclosurevars(function).nonlocals.get("handler")
        return getattr(handler, "__qualname__", "") == "EventBinder.long_task.<locals>.work"

    runs = [listener for listener in build_app().fns.values() if listener.fn and is_run(listener.fn)]
    assert len(runs) > 8
    assert {listener.concurrency_id for listener in runs} == {"long"}
    assert all(limit and limit > 16 for limit in (listener.concurrency_limit for listener in runs))
    handlers = [inspect.getclosurevars(listener.fn).nonlocals["handler"] for listener in runs]
    queued = [inspect.getclosurevars(handler).nonlocals["queued"] for handler in handlers]
    assert {function.__qualname__ for function in queued} == {"LongTask.in_line.<locals>.queued"}


def test_default_sampling_is_the_library_default() -> None:
    demo = build_app()
    values = {
        block.label: block.value
        for block in demo.blocks.values()
        if getattr(block, "label", None) and hasattr(block, "value")
    }
    default = Sampling()
    assert values[text.MAX_NEW_TOKENS] == default.max_new_tokens
    assert values[text.TEMPERATURE] == default.temperature
    assert values[text.TOP_P] == default.top_p


UI = Path(ui.__file__).parent


@pytest.mark.parametrize("script", sorted(UI.rglob("*.js")), ids=lambda path: path.name)
def test_a_component_waits_for_its_value(script: Path) -> None:
    words = script.read_text("utf-8")
    if 'watch("value"' in words:  # An error in it would stop the page from showing any later change.
        assert re.search(r"if \(!(props\.)?value \|\||\.\.\.props\.value \}\)", words)
