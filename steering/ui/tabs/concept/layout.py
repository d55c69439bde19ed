"""Layout of the Concept tab: the contrast pairs and their problems, the check of the pairs, the comparison of two designs."""

from importlib.resources import files

import gradio as gr

from steering.concepts import bundled_concepts
from steering.plots import LETTERS, QUALITIES
from steering.storage import TABLE_ENDINGS
from steering.ui import render
from steering.ui.events.binder import Page
from steering.ui.questions.text import TASKS
from steering.ui.tabs.concept import text, votes
from steering.ui.text import STOP

_ASSETS = files("steering.ui.tabs.concept")


def build() -> Page:
    """Create the components of the tab."""
    page = _pairs()
    page |= _check()
    with gr.Accordion(text.COMPARE, open=False, elem_id="compare-designs"):
        page |= _compare()
    return page


def _pairs() -> Page:
    page: Page = {}
    page["heading"] = gr.HTML(apply_default_css=False, elem_id="heading")
    gr.HTML(f'<p class="lab-note">{text.PAIRS_INTRO}</p>', apply_default_css=False)
    with gr.Row():
        page["positive_label"] = gr.Textbox(
            label=text.POSITIVE_LABEL, max_lines=1, min_width=140, elem_id="positive-label"
        )
        page["negative_label"] = gr.Textbox(
            label=text.NEGATIVE_LABEL, max_lines=1, min_width=140, elem_id="negative-label"
        )
    with gr.Row(elem_classes="lab-tools"):
        page["add_pair"] = gr.Button(text.ADD_PAIR, size="sm", min_width=90, elem_id="add-pair")
        page["delete_pair"] = gr.Button(text.DELETE_PAIR, size="sm", min_width=90, elem_id="delete-pair")
        page["undo"] = gr.Button(text.UNDO, size="sm", min_width=90, interactive=False, elem_id="undo")
        page["reset"] = gr.Button(text.RESET, size="sm", min_width=90, interactive=False, elem_id="reset")
        page["upload"] = gr.UploadButton(
            text.UPLOAD,
            size="sm",
            min_width=90,
            file_types=[f".{ending}" for ending in TABLE_ENDINGS],
            type="filepath",
            elem_id="upload",
        )
        page["download"] = gr.DownloadButton(text.DOWNLOAD, size="sm", min_width=90, elem_id="download")
    with gr.Accordion(text.PASTE, open=False, elem_id="paste") as paste:
        page["pasted"] = gr.Textbox(
            label=text.PASTED,
            info=text.PASTED_INFO,
            placeholder=text.PASTED_EXAMPLE,
            lines=4,
            max_lines=12,
            elem_id="pasted",
        )
        with gr.Row(elem_classes="lab-ask"):
            page["add_pasted"] = gr.Button(text.ADD_PASTED, min_width=150, elem_id="add-pasted")
            page["new_name"] = gr.Textbox(
                text.FIRST_NAME, label=text.NEW_NAME, max_lines=1, min_width=150, elem_id="new-name"
            )
            page["new_concept"] = gr.Button(text.NEW_CONCEPT, min_width=150, elem_id="new-concept")
    page["paste"] = paste
    with gr.Accordion(text.FROM_TASK, open=False, elem_id="from-task"):
        page |= _from_task()
        page |= _gain()
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
                max_height=440,
                column_widths=["50%", "50%"],
                buttons=[],
                elem_id="pairs",
            )
        with gr.Column(scale=1, min_width=230):
            page["problems"] = gr.HTML(apply_default_css=False, elem_id="problems")
    return page


def _from_task() -> Page:
    page: Page = {}
    gr.HTML(render.note(text.FROM_TASK_INTRO), apply_default_css=False)
    with gr.Row(elem_classes="lab-ask"):
        with gr.Column(scale=6, min_width=220), gr.Row():
            page["task_source"] = gr.Dropdown(
                list(TASKS),
                value=text.FIRST_TASK,
                allow_custom_value=True,
                label=text.TASK,
                info=text.TASK_INFO,
                min_width=220,
                elem_id="task-source",
            )
            page["task_design"] = gr.Dropdown(
                [(f"{name}: {about}", name) for name, about in text.TASK_DESIGNS.items()],
                value=next(iter(text.TASK_DESIGNS)),
                label=text.TASK_DESIGN,
                info=text.TASK_DESIGN_INFO,
                min_width=220,
                elem_id="task-design",
            )
        with gr.Column(scale=1, min_width=130):
            page["task_make"] = gr.Button(text.MAKE_PAIRS, variant="primary", elem_id="task-make")
            page["task_stop"] = gr.Button(STOP, interactive=False, elem_id="task-stop")
    with gr.Row(elem_classes="lab-tools"):
        page["task_upload"] = gr.UploadButton(
            text.TASK_UPLOAD,
            size="sm",
            scale=0,
            min_width=150,
            file_types=[f".{ending}" for ending in TABLE_ENDINGS],
            type="filepath",
            elem_id="task-upload",
        )
    page["task_status"] = gr.HTML(apply_default_css=False, elem_id="task-status", elem_classes="lab-hide-empty")
    return page


def _gain() -> Page:
    page: Page = {}
    gr.HTML(render.section(text.GAIN_HEADING, text.GAIN_INTRO), apply_default_css=False)
    with gr.Row(elem_classes="lab-ask"):
        with gr.Column(scale=6, min_width=220):
            page["gain_questions"] = gr.Number(
                60,
                precision=0,
                label=text.GAIN_QUESTIONS,
                info=text.GAIN_QUESTIONS_INFO,
                min_width=220,
                elem_id="gain-questions",
            )
        with gr.Column(scale=1, min_width=130):
            page["gain_run"] = gr.Button(text.GAIN, variant="primary", elem_id="gain-run")
            page["gain_stop"] = gr.Button(STOP, interactive=False, elem_id="gain-stop")
    for name in ("gain_status", "gain_power", "gain_stale"):
        page[name] = gr.HTML(apply_default_css=False, elem_id=name.replace("_", "-"), elem_classes="lab-hide-empty")
    page["gain_verdict"] = gr.HTML(apply_default_css=False, elem_id="gain-verdict", elem_classes="lab-hide-empty")
    page["gain_plot"] = gr.Plot(show_label=False, visible=False, elem_id="gain-plot")
    page["gain_table"] = gr.HTML(apply_default_css=False, elem_id="gain-table", elem_classes="lab-hide-empty")
    page["gain_use"] = gr.Button(text.GAIN_USE, visible=False, elem_id="gain-use", scale=0, min_width=260)
    page["gain_used"] = gr.HTML(apply_default_css=False, elem_id="gain-used", elem_classes="lab-hide-empty")
    return page


def _check() -> Page:
    page: Page = {}
    with gr.Row(elem_classes="lab-ask"):
        with gr.Column(scale=6, min_width=220):
            gr.HTML(
                f'<div class="lab-heading"><h2>{text.CHECK_HEADING}</h2></div>',
                css_template="margin-top: 0.8rem;",
                apply_default_css=False,
            )
            gr.HTML(f'<p class="lab-note">{text.CHECK_INTRO}</p>', apply_default_css=False)
        with gr.Column(scale=1, min_width=130):
            page["check"] = gr.Button(text.CHECK, variant="primary", elem_id="check-pairs")
            page["check_stop"] = gr.Button(STOP, interactive=False, elem_id="check-stop")
    page["check_status"] = gr.HTML(apply_default_css=False, elem_id="check-status", elem_classes="lab-hide-empty")
    page["check_stale"] = gr.HTML(apply_default_css=False, elem_id="check-stale", elem_classes="lab-hide-empty")
    with gr.Row():
        with gr.Column(scale=3, min_width=300):
            page["votes"] = votes.component()
        with gr.Column(scale=2, min_width=280):
            page["vote_detail"] = gr.HTML(
                css_template=(_ASSETS / "detail.css").read_text("utf-8"), apply_default_css=False, elem_id="vote-detail"
            )
            page["leave_out"] = gr.Button(text.LEAVE_OUT, visible=False, elem_id="leave-out")
    return page


def _compare() -> Page:
    page: Page = {}
    gr.HTML(render.note(text.COMPARE_INTRO), apply_default_css=False)
    with gr.Row():
        for letter in LETTERS:
            suffix = letter.lower()
            with gr.Column(min_width=240):
                page[f"design_{suffix}"] = gr.HTML(apply_default_css=False, elem_id=f"design-{suffix}")
                page[f"keep_{suffix}"] = gr.Button(text.KEEP.format(letter=letter), elem_id=f"keep-{suffix}")
                page[f"load_{suffix}"] = gr.Dropdown(
                    list(bundled_concepts()),
                    value=None,
                    label=text.LOAD.format(letter=letter),
                    elem_id=f"load-{suffix}",
                )
    with gr.Row(elem_classes="lab-ask", equal_height=True):
        page["design_lam"] = gr.Number(
            0.3, label=text.STRENGTH, info=text.STRENGTH_INFO, step=0.1, min_width=130, elem_id="design-lam"
        )
        with gr.Column(scale=1, min_width=180):
            page["compare"] = gr.Button(text.COMPARE_BUTTON, variant="primary", elem_id="compare")
            page["compare_stop"] = gr.Button(STOP, interactive=False, elem_id="compare-stop")
    page["compare_status"] = gr.HTML(apply_default_css=False, elem_id="compare-status", elem_classes="lab-hide-empty")
    page["compare_stale"] = gr.HTML(apply_default_css=False, elem_id="compare-stale", elem_classes="lab-hide-empty")
    page["design_texts"] = gr.HTML(
        f'<p class="blank">{text.NO_COMPARISON}</p>',
        css_template=(_ASSETS / "texts.css").read_text("utf-8"),
        apply_default_css=False,
        elem_id="design-texts",
    )
    page["design_verdict"] = gr.HTML(apply_default_css=False, elem_id="design-verdict")
    with gr.Row(visible=False, elem_id="design-figures") as figures:
        with gr.Column(min_width=300):
            gr.HTML(
                f'<p class="lab-note"><b>{text.COSINES}</b><br>{text.COSINES_INFO}</p>',
                css_template="min-height: 5.4rem;",
                apply_default_css=False,
            )
            page["design_cosines"] = gr.Plot(show_label=False, elem_id="design-cosines")
        with gr.Column(min_width=300):
            page["design_measure"] = gr.Radio(
                list(QUALITIES),
                value=next(iter(QUALITIES)),
                label=text.QUALITY,
                info=text.QUALITY_INFO,
                elem_id="design-measure",
            )
            page["design_quality"] = gr.Plot(show_label=False, elem_id="design-quality")
    page["design_figures"] = figures
    return page
