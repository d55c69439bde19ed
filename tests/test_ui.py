"""The page as a whole without a browser: settings, cards, jobs, and how the app is put together."""

import inspect
import itertools
import threading
from collections.abc import Iterator
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import gradio as gr
import pytest
from pages import fields

from steering.concepts.files import load_concept
from steering.errors import Progress, SteeringError
from steering.steer.decoding import Sampling
from steering.ui import build_app, render, text
from steering.ui.background import worker as worker
from steering.ui.background.jobs import Job, Report, Stopped, paced, watched
from steering.ui.events.binder import EventBinder
from steering.ui.events.long_tasks import LongTask, named
from steering.ui.state.drafts import Draft
from steering.ui.state.settings import Settings
from steering.ui.state.workspace import Session, Shape, Workspace

EVIL = '<img src=x onerror="document.title=1">'


def test_what_people_write_is_escaped() -> None:
    concept = load_concept("sentiment")
    draft = Draft(replace(concept, name=EVIL, description=EVIL), concept)
    settings = Settings.read(*fields(parent=EVIL, child=EVIL + "2"))
    pieces = [
        render.message(EVIL, "error"),
        render.progress(Report(EVIL, 0.5)),
        render.relation(settings, None, None),
        render.vector_state(draft, None, False),
        render.verdict([EVIL, EVIL]),
        render.note(EVIL),
    ]
    assert not any("<img" in piece for piece in pieces)


def test_relation_says_how_models_are_joined() -> None:
    two = render.relation(Settings.read(*fields()), Shape(18, 640), Shape(30, 576))
    assert "18 layers of width 640" in two
    assert "30 layers of width 576" in two
    assert "ridge" in two
    assert "known once it is loaded" in render.relation(Settings.read(*fields()), None, None)
    assert "used as it is" in render.relation(Settings.read(*fields(child="a")), None, None)


def test_progress_guesses_the_time_left_only_when_it_can() -> None:
    assert Report("x", 0.05, 10).left is None
    assert Report("x", 0.5, 10).left == pytest.approx(10)
    assert Report("x", 0.5, 10, waited=4).left == pytest.approx(6)
    assert Report("x", 0.5, 10, waited=40).left is None
    assert text.STOPPING in render.progress(Report("x", 0.5, stopping=True))


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
    one, other = Settings.read(*fields()), Settings.read(*fields(temperature=1))
    assert one.vector_key(concept) == other.vector_key(concept)
    assert one.grid_key(concept, "p") != other.grid_key(concept, "p")
    assert one.grid_key(concept, "p") != one.grid_key(concept, "q")
    assert one.vector_key(concept) != Settings.read(*fields(width="truncate")).vector_key(concept)


# Jobs


def test_watched_work_reports_and_returns() -> None:
    seen = [threading.Event() for _ in range(3)]

    def work(progress: Progress) -> int:
        for step in range(3):
            progress(f"step {step}", step / 3)
            assert seen[step].wait(60)
        return 42

    def show(report: Report) -> Report:
        seen[round(report.fraction * 3)].set()
        return report

    reports, result = _run(watched(work, Job(), show))
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

    reports = watched(work, job, lambda report: report)
    next(reports)
    job.stop.set()
    with pytest.raises(Stopped):
        list(reports)
    assert taken == [0]


def test_closing_the_page_stops_the_work() -> None:
    job = Job()
    reports = watched(lambda progress: (progress("x", 0.0), job.stop.wait(60)), job, lambda report: report)
    next(reports)
    reports.close()
    assert job.stop.is_set()


def test_errors_of_the_work_are_raised_where_it_is_watched() -> None:
    def work(_progress: Progress) -> None:
        raise SteeringError("no such layer")

    with pytest.raises(SteeringError, match="no such layer"):
        list(watched(work, Job(), lambda report: report))


def test_models_work_in_one_thread_whoever_asks() -> None:
    """Two threads that compute make each other slow; see `worker`."""
    seen = set()

    def steps() -> Iterator[int]:
        for number in range(3):
            seen.add(threading.get_ident())
            yield number

    def ask() -> None:
        list(watched(lambda _: seen.add(threading.get_ident()), Job(), lambda report: report))
        assert list(worker.iterate(steps())) == [0, 1, 2]

    pages = [threading.Thread(target=ask) for _ in range(4)]
    for page in pages:
        page.start()
    for page in pages:
        page.join()
    assert len(seen) == 1
    assert threading.get_ident() not in seen


def test_an_error_in_the_worker_reaches_who_waits_and_not_the_next_one() -> None:
    with pytest.raises(ZeroDivisionError):
        worker.submit(lambda: 1 // 0).result()
    assert worker.submit(lambda: 42).result() == 42


def test_a_page_sees_the_first_step_the_last_one_and_some_between() -> None:
    def shown(n: int, seconds: float) -> list[int]:
        """What a page sees of n steps that take so many seconds each."""
        clock = itertools.count()
        return list(paced(iter(range(n)), Job(), lambda: next(clock) * seconds))

    assert shown(5, 0.01) == [0, 4]
    assert shown(10, 0.125) == [0, 3, 6, 9]
    assert shown(9, 0.125) == [0, 3, 6, 8]
    assert shown(3, 1) == [0, 1, 2]
    assert shown(0, 1) == []


def test_stop_ends_what_is_paced() -> None:
    job, taken = Job(), []

    def steps() -> Iterator[int]:
        for number in range(100):
            taken.append(number)
            if number == 3:
                job.stop.set()
            yield number

    with pytest.raises(Stopped):
        list(paced(steps(), job))
    assert taken == [0, 1, 2, 3]


def _run(generator: Any) -> tuple[list[Any], Any]:
    seen = []
    while True:
        try:
            seen.append(next(generator))
        except StopIteration as end:
            return seen, end.value


def test_closing_a_page_forgets_it() -> None:
    workspace, run = Workspace(), LongTask("steer", ("generate",), "stop", "status")
    session = workspace.session("page")
    run.begin(session, workspace)
    session.draft("sentiment")
    job = session.jobs["steer"]
    workspace.close("page")
    assert job.stop.is_set()
    assert workspace.session("page") == Session(closed=True)


def test_what_the_run_says_is_not_overtaken_by_the_answer_to_stop() -> None:
    workspace, run = Workspace(), LongTask("steer", ("generate",), "stop", "status")
    session = workspace.session("page")
    run.begin(session, workspace)
    assert "status" not in run.end(session)
    assert session.jobs["steer"].stop.is_set()
    stops = [one for one in build_app().fns.values() if one.js and text.STOPPING in str(one.js)]
    assert len(stops) > 8
    assert {(one.fn, len(one.outputs)) for one in stops} == {(None, 1)}, "the page says it by itself, at once"


def test_a_second_page_is_told_that_the_model_is_busy() -> None:
    workspace, run = Workspace(), LongTask("steer", ("generate",), "stop", "status")
    assert text.STARTING in run.begin(workspace.session("one"), workspace)["status"]
    assert text.BUSY in run.begin(workspace.session("other"), workspace)["status"]


def test_the_app_is_built_without_a_model_and_opens_no_endpoint() -> None:
    demo = build_app()
    config = demo.get_config_file()
    public = [one["api_name"] for one in config["dependencies"] if one["api_visibility"] != "private"]
    assert public == []
    assert not config["analytics_enabled"]


def test_a_handler_without_changes_changes_nothing() -> None:
    assert named({}, {}) == gr.skip()


def test_a_run_that_yields_nothing_changes_nothing() -> None:
    def silent(session: Session) -> Iterator[dict[str, Any]]:
        del session
        yield from ()

    with gr.Blocks() as demo:
        page = {"said": gr.HTML("words", elem_id="said"), "press": gr.Button()}
        EventBinder(demo, page, Workspace()).on(page["press"].click, silent, outputs=["said"])
    (function,) = (one.fn for one in demo.fns.values())
    assert list(function(SimpleNamespace(session_hash="page"))) == [gr.skip()]


def test_long_tasks_share_one_worker() -> None:
    def is_run(function: Any) -> bool:
        handler = inspect.getclosurevars(function).nonlocals.get("handler")
        return getattr(handler, "__qualname__", "") == "EventBinder.long_task.<locals>.work"

    runs = [one for one in build_app().fns.values() if one.fn and is_run(one.fn)]
    assert len(runs) > 8
    assert {(one.concurrency_id, one.concurrency_limit) for one in runs} == {("model", 1)}


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
