"""A custom component with two number fields for a pair of layers; a click on a cell of the map fills them in."""

from importlib.resources import files
from typing import Any

import gradio as gr

Pair = tuple[int, int]
"""Parent layer and child layer."""

_ASSETS = files("steering.ui.tabs.layers")


def component() -> gr.HTML:
    """The two fields. Their event `input` occurs when the user chooses another pair."""
    return gr.HTML(
        value=show((0, 0), (1, 1)),
        html_template=(_ASSETS / "picker.html").read_text("utf-8"),
        css_template=(_ASSETS / "picker.css").read_text("utf-8"),
        js_on_load=(_ASSETS / "picker.js").read_text("utf-8"),
        apply_default_css=False,
        elem_id="pair",
    )


def show(pair: Pair, sizes: Pair) -> dict[str, Any]:
    """The data of the fields.

    Args:
        pair: parent layer and child layer.
        sizes: number of layers of the parent and of the child.
    """
    return {"pair": list(pair), "sizes": list(sizes)}


def read(value: Any, sizes: Pair) -> Pair | None:
    """The pair that the page sent; None if it is not a pair of existing layers.

    Args:
        value: from the page.
        sizes: number of layers of the parent and of the child.
    """
    pair = value.get("pair") if isinstance(value, dict) else None
    if not isinstance(pair, list) or len(pair) != 2 or not all(isinstance(layer, int) for layer in pair):
        return None
    return (pair[0], pair[1]) if all(0 <= layer < size for layer, size in zip(pair, sizes, strict=True)) else None
