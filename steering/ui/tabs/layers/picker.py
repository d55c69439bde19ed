"""The pair of layers that is looked at: two number fields, and a click on a cell of the map writes into them."""

from importlib.resources import files
from typing import Any

import gradio as gr

Pair = tuple[int, int]
"""Parent layer and child layer."""

_ASSETS = files("steering.ui.tabs.layers")


def component() -> gr.HTML:
    """The two fields. Its event `input` tells that a visitor chose another pair."""
    return gr.HTML(
        value=show((0, 0), (1, 1)),
        html_template=(_ASSETS / "picker.html").read_text("utf-8"),
        css_template=(_ASSETS / "picker.css").read_text("utf-8"),
        js_on_load=(_ASSETS / "picker.js").read_text("utf-8"),
        apply_default_css=False,
        elem_id="pair",
    )


def show(pair: Pair, sizes: Pair) -> dict[str, Any]:
    """What the fields say.

    Args:
        pair: parent layer and child layer.
        sizes: how many layers the parent and the child have.
    """
    return {"pair": list(pair), "sizes": list(sizes)}


def read(value: Any, sizes: Pair) -> Pair | None:
    """The pair that the page sent; None where it is none of these sizes."""
    pair = value.get("pair") if isinstance(value, dict) else None
    if not isinstance(pair, list) or len(pair) != 2 or not all(isinstance(layer, int) for layer in pair):
        return None
    return (pair[0], pair[1]) if all(0 <= layer < size for layer, size in zip(pair, sizes, strict=True)) else None
