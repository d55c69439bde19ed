"""Layout of the sidebar: models, concept, method settings and generation settings."""

from collections.abc import Sequence
from typing import Any

import gradio as gr

from steering.concepts import bundled_concepts
from steering.models import bundled
from steering.steer import OPERATORS, POSITIONS, SCALES, Sampling
from steering.transfer import LAYER_MAPS, WIDTH_MAPS, named_pair
from steering.ui import text
from steering.ui.state import profiles
from steering.ui.state.limits import Limits
from steering.vectors import METHODS


def build(parent: str, child: str, concept: str, allowed: Sequence[str], limits: Limits) -> dict[str, gr.blocks.Block]:
    """Create the components of the sidebar.

    Args:
        parent: initial parent model.
        child: initial child model.
        concept: initial concept.
        allowed: names of the only models in the menus; if empty, the menus have the bundled models and accept any other.
        limits: of the app, which are shown at the end.
    """
    default = Sampling()
    names = list(dict.fromkeys([*allowed] or [*bundled.CATALOGUE, parent, child]))
    page: dict[str, gr.blocks.Block] = {}
    gr.HTML(f'<div class="lab-title"><h1>{text.TITLE}</h1><p>{text.SUBTITLE}</p></div>', apply_default_css=False)
    with gr.Group():
        page["parent"] = _model(text.PARENT, text.PARENT_INFO, parent, names, custom=not allowed)
        page["child"] = _model(text.CHILD, text.CHILD_INFO, child, names, custom=not allowed)
    if not allowed:
        gr.HTML(f'<p class="lab-note">{text.MODEL_FREE}</p>', apply_default_css=False)
    page["relation"] = gr.HTML(apply_default_css=False, elem_id="relation")
    page["concept"] = gr.Dropdown(list(bundled_concepts()), value=concept, label=text.CONCEPT, elem_id="concept")
    page["vector"] = gr.HTML(apply_default_css=False, elem_id="vector")
    with gr.Accordion(text.METHOD_SETTINGS, open=False):
        page["method"] = _menu(text.DIRECTION, text.DIRECTION_INFO, list(METHODS), "pca")
        page["layers"] = _menu(
            text.LAYER_MAP, text.LAYER_MAP_INFO, layer_map_choices("relative"), "relative", custom=True
        )
        page["width"] = _menu(text.WIDTH_MAP, text.WIDTH_MAP_INFO, list(WIDTH_MAPS), "ridge")
        page["scale"] = _menu(text.SCALE, text.SCALE_INFO, list(SCALES), "residual")
        page["profile"] = _menu(text.PROFILE, text.PROFILE_INFO, profiles.choices("all"), "all", custom=True)
        page["positions"] = _menu(text.POSITIONS, text.POSITIONS_INFO, list(POSITIONS), "all")
        page["operator"] = _menu(text.OPERATOR, text.OPERATOR_INFO, list(OPERATORS), "add")
    with gr.Accordion(text.GENERATION_SETTINGS, open=False):
        page["max_new_tokens"] = gr.Slider(1, 256, default.max_new_tokens, step=1, label=text.MAX_NEW_TOKENS)
        page["temperature"] = gr.Slider(
            0, 2, default.temperature, step=0.05, label=text.TEMPERATURE, info=text.TEMPERATURE_INFO
        )
        page["top_p"] = gr.Slider(0.05, 1, default.top_p, step=0.01, label=text.TOP_P)
        page["top_k"] = gr.Slider(0, 200, default.top_k, step=1, label=text.TOP_K, info=text.TOP_K_INFO)
        page["repetition_penalty"] = gr.Slider(
            0.5, 2, default.repetition_penalty, step=0.05, label=text.REPETITION_PENALTY
        )
        page["seed"] = gr.Number(default.seed, precision=0, label=text.SEED, info=text.SEED_INFO)
        page["chat"] = gr.Checkbox(True, label=text.CHAT)
        page["system"] = gr.Textbox(
            "", label=text.SYSTEM, info=text.SYSTEM_INFO, lines=1, max_lines=6, elem_id="system-prompt"
        )
    terms = [text.licence(name, bundled.CATALOGUE[name].licence) for name in names if name in bundled.CATALOGUE]
    gr.HTML("".join(f'<p class="lab-note">{line}</p>' for line in terms), apply_default_css=False)
    with gr.Accordion(text.LIMITS, open=False):
        gr.HTML(f'<p class="lab-note">{limits.words}</p>', apply_default_css=False, elem_id="limits")
    return page


def _model(label: str, info: str, value: str, names: list[str], *, custom: bool) -> gr.Dropdown:
    return gr.Dropdown(
        names,
        value=value,
        label=label,
        info=info,
        allow_custom_value=custom,
        elem_id="parent" if label == text.PARENT else "child",
    )


def layer_map_choices(layers: str) -> list[str | tuple[str, str]]:
    """Choices of the layer map: all named maps, and the pair of layers if `layers` is one."""
    pair = named_pair(layers)
    return [*LAYER_MAPS, *([(text.LAYER_PAIR.format(parent=pair[0], child=pair[1]), layers)] if pair else [])]


def _menu(
    label: str, info: str, names: Sequence[str | tuple[str, str]], value: str, *, custom: bool = False
) -> gr.Dropdown:
    return gr.Dropdown(names, value=value, label=label, info=info, allow_custom_value=custom)


def menu_values(component: Any) -> list[str] | None:
    """The values that a component accepts; None if it accepts any."""
    if getattr(component, "allow_custom_value", True):
        return None
    return [value for _, value in component.choices]
