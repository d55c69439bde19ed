"""Two saved vectors beside each other: where their directions agree, and what each says about itself."""

import gradio as gr

from steering import library
from steering.designs import compare
from steering.errors import SteeringError
from steering.plots_designs import plot_cosines
from steering.ui.library import render, text
from steering.ui.render import message, note
from steering.ui.runs import Changes
from steering.ui.workspace import Session

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
    if one.vector.model != two.vector.model or one.vector.directions.shape != two.vector.directions.shape:
        words = text.other_space(one.vector.model_name, two.vector.model_name)
        return nothing | sides | {"lib_compared": message(words, "warning")}
    found = compare(one.vector, two.vector)
    known = found.cosines[~found.cosines.isnan()]
    inside = int((known.abs() < found.chance).sum())
    figure = plot_cosines(found)
    figure.update_xaxes(title={"text": text.CHILD_LAYER.format(model=found.model_name.rstrip("/").rsplit("/", 1)[-1])})
    figure.update_traces(
        hovertemplate="layer %{x}: cosine between A and B %{text}<extra></extra>", selector={"mode": "lines+markers"}
    )
    words = text.agreement(float(known.median()), len(known), found.chance, inside) if len(known) else text.NO_LAYERS
    return sides | {"lib_compared": note(words), "lib_cosines": gr.update(value=figure, visible=True)}
