"""Files of other tools as vectors of a model: what is read, what is refused, and both by command."""

import json
import sys
from dataclasses import replace
from pathlib import Path

import gguf
import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from test_formats import Make, finding
from tiny import byte_tokenizer, save_tiny

from steering.cli import main
from steering.errors import MismatchError, SteeringError
from steering.interop.compatibility import card
from steering.interop.export import IMPORTS, export_vector, import_vector, read
from steering.models.language_model import LanguageModel
from steering.models.loading import load_model
from steering.steer.intervention import plan
from steering.steer.settings import SteeringSettings
from steering.vectors.vector import load_vector, save_vector

# What is read


def foreign_gguf(
    path: Path, rows: dict[str, np.ndarray], arch: str = "controlvector", hint: str | None = "llama"
) -> Path:
    """A control vector as other tools write it."""
    writer = gguf.GGUFWriter(path, arch)
    if hint is not None:
        writer.add_string(f"{arch}.model_hint", hint)
    for name, row in rows.items():
        writer.add_tensor(name, row)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def foreign_rows(*layers: int, width: int = 32, length: float = 1.0) -> dict[str, np.ndarray]:
    noise = np.random.default_rng(0).normal(size=(len(layers), width)).astype(np.float32)
    noise *= length / np.linalg.norm(noise, axis=1, keepdims=True)
    return {f"direction.{layer}": row for layer, row in zip(layers, noise, strict=True)}


def test_a_file_of_others_keeps_its_rows_and_its_gaps(tmp_path: Path, llama: LanguageModel) -> None:
    rows = foreign_rows(1, 3, length=5.0)
    found, card = import_vector(foreign_gguf(tmp_path / "happy.gguf", rows), "gguf", llama)
    assert found.signal == (False, True, False, True)
    np.testing.assert_array_equal(found.directions[3].numpy(), rows["direction.3"])
    assert (found.concept, found.labels) == ("happy", ("positive", "negative"))
    assert found.provenance["imported"]["format"] == "gguf"
    found.check_model(llama)
    assert card.fits
    assert finding(card, "family") == ("matches", "llama", "llama")
    assert finding(card, "fingerprint") == ("unknown", llama.fingerprint, "nothing")
    assert finding(card, "strength")[0] == "unknown"
    assert finding(card, "concept")[0] == "unknown"
    short, _ = import_vector(tmp_path / "happy.gguf", "gguf", llama, unit_length=True)
    torch.testing.assert_close(short.directions.norm(dim=1), torch.tensor([0.0, 1.0, 0.0, 1.0]))
    torch.testing.assert_close(5 * short.directions, found.directions)


def test_rows_of_steering_vectors_may_be_one_by_one_by_width(tmp_path: Path, llama: LanguageModel) -> None:
    save_file({"layer.2": torch.ones(1, 1, 32, dtype=torch.bfloat16)}, tmp_path / "v.safetensors")
    found, card = import_vector(tmp_path / "v.safetensors", "steering-vectors", llama)
    assert torch.equal(found.directions[2], torch.ones(32))
    assert found.directions.dtype == torch.float32
    assert finding(card, "family")[0] == "unknown"


@pytest.mark.parametrize(
    ("rows", "what", "message"),
    [
        (foreign_rows(1, 2, width=48), "width", "width: expected 32, found 48"),
        (foreign_rows(1, 4), "layers", "layers: expected numbers from 0 to 3, found 1, 4"),
        ({"direction.1": np.full(32, np.nan, np.float32)}, "numbers", "found not finite at layers 1"),
        ({**foreign_rows(1), "direction.2": np.ones(8, np.float32)}, "width", "width: expected 32, found 8, 32"),
    ],
)
def test_what_does_not_fit_says_expected_and_found(
    tmp_path: Path, llama: LanguageModel, rows: dict[str, np.ndarray], what: str, message: str
) -> None:
    path = foreign_gguf(tmp_path / "v.gguf", rows)
    with pytest.raises(MismatchError, match=message):
        import_vector(path, "gguf", llama)
    checked = card(read(path, "gguf"), llama, path.name, "gguf")
    assert not checked.fits
    assert finding(checked, what)[0] == "differs"
    assert json.loads(json.dumps(checked.as_json()))["fits"] is False


def test_another_family_is_said_and_stops_nothing(tmp_path: Path, llama: LanguageModel) -> None:
    path = foreign_gguf(tmp_path / "v.gguf", foreign_rows(1), hint="gemma3")
    _, card = import_vector(path, "gguf", llama)
    assert finding(card, "family") == ("differs", "llama", "gemma3")
    assert card.fits


def test_our_own_file_for_another_model_is_refused(tmp_path: Path, llama: LanguageModel, vector_for: Make) -> None:
    path = tmp_path / "v.gguf"
    export_vector(
        replace(vector_for(llama), model="0123456789abcdef"), path, "repeng", settings=SteeringSettings(scale="unit")
    )
    with pytest.raises(MismatchError, match=f"fingerprint: expected {llama.fingerprint}, found 0123456789abcdef"):
        import_vector(path, "repeng", llama)


@pytest.mark.parametrize(
    ("rows", "arch", "message"),
    [
        ({"blk.0.weight": np.ones(32, np.float32)}, "controlvector", "holds the tensor 'blk.0.weight'"),
        ({"direction.x": np.ones(32, np.float32)}, "controlvector", "holds the tensor 'direction.x'"),
        (
            {"direction.1": np.ones((2, 32), np.float32)},
            "controlvector",
            r"must be one row of .* F32 of shape \(32, 2\)",
        ),
        ({"direction.1": np.ones(32, np.int32)}, "controlvector", "must be one row of float32 or float16, and is I32"),
        ({}, "controlvector", "and 0 directions"),
        (foreign_rows(1), "llama", "found architecture 'llama'"),
    ],
)
def test_a_gguf_file_that_is_no_control_vector_is_refused(
    tmp_path: Path, llama: LanguageModel, rows: dict[str, np.ndarray], arch: str, message: str
) -> None:
    with pytest.raises(SteeringError, match=message):
        import_vector(foreign_gguf(tmp_path / "v.gguf", rows, arch), "gguf", llama)


def test_zeros_are_no_vector(tmp_path: Path, llama: LanguageModel) -> None:
    path = foreign_gguf(tmp_path / "v.gguf", {"direction.1": np.zeros(32, np.float32)})
    with pytest.raises(SteeringError, match="v holds nothing but zeros"):
        import_vector(path, "gguf", llama)


def test_a_cut_off_file_is_refused_wherever_it_ends(tmp_path: Path, llama: LanguageModel) -> None:
    whole = foreign_gguf(tmp_path / "v.gguf", foreign_rows(1, 2)).read_bytes()
    for length in range(0, len(whole) - 128, 7):
        (tmp_path / "cut.gguf").write_bytes(whole[:length])
        with pytest.raises(SteeringError):
            import_vector(tmp_path / "cut.gguf", "gguf", llama)


@pytest.mark.parametrize(
    ("tensors", "message"),
    [
        ({"layer.x": torch.ones(32)}, "found 'layer.x'"),
        ({"weight": torch.ones(32)}, "found 'weight'"),
        ({"layer.0": torch.ones(2, 32)}, r"found 'layer.0' of shape \(2, 32\)"),
        ({}, "holds no rows"),
    ],
)
def test_other_safetensors_are_refused_with_the_line_that_writes_them(
    tmp_path: Path, llama: LanguageModel, tensors: dict[str, torch.Tensor], message: str
) -> None:
    save_file(tensors, tmp_path / "v.safetensors")
    with pytest.raises(SteeringError, match=rf"{message}.*write it with safetensors\.torch\.save_file"):
        import_vector(tmp_path / "v.safetensors", "steering-vectors", llama)


def test_rows_of_another_place_than_the_block_are_refused(tmp_path: Path, llama: LanguageModel) -> None:
    save_file({"layer.1": torch.ones(32)}, tmp_path / "v.safetensors", metadata={"layer_type": "mlp"})
    with pytest.raises(SteeringError, match="for the 'mlp' of each layer; only vectors for 'decoder_block'"):
        import_vector(tmp_path / "v.safetensors", "steering-vectors", llama)


@pytest.mark.parametrize("format", IMPORTS)
def test_a_pickle_is_never_opened(tmp_path: Path, llama: LanguageModel, format: str) -> None:
    witness = tmp_path / "ran"

    class Bomb:
        def __reduce__(self) -> tuple[object, ...]:
            return (Path.touch, (witness,))

    torch.save(Bomb(), tmp_path / "v.pt")
    with pytest.raises(SteeringError, match=r"not a readable|a pickle, which can run code"):
        import_vector(tmp_path / "v.pt", format, llama)
    assert not witness.exists()
    torch.load(tmp_path / "v.pt", weights_only=False)
    assert witness.exists(), "the file would not have run anything anyway"


def test_a_missing_file_and_an_unknown_format_are_said(tmp_path: Path, llama: LanguageModel) -> None:
    with pytest.raises(SteeringError, match=r"There is no file .*none\.gguf"):
        import_vector(tmp_path / "none.gguf", "gguf", llama)
    with pytest.raises(SteeringError, match="Unknown format 'onnx'"):
        read(tmp_path / "none", "onnx")


# The command line


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("models") / "child"
    return str(save_tiny(path, "llama", tokenizer=byte_tokenizer(), layers=3, width=32))


def run(capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, object]:
    with pytest.raises(SystemExit) as ended:
        main([*words, "--json"])
    captured = capsys.readouterr()
    assert ended.value.code == 0, captured.err
    found: dict[str, object] = json.loads(captured.out)
    return found


def test_export_and_import_by_command(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, folder: str, vector_for: Make
) -> None:
    child = load_model(folder)
    vector, file, back = str(tmp_path / "v.safetensors"), str(tmp_path / "f.gguf"), str(tmp_path / "b.safetensors")
    save_vector(vector_for(child), vector)
    done = run(capsys, "export", "--vector", vector, "--format", "gguf", "--lam", "-0.5", "--out", file)
    assert (done["lam"], done["scale"], done["layers"]) == (-0.5, "residual", [0, 1, 2])
    assert "block 0" in str(done["notes"])
    read = run(capsys, "import", "--format", "gguf", "--file", file, "--model", folder, "--out", back)
    card = read["card"]
    assert isinstance(card, dict)
    assert card["fits"] is True
    expected = -0.5 * plan(child, load_vector(vector)).offsets
    expected[0] = 0
    torch.testing.assert_close(load_vector(back, child).directions, expected)


def test_the_scale_unit_loads_no_model(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, llama: LanguageModel, vector_for: Make
) -> None:
    """There is no model of the name that this vector has, so loading it would fail."""
    save_vector(vector_for(llama), tmp_path / "v.safetensors")
    words = ["export", "--vector", str(tmp_path / "v.safetensors"), "--format", "repeng", "--out", str(tmp_path / "f")]
    assert run(capsys, *words, "--scale", "unit")["layers"] == [0, 1, 2, 3]
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert ended.value.code == 2
    assert "tiny-llama" in capsys.readouterr().err


def test_a_pickle_by_command_is_one_sentence(capsys: pytest.CaptureFixture[str], tmp_path: Path, folder: str) -> None:
    (tmp_path / "v.pt").write_bytes(b"\x80\x04.")
    words = ["--file", str(tmp_path / "v.pt"), "--model", folder, "--out", str(tmp_path / "v.safetensors")]
    with pytest.raises(SystemExit) as ended:
        main(["import", "--format", "lm-eval", *words])
    captured = capsys.readouterr()
    assert ended.value.code == 2
    assert "a pickle, which can run code" in captured.err
    assert captured.out == ""


def test_lm_eval_is_asked_for_only_by_its_command(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "lm_eval", None)
    monkeypatch.delitem(sys.modules, "steering.interop.harness", raising=False)
    with pytest.raises(SystemExit) as ended:
        main(["lm-eval", "run", "--help"])
    assert ended.value.code == 2
    assert "pip install 'lm_eval[hf]==" in capsys.readouterr().err
