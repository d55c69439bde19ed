"""Layer profiles as the page writes them."""

import tracemalloc

import pytest
from pages import fields

from steering.errors import SteeringError
from steering.steer.settings import PROFILES
from steering.ui.sidebar import layout as sidebar
from steering.ui.state import profiles
from steering.ui.state.settings import Settings


def test_a_profile_is_a_name_or_a_weight_a_layer() -> None:
    for name in PROFILES:
        assert profiles.read(name) == name
    assert profiles.read("2x0 1 0.5 2x0.25") == (0, 0, 1, 0.5, 0.25, 0.25)
    assert profiles.read("1") == (1,)


@pytest.mark.parametrize("weights", [(0.0,) * 14 + (1.0,) + (0.0,) * 15, (0.25, 0.25, 1.0), (0.0,), (1.0, 0.07, 10.0)])
def test_what_is_written_is_read_back(weights: tuple[float, ...]) -> None:
    assert profiles.read(profiles.write(weights)) == weights


def test_one_layer_alone_is_short() -> None:
    assert profiles.one_layer(14, 30) == "14x0 1 15x0"
    assert profiles.label(profiles.read(profiles.one_layer(14, 30))) == "layer 14"


@pytest.mark.parametrize(
    "field", ["", "loud", "1 x", "-1 0", "nan", "9999x1 9999x1", "0x1", "x1", "1x", "²x1", "1 " * 2_000]
)
def test_what_cannot_be_read_is_named(field: str) -> None:
    with pytest.raises(SteeringError, match="cannot be read"):
        profiles.read(field)
    with pytest.raises(SteeringError, match="cannot be read"):
        Settings.read(*fields(profile=field))


@pytest.mark.parametrize("field", ["9999x1 " * 4_000, "x" * 100_000, "1 " * 100_000, "9999x1." + "9" * 100_000])
def test_a_long_field_costs_no_memory_and_is_not_repeated_whole(field: str) -> None:
    tracemalloc.start()
    try:
        with pytest.raises(SteeringError, match="cannot be read") as raised:
            profiles.read(field)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 100 * len(field)
    assert len(str(raised.value)) < 400


def test_settings_take_one_pair_of_layers_and_bars() -> None:
    settings = Settings.read(*fields(layers="12-to-14", profile="14x0 1 15x0"))
    assert settings.layers == "12-to-14"
    assert settings.profile == (0.0,) * 14 + (1.0,) + (0.0,) * 15
    with pytest.raises(SteeringError, match="12 and 14"):
        Settings.read(*fields(layers="12 and 14"))


def test_menus_hold_what_is_chosen_in_words() -> None:
    assert sidebar.layer_map_choices("12-to-14")[-1] == ("12 → 14", "12-to-14")
    assert profiles.choices("14x0 1 15x0")[-1] == ("layer 14", "14x0 1 15x0")
    assert profiles.choices("late") == list(PROFILES)
