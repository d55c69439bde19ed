"""Layout of the Library tab: saved vectors above, and the export of the page below."""

from importlib.resources import files

import gradio as gr

from steering.interop import EXPORTS
from steering.ui.events.binder import Page
from steering.ui.render import note, section
from steering.ui.tabs.export import layout as export
from steering.ui.tabs.library import text
from steering.ui.text import STOP

_ASSETS = files("steering.ui.tabs.library")


def build() -> Page:
    """Create the components of the tab."""
    page: Page = {}
    gr.HTML(section(text.SAVED, text.SAVED_INTRO), apply_default_css=False)
    with gr.Row(elem_classes="lib-line"):
        page["lib_name"] = gr.Textbox(
            label=text.NAME, placeholder=text.NAME_HINT, max_lines=1, scale=3, min_width=220, elem_id="lib-name"
        )
        page["lib_save"] = gr.Button(text.SAVE, variant="primary", scale=2, min_width=190, elem_id="lib-save")
        page["lib_upload"] = gr.UploadButton(text.UPLOAD, scale=2, min_width=170, type="filepath", elem_id="lib-upload")
        page["lib_stop"] = gr.Button(STOP, interactive=False, scale=1, min_width=90, elem_id="lib-stop")
    page["lib_status"] = gr.HTML(apply_default_css=False, elem_id="lib-status", elem_classes="lab-hide-empty")
    page["lib_table"] = gr.HTML(
        value={"columns": list(text.COLUMNS), "rows": [], "chosen": "", "empty": text.NOTHING_SAVED},
        html_template=(_ASSETS / "vectors.html").read_text("utf-8"),
        css_template=(_ASSETS / "vectors.css").read_text("utf-8"),
        js_on_load=(_ASSETS / "vectors.js").read_text("utf-8"),
        apply_default_css=False,
        elem_id="lib-table",
    )
    page["lib_chosen"] = gr.Textbox(visible="hidden")
    with gr.Row(elem_classes="lab-tools"):
        page["lib_check"] = gr.Button(text.CHECK, size="sm", min_width=90, interactive=False, elem_id="lib-check")
        page["lib_use"] = gr.Button(text.USE, size="sm", min_width=120, interactive=False, elem_id="lib-use")
        page["lib_download"] = gr.Button(
            text.DOWNLOAD, size="sm", min_width=90, interactive=False, elem_id="lib-download"
        )
        page["lib_delete"] = gr.Button(text.DELETE, size="sm", min_width=90, interactive=False, elem_id="lib-delete")
        page["lib_undo"] = gr.Button(text.UNDO, size="sm", min_width=90, interactive=False, elem_id="lib-undo")
    page["lib_details"] = gr.HTML(apply_default_css=False, elem_id="lib-details", elem_classes="lib-hide-empty")
    page["lib_card"] = gr.HTML(apply_default_css=False, elem_id="lib-card", elem_classes="lib-hide-empty")
    with gr.Row(elem_classes="lab-tools", visible=False) as uploaded:
        page["lib_unit"] = gr.Checkbox(label=text.UNIT_LENGTH, info=text.UNIT_LENGTH_INFO, min_width=240)
        page["lib_from_one"] = gr.Checkbox(label=text.FROM_ONE, info=text.FROM_ONE_INFO, min_width=240)
        page["lib_keep"] = gr.Button(text.KEEP, variant="primary", min_width=150, elem_id="lib-keep")
    page["lib_uploaded"] = uploaded
    with gr.Accordion(text.COMPARE, open=False, elem_id="lib-compare"):
        page["lib_other"] = gr.Dropdown([], value=None, label=text.COMPARE_WITH, elem_id="lib-other")
        page["lib_compared"] = gr.HTML(note(text.NO_COMPARISON), apply_default_css=False, elem_id="lib-compared")
        page["lib_cosines"] = gr.Plot(show_label=False, visible=False, elem_id="lib-cosines")
        page["lib_sides"] = gr.HTML(apply_default_css=False, elem_id="lib-sides", elem_classes="lib-hide-empty")
    with gr.Accordion(text.EXPORT, open=False, elem_id="lib-export"):
        gr.HTML(note(text.EXPORT_INTRO), apply_default_css=False)
        with gr.Row(elem_classes="lib-line"):
            formats = [(text.FORMATS[name], name) for name in EXPORTS]
            page["lib_format"] = gr.Dropdown(
                formats, value=formats[0][1], label=text.FORMAT, scale=3, min_width=220, elem_id="lib-format"
            )
            page["lib_lam"] = gr.Number(
                0.2, label=text.LAM, info=text.LAM_INFO, scale=1, min_width=120, elem_id="lib-lam"
            )
            page["lib_write"] = gr.Button(text.WRITE, scale=2, min_width=140, elem_id="lib-write")
        page["lib_notes"] = gr.HTML(apply_default_css=False, elem_id="lib-notes", elem_classes="lib-hide-empty")
    page |= export.build()
    # Holds a file between its writing on the server and its download by the browser.
    page["lib_file"] = gr.File(visible="hidden")
    return page
