"""The second concept: its menu, and how its direction lies to that of the first one."""

from dataclasses import dataclass
from typing import Any

import gradio as gr
import torch

from steering.errors import SteeringError
from steering.measure import chance_cosine, cosines
from steering.steer import PROFILES, Profile
from steering.ui.events.binder import EventBinder
from steering.ui.events.long_tasks import Changes
from steering.ui.render import message, note
from steering.ui.state.second import second_names, second_of, stored_second
from steering.ui.state.settings import Settings
from steering.ui.state.workspace import Session, Workspace
from steering.ui.tabs.steer import text
from steering.vectors import SteeringVector


@dataclass
class SecondState:
    """Whether the fold with the second concept was opened, because one acts."""

    opened: bool = False


def connect(events: EventBinder) -> None:
    """Connect the fold."""

    def notice(session: Session, settings: Settings) -> Changes:
        return update_second(events.workspace, session, settings)

    events.on(events.page["second"].focus, menu, outputs=["second"], status="status")
    events.notice(notice, outputs=["second_note", "second_fold"])


def menu(session: Session) -> Changes:
    """The names that can be chosen now: concepts are made and vectors saved while the page is open."""
    # Without a value: the answer may come after another name was chosen.
    return {"second": gr.update(choices=choices(second_names(session)))}


def choices(names: list[str]) -> list[tuple[str, str]]:
    """Choices of the menu; the first one is none."""
    return [(text.NO_SECOND, ""), *((name, name) for name in names)]


def update_second(workspace: Workspace, session: Session, settings: Settings) -> Changes:
    """Say how both directions lie to each other, and open the fold once a second concept acts."""
    state, changes = session.record(SecondState), {}
    try:
        second = second_of(session, settings)
    except SteeringError as error:
        return {"second_note": message(str(error), "error")}
    if second is not None and not state.opened:
        state.opened, changes = True, {"second_fold": gr.update(open=True)}
    if second is None:
        words = text.SECOND_NEEDS_LAM if settings.second else ""
        return changes | {"second_note": note(words)}
    concept = session.draft(settings.concept).concept
    vectors = workspace.vectors.get(settings, concept), stored_second(workspace, settings, second)
    if vectors[0] is None or vectors[1] is None:
        return changes | {"second_note": note(text.SECOND_NOT_MADE)}
    pole = second.concept.positive_label if second.lam > 0 else second.concept.negative_label
    poles = (concept.positive_label, concept.negative_label)
    try:
        agreement = _agreement(vectors[0], second.lam * vectors[1], settings.steering.profile)
    except SteeringError as error:  # Of another model.
        return changes | {"second_note": message(str(error), "error")}
    return changes | {"second_note": note(text.conflict(pole, poles, *agreement))}


def _agreement(first: SteeringVector, second: SteeringVector, profile: Profile) -> tuple[float, int, float]:
    """Mean cosine of two vectors at the layers that act, the number of these layers, and what chance gives."""
    values, last = cosines(first, second), max(len(first.directions) - 1, 1)
    weights: Any = profile
    if isinstance(profile, str):
        weights = [PROFILES[profile](layer / last) for layer in range(len(values))]
    acting = values[(torch.tensor(weights) > 0) & ~values.isnan()] if len(weights) == len(values) else values[:0]
    return float(acting.mean()), len(acting), chance_cosine(first.directions.shape[1])
