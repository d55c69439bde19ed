"""One pair of layers: its projections of the texts, and steering with this pair alone."""

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
    """Connect the components of the pair."""
    page = events.page
    events.on(page["pair"].input, select_pair, ["pair"], OUTPUTS, status=_STATUS, latest=True)
    events.on(page["use_pair"].click, use_pair, ["pair", "layers", "profile"], ["layers", "profile"], status=_STATUS)
    events.on(page["all_layers"].click, use_all_layers, ["layers"], ["layers", "profile"], status=_STATUS)


@dataclass(frozen=True)
class LayerComparison:
    """The data of a map of layers.

    Attributes:
        similarity: of every parent layer and child layer.
        projections: of the texts on the directions of every layer.
    """

    similarity: Similarity
    projections: Projections

    @property
    def sizes(self) -> Pair:
        """Number of layers of the parent and of the child."""
        return (self.similarity.matrix.shape[0], self.similarity.matrix.shape[1])

    @property
    def best(self) -> Pair:
        """The pair of layers with the largest similarity."""
        index = int(self.similarity.matrix.nan_to_num(nan=-2.0).argmax())
        return divmod(index, self.sizes[1])


@dataclass
class PairState:
    """The pair of layers on the page.

    Attributes:
        comparison: data of the map on the page; None before the first one.
        pair: the chosen pair of its layers.
        previous: layer map and profile before a pair was used; “Back to all layers” restores them.
    """

    comparison: LayerComparison | None = None
    pair: Pair = (0, 0)
    previous: tuple[str, str] = ("relative", "all")


def show_map(session: Session, comparison: LayerComparison) -> Changes:
    """Show a pair of a new map: the chosen one if the numbers of layers are unchanged, else the best one."""
    state = session.record(PairState)
    if state.comparison is None or state.comparison.sizes != comparison.sizes:
        state.pair = comparison.best
    state.comparison = comparison
    return {"pair": picker.show(state.pair, comparison.sizes)} | _pair_changes(state)


def select_pair(session: Session, value: Any) -> Changes:
    """Show another pair of layers."""
    state = session.record(PairState)
    pair = picker.read(value, state.comparison.sizes) if state.comparison else None
    if pair is None:
        return {}
    state.pair = pair
    return _pair_changes(state)


def use_pair(session: Session, value: Any, layers: str, profile: str) -> Changes:
    """Steer with this pair of layers alone: set layer map and layer profile."""
    state = session.record(PairState)
    pair = picker.read(value, state.comparison.sizes) if state.comparison else None
    if state.comparison is None or pair is None:
        return {"pair_status": message(text.NO_MAP, "error")}
    if named_pair(layers) is None:
        state.previous = (layers, profile)
    parent, child = pair
    child_profile = profiles.one_layer(child, state.comparison.sizes[1])
    words = text.USED_PAIR.format(parent=parent, child=child)
    return _field_changes(pair_name(parent, child), child_profile) | {"pair_status": message(words, "good")}


def use_all_layers(session: Session, layers: str) -> Changes:
    """Restore layer map and layer profile from before a pair was used."""
    previous = session.record(PairState).previous
    if named_pair(layers) is None:
        return {"pair_status": ""}
    return _field_changes(*previous) | {"pair_status": message(text.BACK.format(layers=previous[0]), "good")}


def _field_changes(layers: str, profile: str) -> Changes:
    return {
        "layers": gr.update(choices=sidebar.layer_map_choices(layers), value=layers),
        "profile": gr.update(choices=profiles.choices(profile), value=profile),
    }


def _pair_changes(state: PairState) -> Changes:
    assert state.comparison is not None, "there is no map of layers"
    similarity, projections = state.comparison.similarity, state.comparison.projections
    metric = SYMBOLS.get(similarity.metric, similarity.metric)
    cell = text.cell(*state.pair, metric, float(similarity.matrix[state.pair]), similarity.metric)
    return {
        "pair_plot": plot_pair(projections, *state.pair),
        "pair_words": render.pair(cell, text_correlation(projections, *state.pair), projections.labels),
        "pair_status": "",
    }
