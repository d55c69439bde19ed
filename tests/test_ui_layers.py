"""The Layers tab without a browser: comparing layers, one pair of them, the profile's bars and preview, and the effect."""

from dataclasses import replace
from typing import Any

import pytest
from pages import fields, last, press

from steering.concepts.files import load_concept
from steering.formatting import signed
from steering.steer.grid import Grid, Health, Row
from steering.ui.state.settings import Settings
from steering.ui.state.workspace import Session, Workspace
from steering.ui.tabs.layers import bars, pairs, picker, preview, render, text
from steering.ui.tabs.layers.handlers import EFFECT_TASK, LONG_TASK, Layers
from steering.ui.tabs.layers.preview import Preview

EVIL = '<img src=x onerror="document.title=1">'


@pytest.fixture
def layers() -> Layers:
    return Layers(Workspace())


@pytest.fixture
def preview_of(layers: Layers) -> Preview:
    return Preview(layers.workspace)


def sent(weights: list[float], choice: str = "") -> dict[str, Any]:
    return bars.show(len(weights), "all", None) | {"weights": weights, "choice": choice}


@pytest.mark.usefixtures("own_cache")
def test_the_effect_is_measured_on_demand_and_stays_in_the_report(layers: Layers, folders: tuple[str, str]) -> None:
    session, values = Session(), fields(*folders)
    all_changes = list(press(EFFECT_TASK, layers.measure, session, values))
    assert last(all_changes, "measure_effect")["interactive"]
    vector = layers.workspace.vectors.get(Settings.read(*values), load_concept("sentiment"))
    assert vector is not None
    assert vector.report is not None
    assert vector.report["effect_kept"] is not None
    assert "Effect kept" in layers.notices(session, Settings.read(*values), "scores")["verdict"]
    assert "verdict" not in layers.notices(session, Settings.read(*values), "scores"), (
        "the same report is not sent again"
    )


def test_layers_are_compared_looked_at_and_used_alone(layers: Layers, folders: tuple[str, str]) -> None:
    session, values = Session(), fields(*folders)
    settings = Settings.read(*values)
    assert (
        "Press Compute first" in pairs.use_pair(session, picker.show((0, 0), (3, 4)), "relative", "all")["pair_status"]
    )
    all_changes = list(press(LONG_TASK, layers.compute, session, values, "scores"))
    figure = last(all_changes, "plot")["value"]
    assert (len(figure.data[0].z), len(figure.data[0].z[0])) == (3, 4)
    assert "64 texts" in last(all_changes, "layers_status")
    assert layers.notices(session, settings, "scores")["plot_stale"] == ""
    assert text.STALE_PLOT in layers.notices(session, settings, "cka")["plot_stale"]

    best = max((value, row, column) for row, line in enumerate(figure.data[0].z) for column, value in enumerate(line))
    assert last(all_changes, "pair")["pair"] == [best[1], best[2]], "the map opens at its strongest cell"
    assert f"r = {signed(best[0])}" in last(all_changes, "pair_words")
    assert figure.layout.shapes[0].y0 == best[1] - 0.5

    changes = pairs.select_pair(session, picker.show((2, 1), (3, 4)))
    assert len(changes["pair_plot"].data) == 2
    assert "Parent layer 2 → child layer 1" in changes["pair_words"]
    assert "64 held-out texts, 95 % interval" in changes["pair_words"]
    assert pairs.select_pair(session, picker.show((3, 1), (3, 4))) == {}, "there is no such layer"

    pair_fields = pairs.use_pair(session, picker.show((2, 1), (3, 4)), "best", "late")
    assert (pair_fields["layers"]["value"], pair_fields["profile"]["value"]) == ("2-to-1", "0 1 2x0")
    one_layer = Settings.read(*fields(*folders, layers="2-to-1", profile="0 1 2x0"))
    assert one_layer.vector_key(load_concept("sentiment")) != settings.vector_key(load_concept("sentiment"))
    restored = pairs.use_all_layers(session, "2-to-1")
    assert (restored["layers"]["value"], restored["profile"]["value"]) == ("best", "late")

    second_session = Session()
    map_changes = layers.notices(second_session, settings, "scores")
    assert map_changes["plot"]["visible"], "another session gets a stored map at once"
    assert "plot" not in layers.notices(second_session, settings, "scores"), "and gets it once"


def test_bars_show_the_profile_and_which_layers_carry_nothing() -> None:
    data = bars.show(5, "late", (True, True, True, False, True))
    assert data["weights"] == data["presets"]["late"] == [0, 0, 1, 1, 1]
    assert data["choice"] == "late"
    assert data["signal"] == [True, True, True, False, True]
    assert text.BARS_HATCHED in data["note"]
    assert bars.show(3, (0.0, 4.0, 2.0), None)["weights"] == [0, 1, 0.5], "only proportions count"
    assert bars.show(3, (0.0, 1.0, 0.0), None)["at"] == 1
    assert "2 weights, and this child has 3 layers" in bars.show(3, (0.0, 1.0), None)["note"]
    assert bars.show(None, "all", None)["weights"] == []


def test_what_comes_from_the_bars_is_checked() -> None:
    assert bars.read(sent([0.25, 1, 1])) == "0.25 2x1"
    assert bars.read(sent([1, 1], "bell")) == "bell"
    for wrong in (None, [], "x", {}, sent([]), sent([2.0]), sent([-1.0]), sent([float("nan")]), sent([EVIL])):  # type: ignore[list-item]
        assert bars.read(wrong) is None


def test_an_edit_of_the_bars_changes_the_profile_and_previews_only_what_is_ready(
    layers: Layers, preview_of: Preview, folders: tuple[str, str]
) -> None:
    session, values = Session(), fields(*folders)
    edit = sent([0, 0.5, 1, 0])
    changes = preview_of.bars_edited(session, edit, 0.3, *values)
    assert changes["profile"]["value"] == "0 0.5 1 0"
    assert changes["profile"]["choices"][-1] == ("own bars", "0 0.5 1 0")
    assert "preview_asked" not in changes, "nothing is loaded"

    all_changes = list(press(preview.LONG_TASK, preview_of.write, session, values, "Hello", 0.3))
    assert "λ = 0" in last(all_changes, "preview_texts")
    assert "λ = +0.3" in last(all_changes, "preview_texts")
    assert "Hello" in last(all_changes, "preview_status")
    settings = Settings.read(*values)
    assert preview_of.notices(session, settings, "Hello", 0.3)["preview_stale"] == ""
    assert text.PREVIEW_STALE in preview_of.notices(session, settings, "Hello", 0.2)["preview_stale"]
    edited = Settings.read(*fields(*folders, profile="0 0.5 1 0"))
    assert text.PREVIEW_STALE in preview_of.notices(session, edited, "Hello", 0.3)["preview_stale"]

    assert preview_of.bars_edited(session, edit, 0.3, *values)["preview_asked"] == "1"
    assert preview_of.lam_changed(session, -0.2, *values)["preview_asked"] == "2"
    LONG_TASK.begin(session)
    busy = layers.workspace.session("another page")
    LONG_TASK.begin(busy)
    assert "preview_asked" not in preview_of.bars_edited(session, edit, 0.3, *values), "a long task uses the models"


def test_a_newer_edit_ends_the_preview_of_an_older_one(preview_of: Preview, folders: tuple[str, str]) -> None:
    session, values = Session(), fields(*folders)
    all_changes = []
    for changes in press(preview.LONG_TASK, preview_of.write, session, values, "Hello", 0.3):
        if "preview_texts" in changes and not any("preview_texts" in earlier for earlier in all_changes):
            preview_of.bars_edited(session, sent([0, 1, 0, 0]), 0.2, *values)
        all_changes.append(changes)
    texts = [changes["preview_texts"] for changes in all_changes if "preview_texts" in changes]
    turned = next(place for place, words in enumerate(texts) if "λ = +0.2" in words)
    assert 0 < turned < preview.TOKENS, "the older one was not written to its end"
    assert all("λ = +0.2" in words for words in texts[turned:])
    newest = Settings.read(*fields(*folders, profile="0 1 2x0"))
    assert text.PREVIEW_STALE not in preview_of.notices(session, newest, "Hello", 0.2)["preview_stale"]
    assert session.jobs == {}


def test_an_empty_prompt_is_named(preview_of: Preview) -> None:
    all_changes = list(press(preview.LONG_TASK, preview_of.write, Session(), fields(), " ", 0.3))
    assert "prompt on the Steer tab is empty" in last(all_changes, "preview_status")


def test_bars_are_sent_once_and_not_back_to_who_edited_them(preview_of: Preview, folders: tuple[str, str]) -> None:
    session, values = Session(), fields(*folders)
    first = preview_of.notices(session, Settings.read(*values), "Hello", 0.3)
    assert first["bars"]["weights"] == [1, 1, 1, 1]
    assert "bars" not in preview_of.notices(session, Settings.read(*values), "Hello", 0.3)
    preview_of.bars_edited(session, first["bars"] | {"weights": [0, 0.5, 1, 0], "choice": ""}, 0.3, *values)
    edited = Settings.read(*fields(*folders, profile="0 0.5 1 0"))
    assert "bars" not in preview_of.notices(session, edited, "Hello", 0.3)
    late = Settings.read(*fields(*folders, profile="late"))
    assert preview_of.notices(session, late, "Hello", 0.3)["bars"]["choice"] == "late"


def test_what_a_model_wrote_is_escaped() -> None:
    fine = Health(0.0, 0.1, None, same_as_baseline=False, degenerate=False)
    rows = tuple(Row(lam, EVIL, (1, 2), "length", fine) for lam in (0.0, 0.3))
    grid = Grid("child", EVIL, (1,), rows)
    assert "<img" not in render.preview(grid)
    broken = replace(rows[1], health=replace(fine, degenerate=True))
    assert text.BROKEN in render.preview(replace(grid, rows=(rows[0], broken)))
    assert "<img" not in render.pair(EVIL, None, (EVIL, EVIL))
