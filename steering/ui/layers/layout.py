"""The Layers tab: which layers of parent and child correspond, and how well the vector was carried."""

import gradio as gr

from steering.similarity import METRICS
from steering.ui import render
from steering.ui.layers import text
from steering.ui.text import STOP
from steering.ui.wiring import Page


def build() -> Page:
    """Lay the tab out."""
    page: Page = {}
    names = list(METRICS)
    gr.HTML(f'<p class="lab-note">{text.LAYERS_INTRO}</p>', apply_default_css=False)
    with gr.Row(elem_classes="lab-ask"):
        with gr.Column(scale=6, min_width=220):
            page["metric"] = gr.Dropdown(names, value=names[0], label=text.METRIC, elem_id="metric")
            page["metric_info"] = gr.HTML(render.note(text.METRIC_INFO.get(names[0], "")), apply_default_css=False)
        with gr.Column(scale=1, min_width=130):
            page["compute"] = gr.Button(text.COMPUTE, variant="primary", elem_id="compute")
            page["layers_stop"] = gr.Button(STOP, interactive=False, elem_id="layers-stop")
    page["layers_status"] = gr.HTML(apply_default_css=False, elem_id="layers-status")
    page["plot_stale"] = gr.HTML(apply_default_css=False, elem_id="plot-stale")
    page["plot_empty"] = gr.HTML(f'<div class="lab-empty"><p>{text.NO_PLOT}</p></div>', apply_default_css=False)
    page["plot"] = gr.Plot(show_label=False, visible=False, elem_id="plot")
    gr.HTML(f'<div class="lab-heading"><h2>{text.REPORT}</h2></div>', apply_default_css=False)
    page["verdict"] = gr.HTML(render.note(text.NO_REPORT), apply_default_css=False, elem_id="verdict")
    page["measure_effect"] = gr.Button(text.MEASURE_EFFECT, elem_id="measure-effect", scale=0, min_width=220)
    page["report_plot"] = gr.Plot(show_label=False, visible=False, elem_id="report-plot")
    return page
