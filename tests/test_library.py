"""The folder of saved vectors: what is kept comes back, and what does not fit a model is told before it is used."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from conftest import loaded

from steering.errors import MismatchError, SteeringError
from steering.interop.export import export_vector
from steering.library import Shelf
from steering.library import saved_vectors as library
from steering.models.language_model import LanguageModel
from steering.steer.settings import SteeringSettings
from steering.vectors.vector import SteeringVector, save_vector

Make = Callable[..., SteeringVector]


@pytest.fixture(autouse=True)
def own_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))


def test_what_is_kept_is_listed_and_comes_back(llama: LanguageModel, vector_for: Make) -> None:
    assert Shelf.own().entries() == ()
    first, second = vector_for(llama, 1), vector_for(llama, 2)
    one, other = Shelf.own().keep(first), Shelf.own().keep(second)
    assert (one.name, other.name) == ("noise-tiny-llama-random", "noise-tiny-llama-random-2")
    assert {entry.name for entry in Shelf.own().entries()} == {one.name, other.name}
    read = Shelf.own().entry(other.name).vector
    assert read is not None
    assert torch.equal(read.directions, second.directions)


@pytest.mark.parametrize("name", ["../up", "/etc/passwd", "a/b", "..", ""])
def test_names_never_leave_the_folder(llama: LanguageModel, vector_for: Make, name: str) -> None:
    with pytest.raises(SteeringError, match="no vector"):
        Shelf.own().entry(name)
    assert Shelf.own().keep(vector_for(llama), f"{name}x").path.parent == Shelf.own().folder


def test_a_name_without_letters_is_refused(llama: LanguageModel, vector_for: Make) -> None:
    with pytest.raises(SteeringError, match="Use letters"):
        Shelf.own().keep(vector_for(llama), "../..")


def test_the_last_deletion_can_be_taken_back(llama: LanguageModel, vector_for: Make) -> None:
    Shelf.own().keep(vector_for(llama), "one")
    Shelf.own().keep(vector_for(llama), "two")
    Shelf.own().delete("one")
    Shelf.own().delete("two")
    assert Shelf.own().entries() == ()
    assert Shelf.own().deleted() == "two"
    assert Shelf.own().restore().name == "two"
    with pytest.raises(SteeringError, match="Nothing was deleted"):
        Shelf.own().restore()


def test_a_damaged_file_is_listed_with_its_problem(llama: LanguageModel, vector_for: Make) -> None:
    path = Shelf.own().keep(vector_for(llama), "broken").path
    whole = path.read_bytes()
    path.write_bytes(whole[:-1] + bytes([whole[-1] ^ 0xFF]))
    (entry,) = Shelf.own().entries()
    assert entry.vector is None
    assert "damaged" in entry.problem


def test_the_card_of_a_file_of_ours_says_which_check_fails(
    llama: LanguageModel, vector_for: Make, tmp_path: Path
) -> None:
    vector, other = vector_for(llama), loaded("gpt2")
    save_vector(vector, tmp_path / "v.safetensors")
    fits = library.inspect(tmp_path / "v.safetensors", llama)
    assert fits.fits
    assert {one.what: one.status for one in fits.findings}["pairs"] == "unknown"
    refused = library.inspect(tmp_path / "v.safetensors", other)
    assert [one.what for one in refused.findings if one.stops] == ["fingerprint"]
    assert library.open_file(tmp_path / "v.safetensors", llama).concept == "noise"
    with pytest.raises(MismatchError):
        library.open_file(tmp_path / "v.safetensors", other)


def test_files_of_other_tools_are_recognised(llama: LanguageModel, vector_for: Make, tmp_path: Path) -> None:
    vector = vector_for(llama)
    for format, ending in (("gguf", "gguf"), ("repeng", "gguf"), ("steering-vectors", "safetensors")):
        path = tmp_path / f"{format}.{ending}"
        export_vector(vector, path, format, lam=1.0, child=llama, settings=SteeringSettings(scale="unit"))
        assert library.inspect(path, llama).fits
        read = library.open_file(path, llama)
        assert torch.allclose(read.directions[1:], vector.directions[1:], atol=1e-6)
    pickled = tmp_path / "steer.pt"
    pickled.write_bytes(b"whatever")
    with pytest.raises(SteeringError, match="pickle"):
        library.inspect(pickled, llama)
    (tmp_path / "notes.txt").write_text("up and down")
    with pytest.raises(SteeringError, match="is not a vector file: those are GGUF or safetensors"):
        library.inspect(tmp_path / "notes.txt", llama)


def test_a_vector_becomes_a_concept_with_its_own_pairs(llama: LanguageModel, vector_for: Make) -> None:
    vector = replace(vector_for(llama), pairs=(("up", "down"),))
    concept = library.as_concept(vector, "file: x")
    assert (concept.name, concept.positive_label, concept.negative_label) == ("file: x", "more", "less")
    assert [(pair.positive, pair.negative) for pair in concept.pairs] == [("up", "down")]
