"""Layout of the tab How it works: static text and a picture."""

from importlib.resources import files

import gradio as gr

from steering.ui.events.binder import Page
from steering.ui.tabs.how import text


def build() -> Page:
    """Create the components of the tab."""
    picture = (files("steering.ui.tabs.how") / "picture.svg").read_text("utf-8")
    with gr.Column(elem_id="how"):
        gr.Markdown(text.METHOD, elem_classes="how-words")
        gr.HTML(f'<figure class="how-picture">{picture}</figure>', apply_default_css=False)
        gr.Markdown(
            text.FORMULA, latex_delimiters=[{"left": "$$", "right": "$$", "display": True}], elem_classes="how-words"
        )
        gr.Markdown(text.KNOWN, elem_classes="how-words")
    return {}
