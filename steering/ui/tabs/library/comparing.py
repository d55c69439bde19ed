"""Comparison of two saved vectors: the cosines of their directions, and their provenance side by side."""

import gradio as gr

from steering.errors import MismatchError, SteeringError
from steering.measure import chance_cosine, cosines
from steering.plots import plot_cosines
from steering.ui.events.long_tasks import Changes
from steering.ui.render import message, note
from steering.ui.state.workspace import Session
from steering.ui.tabs.library import render, text

COMPARISON_OUTPUTS = ("lib_compared", "lib_cosines", "lib_sides")
"""Names of the components that a comparison changes."""


def compare_vectors(session: Session, name: str, other_name: str | None) -> Changes:
    """Compare two saved vectors.

    Args:
        session: of the page.
        name: of the vector that is chosen in the table.
        other_name: of the vector that it is compared with.
    """
    nothing = {"lib_cosines": gr.update(visible=False), "lib_sides": ""}
    if not name or not other_name or name == other_name:
        return nothing | {"lib_compared": note(text.NO_COMPARISON)}
    try:
        first, second = session.shelf.entry(name), session.shelf.entry(other_name)
    except SteeringError as error:
        return nothing | {"lib_compared": message(str(error), "error")}
    if first.vector is None or second.vector is None:
        problem = first.problem or second.problem
        return nothing | {"lib_compared": message(problem, "error")}
    sides = {"lib_sides": render.side_by_side(first, second)}
    try:
        similarities = cosines(first.vector, second.vector)
    except MismatchError as error:
        return nothing | sides | {"lib_compared": message(str(error), "warning")}
    finite, chance = similarities[~similarities.isnan()], chance_cosine(first.vector.directions.shape[1])
    if not len(finite):
        return nothing | sides | {"lib_compared": note(text.NO_LAYERS)}
    words = text.agreement(float(finite.median()), len(finite), chance, int((finite.abs() < chance).sum()))
    figure = plot_cosines(similarities.tolist(), chance)
    return sides | {"lib_compared": note(words), "lib_cosines": gr.update(value=figure, visible=True)}
