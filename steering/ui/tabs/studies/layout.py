"""Layout of the Studies tab: a study and its buttons, its figures one at a time, its table, and a cell to steer with."""

import gradio as gr

from steering.studies import presets, read_study
from steering.ui.events.binder import Page
from steering.ui.render import note
from steering.ui.tabs.studies import text
from steering.ui.text import STOP


def build() -> Page:
    """Create the components of the tab."""
    page: Page = {}
    names = list(presets())
    gr.HTML(note(text.INTRO), apply_default_css=False)
    page["studies_name"] = gr.Dropdown(
        names, value=names[0], allow_custom_value=True, label=text.STUDY, info=text.STUDY_INFO, elem_id="studies-name"
    )
    page["studies_question"] = gr.HTML(
        note(read_study(names[0]).about),
        apply_default_css=False,
        elem_id="studies-question",
        elem_classes="lab-hide-empty",
    )
    with gr.Row(elem_classes="lab-tools"):
        page["studies_show"] = gr.Button(text.SHOW, scale=0, min_width=150, elem_id="studies-show")
        page["studies_plan"] = gr.Button(text.PLAN, scale=0, min_width=150, elem_id="studies-plan")
        page["studies_run"] = gr.Button(text.RUN, variant="primary", scale=0, min_width=110, elem_id="studies-run")
        page["studies_stop"] = gr.Button(STOP, interactive=False, scale=0, min_width=110, elem_id="studies-stop")
    page["studies_status"] = gr.HTML(apply_default_css=False, elem_id="studies-status", elem_classes="lab-hide-empty")
    page["studies_takes"] = gr.HTML(apply_default_css=False, elem_id="studies-takes", elem_classes="lab-hide-empty")
    page["studies_picture"] = gr.Dropdown(
        [], label=text.PICTURE, visible=False, interactive=True, elem_id="studies-picture"
    )
    page["studies_plot"] = gr.Plot(show_label=False, visible=False, elem_id="studies-plot")
    page["studies_about"] = gr.HTML(apply_default_css=False, elem_id="studies-about", elem_classes="lab-hide-empty")
    with gr.Row(elem_classes="lab-tools"):
        page["studies_cell"] = gr.Dropdown(
            [], label=text.CELL, info=text.CELL_INFO, visible=False, interactive=True, elem_id="studies-cell"
        )
        page["studies_use"] = gr.Button(text.USE, visible=False, scale=0, min_width=220, elem_id="studies-use")
    page["studies_table"] = gr.HTML(apply_default_css=False, elem_id="studies-table", elem_classes="lab-hide-empty")
    return page
