"""One pair of layers: what the texts say of it, and steering with it alone."""

from dataclasses import dataclass
from typing import Any

import gradio as gr

from steering.measure import Projections, Similarity, text_correlation
from steering.plots import SYMBOLS, plot_pair
from steering.transfer import named_pair, pair_name
from steering.ui.events.binder import EventBinder
from steering.ui.events.long_tasks import Changes
from steering.ui.render import message
from steering.ui.sidebar import layout as sidebar
from steering.ui.state import profiles
from steering.ui.state.workspace import Session
from steering.ui.tabs.layers import picker, render, text
from steering.ui.tabs.layers.picker import Pair

_STATUS = "pair_status"
OUTPUTS = ("pair_plot", "pair_words", _STATUS)


def connect(events: EventBinder) -> None:
    """Connect the pair that is looked at."""
    page = events.page
    events.on(page["pair"].input, looked_at, ["pair"], OUTPUTS, status=_STATUS, latest=True)
    events.on(page["use_pair"].click, use, ["pair", "layers", "profile"], ["layers", "profile"], status=_STATUS)
    events.on(page["all_layers"].click, back, ["layers"], ["layers", "profile"], status=_STATUS)


@dataclass(frozen=True)
class LayerComparison:
    """A map of layers, and what a pair of them is looked at with."""

    found: Similarity
    projections: Projections

    @property
    def sizes(self) -> Pair:
        """How many layers the parent and the child have."""
        return (self.found.matrix.shape[0], self.found.matrix.shape[1])

    @property
    def best(self) -> Pair:
        """The pair of layers with the largest number."""
        place = int(self.found.matrix.nan_to_num(nan=-2.0).argmax())
        return divmod(place, self.sizes[1])


@dataclass
class PairState:
    """What a page looks at.

    Attributes:
        compared: the map on the page; None before the first.
        pair: the chosen pair of its layers.
        before: layer map and profile before a pair was used.
    """

    compared: LayerComparison | None = None
    pair: Pair = (0, 0)
    before: tuple[str, str] = ("relative", "all")


def open_map(session: Session, compared: LayerComparison) -> Changes:
    """Look at a new map: at the pair that was chosen, where it still fits, and else at the best one."""
    looked = session.record(PairState)
    if looked.compared is None or looked.compared.sizes != compared.sizes:
        looked.pair = compared.best
    looked.compared = compared
    return {"pair": picker.show(looked.pair, compared.sizes)} | _shown(looked)


def looked_at(session: Session, value: Any) -> Changes:
    """Look at another pair of layers."""
    looked = session.record(PairState)
    pair = picker.read(value, looked.compared.sizes) if looked.compared else None
    if pair is None:
        return {}
    looked.pair = pair
    return _shown(looked)


def use(session: Session, value: Any, layers: str, profile: str) -> Changes:
    """Steer with this pair of layers alone."""
    looked = session.record(PairState)
    pair = picker.read(value, looked.compared.sizes) if looked.compared else None
    if looked.compared is None or pair is None:
        return {"pair_status": message(text.NO_MAP, "error")}
    if named_pair(layers) is None:
        looked.before = (layers, profile)
    parent, child = pair
    one_layer = profiles.one_layer(child, looked.compared.sizes[1])
    words = text.USED_PAIR.format(parent=parent, child=child)
    return _chosen(pair_name(parent, child), one_layer) | {"pair_status": message(words, "good")}


def back(session: Session, layers: str) -> Changes:
    """Take the use of one pair back."""
    before = session.record(PairState).before
    if named_pair(layers) is None:
        return {"pair_status": ""}
    return _chosen(*before) | {"pair_status": message(text.BACK.format(layers=before[0]), "good")}


def _chosen(layers: str, profile: str) -> Changes:
    return {
        "layers": gr.update(choices=sidebar.layer_map_choices(layers), value=layers),
        "profile": gr.update(choices=profiles.choices(profile), value=profile),
    }


def _shown(looked: PairState) -> Changes:
    assert looked.compared is not None, "there is nothing to look at"
    found, projections = looked.compared.found, looked.compared.projections
    metric = SYMBOLS.get(found.metric, found.metric)
    cell = text.cell(*looked.pair, metric, float(found.matrix[looked.pair]), found.metric)
    return {
        "pair_plot": plot_pair(projections, *looked.pair),
        "pair_words": render.pair(cell, text_correlation(projections, *looked.pair), projections.labels),
        "pair_status": "",
    }
