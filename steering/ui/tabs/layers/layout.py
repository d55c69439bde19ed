"""Layout of the Layers tab: the map of layers, one pair of layers, the layer profile with a preview, the transfer report."""

import gradio as gr

from steering.measure import METRICS
from steering.ui import render
from steering.ui.events.binder import Page
from steering.ui.state.settings import LAMBDAS
from steering.ui.tabs.layers import bars, picker, text
from steering.ui.text import STOP


def build() -> Page:
    """Create the components of the tab."""
    gr.HTML(f'<p class="lab-note">{text.LAYERS_INTRO}</p>', apply_default_css=False)
    return _map() | _profile() | _report()


def _map() -> Page:
    page: Page = {}
    names = list(METRICS)
    with gr.Row(elem_classes="lab-ask"):
        with gr.Column(scale=6, min_width=220):
            page["metric"] = gr.Dropdown(names, value=names[0], label=text.METRIC, elem_id="metric")
            page["metric_info"] = gr.HTML(render.note(text.METRIC_INFO.get(names[0], "")), apply_default_css=False)
        with gr.Column(scale=1, min_width=130):
            page["compute"] = gr.Button(text.COMPUTE, variant="primary", elem_id="compute")
            page["layers_stop"] = gr.Button(STOP, interactive=False, elem_id="layers-stop")
    page["layers_status"] = _status("layers-status")
    page["plot_stale"] = _status("plot-stale")
    page["plot_empty"] = gr.HTML(f'<div class="lab-empty"><p>{text.NO_PLOT}</p></div>', apply_default_css=False)
    with gr.Row():
        with gr.Column(scale=3, min_width=320):
            page["plot"] = gr.Plot(show_label=False, visible=False, elem_id="plot")
        with gr.Column(scale=2, min_width=300, visible=False, elem_id="pair-panel") as page["pair_panel"]:
            page["pair"] = picker.component()
            page["pair_plot"] = gr.Plot(show_label=False, elem_id="pair-plot")
            page["pair_words"] = gr.HTML(apply_default_css=False, elem_id="pair-words")
            with gr.Row(elem_classes="lab-tools"):
                page["use_pair"] = gr.Button(text.USE_PAIR, variant="primary", min_width=120, elem_id="use-pair")
                page["all_layers"] = gr.Button(text.ALL_LAYERS, min_width=120, elem_id="all-layers")
            page["pair_status"] = _status("pair-status")
    return page


def _profile() -> Page:
    page: Page = {}
    _heading(text.PROFILE, text.PROFILE_INTRO)
    with gr.Row():
        with gr.Column(scale=1, min_width=300):
            page["bars"] = bars.component()
        with gr.Column(scale=1, min_width=300):
            page["preview_lam"] = gr.Slider(
                LAMBDAS[0], LAMBDAS[-1], 0.3, step=0.1, label=text.PREVIEW_LAM, elem_id="preview-lam"
            )
            with gr.Row(elem_classes="lab-tools"):
                page["preview"] = gr.Button(text.PREVIEW, min_width=120, elem_id="preview")
                page["preview_stop"] = gr.Button(STOP, interactive=False, min_width=120, elem_id="preview-stop")
            page["preview_status"] = _status("preview-status")
            page["preview_stale"] = _status("preview-stale")
            page["preview_texts"] = gr.HTML(
                render.note(text.PREVIEW_EMPTY), apply_default_css=False, elem_id="preview-texts"
            )
    # Hidden field: a change of it starts a preview without a press of the button.
    page["preview_asked"] = gr.Textbox(visible="hidden")
    return page


def _report() -> Page:
    page: Page = {}
    _heading(text.REPORT)
    page["verdict"] = gr.HTML(render.note(text.NO_REPORT), apply_default_css=False, elem_id="verdict")
    with gr.Row(elem_classes="lab-tools"):
        page["measure_effect"] = gr.Button(text.MEASURE_EFFECT, elem_id="measure-effect", scale=0, min_width=280)
        page["effect_stop"] = gr.Button(STOP, interactive=False, elem_id="effect-stop", scale=0, min_width=90)
    page["effect_status"] = _status("effect-status")
    page["report_plot"] = gr.Plot(show_label=False, visible=False, elem_id="report-plot")
    return page


def _heading(words: str, note: str = "") -> None:
    gr.HTML(f'<div class="lab-heading"><h2>{words}</h2>{render.note(note)}</div>', apply_default_css=False)


def _status(name: str) -> gr.HTML:
    return gr.HTML(apply_default_css=False, elem_id=name, elem_classes="lab-message")
