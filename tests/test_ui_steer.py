"""The Steer tab without a browser: the data of the viewer, and text generation with tiny models."""

from dataclasses import replace
from typing import Any

import pytest
from pages import fields, last, press

from steering.concepts.files import bundled_concepts, load_concept
from steering.errors import Progress, SteeringError
from steering.measure.budgets import strength_at
from steering.models.language_model import LanguageModel
from steering.steer.grid import Grid, Health, Row
from steering.ui.events.long_tasks import Changes
from steering.ui.sidebar.cards import update_cards
from steering.ui.state.drafts import Draft
from steering.ui.state.presets import PROMPTS, preset
from steering.ui.state.settings import DEFAULT, LAMBDAS, Settings
from steering.ui.state.strengths import Strengths
from steering.ui.state.workspace import Session, Workspace
from steering.ui.tabs.steer import text
from steering.ui.tabs.steer.handlers import LONG_TASK, Steering
from steering.ui.text import STOPPED, UNEXPECTED
from steering.ui.viewer import component as viewer
from steering.ui.viewer.texts import PageTexts

pytestmark = [
    pytest.mark.filterwarnings("ignore::UserWarning:gradio"),  # without a page, a toast is a warning
    pytest.mark.usefixtures("own_cache"),
]

FINE = Health(0.0, 0.1, 8.0, same_as_baseline=False, degenerate=False)


def row(lam: float, ended: str = "length", health: Health = FINE, tokens: int = 12) -> Row:
    return Row(lam, f"text at {lam}", tuple(range(tokens)), ended, health)


def grid(*rows: Row) -> Grid:
    return Grid("child", "prompt", (1, 2), rows)


def test_every_row_has_words_and_a_shape() -> None:
    broken = replace(FINE, repeated=0.6, degenerate=True)
    same = replace(FINE, same_as_baseline=True)
    data = viewer.show(grid(row(0.3, health=broken), row(-0.3, health=same), row(0.0), row(0.1)), ("happy", "sad"), 12)
    assert [row_data["lam"] for row_data in data["rows"]] == [-0.3, 0.0, 0.1, 0.3]
    assert [row_data["word"] for row_data in data["rows"]] == [
        "identical to baseline",
        "baseline",
        "passes the checks",
        "fails a check",
    ]
    assert len({row_data["mark"] for row_data in data["rows"]}) == 4
    assert data["labels"] == ["happy", "sad"]


def test_empty_viewer_shows_the_default_grid() -> None:
    data = viewer.empty(("happy", "sad"), "a note")
    assert [row_data["lam"] for row_data in data["rows"]] == list(LAMBDAS)
    assert len(LAMBDAS) == 13
    assert (LAMBDAS[0], LAMBDAS[6], LAMBDAS[-1]) == (-0.6, 0.0, 0.6)
    assert data["note"] == "a note"


@pytest.mark.parametrize(
    ("text_row", "phase", "expected"),
    [
        (row(0.1, "length"), "done", "cut at 12 tokens"),
        (row(0.1, "end of text"), "done", "ended after 12 tokens"),
        (row(0.1, ""), "stopped", "stopped at 12/48"),
        (row(0.1, ""), "running", "12/48 tokens"),
        (row(0.1), "done", "perplexity 8.0"),
        (row(0.1), "done", "repeats 0 %"),
    ],
)
def test_badges_are_words(text_row: Row, phase: str, expected: str) -> None:
    assert expected in [badge["words"] for badge in viewer.badges(text_row, 48, phase)]


def test_a_degenerate_text_says_why() -> None:
    bad = row(0.6, health=Health(0.6, 0.6, 200.0, same_as_baseline=False, degenerate=True))
    why = viewer.degeneration_reasons(bad)
    assert "60 % of its 3-token runs" in why
    assert "perplexity of it is 200 (limit" in why
    earlier = replace(bad, health=replace(bad.health, repeated=0.1, perplexity=20.0))
    assert "earlier version" in viewer.degeneration_reasons(earlier)


def test_perplexity_is_missing_until_it_was_measured() -> None:
    words = [badge["words"] for badge in viewer.badges(row(0.1, health=replace(FINE, perplexity=None)), 48, "done")]
    assert not any("perplexity" in word for word in words)


@pytest.fixture
def steering() -> Steering:
    return Steering(Workspace())


@pytest.fixture
def session() -> Session:
    return Session()


def steer(steering: Steering, session: Session, *values: Any, prompt: str = "The weather") -> list[Changes]:
    return list(press(LONG_TASK, steering.steer, session, list(values), prompt))


def test_generate_makes_the_vector_and_then_writes_at_every_strength(
    steering: Steering, session: Session, folders: tuple[str, str]
) -> None:
    values = fields(*folders)
    settings = Settings.read(*values)
    assert "Vector not made yet" in update_cards(steering.workspace, session, settings)["vector"]
    all_changes = steer(steering, session, *values)
    data = last(all_changes, "viewer")
    assert data["phase"] == "done"
    assert [row_data["lam"] for row_data in data["rows"]] == list(LAMBDAS)
    assert all(
        any("perplexity" in badge["words"] for badge in row_data["badges"])
        for row_data in data["rows"]
        if row_data["text"]
    )
    assert "side by side" in last(all_changes, "status")
    assert "Vector ready" in update_cards(steering.workspace, session, settings)["vector"]
    assert any("lab-status busy" in change["status"] for change in all_changes if "status" in change)
    assert last(all_changes, "generate")["interactive"]
    assert not last(all_changes, "stop")["interactive"]
    assert set(steering.workspace.loaded()) == set(folders)


def test_texts_are_marked_stale_and_kept(steering: Steering, session: Session, folders: tuple[str, str]) -> None:
    same = fields(folders[0], folders[0])
    steer(steering, session, *same)
    assert steering.notices(session, Settings.read(*same), "The weather")["stale"] == ""
    other_prompt = steering.notices(session, Settings.read(*same), "Another prompt")
    assert text.STALE_GRID in other_prompt["stale"]
    assert "viewer" not in other_prompt
    other_method = Settings.read(*fields(folders[0], folders[0], method="mean"))
    assert text.STALE_GRID in steering.notices(session, other_method, "The weather")["stale"]
    assert "Vector stale" in update_cards(steering.workspace, session, other_method)["vector"]


def test_models_of_earlier_choices_leave_when_memory_is_short(session: Session, folders: tuple[str, str]) -> None:
    steering = Steering(Workspace(memory=0))
    steer(steering, session, *fields(*folders))
    steer(steering, session, *fields(folders[0], folders[0]))
    assert steering.workspace.loaded() == (folders[0],)


def test_stop_before_the_turn_comes_runs_nothing(
    steering: Steering, session: Session, folders: tuple[str, str]
) -> None:
    run = press(LONG_TASK, steering.steer, session, fields(*folders), "The weather")
    next(run)
    LONG_TASK.request_stop(session)
    all_changes = list(run)
    assert len(all_changes) == 1
    assert STOPPED in all_changes[0]["status"]
    assert steering.workspace.loaded() == ()


def test_stop_while_writing_keeps_what_was_written(
    steering: Steering, session: Session, folders: tuple[str, str]
) -> None:
    all_changes = []
    values = fields(folders[0], folders[0], max_new_tokens=200)
    for changes in press(LONG_TASK, steering.steer, session, values, "The weather"):
        all_changes.append(changes)
        if changes.get("viewer", {}).get("phase") == "running":
            LONG_TASK.request_stop(session)
    data = last(all_changes, "viewer")
    assert data["phase"] == "stopped"
    assert any(row_data["text"] for row_data in data["rows"])
    assert STOPPED in last(all_changes, "status")
    assert last(all_changes, "generate")["interactive"]
    assert "done" in [
        change["viewer"]["phase"]
        for change in steer(steering, session, *fields(folders[0], folders[0]))
        if "viewer" in change
    ]


def test_errors_are_shown_beside_the_button(steering: Steering, session: Session, folders: tuple[str, str]) -> None:
    assert text.EMPTY_PROMPT in last(steer(steering, session, *fields(*folders), prompt="  "), "status")
    assert "no-such-model" in last(steer(steering, session, *fields("no-such-model", folders[1])), "status")
    original = load_concept("sentiment")
    session.drafts["sentiment"] = Draft(replace(original, pairs=()), original)
    assert "usable pairs" in last(steer(steering, session, *fields(*folders)), "status")


def test_an_unexpected_error_is_logged_and_shown(
    steering: Steering, session: Session, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(steering.workspace, "vector", lambda *_arguments: 1 / 0)
    all_changes = steer(steering, session, *fields(DEFAULT.parent, DEFAULT.child))
    assert UNEXPECTED in last(all_changes, "status")
    assert "ZeroDivisionError" in caplog.text
    assert last(all_changes, "generate")["interactive"]


def test_only_the_models_on_the_list_are_loaded(session: Session, folders: tuple[str, str]) -> None:
    steering = Steering(Workspace([folders[0]]))
    assert "not on this page" in last(steer(steering, session, *fields(*folders)), "status")
    assert steering.workspace.loaded() == ()


# Precomputed texts


@pytest.mark.parametrize("name", bundled_concepts())
def test_every_bundled_concept_opens_with_finished_texts(name: str) -> None:
    bundled = preset(name)
    assert bundled is not None
    assert [row.lam for row in bundled.grid.rows] == list(LAMBDAS)
    assert bundled.grid.prompt == PROMPTS[name]
    assert all(row.ended and row.text.strip() for row in bundled.grid.rows)
    assert all(row.health.perplexity is not None for row in bundled.grid.rows)
    assert len({row.text for row in bundled.grid.rows}) > 3
    assert set(bundled.moves) == set(LAMBDAS)
    assert all(move.before == move.after for move in bundled.moves[0.0])
    assert abs(sum(token.along or 0.0 for token in bundled.shifts[0.0])) < 0.01, (
        "measured against the baseline's own mean"
    )
    assert all(token.along is not None for tokens in bundled.shifts.values() for token in tokens)
    assert "gemma" in bundled.source
    assert "torch" in bundled.versions


def test_precomputed_texts_were_made_with_what_the_page_opens_with(steering: Steering, session: Session) -> None:
    prompt = PROMPTS["sentiment"]
    opened = steering.notices(session, DEFAULT, prompt)
    assert opened["stale"] == ""
    assert opened["viewer"]["phase"] == "done"
    assert opened["viewer"]["source"][0].startswith("Precomputed")
    assert "viewer" not in steering.notices(session, DEFAULT, prompt), "the same texts are not sent again"
    assert text.STALE_GRID in steering.notices(session, DEFAULT, "Another prompt")["stale"]
    assert text.STALE_GRID in steering.notices(session, replace(DEFAULT, layers="index"), prompt)["stale"]


def test_each_concept_keeps_its_texts_and_its_prompt(steering: Steering, session: Session) -> None:
    steering.notices(session, DEFAULT, text.FIRST_PROMPT)
    suggested = steering.suggest(session, "courage", text.FIRST_PROMPT)["prompt"]
    assert suggested == PROMPTS["courage"]
    courage = steering.notices(session, replace(DEFAULT, concept="courage"), suggested)
    assert courage["viewer"]["labels"] == ["brave", "fearful"]
    assert courage["stale"] == ""
    assert steering.suggest(session, "sentiment", "My own prompt") == {}
    back = steering.notices(session, DEFAULT, text.FIRST_PROMPT)
    assert back["viewer"]["labels"] == ["happy", "sad"]


def test_the_range_of_the_strengths_is_chosen_and_a_wrong_one_is_named(
    steering: Steering, session: Session, folders: tuple[str, str]
) -> None:
    assert Strengths().grid("any") == LAMBDAS
    assert Strengths({"any": 0.25}, 2.0).grid("any")[6:9] == (0.0, 0.25, round(1 / 3, 6))
    prompt = PROMPTS["sentiment"]
    assert steering.notices(session, DEFAULT, prompt, 0.6)["stale"] == ""
    assert "up to ±2" in steering.notices(session, DEFAULT, prompt, 2)["stale"]
    for wrong, words in ((0, "range of λ is 0"), (-1, "range of λ is -1"), (None, "is empty")):
        with pytest.raises(SteeringError, match=words):
            steering.check(session, DEFAULT, prompt, wrong)
    changes = list(press(LONG_TASK, steering.steer, session, fields(*folders), "Hi", 1.2))
    assert [row_data["lam"] for row_data in last(changes, "viewer")["rows"]][::6] == [-1.2, 0.0, 1.2]


def test_texts_of_an_earlier_prompt_are_marked_while_new_ones_are_prepared(
    steering: Steering, session: Session, folders: tuple[str, str]
) -> None:
    values = fields(*folders)
    steer(steering, session, *values)
    run = press(LONG_TASK, steering.steer, session, values, "Another prompt")
    next(run)
    notice = steering.notices(session, Settings.read(*values), "Another prompt")
    assert "still the earlier texts, for “The weather”" in notice["stale"]
    assert "viewer" not in notice
    marks = [change["stale"] for change in run if "stale" in change]
    assert "still the earlier texts, for “The weather”" in marks[0]
    assert marks[-1] == ""
    assert steering.notices(session, Settings.read(*values), "Another prompt")["stale"] == ""


# One more λ


def test_a_kl_budget_selects_its_strength(steering: Steering, session: Session, folders: tuple[str, str]) -> None:
    values = fields(*folders, scale="unit", positions="response")
    all_changes = list(press(LONG_TASK, steering.set_by_kl, session, values, 0.5))
    settings = Settings.read(*values)
    vector = steering.workspace.vector(session, settings, load_concept("sentiment"))
    child = steering.workspace.models(settings)[1]
    expected = strength_at(child, vector, 0.5, settings.steering).lam
    selected = [change["wanted_lam"] for change in all_changes if "wanted_lam" in change]
    assert selected == [None, pytest.approx(expected, rel=5e-3)]
    assert text.set_by_kl(selected[-1], 0.5) in last(all_changes, "status")
    assert last(all_changes, "set_by_kl")["interactive"]


@pytest.mark.parametrize(("kl", "words"), [(None, text.KL_LABEL), (0, "The KL budget is 0.0"), (-1, "The KL budget")])
def test_a_budget_that_is_none_is_named(steering: Steering, session: Session, kl: float | None, words: str) -> None:
    all_changes = list(press(LONG_TASK, steering.set_by_kl, session, fields(), kl))
    assert words in last(all_changes, "status")
    assert not any("wanted_lam" in change for change in all_changes)


def test_stop_ends_the_search_for_a_strength(steering: Steering, session: Session, folders: tuple[str, str]) -> None:
    run = press(LONG_TASK, steering.set_by_kl, session, fields(*folders), 0.5)
    next(run)
    LONG_TASK.request_stop(session)
    all_changes = list(run)
    assert STOPPED in all_changes[-1]["status"]
    assert not any("wanted_lam" in change for change in all_changes)


def test_one_exact_strength_joins_the_others(steering: Steering, session: Session, folders: tuple[str, str]) -> None:
    values = fields(folders[0], folders[0])
    steer(steering, session, *values)
    before = session.record(PageTexts).written["sentiment"].grid
    all_changes = list(press(LONG_TASK, steering.add_text, session, values, "The weather", 0.25))
    data = last(all_changes, "viewer")
    assert [row_data["lam"] for row_data in data["rows"]] == sorted([*LAMBDAS, 0.25])
    assert data["choose"] == 0.25
    after = session.record(PageTexts).written["sentiment"].grid
    assert [row for row in after.rows if row.lam != 0.25] == list(before.rows)
    assert after.at(0.25).health.perplexity is not None
    assert all(row_data["moves"] for row_data in data["rows"])
    assert text.EXACT_NEEDS_GRID in last(
        list(press(LONG_TASK, steering.add_text, session, values, "Another", 0.25)), "status"
    )


def test_models_on_this_machine_are_loaded_when_the_page_opens(
    steering: Steering, session: Session, folders: tuple[str, str]
) -> None:
    all_changes = list(steering.load(session, *folders))
    assert set(steering.workspace.loaded()) == set(folders)
    assert "are loaded" in last(all_changes, "status")


def test_a_model_that_would_have_to_be_fetched_is_not_loaded_unasked(steering: Steering, session: Session) -> None:
    assert list(steering.load(session, "someone/large-model", "someone/small-model")) == []


def test_loading_in_the_background_does_not_replace_the_status_of_another_task(
    folders: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace, session = Workspace(), Session()
    steering = Steering(workspace)
    LONG_TASK.begin(session)
    session.jobs.pop(LONG_TASK.name)  # It ended, and said how.
    assert list(steering.load(session, *folders)) == []
    late, load = Session(), workspace.models

    def asked_meanwhile(settings: Settings, progress: Progress) -> tuple[LanguageModel, LanguageModel]:
        LONG_TASK.begin(late)
        return load(settings, progress)

    monkeypatch.setattr(workspace, "models", asked_meanwhile)
    assert not any(text.loaded(*folders) in change["status"] for change in steering.load(late, *folders))
