"""The short forms of `make soak`: pages beside each other, kills, full disks and damaged files; and how the app ends."""

import json
import re
import signal
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import httpx
import pytest
from conftest import loaded
from soak.app import App, served
from soak.cancelled import PATIENT_S, cancel_often
from soak.faults import fill_disk, kill_often
from soak.fuzz import fuzz, readers
from soak.load import PROMPTS, Alone, Wish, check_texts, fill_in, load, settled
from soak.stages import STAGES, Place, check_exported, export_to
from soak.ties import TIE
from soak.visitor import Lost, Visitor
from test_bundled import write_gguf

from steering.concepts import load_concept
from steering.interop.export import EXPORTS
from steering.models import load_model
from steering.steer import DEFAULT_SETTINGS, Steering, plan, steered_logits
from steering.ui.state.settings import LAMBDAS
from steering.vectors import SteeringVector, extract


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory, folders: tuple[str, str]) -> Iterator[App]:
    parent, child = folders
    with served(tmp_path_factory.mktemp("app"), "--parent", parent, "--child", child, "--log-json") as running:
        yield running


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory, folders: tuple[str, str]) -> Alone:
    return Alone(*folders, tmp_path_factory.mktemp("alone"))


def test_pages_beside_each_other_get_what_they_would_get_alone_and_leave_nothing(app: App, alone: Alone) -> None:
    tally = load(app, alone, clients=3, seconds=0, runs=2)
    assert (tally.wrong, tally.lost) == ([], [])
    assert len(tally.waits) >= 6
    report = settled(app)
    assert (report["hooks"], report["pages"], report["runs"], report["states"]) == (0, 0, 0, 0)


def test_rounding_in_a_larger_batch_is_less_than_what_counts_as_a_tie(
    folders: tuple[str, str], vector_for: Callable[..., SteeringVector]
) -> None:
    child = load_model(folders[1], dtype="float32")
    intervention = plan(child, vector_for(child), DEFAULT_SETTINGS)
    prompts = [child.prompt_ids(prompt) for prompt in PROMPTS]
    rows, starts = [[*prompt, *range(50, 58)] for prompt in prompts], [len(prompt) for prompt in prompts]
    alone = [
        next(iter(steered_logits(child, [row], [start], Steering(intervention, [lam]))))
        for row, start in zip(rows, starts, strict=True)
        for lam in LAMBDAS
    ]
    together = steered_logits(
        child,
        [row for row in rows for _ in LAMBDAS],
        [start for start in starts for _ in LAMBDAS],
        Steering(intervention, LAMBDAS * len(rows)),
    )
    differences = [
        (one.log_softmax(dim=-1) - other.log_softmax(dim=-1)).abs().max().item()
        for one, other in zip(alone, together, strict=True)
    ]
    assert 0 < max(differences) < TIE / 3


@pytest.mark.parametrize(
    ("wish", "lam"),
    [
        (Wish("honesty", "a" * 60, 156, 0.8), -0.4),
        (Wish("courage", "Tell me about the night in the forest.", 762, 1.2), -0.2),
    ],
)
def test_a_tie_may_go_either_way_and_nothing_else_may(alone: Alone, wish: Wish, lam: float) -> None:
    texts = {each: alone.up_to_rounding(wish, each) for each in LAMBDAS}
    assert len(texts.pop(lam)) == 2
    assert {each: {text} for each, text in alone.texts(wish, LAMBDAS).items() if each != lam} == texts


def test_a_closed_tab_in_the_middle_of_a_text_leaves_no_hook_and_lets_the_next_page_run(app: App, alone: Alone) -> None:
    page, wish = Visitor(app.address), Wish("sentiment", "The weather", 1, 0.0)
    with page.open():
        fill_in(page, wish)
        page.put("Most new tokens", 200)
        page.do("generate", watch=lambda _: page.get("viewer").get("phase") != "running")
    page.http.close()
    report = settled(app)
    assert (report["hooks"], report["pages"], report["runs"]) == (0, 0, 0)
    after = Visitor(app.address)
    with after.open():
        fill_in(after, wish)
        after.do("generate")
    assert check_texts(after, wish, alone) == []


def test_what_is_cancelled_in_the_middle_of_a_text_ends(app: App) -> None:
    assert max(cancel_often(app, 4)) < PATIENT_S
    report = settled(app)
    assert (report["hooks"], report["pages"], report["runs"], report["states"]) == (0, 0, 0, 0)


def test_a_mistake_and_a_model_that_is_not_there_leave_the_page_working(app: App, alone: Alone) -> None:
    page, wish = Visitor(app.address), Wish("sentiment", "The weather", 2, 0.0)
    with page.open():
        fill_in(page, wish)
        page.put("prompt", " ")
        page.do("generate")
        assert "prompt" in page.get("status").lower()
        page.put("prompt", wish.prompt)
        page.put("child", "no-such-model")
        page.do("generate")
        assert "Unknown model" in page.get("status")
        page.put("child", alone.child)
        page.do("generate")
        assert check_texts(page, wish, alone) == []
    assert settled(app)["hooks"] == 0


def test_every_run_has_a_line_in_the_log_without_what_was_written(app: App) -> None:
    page = Visitor(app.address)
    with page.open():
        fill_in(page, Wish("sentiment", "A secret prompt", 0, 0.0))
        page.do("generate")
    lines = [json.loads(line) for line in app.log.read_text().splitlines() if line.startswith("{")]
    runs = [line for line in lines if "run" in line]
    assert {"run", "task", "outcome", "seconds", "waited_s", "time", "level"} <= set(runs[-1])
    assert (runs[-1]["task"], runs[-1]["outcome"]) == ("steer", "done")
    assert len({line["run"] for line in runs}) == len(runs)
    assert "secret" not in app.log.read_text()
    assert "Traceback" not in app.log.read_text()


def test_a_stopped_app_lets_the_run_end_and_exits_with_0(
    tmp_path: Path, folders: tuple[str, str], alone: Alone
) -> None:
    parent, child = folders
    with served(tmp_path, "--parent", parent, "--child", child, "--grace", "100") as running:
        page, wish, told = Visitor(running.address), Wish("sentiment", "The weather", 3, 0.0), []

        def stop(_: object) -> bool:
            if not told and page.get("viewer").get("phase") == "running":
                running.process.send_signal(signal.SIGTERM)
                told.append(True)
            return True

        # Once the run has ended the app takes no further event, such as the one that marks its texts as up to date.
        with suppress(Lost, httpx.HTTPError), page.open():
            fill_in(page, wish)
            page.do("generate", watch=stop)
        assert told
        assert check_texts(page, wish, alone) == []
        assert running.process.wait(100) == 0
        with pytest.raises(httpx.ConnectError):
            httpx.get(running.address)
        assert "Traceback" not in running.log.read_text()


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    return Place.make(tmp_path_factory.mktemp("faults"), write_gguf)


@pytest.mark.parametrize("name", STAGES)
def test_what_is_killed_at_any_moment_starts_again_and_loses_nothing(place: Place, name: str) -> None:
    survived = kill_often(place, name, times=2, longest_s=1.0)
    assert (survived.faults, survived.wrong) == (2, [])


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("conversion", "cannot be written: the disk is full. Free some space and try again"),
        ("alignment", ""),  # Its result is used all the same, and only not kept.
        ("scoring", "Rows cannot be kept in .*Free some space"),
        ("study", "cannot be written: the disk is full. Free some space|cannot be kept"),
        ("export", "cannot be written: the disk is full. Free some space"),
        ("saving", "The vector 'mine' cannot be saved: the disk is full. Free some space and try again."),
    ],
)
def test_a_full_disk_is_one_sentence(place: Place, name: str, words: str) -> None:
    place.shelf.keep(place.own, "mine")
    exported = " ".join(export_to(place.exports, place, format) for format in EXPORTS)
    assert re.search(words, said := fill_disk(place, name)), said
    assert bool(said) == bool(words)
    assert [entry.problem for entry in place.shelf.entries()] == [""], "what was there before is whole"
    assert check_exported(place, [exported]) == ""
    place.shelf.delete("mine")


def test_damaged_files_are_read_or_refused_in_words(tmp_path: Path) -> None:
    model = loaded("llama")
    kinds = readers(tmp_path, model, extract(model, load_concept("sentiment"), "mean"))
    fuzzed = fuzz(tmp_path, kinds, files=300, seconds=0)
    assert fuzzed.wrong == []
    assert 0 < fuzzed.refused < fuzzed.files


def test_the_load_notices_a_wrong_text(app: App, alone: Alone) -> None:
    page, wish = Visitor(app.address), Wish("courage", "The weather", 0, 0.0)
    with page.open():
        fill_in(page, wish)
        page.do("generate")
        assert check_texts(page, wish, alone) == []
        assert check_texts(page, Wish("honesty", "The weather", 0, 0.0), alone) != []
        page.values[page.component("viewer")]["phase"] = "stopped"
        assert "ended as stopped" in check_texts(page, wish, alone)[0]
