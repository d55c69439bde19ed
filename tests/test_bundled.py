"""A GGUF file is converted once, exactly, and whole: never a broken copy, whoever comes second or is killed."""

import hashlib
import json
import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path

import gguf
import pytest
import torch
from forks import FORK
from tiny import byte_tokenizer, tiny_model

from steering.errors import ModelError
from steering.models import bundled
from steering.models.bundled import BundledModel, bundled_folder, gguf_folder
from steering.models.language_model import LanguageModel
from steering.models.loading import load_model
from steering.storage import cache_dir

TEXT = "The morning train was late again."

PARTS = {
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
    "input_layernorm": "attn_norm",
    "post_attention_layernorm": "ffn_norm",
}


def write_gguf(path: Path) -> None:
    """Write the tiny Llama as llama.cpp's own converter would, unquantised."""
    tiny, tokenizer = tiny_model("llama"), byte_tokenizer()
    config = tiny.config
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_rope_freq_base(config.rope_parameters["rope_theta"])
    writer.add_rope_dimension_count(config.hidden_size // config.num_attention_heads)
    writer.add_vocab_size(config.vocab_size)

    learnt = json.loads(tokenizer.backend_tokenizer.to_str())["model"]
    tokens = sorted(learnt["vocab"], key=learnt["vocab"].__getitem__)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(tokens)
    kinds = (gguf.TokenType.NORMAL, gguf.TokenType.CONTROL)
    writer.add_token_types([kinds[token == tokenizer.eos_token] for token in tokens])
    writer.add_token_merges([" ".join(merge) for merge in learnt["merges"]])
    writer.add_bos_token_id(tokenizer.eos_token_id)
    writer.add_eos_token_id(tokenizer.eos_token_id)

    names = {
        "model.embed_tokens.weight": "token_embd.weight",
        "model.norm.weight": "output_norm.weight",
        "lm_head.weight": "output.weight",
    }
    for layer in range(config.num_hidden_layers):
        names |= {f"model.layers.{layer}.{ours}.weight": f"blk.{layer}.{its}.weight" for ours, its in PARTS.items()}
    heads = {"q_proj": config.num_attention_heads, "k_proj": config.num_key_value_heads}
    for name, weight in tiny.state_dict().items():
        n_heads = heads.get(name.split(".")[-2])
        if n_heads:  # llama.cpp interleaves the two halves that transformers rotates against each other.
            weight = weight.reshape(n_heads, 2, -1, weight.shape[1]).transpose(1, 2).reshape(weight.shape)
        writer.add_tensor(names[name], weight.numpy().copy())
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("gguf") / "tiny.gguf"
    write_gguf(path)
    return path


@pytest.fixture(autouse=True)
def _own_cache(fresh_cache: None) -> None:
    """Every test converts anew."""


def kept() -> list[str]:
    folder = cache_dir() / "models"
    return sorted(path.name for path in folder.iterdir() if not path.name.startswith(".")) if folder.exists() else []


def same_as_tiny(model: LanguageModel) -> bool:
    ids = torch.tensor([byte_tokenizer()(TEXT)["input_ids"]])
    assert model.token_ids(TEXT) == ids[0].tolist()
    with torch.no_grad():
        return torch.equal(model.model(input_ids=ids).logits, tiny_model("llama")(input_ids=ids).logits)


def sharing(tmp_path: Path, source: Path, **changes: str) -> BundledModel:
    """A bundled model that comes in three parts."""
    data = source.read_bytes()
    third = len(data) // 3
    for number, piece in enumerate((data[:third], data[third : 2 * third], data[2 * third :])):
        (tmp_path / f"part{number}.gguf").write_bytes(piece)
    settings = {"name": "mine", "title": "Mine", "licence": "none", "sha256": hashlib.sha256(data).hexdigest()}
    return BundledModel(**{**settings, **changes}, packages=("a", "b", "c"))


def parts_in(tmp_path: Path) -> Callable[[BundledModel], list[Path]]:
    return lambda _model: sorted(tmp_path.glob("part*.gguf"))


def test_the_converted_model_is_exactly_the_original(source: Path) -> None:
    model = load_model(str(source), dtype="float32", device="cpu")
    assert same_as_tiny(model)
    assert (model.n_layers, model.d_model, model.name) == (4, 32, str(source))
    assert not list(gguf_folder(source).glob("*.gguf")), "the source is not kept twice"
    assert source.exists()


def test_a_file_is_converted_once_and_again_when_it_changes(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = Path(shutil.copy(source, tmp_path / "mine.gguf"))
    folder = gguf_folder(mine)
    with monkeypatch.context() as patch:
        patch.setattr(bundled, "convert_gguf", lambda *_: pytest.fail("was converted again"))
        assert gguf_folder(mine) == folder
    os.utime(mine, ns=(1, 1))
    assert gguf_folder(mine) != folder
    assert len(kept()) == 2


def test_the_parts_of_a_bundled_model_are_joined_in_order(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = sharing(tmp_path, source)
    monkeypatch.setattr(bundled, "weight_files", parts_in(tmp_path))
    told: list[float] = []
    folder = bundled_folder(model, lambda _what, fraction: told.append(fraction))
    assert folder.name == f"mine-{model.sha256[:12]}"
    assert same_as_tiny(load_model(str(folder), dtype="float32", device="cpu"))
    assert told == sorted(told)
    assert len(told) >= 3
    monkeypatch.setattr(bundled, "weight_files", lambda _: pytest.fail("was looked for again"))
    assert bundled_folder(model) == folder


@pytest.mark.parametrize("damage", ["a part is missing", "one bit", "another order", "another file"])
def test_weights_with_another_hash_are_refused(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, damage: str
) -> None:
    model = sharing(tmp_path, source, **({"sha256": "0" * 64} if damage == "another file" else {}))
    if damage == "a part is missing":
        (tmp_path / "part1.gguf").unlink()
    elif damage == "one bit":
        data = bytearray((tmp_path / "part1.gguf").read_bytes())
        data[1000] ^= 1
        (tmp_path / "part1.gguf").write_bytes(data)
    elif damage == "another order":
        (tmp_path / "part0.gguf").rename(tmp_path / "part9.gguf")
    monkeypatch.setattr(bundled, "weight_files", parts_in(tmp_path))
    with pytest.raises(
        ModelError, match=f"weights of mine are damaged: SHA-256 is .*expected {model.sha256}.*Reinstall"
    ):
        bundled_folder(model)
    assert list((cache_dir() / "models").iterdir()) == []


@pytest.mark.parametrize("length", [0, 3, 30, 500, 5000, -100_000, -100])
def test_a_cut_file_is_refused_and_leaves_nothing(source: Path, tmp_path: Path, length: int) -> None:
    cut = tmp_path / "cut.gguf"
    cut.write_bytes(source.read_bytes()[:length])
    with pytest.raises(ModelError, match=r"GGUF file for cut.* cannot be read.*download is complete|is empty. Fetch"):
        load_model(str(cut))
    assert list((cache_dir() / "models").glob("*")) == []


def test_an_unknown_architecture_is_refused(source: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.gguf"
    other.write_bytes(source.read_bytes().replace(b"llama", b"lemma"))
    with pytest.raises(ModelError, match="lemma is not supported"):
        load_model(str(other))


def test_a_stopped_conversion_leaves_nothing_and_the_next_one_works(source: Path) -> None:
    class StopPressed(Exception):
        pass

    def stop(_what: str, fraction: float) -> None:
        if fraction > 0.5:
            raise StopPressed

    with pytest.raises(StopPressed):
        gguf_folder(source, stop)
    assert list((cache_dir() / "models").iterdir()) == []
    assert same_as_tiny(load_model(str(source), dtype="float32"))


def processes(tasks: list[Callable[[], None]]) -> list[int | None]:
    running = [FORK.Process(target=task) for task in tasks]
    for process in running:
        process.start()
    for process in running:
        process.join(120)
    return [process.exitcode for process in running]


@pytest.mark.parametrize("moment", [0.1, 0.9])
def test_a_killed_conversion_leaves_no_broken_copy(source: Path, moment: float) -> None:
    def die(_what: str, fraction: float) -> None:
        if fraction >= moment:
            os.kill(os.getpid(), signal.SIGKILL)

    assert processes([lambda: gguf_folder(source, die)]) == [-signal.SIGKILL]
    assert kept() == []
    assert same_as_tiny(load_model(str(source), dtype="float32"))


def test_two_processes_that_convert_at_once_both_succeed(source: Path) -> None:
    together = FORK.Barrier(2)

    def convert() -> None:
        # Both have seen that there is no copy before either makes one.
        gguf_folder(source, lambda _what, fraction: together.wait(60) if fraction < 0.5 else None)

    assert processes([convert, convert]) == [0, 0]
    assert len(kept()) == 1
    assert same_as_tiny(load_model(str(source), dtype="float32"))
    assert [path.name for path in (cache_dir() / "models").iterdir()] == kept(), "nothing temporary is left"


def test_the_catalogue_names_what_requirements_pin() -> None:
    pinned = (Path(bundled.__file__).parents[2] / "requirements-models.txt").read_text()
    for name, model in bundled.CATALOGUE.items():
        assert model.name == name
        assert all(f"{package}==" in pinned for package in model.packages)
        assert len(model.sha256) == 64
