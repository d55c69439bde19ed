"""What a page has made is freed when it is closed: its concepts, vectors and texts."""

import gc
import time
import weakref
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from soak.load import Wish, fill_in
from soak.visitor import Visitor

from steering.concepts import load_concept
from steering.models.language_model import LanguageModel
from steering.steer import batch
from steering.ui import build_app, launch, text
from steering.ui.app import Lab
from steering.ui.state import workspace as workspace_module
from steering.ui.state.session import Session
from steering.ui.state.settings import DEFAULT
from steering.ui.state.workspace import Workspace
from steering.ui.viewer.texts import PageTexts
from steering.vectors import SteeringVector

PATIENT_S = 60.0


@pytest.fixture(scope="module")
def lab(folders: tuple[str, str]) -> Iterator[tuple[Lab, str]]:
    demo = build_app(*folders)
    yield demo, launch(demo, port=None, prevent_thread_lock=True).rstrip("/")
    demo.close(verbose=False)


def _written_on(page: Visitor, session: Session) -> dict[str, "weakref.ref[Any]"]:
    """References to everything that a page has made once it has written with a concept of its own."""
    draft = session.draft("sentiment").without(0)
    session.drafts["sentiment"] = draft
    page.do("generate")
    texts = session.record(PageTexts).written["sentiment"]
    (stored,) = session.vectors.values()
    made = {"session": session, "draft": draft, "concept": draft.concept, "texts": texts, "vector": stored.vector}
    if texts.phase == "done":
        made["grid"] = texts.grid
    return {name: weakref.ref(each) for name, each in made.items()}


def _left(made: dict[str, "weakref.ref[Any]"]) -> list[str]:
    """Names of what is still in memory some time after the page was closed."""
    end = time.monotonic() + PATIENT_S
    while True:
        gc.collect()
        left = [name for name, each in made.items() if each() is not None]
        if not left or time.monotonic() > end:
            return left
        time.sleep(0.1)


def test_nothing_that_a_page_has_made_stays_in_memory_after_it_is_closed(lab: tuple[Lab, str]) -> None:
    demo, address = lab
    page = Visitor(address)
    with page.open():
        fill_in(page, Wish("sentiment", "The weather", 1, 0.0))
        made = _written_on(page, demo.workspace._sessions[page.session])
        assert page.get("viewer")["phase"] == "done"
    assert _left(made) == []
    assert demo.workspace.vectors.of_pages == 0


def test_nothing_stays_of_a_page_that_was_closed_in_the_middle_of_a_text(lab: tuple[Lab, str]) -> None:
    demo, address = lab
    page, made = Visitor(address), dict[str, "weakref.ref[Any]"]()
    with page.open():
        fill_in(page, Wish("sentiment", "The weather", 1, 0.0))
        page.put("Most new tokens", 200)
        session: Session | None = demo.workspace._sessions[page.session]
        assert session is not None
        session.drafts["sentiment"] = session.draft("sentiment").without(0)

        def leave(_: dict[int, Any]) -> bool:
            assert session is not None
            texts = session.record(PageTexts).written.get("sentiment")
            if texts is None or texts.phase != "running":
                return True
            (stored,) = session.vectors.values()
            for each in (session, session.drafts["sentiment"], texts, stored.vector):
                made[type(each).__name__] = weakref.ref(each)
            return False

        page.do("generate", watch=leave)
    page.http.close()
    session = None
    assert len(made) == 4
    assert _left(made) == []
    assert demo.workspace.vectors.of_pages == 0


def test_an_error_in_the_middle_of_a_text_leaves_no_hook_and_lets_the_next_page_run(
    lab: tuple[Lab, str], monkeypatch: pytest.MonkeyPatch, hooks: Callable[[LanguageModel], int]
) -> None:
    demo, address = lab
    page, wish = Visitor(address), Wish("sentiment", "The weather", 1, 0.0)
    append, calls = batch.Rows.append, list[int]()

    def fail(rows: Any, logits: Any) -> Any:
        calls.append(1)
        if len(calls) == 3:
            raise RuntimeError("in the middle of a text")
        return append(rows, logits)

    with page.open(), monkeypatch.context() as patch:
        patch.setattr(batch.Rows, "append", fail)
        fill_in(page, wish)
        page.do("generate")
        assert text.UNEXPECTED in page.get("status")
        assert not demo.workspace.busy()
        child = demo.workspace.loaded_model(page.get("child"))
        assert child is not None
        assert hooks(child) == 0
        patch.undo()
        after = Visitor(address)
        with after.open():
            fill_in(after, wish)
            after.do("generate")
            assert after.get("viewer")["phase"] == "done"


def test_a_vector_of_changed_pairs_stays_as_long_as_a_page_uses_it(llama: Any, vector_for: Any) -> None:
    workspace, vector = Workspace(), vector_for(llama)
    own = replace(load_concept("sentiment"), pairs=load_concept("sentiment").pairs[1:])
    first, second = workspace.session("first"), workspace.session("second")
    workspace.vectors.keep(first, DEFAULT, own, vector)
    workspace.vectors.keep(second, DEFAULT, own, vector)
    workspace.close("first")
    assert workspace.vectors.get(DEFAULT, own) is vector
    workspace.close("second")
    assert workspace.vectors.get(DEFAULT, own) is None


def test_a_vector_of_a_bundled_concept_stays_for_all_pages(llama: Any, vector_for: Any) -> None:
    workspace, vector = Workspace(), vector_for(llama)
    workspace.vectors.keep(workspace.session("page"), DEFAULT, load_concept("sentiment"), vector)
    workspace.close("page")
    assert workspace.vectors.get(DEFAULT, load_concept("sentiment")) is vector


def test_names_that_a_page_gave_reach_no_other_page(llama: Any, vector_for: Any) -> None:
    """A vector carries the names of its concept and poles, also where the pairs are those of a bundled concept."""
    workspace, vector = Workspace(), vector_for(llama)
    for changes in ({"name": "a secret"}, {"positive_label": "a secret"}):
        workspace.vectors.keep(
            workspace.session("page"), DEFAULT, replace(load_concept("sentiment"), **changes), vector
        )
    assert workspace.vectors.get(DEFAULT, load_concept("sentiment")) is None


def test_a_newer_vector_reaches_every_page_that_uses_the_pairs(llama: Any, vector_for: Any) -> None:
    workspace = Workspace()
    older: SteeringVector = vector_for(llama)
    newer: SteeringVector = vector_for(llama, 1)
    own = replace(load_concept("sentiment"), pairs=load_concept("sentiment").pairs[1:])
    workspace.vectors.keep(workspace.session("first"), DEFAULT, own, older)
    workspace.vectors.keep(workspace.session("second"), DEFAULT, own, newer)
    workspace.close("second")
    assert workspace.vectors.get(DEFAULT, own) is newer


def test_pages_that_nobody_closes_are_bounded_and_one_with_a_run_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    """As of a program that sends events without the connection by which Gradio notices that a page is closed."""
    monkeypatch.setattr(workspace_module, "MOST_PAGES", 3)
    workspace = Workspace()
    running = workspace.session("running")
    running.begin_job("steer")
    for number in range(5):
        workspace.session(str(number))
    assert workspace.pages == 3
    assert not running.closed
    assert workspace.session("4").closed is False
    assert workspace.session("0").closed
