"""The layer profile as a custom component with one bar per child layer: its data, and the values that it sends."""

import math
from collections.abc import Sequence
from importlib.resources import files
from typing import Any

import gradio as gr

from steering.steer import PROFILES, Profile
from steering.ui.state import profiles
from steering.ui.tabs.layers import text

_ASSETS = files("steering.ui.tabs.layers")


def component() -> gr.HTML:
    """The bars, empty. Their event `input` occurs 350 ms after the last edit of the user."""
    return gr.HTML(
        value=show(None, "all", None),
        html_template=(_ASSETS / "bars.html").read_text("utf-8"),
        css_template=(_ASSETS / "bars.css").read_text("utf-8"),
        js_on_load=(_ASSETS / "bars.js").read_text("utf-8"),
        apply_default_css=False,
        elem_id="bars",
    )


def show(layers: int | None, profile: Profile, signal: Sequence[bool] | None) -> dict[str, Any]:
    """The data of the bars.

    Args:
        layers: number of layers of the child; None if it is not known yet.
        profile: the current profile.
        signal: for each layer whether the vector has signal there; None if that is not known yet.
    """
    if layers is None:
        return _data([], "", {}, None, text.BARS_UNKNOWN)
    presets = {name: profile_weights(name, layers) for name in PROFILES}
    if isinstance(profile, str):
        return _data(presets[profile], profile, presets, signal, _note(signal))
    if len(profile) != layers:
        return _data(presets["all"], "", presets, signal, text.other_length(len(profile), layers))
    # The height of a bar is 1 at most; only the proportions of the weights matter.
    largest = max(*profile, 1.0)
    return _data([weight / largest for weight in profile], "", presets, signal, _note(signal))


def profile_weights(name: str, layers: int) -> list[float]:
    """Weights of a named profile, rounded to two digits."""
    return [round(PROFILES[name](layer / max(layers - 1, 1)), 2) for layer in range(layers)]


def read(value: Any) -> str | None:
    """The profile that the bars sent, as text of its field; None if the value is not a profile."""
    if not isinstance(value, dict):
        return None
    if value.get("choice") in PROFILES:
        return str(value["choice"])
    weights = value.get("weights")
    if not isinstance(weights, list) or not weights or not all(isinstance(weight, int | float) for weight in weights):
        return None
    return profiles.write(weights) if all(math.isfinite(weight) and 0 <= weight <= 1 for weight in weights) else None


def _note(signal: Sequence[bool] | None) -> str:
    if signal is None:
        return text.BARS_HINT
    return text.BARS_HINT if all(signal) else f"{text.BARS_HINT} {text.BARS_HATCHED}"


def _data(
    weights: list[float],
    choice: str,
    presets: dict[str, list[float]],
    signal: Sequence[bool] | None,
    note: str,
) -> dict[str, Any]:
    steered = [layer for layer, weight in enumerate(weights) if weight]
    return {
        "weights": weights,
        "choice": choice,
        "presets": presets,
        "signal": None if signal is None else list(signal),
        "at": steered[0] if len(steered) == 1 else None,
        "note": note,
        "words": text.BARS_WORDS,
    }
