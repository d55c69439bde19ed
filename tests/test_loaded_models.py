"""Models in memory: each is loaded once, whoever asks, and the least recently used leave first."""

import threading
import time

import pytest
from conftest import loaded

from steering.errors import ModelError, ModelMemoryError
from steering.models.language_model import LanguageModel
from steering.ui.state import loaded_models
from steering.ui.state.loaded_models import LoadedModels

SIZE = sum(weight.numel() * weight.element_size() for weight in loaded("llama").model.parameters())


@pytest.fixture
def loads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the models that were loaded, in order; all of one size."""
    names: list[str] = []

    def load(name: str, **_: object) -> LanguageModel:
        names.append(name)
        time.sleep(0.01)
        return loaded("llama")

    monkeypatch.setattr(loaded_models, "load_model", load)
    return names


def test_two_pages_with_other_models_do_not_make_each_other_load_again(loads: list[str]) -> None:
    models = LoadedModels(4 * SIZE)
    for _ in range(5):
        models.get(("a", "b"))
        models.get(("c", "d"))
    assert loads == ["a", "b", "c", "d"]


def test_the_least_recently_used_leave_and_what_is_asked_for_stays(loads: list[str]) -> None:
    models = LoadedModels(3 * SIZE)
    models.get(("a", "b"))
    models.get(("c", "c"))
    models.get(("a", "a"))
    models.get(("d", "d"))
    assert models.names == ("c", "a", "d")
    LoadedModels(0).get(("a", "b"))
    small = LoadedModels(0)
    assert len(small.get(("a", "b"))) == len(small.names) == 2, "the models of one run are needed together"
    small.get(("b", "c"))
    assert set(small.names) == {"b", "c"}
    assert loads.count("a") == 3


def test_a_known_model_waits_for_room_before_it_is_loaded_again(
    loads: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    models = LoadedModels(2 * SIZE)
    models.get(("a",))
    models.get(("b", "c"))
    seen: list[int] = []
    load = loaded_models.load_model
    monkeypatch.setattr(
        loaded_models, "load_model", lambda name, **more: seen.append(len(models.names)) or load(name, **more)
    )
    models.get(("a",))
    assert seen == [1]
    assert loads == ["a", "b", "c", "a"]


def test_many_threads_load_a_model_once(loads: list[str]) -> None:
    models, start = LoadedModels(9 * SIZE), threading.Barrier(8)

    def get() -> None:
        start.wait(60)
        models.get(("a", "b"))

    threads = [threading.Thread(target=get) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(loads) == ["a", "b"]


def test_a_model_that_does_not_fit_beside_others_is_tried_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    models = LoadedModels(9 * SIZE)

    def load(name: str, **_: object) -> LanguageModel:
        if name == "large" and models.names:
            raise ModelMemoryError("does not fit")
        if name == "unknown":
            raise ModelError("unknown")
        return loaded("llama")

    monkeypatch.setattr(loaded_models, "load_model", load)
    models.get(("a",))
    with pytest.raises(ModelError, match="unknown"):
        models.get(("unknown",))
    assert models.names == ("a",), "a mistake of one page takes no model from another"
    models.get(("large",))
    assert models.names == ("large",)


def test_models_are_loaded_in_the_type_of_the_page(monkeypatch: pytest.MonkeyPatch) -> None:
    types: list[object] = []

    def load(_: str, **settings: object) -> LanguageModel:
        types.append(settings["dtype"])
        return loaded("llama")

    monkeypatch.setattr(loaded_models, "load_model", load)
    LoadedModels(dtype="int8").get(("a",))
    LoadedModels().get(("a",))
    assert types == ["int8", "auto"]
