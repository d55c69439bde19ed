"""The Concept tab: the contrast pairs in a table, and what the linter says about them."""

import gradio as gr

from steering.ui.concept import text
from steering.ui.wiring import Page


def build() -> Page:
    """Lay the tab out."""
    page: Page = {}
    page["heading"] = gr.HTML(apply_default_css=False, elem_id="heading")
    gr.HTML(f'<p class="lab-note">{text.PAIRS_INTRO}</p>', apply_default_css=False)
    with gr.Row():
        page["positive_label"] = gr.Textbox(label=text.POSITIVE_LABEL, max_lines=1, min_width=140)
        page["negative_label"] = gr.Textbox(label=text.NEGATIVE_LABEL, max_lines=1, min_width=140)
    with gr.Row(elem_classes="lab-tools"):
        page["add_pair"] = gr.Button(text.ADD_PAIR, size="sm", min_width=90, elem_id="add-pair")
        page["delete_pair"] = gr.Button(text.DELETE_PAIR, size="sm", min_width=90, elem_id="delete-pair")
        page["undo"] = gr.Button(text.UNDO, size="sm", min_width=90, interactive=False, elem_id="undo")
        page["reset"] = gr.Button(text.RESET, size="sm", min_width=90, interactive=False, elem_id="reset")
        page["upload"] = gr.UploadButton(
            text.UPLOAD,
            size="sm",
            min_width=90,
            file_types=[".csv", ".json", ".jsonl"],
            type="filepath",
            elem_id="upload",
        )
        page["download"] = gr.DownloadButton(text.DOWNLOAD, size="sm", min_width=90, elem_id="download")
    page["pairs_message"] = gr.HTML(apply_default_css=False, elem_id="pairs-message")
    with gr.Row():
        with gr.Column(scale=3, min_width=300):
            page["pairs"] = gr.Dataframe(
                headers=list(text.PAIRS_HEADERS),
                column_count=(2, "fixed"),
                type="array",
                datatype="str",
                interactive=True,
                wrap=True,
                show_row_numbers=True,
                show_label=False,
                max_height=620,
                column_widths=["50%", "50%"],
                buttons=[],
                elem_id="pairs",
            )
        with gr.Column(scale=1, min_width=230):
            page["problems"] = gr.HTML(apply_default_css=False, elem_id="problems")
    return page
