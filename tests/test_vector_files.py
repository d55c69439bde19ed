"""Vector files: they come back as they were, and damaged ones are refused."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from test_extraction import LAYERS, D, with_dead_layer

from steering.concepts.files import load_concept
from steering.errors import MismatchError, SteeringError
from steering.models.language_model import LanguageModel
from steering.storage import HEADER, write_tensors
from steering.vectors.extraction import extract
from steering.vectors.vector import FORMAT, SteeringVector, load_vector, save_vector

# Files


def example(**changes: object) -> SteeringVector:
    vector = replace(
        with_dead_layer(0.6),
        model="0123456789abcdef",
        model_name="tiny",
        concept="Höflichkeit",
        labels=("höflich", "grob, «rude»"),
        provenance={"pairs": 40, "nested": {"a": [1, None]}},
        pairs=(("Bitte, «ja»", "nein!"), ("so", "or\nso")),
    )
    return replace(vector, **changes)


@pytest.mark.parametrize("projections", [True, False])
def test_a_vector_file_comes_back_as_it_went(tmp_path: Path, projections: bool) -> None:
    vector = example() if projections else example(projections=None, quality=())
    save_vector(vector, tmp_path / "new" / "v.safetensors")
    found = load_vector(str(tmp_path / "new" / "v.safetensors"))
    assert torch.equal(found.directions, vector.directions)
    assert (found.projections is None) is not projections
    if projections:
        assert torch.equal(found.projections, vector.projections)
    for name in ("model", "model_name", "concept", "labels", "method", "quality", "provenance", "signal", "pairs"):
        assert getattr(found, name) == getattr(vector, name), name


def test_a_vector_file_is_as_the_contract_says(tmp_path: Path) -> None:
    save_vector(example(), tmp_path / "v.safetensors")
    directions = load_file(tmp_path / "v.safetensors")["directions"]
    assert directions.dtype == torch.float32
    assert directions.shape == (LAYERS, D)
    assert not directions[0].any()
    torch.testing.assert_close(directions[1:].norm(dim=-1), torch.ones(LAYERS - 1))
    header = (tmp_path / "v.safetensors").read_bytes()
    length = int.from_bytes(header[:8], "little")
    ours = json.loads(json.loads(header[8 : 8 + length])["__metadata__"][HEADER])
    assert ours["format"] == FORMAT
    assert ours["shape"] == [LAYERS, D]
    assert ours["signal"] == [False, True, True]
    assert ours["pairs"][0] == ["Bitte, «ja»", "nein!"]
    assert ours["concept"] == "Höflichkeit"


def test_an_extracted_vector_survives_its_file(tmp_path: Path, llama: LanguageModel) -> None:
    vector = extract(llama, load_concept("sentiment"))
    save_vector(vector, tmp_path / "v.safetensors")
    found = load_vector(tmp_path / "v.safetensors")
    found.check_model(llama)
    assert torch.equal(found.directions, vector.directions)
    assert found.provenance == vector.provenance
    assert found.pairs == tuple((pair.positive, pair.negative) for pair in load_concept("sentiment").pairs)


def test_a_file_of_the_first_version_is_still_read(llama: LanguageModel) -> None:
    found = load_vector(Path(__file__).parent / "data" / "vector-format-1.safetensors")
    assert (found.concept, found.labels, found.method) == ("quality", ("good", "bad"), "pca")
    assert found.directions.shape == (llama.n_layers, llama.d_model)
    torch.testing.assert_close(found.directions.norm(dim=-1), torch.ones(llama.n_layers))
    assert len(found.quality) == llama.n_layers
    assert found.projections is not None
    assert found.pairs == ()


def test_loading_for_a_model_says_what_was_expected_and_found(
    tmp_path: Path, llama: LanguageModel, vector_for: Callable[..., SteeringVector]
) -> None:
    save_vector(vector_for(llama), tmp_path / "own.safetensors")
    assert load_vector(tmp_path / "own.safetensors", llama).model == llama.fingerprint
    save_vector(example(), tmp_path / "other.safetensors")
    with pytest.raises(MismatchError, match=rf"tiny \(3, 24\), fingerprint 0123456789abcdef.*{llama.fingerprint}"):
        load_vector(tmp_path / "other.safetensors", llama)


HEAD = {
    "format": FORMAT,
    "model": "0123456789abcdef",
    "model_name": "tiny",
    "concept": "c",
    "labels": ["a", "b"],
    "method": "pca",
    "quality": [],
    "provenance": {},
}
ROWS = {"directions": torch.eye(3)}


def test_the_smallest_header_is_read(tmp_path: Path) -> None:
    write_tensors(tmp_path / "v.safetensors", ROWS, HEAD)
    assert load_vector(tmp_path / "v.safetensors").directions.shape == (3, 3)


@pytest.mark.parametrize(
    ("tensors", "header", "message"),
    [
        (ROWS, {**HEAD, "format": FORMAT + 1}, f"has format {FORMAT + 1}; this version reads up to {FORMAT}"),
        ({"norms": torch.ones(3)}, HEAD, r"is not a vector file: .*\['norms'\]"),
        (ROWS, {}, "is not a vector file"),
        ({"directions": torch.ones(3)}, HEAD, "shape"),
        ({"directions": torch.full((3, 3), float("nan"))}, HEAD, "finite"),
        (ROWS, {key: value for key, value in HEAD.items() if key != "labels"}, "is not a vector file"),
        (ROWS, {**HEAD, "labels": ["one"]}, "is not a vector file"),
        (ROWS, {**HEAD, "quality": [{"strange": 1}]}, "is not a vector file"),
        (ROWS, {**HEAD, "quality": None}, "is not a vector file"),
        (ROWS, {**HEAD, "format": "1"}, "is not a vector file"),
        (ROWS, {**HEAD, "pairs": [["one"]]}, "is not a vector file"),
        ({**ROWS, "more": torch.ones(3)}, HEAD, r"expected one tensor 'directions'.*\['directions', 'more'\]"),
        (ROWS, {**HEAD, "shape": [3, 4]}, r"damaged: its header says shape \[3, 4\], its directions have \[3, 3\]"),
        (ROWS, {**HEAD, "signal": [True, False, True]}, "damaged: its header says signal"),
        (ROWS, {**HEAD, "sha256": "0" * 64}, "damaged: its header says sha256 0000"),
    ],
)
def test_a_file_that_holds_no_vector_is_refused(
    tmp_path: Path, tensors: dict[str, torch.Tensor], header: dict[str, object], message: str
) -> None:
    write_tensors(tmp_path / "wrong.safetensors", tensors, header)
    with pytest.raises(SteeringError, match=message):
        load_vector(tmp_path / "wrong.safetensors")


def test_files_of_others_are_refused(tmp_path: Path) -> None:
    save_file(ROWS, tmp_path / "other.safetensors")
    with pytest.raises(SteeringError, match="was not written by Steering Lab"):
        load_vector(tmp_path / "other.safetensors")
    (tmp_path / "other.gguf").write_bytes(b"GGUF")
    with pytest.raises(SteeringError, match="not a readable safetensors file"):
        load_vector(tmp_path / "other.gguf")
    with pytest.raises(SteeringError, match="There is no file"):
        load_vector(tmp_path / "none.safetensors")
