"""The look of the page: Gradio's theme with bundled fonts, and our styles. Nothing is loaded from other servers."""

from importlib.resources import files

import gradio as gr
from gradio.themes.utils.fonts import LocalFont

CSS = (files("steering.ui.look") / "page.css").read_text("utf-8")

FIT_FIGURES = (files("steering.ui.look") / "figures.js").read_text("utf-8")
"""JavaScript for the page's load event: it keeps figures as wide as their containers."""

OPEN_FIRST_TAB = """() => {
  const first = document.querySelector('#tabs button[role="tab"]');
  if (first) first.click();
  window.scrollTo({ top: 0 });
}"""
"""JavaScript that shows the Steer tab."""


def theme() -> gr.themes.Base:
    """The theme. Its fonts are limited to the weights whose files contain all letters that the page uses."""
    base = gr.themes.Default(
        primary_hue="blue",
        neutral_hue="zinc",
        font=[LocalFont("Source Sans Pro", weights=(400, 700)), "system-ui", "sans-serif"],
        font_mono=[LocalFont("IBM Plex Mono", weights=(400, 700)), "ui-monospace", "monospace"],
        radius_size="md",
    )
    return base.set(
        body_text_color_subdued="*neutral_600",
        body_text_color_subdued_dark="*neutral_400",
        block_info_text_color="*neutral_600",
        block_info_text_color_dark="*neutral_400",
        block_label_text_color="*neutral_700",
        block_label_text_color_dark="*neutral_200",
        block_title_text_color="*neutral_700",
        block_title_text_color_dark="*neutral_200",
        button_primary_background_fill="*primary_600",
        button_primary_background_fill_hover="*primary_700",
        button_primary_background_fill_dark="*primary_600",
        button_primary_background_fill_hover_dark="*primary_500",
    )
