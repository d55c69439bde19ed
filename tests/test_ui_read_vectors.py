"""Vectors that pages read from files: each page steers with the vector that it read until it is closed."""

import gc
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from pages import fields, last, press

from steering.concepts.concept import Concept
from steering.library import Shelf
from steering.ui.state.settings import FIELDS, Settings
from steering.ui.state.workspace import Session, Workspace
from steering.ui.tabs.export import text as export_text
from steering.ui.tabs.export.handlers import update_script
from steering.ui.tabs.library.handlers import LONG_TASK, SavedVectors
from steering.vectors.vector import SteeringVector, save_vector


@dataclass
class Page:
    """An open page with the values of its sidebar."""

    name: str
    saved: SavedVectors
    session: Session
    values: list[Any]

    @property
    def settings(self) -> Settings:
        """The sidebar."""
        return Settings.read(*self.values)

    @property
    def concept(self) -> Concept:
        """The chosen concept."""
        return self.session.draft(self.settings.concept).concept

    @property
    def vector(self) -> SteeringVector | None:
        """The vector in use."""
        return self.saved.workspace.vectors.get(self.settings, self.concept)

    def close(self) -> None:
        """Close the page."""
        self.session = Session()
        self.saved.workspace.close(self.name)
        gc.collect()

    def use(self, name: str) -> None:
        """Check a saved vector and steer with it."""
        self.saved.choose(self.session, name, None)
        all_changes = list(press(LONG_TASK, self.saved.check, self.session, self.values, name))
        assert last(all_changes, "lib_use")["interactive"]
        changes = self.saved.use(self.session, *self.values)
        chosen = {**dict(zip(FIELDS, self.values, strict=True)), "concept": changes["concept"]["value"]}
        self.values = list(chosen.values())


@pytest.fixture(scope="module")
def workspace() -> Workspace:
    return Workspace()


@pytest.fixture
def pages(
    workspace: Workspace, folders: tuple[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[Page, Page]]:
    """Two pages, and a saved vector called "mine"."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    first_page, second_page = (
        Page(name, SavedVectors(workspace), workspace.session(name), fields(*folders))
        for name in (f"{tmp_path.name} one", f"{tmp_path.name} other")
    )
    list(press(LONG_TASK, first_page.saved.save, first_page.session, first_page.values, "mine"))
    yield first_page, second_page
    first_page.close()
    second_page.close()


def turn_around() -> SteeringVector:
    """Put the opposite vector, made of the same pairs, into the same file."""
    entry = Shelf.own().entry("mine")
    assert entry.vector is not None
    save_vector(-entry.vector, entry.path)
    return entry.vector


def same(vector: SteeringVector | None, expected: SteeringVector) -> bool:
    return vector is not None and torch.equal(vector.directions, expected.directions)


def test_each_page_steers_with_the_vector_that_it_read(pages: tuple[Page, Page]) -> None:
    first_page, second_page = pages
    first_page.use("mine")
    first = turn_around()
    second_page.use("mine")
    assert first_page.settings.concept == second_page.settings.concept, "both menus name the same file"
    assert same(first_page.vector, first)
    assert same(second_page.vector, -first)
    assert first_page.settings.grid_key(first_page.concept, "p") != second_page.settings.grid_key(
        second_page.concept, "p"
    )
    assert same(first_page.saved.workspace.vector(first_page.session, first_page.settings, first_page.concept), first)


def test_a_page_that_reads_a_replaced_file_again_takes_the_new_one(pages: tuple[Page, Page]) -> None:
    first_page, _ = pages
    first_page.use("mine")
    stale = first_page.settings.grid_key(first_page.concept, "p")
    first = turn_around()
    first_page.use("mine")
    assert same(first_page.vector, -first)
    assert first_page.settings.grid_key(first_page.concept, "p") != stale, "texts of the earlier vector are out of date"


def test_the_script_does_not_name_a_file_that_holds_another_vector_by_now(pages: tuple[Page, Page]) -> None:
    first_page, _ = pages
    first_page.use("mine")
    assert (
        "load_vector"
        in update_script(first_page.saved.workspace, first_page.session, first_page.settings, "Hello")["take_script"]
    )
    turn_around()
    changes = update_script(first_page.saved.workspace, first_page.session, first_page.settings, "Hello")
    assert list(changes) == ["take_stale"]
    assert export_text.FILE_CHANGED.partition("}")[2][:30] in changes["take_stale"]


def test_a_vector_stays_until_the_last_page_that_read_it_is_closed(pages: tuple[Page, Page]) -> None:
    first_page, second_page = pages
    first_page.use("mine")
    second_page.use("mine")
    workspace, settings, concept = first_page.saved.workspace, first_page.settings, first_page.concept
    first_page.close()
    assert second_page.vector is not None
    second_page.close()
    assert not workspace.vectors.from_file(settings, concept)
    assert workspace.vectors.of_pages == 0
