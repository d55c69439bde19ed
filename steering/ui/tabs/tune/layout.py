"""Layout of the Tune λ tab: a form, the grid as a figure and a table, and the report on unseen questions."""

import gradio as gr

from steering.evaluation import GRIDS
from steering.storage import TABLE_ENDINGS
from steering.ui import render
from steering.ui.events.binder import Page
from steering.ui.questions.text import MOST_TOKENS, QUESTIONS, SHOTS, TASKS, lambda_list
from steering.ui.tabs.tune import text
from steering.ui.text import STOP


def build() -> Page:
    """Create the components of the tab."""
    gr.HTML(render.note(text.INTRO), apply_default_css=False)
    page = _form()
    gr.HTML(render.note(text.RESUMES), apply_default_css=False)
    page["tune_status"] = gr.HTML(apply_default_css=False, elem_id="tune-status", elem_classes="lab-hide-empty")
    page["tune_prompt"] = gr.HTML(apply_default_css=False, elem_id="tune-prompt", elem_classes="lab-hide-empty")
    page["tune_stale"] = gr.HTML(apply_default_css=False, elem_id="tune-stale", elem_classes="lab-hide-empty")
    page["tune_empty"] = gr.HTML(f'<div class="lab-empty"><p>{text.NO_PLOT}</p></div>', apply_default_css=False)
    page["tune_plot"] = gr.Plot(show_label=False, visible=False, elem_id="tune-plot")
    page["tune_verdict"] = gr.HTML(apply_default_css=False, elem_id="tune-verdict")
    page["tune_use"] = gr.Button(visible=False, elem_id="tune-use", scale=0, min_width=260)
    page["tune_table"] = gr.HTML(apply_default_css=False, elem_id="tune-table")
    return page | _report()


def _form() -> Page:
    page: Page = {}
    with gr.Row(elem_classes="lab-ask"):
        with gr.Column(scale=6, min_width=220):
            with gr.Row():
                page["tune_task"] = gr.Dropdown(
                    list(TASKS),
                    value=TASKS[0][1],
                    allow_custom_value=True,
                    label=text.TASK,
                    info=text.TASK_INFO,
                    min_width=240,
                    elem_id="tune-task",
                )
                page["tune_questions"] = gr.Number(
                    40,
                    precision=0,
                    label=QUESTIONS,
                    info=text.QUESTIONS_INFO,
                    min_width=200,
                    elem_id="tune-questions",
                )
            page["tune_lambdas"] = gr.Textbox(
                lambda_list(GRIDS["residual"]),
                label=text.LAMBDAS,
                info=text.LAMBDAS_INFO,
                max_lines=1,
                elem_id="tune-lambdas",
            )
        with gr.Column(scale=1, min_width=130):
            page["tune_run"] = gr.Button(text.RUN, variant="primary", elem_id="tune-run")
            page["tune_stop"] = gr.Button(STOP, interactive=False, elem_id="tune-stop")
    with gr.Accordion(text.ASKING, open=False):
        with gr.Row():
            page["tune_mode"] = gr.Radio(
                list(text.MODES), value="auto", label=text.MODE, info=text.MODE_INFO, min_width=280
            )
            page["tune_frame"] = gr.Radio(
                list(text.FRAMES), value="auto", label=text.FRAME, info=text.FRAME_INFO, min_width=280
            )
        with gr.Row():
            page["tune_shots"] = gr.Slider(0, 8, 0, step=1, label=SHOTS, info=text.SHOTS_INFO, min_width=200)
            page["tune_most_tokens"] = gr.Slider(
                0, 400, 0, step=8, label=MOST_TOKENS, info=text.MOST_TOKENS_INFO, min_width=200
            )
    with gr.Row(elem_classes="lab-tools"):
        page["tune_preview"] = gr.Button(text.SHOW_PROMPT, size="sm", scale=0, min_width=150, elem_id="tune-preview")
        page["tune_upload"] = gr.UploadButton(
            text.UPLOAD,
            size="sm",
            scale=0,
            min_width=150,
            file_types=[f".{ending}" for ending in TABLE_ENDINGS],
            type="filepath",
            elem_id="tune-upload",
        )
    return page


def _report() -> Page:
    page: Page = {}
    gr.HTML(render.section(text.REPORT_HEADING), apply_default_css=False)
    gr.HTML(render.note(text.REPORT_INTRO), apply_default_css=False)
    page["tune_report_note"] = gr.HTML(
        render.note(text.REPORT_FIRST), apply_default_css=False, elem_id="tune-report-note"
    )
    with gr.Row(elem_classes="lab-tools"):
        page["tune_report"] = gr.Button(text.REPORT, scale=0, min_width=150, elem_id="tune-report")
        page["tune_report_stop"] = gr.Button(
            STOP, interactive=False, scale=0, min_width=150, elem_id="tune-report-stop"
        )
    page["tune_report_status"] = gr.HTML(
        apply_default_css=False, elem_id="tune-report-status", elem_classes="lab-hide-empty"
    )
    page["tune_report_stale"] = gr.HTML(
        apply_default_css=False, elem_id="tune-report-stale", elem_classes="lab-hide-empty"
    )
    page["tune_report_plot"] = gr.Plot(show_label=False, visible=False, elem_id="tune-report-plot")
    page["tune_study"] = gr.HTML(apply_default_css=False, elem_id="tune-study")
    with gr.Row(elem_classes="lab-tools"):
        for ending, words in text.DOWNLOADS.items():
            page[f"tune_download_{ending[1:]}"] = gr.DownloadButton(
                words, visible=False, size="sm", scale=0, min_width=170, elem_id=f"tune-download-{ending[1:]}"
            )
    return page
