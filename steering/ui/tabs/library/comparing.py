"""Two saved vectors beside each other: where their directions agree, and what each says about itself."""

import gradio as gr

from steering.errors import MismatchError, SteeringError
from steering.library import saved_vectors as library
from steering.measure import chance_cosine, cosines
from steering.plots import plot_cosines
from steering.ui.events.long_tasks import Changes
from steering.ui.render import message, note
from steering.ui.state.workspace import Session
from steering.ui.tabs.library import render, text

COMPARED = ("lib_compared", "lib_cosines", "lib_sides")
"""Components that a comparison changes."""


def compared(session: Session, name: str, other: str | None) -> Changes:
    """Two saved vectors beside each other."""
    del session
    nothing = {"lib_cosines": gr.update(visible=False), "lib_sides": ""}
    if not name or not other or name == other:
        return nothing | {"lib_compared": note(text.NO_COMPARISON)}
    try:
        one, two = library.entry(name), library.entry(other)
    except SteeringError as error:
        return nothing | {"lib_compared": message(str(error), "error")}
    if one.vector is None or two.vector is None:
        problem = one.problem or two.problem
        return nothing | {"lib_compared": message(problem, "error")}
    sides = {"lib_sides": render.side_by_side(one, two)}
    try:
        found = cosines(one.vector, two.vector)
    except MismatchError as error:
        return nothing | sides | {"lib_compared": message(str(error), "warning")}
    known, chance = found[~found.isnan()], chance_cosine(one.vector.directions.shape[1])
    if not len(known):
        return nothing | sides | {"lib_compared": note(text.NO_LAYERS)}
    words = text.agreement(float(known.median()), len(known), chance, int((known.abs() < chance).sum()))
    figure = plot_cosines(found.tolist(), chance)
    return sides | {"lib_compared": note(words), "lib_cosines": gr.update(value=figure, visible=True)}
