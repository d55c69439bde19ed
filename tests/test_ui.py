"""The page without a browser: words, drafts, staleness, jobs, and whole runs with tiny models."""

import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import tiny

from steering.concepts import Problem, lint, load_concept
from steering.decoding import Sampling
from steering.errors import Progress, SteeringError
from steering.generation import Grid, Health, Row
from steering.ui import build_app, editing, render, text, viewer
from steering.ui.drafts import Draft
from steering.ui.handlers import Changes, Handlers, concept_changes
from steering.ui.jobs import Job, Report, Stopped, watched
from steering.ui.settings import LAMBDAS, Settings
from steering.ui.tabs.sidebar import FIELDS
from steering.ui.workspace import Session, Shape, Workspace

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:gradio")  # a toast outside of a page is a warning

EVIL = '<img src=x onerror="document.title=1">'
FINE = Health(0.0, 0.1, 8.0, same_as_baseline=False, degenerate=False)


def row(lam: float, ended: str = "length", health: Health = FINE, tokens: int = 12) -> Row:
    return Row(lam, f"text at {lam}", tuple(range(tokens)), ended, health)


def grid(*rows: Row) -> Grid:
    return Grid("child", "prompt", (1, 2), rows)


def fields(parent: str = "a", child: str = "b", **changes: Any) -> list[Any]:
    values: dict[str, Any] = {
        "parent": parent,
        "child": child,
        "concept": "sentiment",
        "method": "pca",
        "layers": "relative",
        "width": "ridge",
        "scale": "residual",
        "profile": "all",
        "positions": "all",
        "max_new_tokens": 6,
        "temperature": 0,
        "top_p": 1,
        "top_k": 0,
        "repetition_penalty": 1,
        "seed": 0,
        "chat": True,
    }
    return [(values | changes)[name] for name in FIELDS]


# What the viewer says


def test_every_row_has_words_and_a_shape() -> None:
    broken = replace(FINE, repeated=0.6, degenerate=True)
    same = replace(FINE, same_as_baseline=True)
    shown = viewer.show(grid(row(0.3, health=broken), row(-0.3, health=same), row(0.0), row(0.1)), ("happy", "sad"), 12)
    assert [one["lam"] for one in shown["rows"]] == [-0.3, 0.0, 0.1, 0.3]
    assert [one["word"] for one in shown["rows"]] == ["identical to baseline", "baseline", "healthy", "falls apart"]
    assert len({one["mark"] for one in shown["rows"]}) == 4
    assert shown["labels"] == ["happy", "sad"]


def test_empty_viewer_shows_the_default_grid() -> None:
    shown = viewer.empty(("happy", "sad"), "a note")
    assert [one["lam"] for one in shown["rows"]] == list(LAMBDAS)
    assert len(LAMBDAS) == 13
    assert (LAMBDAS[0], LAMBDAS[6], LAMBDAS[-1]) == (-0.6, 0.0, 0.6)
    assert shown["note"] == "a note"


@pytest.mark.parametrize(
    ("one", "phase", "expected"),
    [
        (row(0.1, "length"), "done", "cut at 12 tokens"),
        (row(0.1, "end of text"), "done", "ended after 12 tokens"),
        (row(0.1, ""), "stopped", "stopped at 12/48"),
        (row(0.1, ""), "running", "12/48 tokens"),
        (row(0.1), "done", "perplexity 8.0"),
        (row(0.1), "done", "repeats 0 %"),
    ],
)
def test_badges_are_words(one: Row, phase: str, expected: str) -> None:
    assert expected in [badge["words"] for badge in viewer.badges(one, row(0.0), 48, phase)]


def test_a_degenerate_text_says_why() -> None:
    bad = row(0.6, health=Health(0.5, 0.6, 100.0, same_as_baseline=False, degenerate=True))
    why = viewer.why(bad, row(0.0))
    assert "50 %" in why
    assert "60 %" in why
    assert "perplexity" in why


def test_perplexity_is_missing_until_it_was_measured() -> None:
    words = [
        badge["words"] for badge in viewer.badges(row(0.1, health=replace(FINE, perplexity=None)), None, 48, "done")
    ]
    assert not any("perplexity" in word for word in words)


# Small pieces of HTML


def test_what_people_write_is_escaped() -> None:
    concept = load_concept("sentiment")
    draft = Draft(replace(concept, name=EVIL, description=EVIL), concept)
    settings = Settings.read(*fields(parent=EVIL, child=EVIL + "2"))
    pieces = [
        render.message(EVIL, "error"),
        render.progress(Report(EVIL, 0.5)),
        render.relation(settings, None, None),
        render.vector_state(draft, None, False),
        render.problems([Problem(1, EVIL)]),
        render.pairs_heading(draft),
        render.verdict([EVIL, EVIL]),
        render.note(EVIL),
    ]
    assert not any("<img" in piece for piece in pieces)


def test_problems_come_worst_first_with_their_rows() -> None:
    found = render.problems([Problem(2, "Mild one"), Problem(5, "Bad one", serious=True), Problem(None, "of all")])
    assert found.index("Bad one") < found.index("Mild one")
    assert "row 5" in found
    assert "row 2" in found
    assert text.NO_PROBLEMS in render.problems([])


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


# Drafts


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
    path = Path(editing.download(draft.rows, "sentiment"))
    assert path.name == "sentiment.csv"
    assert draft.with_file(path.read_text("utf-8"), "csv", "sentiment") is draft


# Jobs


def test_watched_work_reports_and_returns() -> None:
    def work(progress: Progress) -> int:
        for step in range(3):
            progress(f"step {step}", step / 3)
            time.sleep(0.15)
        return 42

    reports, result = _run(watched(work, Job(), lambda report: report))
    assert result == 42
    assert reports[0].what == "step 0"
    assert reports[-1].fraction > reports[0].fraction


def test_stop_ends_the_work_at_its_next_report() -> None:
    job, reached = Job(), threading.Event()

    def work(progress: Progress) -> None:
        for step in range(1000):
            progress("counting", step / 1000)
            reached.set()
            time.sleep(0.01)

    reports = watched(work, job, lambda report: report)
    next(reports)
    assert reached.is_set()
    job.stop.set()
    with pytest.raises(Stopped):
        list(reports)


def test_closing_the_page_stops_the_work() -> None:
    job = Job()
    reports = watched(
        lambda progress: [(progress("x", 0.0), time.sleep(0.02)) for _ in range(100)], job, lambda report: report
    )
    next(reports)
    reports.close()
    assert job.stop.is_set()


def test_errors_of_the_work_are_raised_where_it_is_watched() -> None:
    def work(_progress: Progress) -> None:
        raise SteeringError("no such layer")

    with pytest.raises(SteeringError, match="no such layer"):
        list(watched(work, Job(), lambda report: report))


def _run(generator: Any) -> tuple[list[Any], Any]:
    seen = []
    while True:
        try:
            seen.append(next(generator))
        except StopIteration as end:
            return seen, end.value


# Events with tiny models


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    base = tmp_path_factory.mktemp("models")
    first = tiny.save_tiny(base / "first", "llama", layers=3, width=32)
    second = tiny.save_tiny(base / "second", "qwen2", layers=4, width=40, seed=1)
    return str(first), str(second)


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))


@pytest.fixture
def handlers() -> Iterator[Handlers]:
    made = Handlers(Workspace())
    yield made
    made.closed("page")


def steer(handlers: Handlers, *values: Any, prompt: str = "The weather") -> list[Changes]:
    handlers.begin("page", "steer")
    return list(handlers.steer("page", prompt, *values))


def last(changes: list[Changes], name: str) -> Any:
    return [change[name] for change in changes if name in change][-1]


def test_generate_makes_the_vector_and_then_writes_at_every_strength(
    handlers: Handlers, folders: tuple[str, str]
) -> None:
    values = fields(*folders)
    assert "Vector missing" in handlers.changed("page", "The weather", "scores", *values)["vector"]
    seen = steer(handlers, *values)
    shown = last(seen, "viewer")
    assert shown["phase"] == "done"
    assert [one["lam"] for one in shown["rows"]] == list(LAMBDAS)
    assert all(any("perplexity" in badge["words"] for badge in one["badges"]) for one in shown["rows"] if one["text"])
    assert "side by side" in last(seen, "status")
    assert "Vector ready" in last(seen, "vector")
    assert "lab-card verdict" in last(seen, "verdict")
    assert any("lab-status busy" in change["status"] for change in seen if "status" in change)
    assert last(seen, "generate")["interactive"]
    assert not last(seen, "stop")["interactive"]
    assert set(handlers.workspace.loaded()) == set(folders)


def test_texts_are_marked_stale_and_kept(handlers: Handlers, folders: tuple[str, str]) -> None:
    same = fields(folders[0], folders[0])
    steer(handlers, *same)
    assert handlers.changed("page", "The weather", "scores", *same)["stale"] == ""
    other_prompt = handlers.changed("page", "Another prompt", "scores", *same)
    assert text.STALE_GRID in other_prompt["stale"]
    assert "viewer" not in other_prompt
    assert "Vector ready" in other_prompt["vector"]
    other_method = handlers.changed("page", "The weather", "scores", *fields(folders[0], folders[0], method="mean"))
    assert text.STALE_GRID in other_method["stale"]
    assert "Vector stale" in other_method["vector"]


def test_models_of_earlier_choices_leave_memory(handlers: Handlers, folders: tuple[str, str]) -> None:
    steer(handlers, *fields(*folders))
    steer(handlers, *fields(folders[0], folders[0]))
    assert handlers.workspace.loaded() == (folders[0],)


def test_stop_before_the_turn_comes_runs_nothing(handlers: Handlers, folders: tuple[str, str]) -> None:
    handlers.begin("page", "steer")
    handlers.stop("page", "steer")
    seen = list(handlers.steer("page", "The weather", *fields(*folders)))
    assert len(seen) == 1
    assert text.STOPPED in seen[0]["status"]
    assert handlers.workspace.loaded() == ()


def test_stop_while_writing_keeps_what_was_written(handlers: Handlers, folders: tuple[str, str]) -> None:
    handlers.begin("page", "steer")
    seen = []
    for changes in handlers.steer("page", "The weather", *fields(folders[0], folders[0], max_new_tokens=200)):
        seen.append(changes)
        if changes.get("viewer", {}).get("phase") == "running":
            handlers.stop("page", "steer")
    shown = last(seen, "viewer")
    assert shown["phase"] == "stopped"
    assert any(one["text"] for one in shown["rows"])
    assert text.STOPPED in last(seen, "status")
    assert last(seen, "generate")["interactive"]
    assert "done" in [
        change["viewer"]["phase"] for change in steer(handlers, *fields(folders[0], folders[0])) if "viewer" in change
    ]


def test_mistakes_are_said_beside_the_button(handlers: Handlers, folders: tuple[str, str]) -> None:
    assert text.EMPTY_PROMPT in last(steer(handlers, *fields(*folders), prompt="  "), "status")
    assert "no-such-model" in last(steer(handlers, *fields("no-such-model", folders[1])), "status")
    handlers.workspace.session("page").drafts["sentiment"] = Draft(
        *[replace(load_concept("sentiment"), pairs=()), load_concept("sentiment")]
    )
    assert "usable pairs" in last(steer(handlers, *fields(*folders)), "status")


def test_what_nobody_expected_is_logged_and_admitted(
    handlers: Handlers, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(handlers.workspace, "vector", lambda *_arguments: 1 / 0)
    seen = steer(handlers, *fields())
    assert text.UNEXPECTED in last(seen, "status")
    assert "ZeroDivisionError" in caplog.text
    assert last(seen, "generate")["interactive"]


def test_the_effect_is_measured_on_demand_and_stays_in_the_report(handlers: Handlers, folders: tuple[str, str]) -> None:
    values = fields(*folders)
    handlers.begin("page", "layers")
    seen = list(handlers.measure_effect("page", *values))
    assert "Effect kept" in last(seen, "verdict")
    assert last(seen, "measure_effect")["interactive"]
    vector = handlers.workspace.ready(Settings.read(*values), load_concept("sentiment"))
    assert vector is not None
    assert vector.report is not None
    assert vector.report["effect_kept"] is not None
    assert "Effect kept" in last(steer(handlers, *values), "verdict")


def test_layers_are_compared(handlers: Handlers, folders: tuple[str, str]) -> None:
    handlers.begin("page", "layers")
    seen = list(handlers.compute("page", "scores", *fields(*folders)))
    figure = last(seen, "plot")["value"]
    assert (len(figure.data[0].z), len(figure.data[0].z[0])) == (3, 4)
    assert "64 texts" in last(seen, "layers_status")
    assert text.STALE_PLOT in handlers.changed("page", "p", "cka", *fields(*folders))["plot_stale"]


def test_an_opening_page_does_not_take_back_the_line_of_a_metric_that_was_chosen_meanwhile(handlers: Handlers) -> None:
    assert text.METRIC_INFO["cka"] in handlers.changed("page", "p", "cka", *fields())["metric_info"]
    assert "metric_info" not in handlers.opened("page", "p", "scores", *fields())


def test_only_the_models_on_the_list_are_loaded(folders: tuple[str, str]) -> None:
    handlers = Handlers(Workspace([folders[0]]))
    assert "not on this page" in last(steer(handlers, *fields(*folders)), "status")
    assert handlers.workspace.loaded() == ()


# The pairs table


def test_edits_in_the_table_reach_the_linter_and_survive_another_concept(handlers: Handlers) -> None:
    table = editing.Editing(handlers.workspace, handlers)
    context = ("prompt", "scores", *fields())
    rows = handlers.workspace.session("page").draft("sentiment").rows
    rows[2] = ["", "x"]
    changes = table.typed("page", rows, "happy", "sad", *context)
    assert "row 3" in changes["problems"]
    assert "pairs" not in changes
    assert text.MODIFIED in changes["heading"]
    handlers.opened("page", "prompt", "scores", *fields(concept="courage"))
    back = handlers.opened("page", "prompt", "scores", *fields())
    assert back["pairs"][2] == ["", "x"]
    undone = table.undo("page", rows, *context)
    assert not handlers.workspace.session("page").draft("sentiment").modified
    assert undone["pairs"][2] != ["", "x"]


def test_delete_needs_a_clicked_row(handlers: Handlers) -> None:
    table = editing.Editing(handlers.workspace, handlers)
    context = ("prompt", "scores", *fields())
    rows = handlers.workspace.session("page").draft("sentiment").rows
    assert table.delete("page", rows, *context) == {}
    assert "3" in table.select("page", 2, "sentiment")["delete_pair"]
    assert table.delete("page", rows, *context)["pairs"] == rows[:2] + rows[3:]


def test_a_broken_upload_says_what_is_wrong(handlers: Handlers, tmp_path: Path) -> None:
    table = editing.Editing(handlers.workspace, handlers)
    broken = tmp_path / "broken.csv"
    broken.write_text("only,these\n1,2\n")
    assert "positive" in table.upload("page", str(broken), "prompt", "scores", *fields())["pairs_message"]
    binary = tmp_path / "binary.csv"
    binary.write_bytes(b"\xff\xfe\x00")
    assert "UTF-8" in table.upload("page", str(binary), "prompt", "scores", *fields())["pairs_message"]


def test_closing_a_page_forgets_it(handlers: Handlers) -> None:
    handlers.workspace.session("page").selected = 3
    handlers.begin("page", "steer")
    job = handlers.workspace.session("page").jobs["steer"]
    handlers.closed("page")
    assert job.stop.is_set()
    assert handlers.workspace.session("page") == Session()


# The app as a whole


def test_the_app_is_built_without_a_model_and_opens_no_endpoint() -> None:
    demo = build_app()
    config = demo.get_config_file()
    public = [one["api_name"] for one in config["dependencies"] if one["api_visibility"] != "private"]
    assert public == []
    assert not config["analytics_enabled"]
    assert concept_changes(Session(), "sentiment", table=True)["problems"].count("fine") == 1
    assert not [problem for problem in lint(load_concept("sentiment").pairs) if problem.serious]


def test_runs_share_one_lane() -> None:
    demo = build_app()
    heavy = [function for function in demo.fns.values() if function.concurrency_id == "model"]
    assert len(heavy) == 4
    assert {function.concurrency_limit for function in heavy} == {1}


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
