"""Layout of the export: the lower part of the Library tab."""

import gradio as gr

from steering.ui.events.binder import Page
from steering.ui.render import note, section
from steering.ui.tabs.export import text


def build() -> Page:
    """Create the components of this part of the tab."""
    page: Page = {}
    gr.HTML(section(text.TAKE, text.TAKE_INTRO), apply_default_css=False)
    with gr.Row(elem_classes="lab-tools"):
        page["take_csv"] = gr.Button(text.CSV, min_width=130, elem_id="take-csv")
        page["take_report"] = gr.Button(text.REPORT, min_width=130, elem_id="take-report")
        page["take_session"] = gr.Button(text.SESSION, min_width=130, elem_id="take-session")
        page["take_load"] = gr.UploadButton(
            text.LOAD_SESSION, min_width=130, type="filepath", file_types=[".json"], elem_id="take-load"
        )
    page["take_status"] = gr.HTML(apply_default_css=False, elem_id="take-status", elem_classes="lab-hide-empty")
    with gr.Accordion(text.PYTHON, open=False, elem_id="take-python"):
        gr.HTML(note(text.PYTHON_INTRO), apply_default_css=False)
        page["take_stale"] = gr.HTML(apply_default_css=False, elem_id="take-stale", elem_classes="lab-hide-empty")
        page["take_script"] = gr.Code(
            language="python", interactive=False, show_label=False, max_lines=40, elem_id="take-script"
        )
    return page
