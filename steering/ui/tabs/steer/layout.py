"""Layout of the Steer tab: the prompt and the λ viewer."""

import gradio as gr

from steering.concepts import bundled_concepts
from steering.measure import KL_BUDGET
from steering.ui import render
from steering.ui.events.binder import Page
from steering.ui.state.settings import CONCEPT, LAMBDAS
from steering.ui.tabs.steer import gallery, second, text
from steering.ui.text import COPY_LINK, REACH, SECOND, SECOND_LAM, STOP
from steering.ui.viewer import component as viewer


def build() -> Page:
    """Create the components of the tab."""
    page: Page = {}
    page["gallery"] = gallery.component(CONCEPT)
    with gr.Row(equal_height=True, elem_classes="lab-ask"):
        page["prompt"] = gr.Textbox(
            text.FIRST_PROMPT, label=text.PROMPT, lines=2, max_lines=8, scale=6, min_width=220, elem_id="prompt"
        )
        with gr.Column(scale=1, min_width=130):
            page["generate"] = gr.Button(text.GENERATE, variant="primary", elem_id="generate")
            page["stop"] = gr.Button(STOP, interactive=False, elem_id="stop")
    with gr.Row(visible=False, elem_id="kept", elem_classes="lab-tools") as page["kept_offer"]:
        page["kept_note"] = gr.HTML(apply_default_css=False, elem_id="kept-note")
        page["kept_show"] = gr.Button(text.SHOW_KEPT, size="sm", scale=0, min_width=150, elem_id="kept-show")
    page["address_note"] = gr.HTML(apply_default_css=False, elem_id="address-note", elem_classes="lab-message")
    page["status"] = gr.HTML(render.message(text.READY), apply_default_css=False, elem_id="status")
    page["stale"] = gr.HTML(apply_default_css=False, elem_id="stale")
    page["viewer"] = viewer.component()
    page["ability"] = gr.HTML(apply_default_css=False, elem_id="ability", elem_classes="lab-hide-empty")
    with gr.Row(elem_classes="lab-examples"):
        gr.HTML(f'<span class="lab-note">{text.EXAMPLES_LABEL}</span>', apply_default_css=False)
        for number, words in enumerate(text.EXAMPLES):
            page[f"example_{number}"] = gr.Button(words, size="sm", min_width=80)
    with gr.Row(elem_classes="lab-tools"):
        page["reach"] = gr.Number(
            LAMBDAS[-1], label=REACH, info=text.REACH_INFO, step=0.1, scale=0, min_width=210, elem_id="reach"
        )
        page["kl_budget"] = gr.Number(
            KL_BUDGET,
            label=text.KL_LABEL,
            info=text.KL_INFO,
            step=0.25,
            scale=0,
            min_width=330,
            elem_id="kl-budget",
        )
        page["set_by_kl"] = gr.Button(text.SET_BY_KL, size="sm", scale=0, min_width=150, elem_id="set-by-kl")
        page["copy_link"] = gr.Button(COPY_LINK, size="sm", scale=0, min_width=150, elem_id="copy-link")
    with gr.Accordion(text.SECOND_FOLD, open=False, elem_id="second-fold") as page["second_fold"]:
        gr.HTML(render.note(text.SECOND_INTRO), apply_default_css=False)
        with gr.Row():
            page["second"] = gr.Dropdown(
                second.choices(list(bundled_concepts())),
                value="",
                label=SECOND,
                info=text.SECOND_INFO,
                allow_custom_value=True,
                min_width=220,
                elem_id="second",
            )
            page["second_lam"] = gr.Slider(
                -1, 1, 0, step=0.05, label=SECOND_LAM, info=text.SECOND_LAM_INFO, min_width=220, elem_id="second-lam"
            )
        page["second_note"] = gr.HTML(apply_default_css=False, elem_id="second-note", elem_classes="lab-hide-empty")
    # Hidden fields: the name of the browser's tab, a λ that another tab selects in the viewer, and the λ of one more text.
    page["tab"] = gr.Textbox(visible="hidden")
    page["wanted_lam"] = gr.Number(visible="hidden")
    page["exact_lam"] = gr.Number(visible="hidden")
    return page
