"""Loading: what a name means, and what is refused with a sentence."""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
import torch
from huggingface_hub import errors as hub
from safetensors.torch import load_file, save_file
from test_models import probe_of
from tiny import FAMILIES, byte_tokenizer, save_tiny, tiny_model
from transformers import (
    BertConfig,
    BertForMaskedLM,
    T5Config,
    T5ForConditionalGeneration,
)

from steering.errors import ModelError
from steering.models import bundled, sources
from steering.models import loading as models
from steering.models.loading import load_model

# Loading


@pytest.mark.parametrize("family", FAMILIES)
def test_a_saved_model_loads_as_it_was(tmp_path: Path, family: str) -> None:
    folder = save_tiny(tmp_path / family, family)
    told: list[str] = []
    model = load_model(str(folder), dtype="float32", device="cpu", progress=lambda what, _: told.append(what))
    assert (model.n_layers, model.d_model, model.dtype, model.name) == (4, 32, torch.float32, str(folder))
    assert told == [f"Loading {folder}"]
    ids = probe_of(model)
    with torch.no_grad():
        assert torch.equal(model.model(input_ids=ids).logits, tiny_model(family)(input_ids=ids).logits)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
def test_a_model_loads_in_the_type_asked_for(tmp_path: Path, dtype: str) -> None:
    model = load_model(str(save_tiny(tmp_path / "m", "llama")), dtype=dtype, device="cpu")
    assert model.dtype == getattr(torch, dtype)
    assert {parameter.dtype for parameter in model.model.parameters()} == {getattr(torch, dtype)}


@pytest.fixture
def good(tmp_path: Path) -> Path:
    return save_tiny(tmp_path / "good", "llama")


def test_an_unknown_name_gets_the_nearest() -> None:
    with pytest.raises(ModelError, match=r"'smollm2-135m'\. Did you mean smollm2-135m-instruct.*gemma-3-270m"):
        load_model("smollm2-135m")


@pytest.mark.parametrize("name", ["xyz", ""])
def test_an_unknown_name_is_told_what_there_is(name: str) -> None:
    with pytest.raises(
        ModelError, match=rf"Unknown model {name!r}\. Bundled models: gemma-3-270m, smollm2-135m-instruct"
    ):
        load_model(name)


@pytest.mark.parametrize("path", ["/no/such.gguf", "/no/such/folder", "./none"])
def test_a_path_that_is_not_there_is_named(path: str) -> None:
    with pytest.raises(ModelError, match=re.escape(f"There is no file or folder {path}.")):
        load_model(path)


def hub_error(kind: type[hub.HfHubHTTPError]) -> Exception:
    return kind("told by the Hub", response=httpx.Response(401, request=httpx.Request("GET", "https://hub")))


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (hub_error(hub.GatedRepoError), "owner/name is gated: accept its licence .* `hf auth login`"),
        (hub_error(hub.RepositoryNotFoundError), "The Hub has no model 'owner/name'"),
        (hub_error(hub.HfHubHTTPError), "the Hub cannot be reached"),
        (hub.LocalEntryNotFoundError("none"), "the Hub cannot be reached.*smollm2-135m-instruct"),
        (hub.OfflineModeIsEnabled("offline"), "the Hub cannot be reached"),
        (httpx.ConnectError("no route"), "the Hub cannot be reached"),
        (httpx.ReadTimeout("slow"), "the Hub cannot be reached"),
        (ConnectionResetError("reset"), "the Hub cannot be reached"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_the_hub_refuses_is_said_with_a_remedy(
    monkeypatch: pytest.MonkeyPatch, error: Exception, message: str
) -> None:
    def refuse(*_: object, **__: object) -> str:
        raise error

    monkeypatch.setattr(sources, "snapshot_download", refuse)
    with pytest.raises(ModelError, match=message) as caught:
        load_model("owner/name")
    assert caught.value.__cause__ is error


@pytest.mark.parametrize("name", ["a--b/c", "a/..", "owner/name."])
def test_an_impossible_hub_id_is_refused(name: str) -> None:
    with pytest.raises(ModelError, match="The Hub has no model"):
        load_model(name)


def test_a_model_of_the_hub_knows_its_commit(monkeypatch: pytest.MonkeyPatch, good: Path) -> None:
    asked: dict[str, Any] = {}

    def download(name: str, **settings: Any) -> str:
        asked.update(settings, name=name)
        return str(good.rename(good.parent / "c0ffee"))

    monkeypatch.setattr(sources, "snapshot_download", download)
    model = load_model("owner/name")
    assert (model.name, model.revision) == ("owner/name", "c0ffee")
    assert asked["name"] == "owner/name"
    assert not any(
        Path(f"x{ending}").match(pattern)
        for ending in (".bin", ".pt", ".py", ".pkl")
        for pattern in asked["allow_patterns"]
    )


def refused(folder: Path, message: str, **settings: Any) -> None:
    with pytest.raises(ModelError, match=message):
        load_model(str(folder), **settings)


def edit_json(path: Path, **changes: Any) -> None:
    content = json.loads(path.read_text())
    path.write_text(json.dumps({**content, **changes}))


def edit_weights(folder: Path, change: Callable[[dict[str, torch.Tensor]], object]) -> None:
    weights = load_file(folder / "model.safetensors")
    change(weights)
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})


def test_an_encoder_decoder_is_refused(tmp_path: Path) -> None:
    sizes = {"vocab_size": 400, "d_model": 16, "d_kv": 4, "d_ff": 16, "num_layers": 2, "num_heads": 2}
    T5ForConditionalGeneration(T5Config(**sizes)).save_pretrained(tmp_path / "t5")
    byte_tokenizer().save_pretrained(tmp_path / "t5")
    refused(tmp_path / "t5", "t5 is not a causal language model")


def test_a_model_that_reads_ahead_is_refused(tmp_path: Path) -> None:
    sizes = {"vocab_size": 400, "hidden_size": 16, "intermediate_size": 16}
    config = BertConfig(**sizes, num_hidden_layers=2, num_attention_heads=2, initializer_range=0.3)
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(0)
        BertForMaskedLM(config).save_pretrained(tmp_path / "bert")
    byte_tokenizer().save_pretrained(tmp_path / "bert")
    refused(tmp_path / "bert", "not a causal language model: its tokens see those that come after them")


@pytest.mark.parametrize("share", [0.0, 0.001, 0.5, 0.999])
def test_broken_weights_are_refused(good: Path, share: float) -> None:
    path = good / "model.safetensors"
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    refused(good, "good.* cannot be loaded|damaged")


def test_a_folder_with_pickles_alone_is_refused(good: Path) -> None:
    (good / "model.safetensors").unlink()
    torch.save(tiny_model("llama").state_dict(), good / "pytorch_model.bin")
    refused(good, "has no safetensors weights; other formats can run code")


@pytest.mark.parametrize("where", ["config.json", "tokenizer_config.json"])
def test_code_that_comes_with_a_model_never_runs(good: Path, where: str) -> None:
    (good / "mine.py").write_text(f"open({str(good / 'ran')!r}, 'w')\nclass A: pass\n")
    if where == "config.json":
        edit_json(good / where, model_type="mine", auto_map={"AutoConfig": "mine.A", "AutoModelForCausalLM": "mine.A"})
    else:
        edit_json(good / where, tokenizer_class="A", auto_map={"AutoTokenizer": ["mine.A", "mine.A"]})
    refused(good, "needs code of its own to run")
    assert not (good / "ran").exists()


def test_a_missing_weight_is_not_made_up(good: Path) -> None:
    edit_weights(good, lambda weights: weights.pop("model.layers.2.mlp.up_proj.weight"))
    refused(good, r"model\.layers\.2\.mlp\.up_proj\.weight")


def test_weights_of_another_size_are_refused(good: Path) -> None:
    edit_weights(good, lambda weights: weights.update({"model.layers.2.mlp.up_proj.weight": torch.zeros(3, 3)}))
    refused(good, "not have the sizes")


def test_weights_that_are_no_numbers_are_refused(good: Path) -> None:
    edit_weights(good, lambda weights: weights["model.layers.2.mlp.up_proj.weight"].fill_(float("nan")))
    refused(good, "not finite")


def test_a_tokenizer_with_more_tokens_than_the_model_is_refused(good: Path) -> None:
    edit_json(good / "config.json", vocab_size=20)

    def cut(weights: dict[str, torch.Tensor]) -> None:
        for name in ("model.embed_tokens.weight", "lm_head.weight"):
            weights[name] = weights[name][:20].clone()

    edit_weights(good, cut)
    refused(good, "good.* cannot be loaded")


@pytest.mark.parametrize(
    "damage",
    [
        lambda folder: (folder / "config.json").unlink(),
        lambda folder: (folder / "config.json").write_text("{"),
        lambda folder: (folder / "config.json").write_text("[]"),
        lambda folder: edit_json(folder / "config.json", model_type="of the future"),
        lambda folder: edit_json(folder / "config.json", num_hidden_layers="four"),
        lambda folder: edit_json(folder / "config.json", num_attention_heads=0),
        lambda folder: [path.unlink() for path in folder.glob("token*")],
        lambda folder: (folder / "tokenizer.json").write_text("{}"),
        lambda folder: [path.unlink() for path in folder.iterdir()],
    ],
    ids=("no config", "half config", "list", "type", "layers", "heads", "no tokenizer", "tokenizer", "nothing"),
)
def test_a_damaged_folder_is_refused_by_name(good: Path, damage: Callable[[Path], object]) -> None:
    damage(good)
    refused(good, "good.* cannot be loaded")


def test_a_model_that_does_not_fit_is_refused_before_it_is_read(good: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    n_weights = sum(weight.numel() for weight in load_file(good / "model.safetensors").values())
    free = 3 * n_weights  # Enough for bfloat16, not for float32.
    monkeypatch.setattr(psutil, "virtual_memory", lambda: type("Memory", (), {"available": free}))
    assert load_model(str(good), dtype="bfloat16", device="cpu").dtype == torch.bfloat16
    with monkeypatch.context() as patch:
        patch.setattr(models.AutoModelForCausalLM, "from_pretrained", lambda *_, **__: pytest.fail("was read"))
        refused(good, "does not fit into the memory of cpu.*bfloat16", dtype="float32", device="cpu")


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        torch.OutOfMemoryError("out of memory"),
        RuntimeError(
            "[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory: you tried to allocate"
        ),
        RuntimeError("DefaultCPUAllocator: not enough memory"),
    ],
    ids=lambda error: str(error)[:20],
)
def test_running_out_of_memory_is_said(good: Path, monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(models.AutoModelForCausalLM, "from_pretrained", fail)
    refused(good, "does not fit into the memory", device="cpu")


def test_texts_of_ever_new_lengths_do_not_fill_the_memory(good: Path) -> None:
    """In bfloat16 a matrix product is compiled for every length of a text, and kept; 400 lengths took 270 MB."""
    script = f"""
import resource, torch
from steering.models import load_model
load_model({str(good)!r})
weights = torch.zeros(64, 64, dtype=torch.bfloat16)
def peak(lengths):
    for length in lengths:
        torch.nn.functional.linear(torch.zeros(3, length, 64, dtype=torch.bfloat16), weights)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
before = peak(range(1, 100))
print(peak(range(100, 500)) - before)
"""
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert int(run.stdout) < 100_000, f"{run.stdout.strip()} KB more"


@pytest.mark.parametrize("dtype", ["float12", "int4", "nn", "float8_e5m2", ""])
def test_an_unknown_dtype_is_refused(good: Path, dtype: str) -> None:
    refused(good, f"Unknown dtype '{dtype}'. Use auto, float32, bfloat16, float16 or int8", dtype=dtype)


@pytest.mark.parametrize("device", ["warp", "cuda:99", "mps:7", ""])
def test_a_device_that_is_not_there_is_refused(good: Path, device: str) -> None:
    refused(good, f"no device '{device}'", device=device)


# Bundled names


def test_a_bundled_model_that_is_not_installed_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    missing = bundled.BundledModel("ghost", "Ghost", "none", "0" * 64, ("no-such-package-of-weights",))
    monkeypatch.setitem(bundled.CATALOGUE, "ghost", missing)
    assert not bundled.is_installed(missing)
    with pytest.raises(ModelError, match=r"ghost is not installed .*no-such-package.*requirements-models"):
        load_model("ghost")


@pytest.mark.usefixtures("fresh_cache")
def test_a_bundled_name_is_its_converted_folder(monkeypatch: pytest.MonkeyPatch, good: Path) -> None:
    model = bundled.BundledModel("mine", "Mine", "none", "ab" * 32, ())
    monkeypatch.setitem(bundled.CATALOGUE, "mine", model)
    shutil.copytree(good, bundled.cache_dir() / "models" / f"mine-{'ab' * 6}")
    assert load_model("mine").name == "mine"
