"""Layout of the Vote tab: the vote on one question, and the votes on a whole task."""

import gradio as gr

from steering.ui import render
from steering.ui.events.binder import Page
from steering.ui.tabs.vote import text
from steering.ui.text import STOP


def build() -> Page:
    """Create the components of the tab."""
    page: Page = {}
    gr.HTML(render.note(text.INTRO), apply_default_css=False)
    with gr.Row(elem_classes="lab-ask"):
        with gr.Column(scale=6, min_width=220):
            page["vote_question"] = gr.Textbox(
                text.FIRST_QUESTION, label=text.QUESTION, lines=2, max_lines=8, elem_id="vote-question"
            )
            with gr.Row():
                page["vote_choices"] = gr.Textbox(
                    label=text.CHOICES,
                    info=text.CHOICES_INFO,
                    lines=2,
                    max_lines=8,
                    min_width=220,
                    elem_id="vote-choices",
                )
                page["vote_answer"] = gr.Textbox(
                    text.FIRST_ANSWER,
                    label=text.ANSWER,
                    info=text.ANSWER_INFO,
                    max_lines=1,
                    min_width=220,
                    elem_id="vote-answer",
                )
                page["vote_kind"] = gr.Radio(
                    list(text.KINDS), value="number", label=text.KIND, info=text.KIND_INFO, min_width=220
                )
        with gr.Column(scale=1, min_width=130):
            page["vote_ask"] = gr.Button(text.ASK, variant="primary", elem_id="vote-ask")
            page["vote_stop"] = gr.Button(STOP, interactive=False, elem_id="vote-stop")
    page["vote_samples"] = gr.Checkbox(True, label=text.SAMPLES, container=False)
    with gr.Row(elem_classes="lab-tools"):
        page["vote_take"] = gr.Button(text.TAKE, size="sm", scale=0, min_width=190, elem_id="vote-take")
    page["vote_about"] = gr.HTML(apply_default_css=False, elem_id="vote-about")
    page["vote_status"] = gr.HTML(apply_default_css=False, elem_id="vote-status", elem_classes="lab-hide-empty")
    page["vote_stale"] = gr.HTML(apply_default_css=False, elem_id="vote-stale", elem_classes="lab-hide-empty")
    page["vote_verdict"] = gr.HTML(
        f'<div class="lab-empty"><p>{text.EMPTY}</p></div>', apply_default_css=False, elem_id="vote-verdict"
    )
    page["vote_answers"] = gr.HTML(apply_default_css=False, elem_id="vote-answers")
    page["vote_tally"] = gr.Plot(show_label=False, visible=False, elem_id="vote-tally")
    return page | _whole_task()


def _whole_task() -> Page:
    page: Page = {}
    gr.HTML(render.section(text.TASK_HEADING), apply_default_css=False)
    gr.HTML(render.note(text.TASK_INTRO), apply_default_css=False)
    page["vote_part"] = gr.Radio(
        list(text.PARTS), value="validation", label=text.PART, info=text.PART_INFO, elem_id="vote-part"
    )
    with gr.Row(elem_classes="lab-tools"):
        page["vote_count"] = gr.Button(text.COUNT, scale=0, min_width=150, elem_id="vote-count")
        page["vote_count_stop"] = gr.Button(STOP, interactive=False, scale=0, min_width=150, elem_id="vote-count-stop")
    page["vote_count_status"] = gr.HTML(
        apply_default_css=False, elem_id="vote-count-status", elem_classes="lab-hide-empty"
    )
    page["vote_count_stale"] = gr.HTML(
        apply_default_css=False, elem_id="vote-count-stale", elem_classes="lab-hide-empty"
    )
    page["vote_counted"] = gr.HTML(apply_default_css=False, elem_id="vote-counted")
    page["vote_plot"] = gr.Plot(show_label=False, visible=False, elem_id="vote-plot")
    return page
