"""Vector files as people have them: a layout that is clear is read, anything else is named, by command and on the page."""

import io
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pages import fields, last, press
from safetensors.torch import save_file
from test_import_vector import foreign_gguf, foreign_rows
from tiny import save_tiny

from steering.cli import main
from steering.errors import ModelError, SteeringError
from steering.interop import AUTO, format_of, import_vector
from steering.library import Shelf
from steering.library import saved_vectors as library
from steering.models import LanguageModel, load_model
from steering.storage import unreadable
from steering.ui.state.workspace import Session, Workspace
from steering.ui.tabs.library.handlers import LONG_TASK, SavedVectors
from steering.vectors import load_vector, save_vector

LAYERS, WIDTH = 4, 32
ROWS = torch.randn(LAYERS, WIDTH, generator=torch.Generator().manual_seed(0))
POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 175136\n"
DOCS = (Path(__file__).parent.parent / "docs" / "formats.md").read_text("utf-8")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(save_tiny(tmp_path_factory.mktemp("models") / "child", "llama", layers=LAYERS, width=WIDTH))


@pytest.fixture(scope="module")
def child(folder: str) -> LanguageModel:
    return load_model(folder)


# Files that are read


def tensors(names: str) -> Callable[[Path], Path]:
    """Writes a row a layer under names with a number in them."""

    def write(path: Path) -> Path:
        save_file({names.format(layer): ROWS[layer].clone() for layer in range(LAYERS)}, path / "v.safetensors")
        return path / "v.safetensors"

    return write


def stacked(rows: torch.Tensor, name: str = "vectors") -> Callable[[Path], Path]:
    def write(path: Path) -> Path:
        save_file({name: rows}, path / "v.safetensors")
        return path / "v.safetensors"

    return write


READ = {
    **{names: tensors(names) for names in ("layer.{}", "layers.{}", "layer_{}", "{}", "model.layers.{}", "block{}")},
    "one tensor": stacked(ROWS),
    "one tensor of another name": stacked(ROWS.clone(), "direction"),
    "one tensor with a token axis": stacked(ROWS[:, None].clone()),
    "bfloat16": stacked(ROWS.bfloat16().float().bfloat16()),
    "gguf": lambda path: foreign_gguf(path / "v.gguf", {f"direction.{i}": ROWS[i].numpy() for i in range(LAYERS)}),
    "an ending in capitals": lambda path: tensors("layer.{}")(path).rename(path / "V.SAFETENSORS"),
    "no ending": lambda path: tensors("{}")(path).rename(path / "vector"),
}


@pytest.mark.parametrize("kind", READ)
def test_every_clear_layout_gives_the_same_rows(tmp_path: Path, child: LanguageModel, kind: str) -> None:
    path = READ[kind](tmp_path)
    vector, card = import_vector(path, AUTO, child)
    expected = ROWS.bfloat16().float() if kind == "bfloat16" else ROWS
    assert torch.equal(vector.directions, expected)
    assert card.fits
    assert torch.equal(library.open_file(path, child).directions, expected)
    layers = next(finding for finding in card.findings if finding.what == "layers")
    assert "0 to 3" in layers.found or "0–3" in layers.found or "0-3" in layers.found


def test_an_order_is_only_taken_for_numbers_where_every_layer_has_a_row(tmp_path: Path, child: LanguageModel) -> None:
    for rows in (LAYERS - 1, LAYERS + 2):
        path = stacked(torch.ones(rows, WIDTH))(tmp_path)
        with pytest.raises(SteeringError, match=f"layers: expected {LAYERS} rows, found {rows} rows"):
            import_vector(path, AUTO, child)
    path = stacked(torch.ones(LAYERS + 1, WIDTH))(tmp_path)
    with pytest.raises(SteeringError, match="if the first row is theirs, save the file without it"):
        import_vector(path, AUTO, child)


def test_numbers_from_one_are_hidden_states_if_the_user_says_so(tmp_path: Path, child: LanguageModel) -> None:
    path = foreign_gguf(tmp_path / "v.gguf", foreign_rows(1, 2, 3, 4))
    with pytest.raises(SteeringError, match=r"hidden states are counted from the embeddings.*--count-from 1"):
        import_vector(path, AUTO, child)
    vector, _ = import_vector(path, AUTO, child, count_from=1)
    np.testing.assert_array_equal(vector.directions.numpy(), np.stack(list(foreign_rows(1, 2, 3, 4).values())))
    from_zero = foreign_gguf(tmp_path / "z.gguf", foreign_rows(0, 1))
    with pytest.raises(SteeringError, match="found -1"):
        import_vector(from_zero, AUTO, child, count_from=1)


# Files that are not


def written(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def saved(function: Callable[[Any, Any], object], content: Any) -> bytes:
    buffer = io.BytesIO()
    function(buffer, content) if function is np.save else function(content, buffer)
    return buffer.getvalue()


def adapter(path: Path, name: str = "") -> Path:
    """A folder as PEFT writes it, or a file in it."""
    (path / "lora").mkdir()
    (path / "lora" / "adapter_config.json").write_text(json.dumps({"base_model_name_or_path": "someone/base-7b"}))
    save_file({"base_model.model.lora_A.weight": torch.ones(8, 32)}, path / "lora" / "adapter_model.safetensors")
    return path / "lora" / name


def own(path: Path) -> Path:
    vector = import_vector(tensors("layer.{}")(path), AUTO, load_model(str(save_tiny(path / "m", "llama"))))[0]
    save_vector(vector, path / "own.safetensors")
    return path / "own.safetensors"


REFUSED: dict[str, tuple[Callable[[Path], Path], str]] = {
    "a `.pt` file of `torch.save`": (
        lambda path: written(path / "v.pt", saved(torch.save, {"layer.0": ROWS[0]})),
        "is a pickle, which can run code when it is opened",
    ),
    "a pickle of another ending, such as `.svec`": (
        lambda path: written(path / "v.svec", saved(torch.save, ROWS)),
        "is a pickle, which can run code when it is opened",
    ),
    "`.npy` or `.npz`": (
        lambda path: written(path / "v.npy", saved(np.save, ROWS.numpy())),
        "is a NumPy file, which does not say which rows belong to which layers",
    ),
    "a Git LFS pointer": (
        lambda path: written(path / "v.gguf", POINTER.encode()),
        "is a Git LFS pointer, not the file: run git lfs pull in its repository",
    ),
    "the folder of a LoRA adapter": (adapter, "is a LoRA adapter of someone/base-7b, not a model: merge it first"),
    "the weights in it": (
        lambda path: adapter(path, "adapter_model.safetensors"),
        "is a LoRA adapter of someone/base-7b, not a model: merge it first",
    ),
    "a folder": (lambda path: path, "is a folder. Give the vector file that lies in it"),
    "an empty file": (lambda path: written(path / "v.gguf", b""), "is empty. Fetch or write it again"),
    "a zip archive": (
        lambda path: written(path / "v.zip", saved(lambda content, file: _zip(file, content), "v.txt")),
        "is a zip archive: unpack it, and give the file inside",
    ),
    "text": (
        lambda path: written(path / "v.json", b'{"layer.0": [0.5]}'),
        "is not a vector file: those are GGUF or safetensors",
    ),
    "tensors without numbers": (
        lambda path: (save_file({"a": ROWS[0], "b": ROWS[1].clone()}, path / "v.safetensors"), path / "v.safetensors")[
            1
        ],
        "expected one row a layer named 'layer.0', 'layers.0', 'layer_0' or '0', or one tensor [n_layers, width], found 'a'",
    ),
    "one layer twice": (
        lambda path: (
            save_file({"layer_0": ROWS[0], "layers.0": ROWS[1].clone()}, path / "v.safetensors"),
            path / "v.safetensors",
        )[1],
        "holds layer 0 twice",
    ),
    "numbers 1 to n for n blocks": (
        lambda path: foreign_gguf(path / "v.gguf", foreign_rows(1, 2, 3, 4)),
        "hidden states are counted from the embeddings, so number k may be block k − 1",
    ),
}


def _zip(file: Any, name: str) -> None:
    import zipfile

    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr(name, "up")


@pytest.mark.parametrize("kind", REFUSED)
def test_what_is_no_vector_is_named_by_command(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, folder: str, kind: str
) -> None:
    make, sentence = REFUSED[kind]
    path, out = make(tmp_path), tmp_path / "out.safetensors"
    with pytest.raises(SystemExit) as ended:
        main(["import", "--file", str(path), "--model", folder, "--out", str(out)])
    assert ended.value.code == 2
    assert sentence in " ".join(capsys.readouterr().err.split())
    assert not out.exists()


@pytest.mark.parametrize("kind", REFUSED)
def test_the_docs_say_what_a_person_sees(kind: str) -> None:
    sentence = REFUSED[kind][1]
    rows = dict(re.findall(r"^\| (.+?) \| (.+?) \|$", DOCS, re.MULTILINE))
    assert sentence in rows[kind].replace("\\", "")


@pytest.fixture
def page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[SavedVectors, Session]:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    return SavedVectors(Workspace()), Session()


@pytest.mark.parametrize("kind", [kind for kind in REFUSED if "folder" not in kind])
def test_what_is_no_vector_is_named_on_the_page(
    page: tuple[SavedVectors, Session], tmp_path: Path, folder: str, kind: str
) -> None:
    make, sentence = REFUSED[kind]
    changes = list(press(LONG_TASK, page[0].upload, page[1], fields(folder, folder), str(make(tmp_path))))
    seen = str(changes).replace("&#x27;", "'")
    assert sentence in seen


def test_the_page_reads_hidden_states_if_the_user_says_so(
    page: tuple[SavedVectors, Session], tmp_path: Path, folder: str
) -> None:
    saved, session = page
    path = foreign_gguf(tmp_path / "happy.gguf", foreign_rows(1, 2, 3, 4))
    changes = list(press(LONG_TASK, saved.upload, session, fields(folder, folder), str(path)))
    assert last(changes, "lib_uploaded")["visible"]
    assert "does not fit" in str(list(press(LONG_TASK, saved.keep, session, fields(folder, folder), False, False)))
    changes = list(press(LONG_TASK, saved.keep, session, fields(folder, folder), False, True))
    entry = Shelf.own().entry(last(changes, "lib_chosen"))
    assert entry.vector is not None
    assert entry.vector.signal == (True,) * LAYERS


def test_an_import_by_command_needs_no_format(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, folder: str, child: LanguageModel
) -> None:
    out = tmp_path / "out.safetensors"
    path = foreign_gguf(tmp_path / "v.gguf", foreign_rows(1, 2, 3, 4))
    with pytest.raises(SystemExit) as ended:
        main(["import", "--file", str(path), "--model", folder, "--out", str(out), "--count-from", "1", "--json"])
    assert ended.value.code == 0
    assert json.loads(capsys.readouterr().out)["card"]["format"] == "gguf"
    assert load_vector(out, child).signal == (True,) * LAYERS


def test_a_vector_file_of_ours_needs_no_import(tmp_path: Path, child: LanguageModel) -> None:
    with pytest.raises(SteeringError, match="is a vector file of Steering Lab itself: use it as it is"):
        import_vector(own(tmp_path), AUTO, child)


@pytest.mark.parametrize("length", range(0, 64, 5))
def test_whatever_a_file_begins_with_is_refused_in_a_sentence(
    tmp_path: Path, child: LanguageModel, length: int
) -> None:
    generator = np.random.default_rng(length)
    for start in (b"", b"GGUF", b"PK\x03\x04", b"\x80\x04", b"\x93NUMPY", b"\x20\0\0\0\0\0\0\0{"):
        path = written(tmp_path / "v", start + generator.bytes(length))
        with pytest.raises(SteeringError):
            import_vector(path, AUTO, child)


# Models


def test_folders_that_are_no_model_are_named(tmp_path: Path, folder: str) -> None:
    with pytest.raises(ModelError, match="is a LoRA adapter of someone/base-7b, not a model: merge it first"):
        load_model(str(adapter(tmp_path)))
    bare = save_tiny(tmp_path / "bare", "llama")
    for path in bare.glob("token*"):
        path.unlink()
    with pytest.raises(ModelError, match=r"bare cannot be loaded: it has no tokenizer\. Copy tokenizer\.json"):
        load_model(str(bare))
    cloned = save_tiny(tmp_path / "cloned", "llama")
    (cloned / "model.safetensors").write_text(POINTER)
    with pytest.raises(ModelError, match=r"cloned cannot be loaded: .* is a Git LFS pointer"):
        load_model(str(cloned))
    with pytest.raises(ModelError, match="is a Git LFS pointer, not the file: run git lfs pull"):
        load_model(str(written(tmp_path / "model.gguf", POINTER.encode())))
    control = foreign_gguf(tmp_path / "control.gguf", foreign_rows(1))
    with pytest.raises(ModelError, match="is a control vector, not a model: read it with python -m steering import"):
        load_model(str(control))
    assert unreadable(Path(folder)) is None
    assert format_of(control) == "gguf"
