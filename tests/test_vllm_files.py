"""Files for vLLM against the fields and values that the documentation of vllm-lens and EasySteer names."""

import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest
import torch

from steering.errors import SteeringError
from steering.interop import export_vector, import_vector
from steering.interop.export import EVERY_TOKEN
from steering.models import LanguageModel
from steering.steer import SteeringSettings, plan, steer
from steering.vectors import SteeringVector

Make = Callable[..., SteeringVector]
LENS = {"activations", "layer_indices", "scale", "norm_match", "position_indices"}
TENSOR = {"data", "dtype", "original_dtype", "shape"}
SPEC = {"vectors", "conflict", "debug"}
VECTOR = {"source", "data", "algorithm", "scale", "layers", "normalize", "apply", "params", "name"}
SELECTORS = {"prompt", "generation"} | {
    f"{exclude}{phase}_{kind}"
    for exclude in ("", "exclude_")
    for phase in ("prompt", "generation")
    for kind in ("tokens", "positions", "window")
}
LAM = -0.4


def as_documented(content: dict[str, Any]) -> torch.Tensor:
    """The rows of a `SteeringVector`, read as its documentation says, `[n_layers, width]`."""
    tensor = content["activations"]
    assert set(content) == LENS
    assert set(tensor) == TENSOR
    rows = np.frombuffer(base64.b64decode(tensor["data"]), tensor["dtype"]).reshape(tensor["shape"])
    assert rows.ndim == 2
    assert len(rows) == len(content["layer_indices"])
    return torch.from_numpy(rows.copy())


def test_vllm_lens_adds_there_what_is_added_here(tmp_path: Path, llama: LanguageModel, vector_for: Make) -> None:
    """Its rule is `h + scale · v` at the output of each listed layer, at all positions where none are given."""
    vector, settings = vector_for(llama), SteeringSettings(profile="middle")
    done = export_vector(vector, tmp_path / "v.json", "vllm-lens", lam=LAM, child=llama, settings=settings)
    content = json.loads((tmp_path / "v.json").read_text())
    rows = as_documented(content)
    assert (content["norm_match"], content["position_indices"]) == (False, None)
    assert tuple(content["layer_indices"]) == done.layers
    ids = torch.tensor([llama.token_ids("The soup is")])
    handles = [
        llama.blocks[layer].register_forward_hook(
            lambda _module, _inputs, output, row=row: (
                (output[0] + content["scale"] * row, *output[1:])
                if isinstance(output, tuple)
                else output + content["scale"] * row
            )
        )
        for layer, row in zip(content["layer_indices"], rows, strict=True)
    ]
    with torch.no_grad():
        there = llama.model(input_ids=ids).logits
        for handle in handles:
            handle.remove()
        with steer(llama, plan(llama, vector, settings), [LAM]):
            here = llama.model(input_ids=ids).logits
    torch.testing.assert_close(there, here)
    assert "SteeringVector.model_validate_json(open('v.json').read())" in done.notes[0]


@pytest.mark.parametrize("positions", ["all", "response"])
def test_easysteer_gets_its_rows_and_a_spec(
    tmp_path: Path, llama: LanguageModel, vector_for: Make, positions: str
) -> None:
    vector, settings = vector_for(llama), SteeringSettings(positions=positions)
    done = export_vector(vector, tmp_path / "v.gguf", "easysteer", lam=LAM, child=llama, settings=settings)
    spec = json.loads((tmp_path / "v.json").read_text())
    (only,) = spec["vectors"]
    assert set(spec) <= SPEC
    assert set(only) <= VECTOR
    assert set(only["apply"]) <= SELECTORS
    assert (only["algorithm"], only["normalize"], only["source"]) == ("direct", False, "v.gguf")
    assert only["apply"]["generation"] == "all"
    assert only["apply"].get("prompt") == ("all" if positions == "all" else None)
    assert only["apply"].get("prompt_positions") == (None if positions == "all" else [-1])
    reader = gguf.GGUFReader(tmp_path / "v.gguf")
    rows = {int(tensor.name.removeprefix("direction.")): tensor.data for tensor in reader.tensors}
    assert sorted(rows) == only["layers"] == list(done.layers)
    pushed = plan(llama, vector, settings).offsets * LAM
    for layer, row in rows.items():
        np.testing.assert_allclose(only["scale"] * row, pushed[layer].numpy(), rtol=1e-6)
    assert json.dumps(spec, ensure_ascii=False) in done.notes[0]
    assert EVERY_TOKEN.format(positions=positions) not in done.notes
    back, card = import_vector(tmp_path / "v.gguf", "gguf", llama)
    assert card.fits
    torch.testing.assert_close(LAM * back.directions, pushed)


def test_what_easysteer_would_not_read_is_refused(tmp_path: Path, llama: LanguageModel, vector_for: Make) -> None:
    with pytest.raises(SteeringError, match=r"name it v\.gguf, not v\.json"):
        export_vector(vector_for(llama), tmp_path / "v.json", "easysteer", child=llama)
    assert list(tmp_path.iterdir()) == []


def test_vllm_lens_steers_every_token_and_it_is_said(tmp_path: Path, llama: LanguageModel, vector_for: Make) -> None:
    settings = SteeringSettings(positions="response")
    done = export_vector(vector_for(llama), tmp_path / "v.json", "vllm-lens", child=llama, settings=settings)
    assert EVERY_TOKEN.format(positions="response") in done.notes
