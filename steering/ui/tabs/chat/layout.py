"""Layout of the Chat tab: the conversation, and the message below it."""

import gradio as gr

from steering.ui import render
from steering.ui.events.binder import Page
from steering.ui.tabs.chat import render as chat_html
from steering.ui.tabs.chat import text
from steering.ui.text import STOP


def build() -> Page:
    """Create the components of the tab."""
    page: Page = {}
    gr.HTML(render.note(text.INTRO), apply_default_css=False)
    page["chat_log"] = gr.HTML(chat_html.log([]), apply_default_css=False, elem_id="chat-log")
    page["chat_status"] = gr.HTML(apply_default_css=False, elem_id="chat-status", elem_classes="lab-hide-empty")
    with gr.Row(elem_classes="lab-ask"):
        with gr.Column(scale=6, min_width=220), gr.Row():
            page["chat_message"] = gr.Textbox(
                text.FIRST_MESSAGE,
                label=text.MESSAGE,
                lines=2,
                max_lines=8,
                scale=5,
                min_width=220,
                elem_id="chat-message",
            )
            page["chat_lam"] = gr.Number(
                0.3, label=text.LAM, info=text.LAM_INFO, step=0.1, scale=1, min_width=120, elem_id="chat-lam"
            )
        with gr.Column(scale=1, min_width=130):
            page["chat_send"] = gr.Button(text.SEND, variant="primary", elem_id="chat-send")
            page["chat_stop"] = gr.Button(STOP, interactive=False, elem_id="chat-stop")
    with gr.Row(elem_classes="lab-tools"):
        page["chat_again"] = gr.Button(text.REGENERATE, size="sm", scale=0, min_width=150, elem_id="chat-again")
        page["chat_clear"] = gr.Button(text.CLEAR, size="sm", scale=0, min_width=150, elem_id="chat-clear")
        page["chat_export"] = gr.Button(text.EXPORT, size="sm", scale=0, min_width=150, elem_id="chat-export")
    return page
