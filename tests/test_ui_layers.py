"""The Layers tab without a browser: comparing layers and measuring the effect, with tiny models."""

import pytest
from pages import fields, last, press

from steering.concepts import load_concept
from steering.ui.layers import text
from steering.ui.layers.handlers import RUN, Layers
from steering.ui.settings import Settings
from steering.ui.workspace import Session, Workspace

pytestmark = pytest.mark.usefixtures("own_cache")


@pytest.fixture
def layers() -> Layers:
    return Layers(Workspace())


def test_the_effect_is_measured_on_demand_and_stays_in_the_report(layers: Layers, folders: tuple[str, str]) -> None:
    session, values = Session(), fields(*folders)
    seen = list(press(RUN, layers.measure, session, values))
    assert last(seen, "measure_effect")["interactive"]
    vector = layers.workspace.ready(Settings.read(*values), load_concept("sentiment"))
    assert vector is not None
    assert vector.report is not None
    assert vector.report["effect_kept"] is not None
    assert "Effect kept" in layers.marks(session, Settings.read(*values), "scores")["verdict"]
    assert "verdict" not in layers.marks(session, Settings.read(*values), "scores"), "the same report is not sent again"


def test_layers_are_compared(layers: Layers, folders: tuple[str, str]) -> None:
    session, values = Session(), fields(*folders)
    seen = list(press(RUN, layers.compute, session, values, "scores"))
    figure = last(seen, "plot")["value"]
    assert (len(figure.data[0].z), len(figure.data[0].z[0])) == (3, 4)
    assert "64 texts" in last(seen, "layers_status")
    assert layers.marks(session, Settings.read(*values), "scores")["plot_stale"] == ""
    assert text.STALE_PLOT in layers.marks(session, Settings.read(*values), "cka")["plot_stale"]
