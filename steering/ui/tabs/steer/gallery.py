"""The gallery: a card for each ready example, the ability first; a click opens it with the settings that it was made with."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from importlib.resources import files
from typing import Any

import gradio as gr

from steering.concepts import load_concept
from steering.errors import SteeringError
from steering.steer import Grid, Sampling
from steering.ui.events.binder import EventBinder
from steering.ui.events.long_tasks import Changes
from steering.ui.state import profiles
from steering.ui.state.abilities import Ability, bundled_ability
from steering.ui.state.file_vectors import library_name, use_file_vector
from steering.ui.state.gallery import Strongest, gallery
from steering.ui.state.presets import PROMPTS, preset
from steering.ui.state.settings import FIELDS, FILE_PREFIX, Settings
from steering.ui.state.strengths import Strengths
from steering.ui.state.workspace import Session, Workspace
from steering.ui.tabs.steer import text
from steering.ui.tabs.steer.measured import measured
from steering.ui.viewer.texts import ConceptTexts, PageTexts, show

_ASSETS = files("steering.ui.tabs.steer")

ABILITY = "ability:"
"""Name of the ability's card."""

_LONGEST = 90
"""Characters of a text on a card."""

_OUTPUTS = ("prompt", "reach", "viewer", "stale", "status", "gallery", "ability", "chat_lam")


@dataclass
class CardState:
    """The card that is marked on the page.

    Attributes:
        chosen: its name, or the name of a concept without a card; None before the page has loaded.
    """

    chosen: str | None = None


def component(concept: str) -> gr.HTML:
    """The cards.

    Args:
        concept: that the page opens with.
    """
    return gr.HTML(
        value=cards(concept),
        html_template=(_ASSETS / "gallery.html").read_text("utf-8"),
        css_template=(_ASSETS / "gallery.css").read_text("utf-8"),
        js_on_load=(_ASSETS / "gallery.js").read_text("utf-8"),
        apply_default_css=False,
        elem_id="gallery",
    )


def strongest(concept: str) -> Strongest | None:
    """The strongest texts of a concept; None where it is not bundled, or none of its texts can be judged."""
    found = gallery().get(concept)
    return found if found is not None and found.high else None


def cards(chosen: str) -> dict[str, Any]:
    """The data of the cards: the ability, then the concepts whose texts were moved far enough, the strongest first."""
    ability = bundled_ability()
    examples = [_ability_card(ability)] if ability else []
    for name, moved in gallery().items():
        found, concept = preset(name), load_concept(name)
        if found is not None and moved.shown:
            low, high = (_line(found.grid, lam) for lam in (moved.low, moved.high))
            poles = [f"{concept.negative_label}:", f"{concept.positive_label}:"]
            examples.append({"id": name, "name": name, "kind": "", "low": low, "high": high, "labels": poles})
    return {"title": text.GALLERY, "examples": examples, "chosen": chosen}


def connect(events: EventBinder) -> None:
    """Connect the cards."""
    page = events.page
    defaults = {name: page[name].value for name in FIELDS}

    def chosen(session: Session, event: gr.EventData, *fields: Any) -> Changes:
        return open_example(events.workspace, session, str(event.id), defaults, dict(zip(FIELDS, fields, strict=True)))

    outputs = (*FIELDS, *_OUTPUTS)
    events.on(page["gallery"].select, chosen, FIELDS, outputs, status="status", event=True, update_notices=True)
    events.notice(partial(update_cards, events.workspace), outputs=["gallery", "ability"])


def open_example(
    workspace: Workspace, session: Session, name: str, defaults: Mapping[str, Any], fields: Mapping[str, Any]
) -> Changes:
    """Open an example: its texts, its prompt, and the settings that it was made with.

    Args:
        workspace: keeps the ability's vector.
        session: of the page.
        name: of a card.
        defaults: the sidebar's fields when the page opens.
        fields: the sidebar's fields now.

    Raises:
        SteeringError: there is no such example.
    """
    ability, moved = bundled_ability(), gallery().get(name)
    if name == ABILITY and ability is not None:
        return _open_ability(workspace, session, ability, {**fields, **defaults})
    if moved is None:
        raise SteeringError(text.NO_EXAMPLE.format(name=name[:60]))
    concept, texts = session.draft(name).concept, session.record(PageTexts)
    written = texts.reopened(load_concept(name))
    texts.shown = concept.name
    return {
        **defaults,
        "profile": gr.update(choices=profiles.choices(defaults["profile"]), value=defaults["profile"]),
        "concept": gr.update(choices=session.concepts, value=name),
        "prompt": PROMPTS[name],
        "reach": max(written.lambdas) if written else gr.skip(),
        "chat_lam": moved.high,
        "viewer": show(written, concept, moved.high) if written else gr.skip(),
    }


def _open_ability(workspace: Workspace, session: Session, ability: Ability, fields: Mapping[str, Any]) -> Changes:
    vector, sampling = ability.vector, Sampling()
    profile = str(ability.fields["profile"])
    own = {"top_p": sampling.top_p, "top_k": sampling.top_k, "seed": sampling.seed, **ability.fields}
    values = use_file_vector(workspace, session, {**fields, **own}, vector, library_name(session.shelf, vector))
    concept, texts = session.draft(values["concept"]).concept, session.record(PageTexts)
    prompt = ability.grid.prompt
    key = Settings.read(*(values[field] for field in FIELDS)).grid_key(concept, prompt)
    versions = ", ".join(f"{name} {version}" for name, version in ability.grid.provenance["versions"].items())
    source = text.MEASURED_WITH.format(parent=ability.fields["parent"], child=ability.fields["child"])
    written = ConceptTexts(ability.grid, key, ability.moves, source, versions, lead=text.ability_lead(ability))
    texts.written[concept.name], texts.shown = written, concept.name
    session.record(Strengths).chosen[concept.name] = ability.lam
    return {
        **values,
        "concept": gr.update(choices=session.concepts, value=concept.name),
        "profile": gr.update(choices=profiles.choices(profile), value=profile),
        "prompt": prompt,
        "reach": max(written.lambdas),
        "viewer": show(written, concept, ability.lam),
    }


def update_cards(workspace: Workspace, session: Session, settings: Settings) -> Changes:
    """Mark the card of the concept in the sidebar, and show what was measured beside the ability."""
    ability = bundled_ability()
    concept = session.draft(settings.concept).concept
    vector = workspace.vectors.get(settings, concept) if concept.name.startswith(FILE_PREFIX) else None
    is_ability = ability is not None and vector is not None and vector.digest == ability.vector.digest
    chosen = ABILITY if is_ability else settings.concept
    state = session.record(CardState)
    if state.chosen == chosen:
        return {}
    state.chosen = chosen
    return {"gallery": cards(chosen), "ability": measured(ability) if is_ability and ability else ""}


def _ability_card(ability: Ability) -> dict[str, Any]:
    before, after = ability.grid.at(0.0), ability.grid.at(ability.lam)
    lines = [row.text.strip().split("\n")[0][:_LONGEST] for row in (before, after)]
    return {
        "id": ABILITY,
        "name": text.ABILITY_CARD.format(task=text.task_name(ability.task)),
        "kind": "ability",
        "low": f"{ability.question} → {lines[0]}",
        "high": f"{ability.question} → {lines[1]}",
        "labels": [text.WITHOUT, text.WITH],
    }


def _line(grid: Grid, lam: float) -> str:
    words = " ".join(grid.at(lam).text.split())
    return words if len(words) <= _LONGEST else words[: _LONGEST - 1] + "…"
