"""Files of other tools: what is written is the push, what is read back is the same, and what does not fit is said."""

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import gguf
import numpy as np
import pytest
import torch

from steering.errors import MismatchError, SteeringError
from steering.interop.export import EVERY_TOKEN, EXPORTS, Card, export_vector, import_vector
from steering.models.language_model import LanguageModel
from steering.steer.intervention import plan, steer
from steering.steer.settings import SCALES, SteeringSettings
from steering.vectors.vector import SteeringVector

Make = Callable[..., SteeringVector]
BOTH = ("repeng", "steering-vectors")
"""Formats that keep every row and can be read back."""


def finding(card: Card, what: str) -> tuple[str, str, str]:
    (row,) = [row for row in card.findings if row.what == what]
    return row.status, row.expected, row.found


def logits(model: LanguageModel, vector: SteeringVector, lam: float, scale: str = "residual") -> torch.Tensor:
    ids = torch.tensor([model.token_ids("The soup is")])
    with torch.inference_mode(), steer(model, plan(model, vector, SteeringSettings(scale=scale)), [lam]):
        return model.model(input_ids=ids).logits


# What is written


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("format", BOTH)
def test_what_comes_back_pushes_as_before(
    tmp_path: Path, llama: LanguageModel, vector_for: Make, format: str, scale: str
) -> None:
    """A file holds λ, scale and profile, so that strength 1 of the other tool is our λ."""
    vector = vector_for(llama)
    done = export_vector(vector, tmp_path / "f", format, lam=0.3, child=llama, settings=SteeringSettings(scale=scale))
    assert done.layers == tuple(range(llama.n_layers))
    found, card = import_vector(tmp_path / "f", format, llama)
    assert torch.equal(found.directions, 0.3 * plan(llama, vector, SteeringSettings(scale=scale)).offsets)
    torch.testing.assert_close(logits(llama, found, 1.0, "unit"), logits(llama, vector, 0.3, scale))
    assert (found.concept, found.labels, found.method) == (vector.concept, vector.labels, vector.method)
    assert card.fits
    assert {row.status for row in card.findings} == {"matches"}


def test_llama_cpp_gets_no_block_0_and_a_word_about_it(tmp_path: Path, llama: LanguageModel, vector_for: Make) -> None:
    vector = vector_for(llama)
    done = export_vector(vector, tmp_path / "v.gguf", "gguf", lam=-0.5, child=llama)
    reader = gguf.GGUFReader(tmp_path / "v.gguf")
    assert [tensor.name for tensor in reader.tensors] == ["direction.1", "direction.2", "direction.3"]
    offsets = plan(llama, vector).offsets
    for layer, tensor in enumerate(reader.tensors, 1):
        assert tensor.tensor_type == gguf.GGMLQuantizationType.F32
        assert tuple(tensor.shape) == (llama.d_model,)
        np.testing.assert_array_equal(tensor.data, (-0.5 * offsets[layer]).numpy())
    assert reader.get_field("general.architecture").contents() == "controlvector"
    assert reader.get_field("controlvector.model_hint").contents() == "llama"
    assert reader.get_field("controlvector.layer_count").contents() == 3
    share = float(offsets[0].norm() / offsets.norm(dim=1).sum())
    assert done.notes == (
        f"llama.cpp cannot steer block 0, so its row is left out: {share:.1%} of the summed length of what would be added.",
    )


def test_a_vector_without_block_0_loses_nothing_in_llama_cpp(
    tmp_path: Path, llama: LanguageModel, vector_for: Make
) -> None:
    vector = vector_for(llama)
    rest = replace(vector, directions=vector.directions * torch.tensor([[0.0], [1.0], [0.0], [1.0]]))
    done = export_vector(rest, tmp_path / "v.gguf", "gguf", child=llama)
    assert (done.layers, done.notes) == ((1, 3), ())
    found, card = import_vector(tmp_path / "v.gguf", "gguf", llama)
    torch.testing.assert_close(found.directions, 0.2 * plan(llama, rest).offsets)
    assert finding(card, "layers") == ("matches", "numbers from 0 to 3", "1, 3")


def test_a_file_for_lm_eval_does_there_what_the_vector_does_here(
    tmp_path: Path, model: LanguageModel, vector_for: Make
) -> None:
    """The names are looked up below `base_model`, and vector times coefficient is added, in every family."""
    vector = vector_for(model)
    export_vector(vector, tmp_path / "v.pt", "lm-eval", lam=0.4, child=model)
    entries = torch.load(tmp_path / "v.pt", weights_only=True)
    modules = dict(model.model.base_model.named_modules())
    ids = torch.tensor([model.token_ids("The soup is")])

    def adding(entry: dict[str, object]) -> Callable[..., object]:
        assert set(entry) == {"steering_vector", "steering_coefficient", "action"}
        assert entry["action"] == "add"
        row = entry["steering_vector"] * entry["steering_coefficient"]  # type: ignore[operator]

        def hook(_module: object, _inputs: object, output: object) -> object:
            return (output[0] + row, *output[1:]) if isinstance(output, tuple) else output + row  # type: ignore[operator]

        return hook

    with ExitStack() as hooks, torch.inference_mode():
        for name, entry in entries.items():
            hooks.callback(modules[name].register_forward_hook(adding(entry)).remove)
        there = model.model(input_ids=ids).logits
    with torch.inference_mode(), steer(model, plan(model, vector), [0.4]):
        here = model.model(input_ids=ids).logits
    torch.testing.assert_close(there, here)
    assert len(entries) == model.n_layers


def test_the_scale_unit_needs_no_model(tmp_path: Path, llama: LanguageModel, vector_for: Make) -> None:
    vector = vector_for(llama)
    for format in BOTH:
        export_vector(vector, tmp_path / "with", format, child=llama, settings=SteeringSettings(scale="unit"))
        export_vector(vector, tmp_path / "without", format, settings=SteeringSettings(scale="unit"))
        here, there = (import_vector(tmp_path / name, format, llama) for name in ("with", "without"))
        assert torch.equal(here[0].directions, there[0].directions)
        assert finding(there[1], "family") == ("unknown", "llama", "nothing")


@pytest.mark.parametrize("format", EXPORTS)
def test_a_failed_export_leaves_no_file(tmp_path: Path, llama: LanguageModel, vector_for: Make, format: str) -> None:
    vector = vector_for(llama)
    stranger = replace(vector, model="0123456789abcdef")
    for wrong, settings in (
        (vector, {"lam": float("nan"), "child": llama}),
        (vector, {"lam": 0.0, "child": llama}),
        (vector, {"lam": 1e39, "child": llama}),
        (vector - vector, {"child": llama}),
        (vector, {}),
        (vector, {"settings": SteeringSettings(scale="unit", profile="middle")}),
        (stranger, {"child": llama}),
    ):
        with pytest.raises(SteeringError):
            export_vector(wrong, tmp_path / "v.pt", format, **settings)
    assert list(tmp_path.iterdir()) == []


def test_an_export_says_that_the_other_tool_steers_every_token(
    tmp_path: Path, llama: LanguageModel, vector_for: Make
) -> None:
    vector = vector_for(llama)
    everywhere = export_vector(vector, tmp_path / "a.gguf", "gguf", child=llama)
    response = export_vector(
        vector, tmp_path / "b.gguf", "gguf", child=llama, settings=SteeringSettings(positions="response")
    )
    assert set(response.notes) - set(everywhere.notes) == {EVERY_TOKEN.format(positions="response")}


def test_what_cannot_be_written_is_said(tmp_path: Path, llama: LanguageModel, vector_for: Make) -> None:
    vector = vector_for(llama)
    with pytest.raises(SteeringError, match=r"Unknown format 'onnx'\. Choose one of gguf"):
        export_vector(vector, tmp_path / "f", "onnx", child=llama)
    with pytest.raises(SteeringError, match=r"name it v\.pt, not v\.bin"):
        export_vector(vector, tmp_path / "v.bin", "lm-eval", child=llama)
    with pytest.raises(SteeringError, match="give the child model"):
        export_vector(vector, tmp_path / "v.pt", "lm-eval", settings=SteeringSettings(scale="unit"))
    with pytest.raises(SteeringError, match=r"llama\.cpp cannot steer block 0, and nothing else"):
        export_vector(vector, tmp_path / "v.gguf", "gguf", child=llama, settings=SteeringSettings(profile=[1, 0, 0, 0]))
    with pytest.raises(SteeringError, match="give tiny-llama as the child, or use the scale 'unit'"):
        export_vector(vector, tmp_path / "v.gguf", "gguf")
    with pytest.raises(MismatchError, match="cannot steer"):
        export_vector(replace(vector, model="0123456789abcdef"), tmp_path / "v.gguf", "gguf", child=llama)
