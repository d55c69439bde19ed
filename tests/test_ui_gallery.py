"""The gallery: which examples it shows, and that a click opens an example as it was made, without a model."""

from pathlib import Path
from typing import Any

import pytest
from pages import fields

from steering.concepts import bundled_concepts
from steering.errors import SteeringError
from steering.ui import build_app
from steering.ui.state.abilities import bundled_ability
from steering.ui.state.gallery import SMALLEST_SHIFT, gallery, opening
from steering.ui.state.presets import PROMPTS, preset
from steering.ui.state.settings import DEFAULT, FIELDS, FILE_PREFIX, Settings
from steering.ui.state.workspace import Session, Workspace
from steering.ui.tabs.steer import gallery as cards
from steering.ui.tabs.steer.handlers import Steering
from steering.ui.tabs.steer.measured import measured

DEFAULTS = dict(zip(FIELDS, fields(DEFAULT.parent, DEFAULT.child, max_new_tokens=48), strict=True))


@pytest.fixture(autouse=True)
def own_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))


def opened(name: str) -> tuple[Workspace, Session, dict[str, Any], Settings]:
    workspace, session = Workspace(), Session()
    changes = cards.open_example(workspace, session, name, DEFAULTS, DEFAULTS)
    values = {field: change["value"] if isinstance(change := changes[field], dict) else change for field in FIELDS}
    return workspace, session, changes, Settings.read(*values.values())


def test_the_page_opens_with_the_strongest_concept_and_shows_no_weak_one() -> None:
    assert set(gallery()) == set(bundled_concepts())
    strengths = [each.strength for each in gallery().values() if each.shown]
    assert strengths == sorted(strengths, reverse=True)
    assert min(strengths) >= SMALLEST_SHIFT
    ids = [example["id"] for example in cards.cards("")["examples"]]
    assert ids == [cards.ABILITY, *(name for name, each in gallery().items() if each.shown)]
    values = {
        part.elem_id: getattr(part, "value", None)
        for part in build_app().blocks.values()
        if getattr(part, "elem_id", None)
    }
    assert values["concept"] == opening() == ids[1]
    assert values["gallery"]["chosen"] == opening()
    assert values["viewer"]["choose"] == gallery()[opening()].high
    assert values["prompt"] == PROMPTS[opening()]


@pytest.mark.parametrize("name", [name for name, each in gallery().items() if each.shown])
def test_the_texts_of_a_card_are_fluent_by_every_check_and_differ(name: str) -> None:
    strongest, found = gallery()[name], preset(name)
    assert found is not None
    low, zero, high = (found.grid.at(lam) for lam in (strongest.low, 0.0, strongest.high))
    assert strongest.low < 0 < strongest.high
    assert not any(row.health.degenerate for row in (low, high))
    assert len({low.text, zero.text, high.text}) == 3


def test_a_concepts_card_opens_its_texts_with_the_settings_they_were_made_with() -> None:
    workspace, session, changes, settings = opened(opening())
    assert settings.grid_key(session.draft(opening()).concept, changes["prompt"]) == (
        DEFAULT.__class__(**{**vars(DEFAULT), "concept": opening()}).grid_key(
            session.draft(opening()).concept, PROMPTS[opening()]
        )
    )
    assert changes["viewer"]["choose"] == gallery()[opening()].high
    assert changes["viewer"]["lead"]
    notice = Steering(workspace).notices(session, settings, changes["prompt"], changes["reach"])
    assert notice["stale"] == ""
    assert cards.update_cards(workspace, session, settings)["gallery"]["chosen"] == opening()
    assert cards.update_cards(workspace, session, settings) == {}


def test_the_ability_opens_with_its_vector_and_what_was_measured_beside_it() -> None:
    ability = bundled_ability()
    assert ability is not None
    workspace, session, changes, settings = opened(cards.ABILITY)
    assert settings.concept.startswith(FILE_PREFIX)
    vector = workspace.vectors.get(settings, session.draft(settings.concept).concept)
    assert vector is not None
    assert vector.digest == ability.vector.digest
    notice = Steering(workspace).notices(session, settings, changes["prompt"], changes["reach"])
    assert notice["stale"] == ""
    assert "viewer" not in notice
    for words in (ability.question, ability.answer, str(ability.n)):
        assert words in changes["viewer"]["lead"]
    card = cards.update_cards(workspace, session, settings)
    assert card["gallery"]["chosen"] == cards.ABILITY
    assert f"{100 * ability.arms['carried'].right:.0f} %" in card["ability"]
    back = cards.update_cards(workspace, session, Settings.read(*DEFAULTS.values()))
    assert back["ability"] == ""
    texts = {row["lam"]: row["text"] for row in changes["viewer"]["rows"]}
    assert texts[ability.lam].split()[0] == ability.answer
    assert texts[0.0].split()[:1] != [ability.answer]


def test_the_measured_ability_gains_and_its_numbers_are_shares() -> None:
    ability = bundled_ability()
    assert ability is not None
    assert ability.command.startswith("python -m steering gain ")
    assert ability.arms["carried"].low > ability.arms["baseline"].high
    for share in ability.arms.values():
        assert 0 <= share.low <= share.right <= share.high <= 1
    assert "<img" not in measured(ability)


def test_an_example_that_does_not_exist_is_named() -> None:
    with pytest.raises(SteeringError, match="no example “none”"):
        opened("none")
