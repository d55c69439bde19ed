"""Every family's blocks are found by what they do; what cannot be loaded or steered is refused in a sentence."""

import copy
import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
import torch
from huggingface_hub import errors as hub
from safetensors.torch import load_file, save_file
from tiny import FAMILIES, byte_tokenizer, piece_tokenizer, save_tiny, tiny_model
from torch import nn
from transformers import (
    BertConfig,
    BertForMaskedLM,
    GPT2LMHeadModel,
    PreTrainedModel,
    T5Config,
    T5ForConditionalGeneration,
)

from steering.errors import MismatchError, ModelError, SteeringError
from steering.interop import Foreign, card
from steering.library.saved_vectors import own_card
from steering.models import bundled, sources
from steering.models import loading as models
from steering.models.blocks import check_blocks, editing, find_blocks
from steering.models.language_model import PROBE, LanguageModel, pad
from steering.models.loading import load_model
from steering.steer.intervention import plan
from steering.transfer.carry import transfer
from steering.vectors.vector import SteeringVector, load_vector, save_vector

TEXT = "The morning train was late again."


def probe_of(model: LanguageModel) -> torch.Tensor:
    return torch.tensor([model.token_ids(PROBE)])


# Finding blocks


def test_the_blocks_are_as_many_and_as_wide_as_the_config_says(model: LanguageModel) -> None:
    config = model.model.config.get_text_config()
    assert model.n_layers == len(model.blocks) == config.num_hidden_layers
    assert model.d_model == config.hidden_size


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize(("layers", "width"), [(1, 16), (7, 48)])
def test_any_depth_and_width(family: str, layers: int, width: int) -> None:
    found = LanguageModel(tiny_model(family, layers=layers, width=width), byte_tokenizer(), family)
    assert (found.n_layers, found.d_model) == (layers, width)


def test_a_layer_is_the_output_of_its_block(model: LanguageModel) -> None:
    """The blocks stand one after another: what block i puts out, block i + 1 takes in."""
    taken, given = [], []
    handles = [block.register_forward_pre_hook(lambda _, inputs: taken.append(inputs[0])) for block in model.blocks]
    try:
        with torch.no_grad(), editing(model.blocks, lambda _, hidden: given.append(hidden)):
            model.model(input_ids=probe_of(model), use_cache=False)
    finally:
        for handle in handles:
            handle.remove()
    assert len(taken) == len(given) == model.n_layers
    for out, into in zip(given[:-1], taken[1:], strict=True):
        assert torch.equal(out, into)


def test_a_multimodal_model_gives_its_text_tower() -> None:
    tiny = tiny_model("gemma3-multimodal", layers=3, width=32)
    found = LanguageModel(tiny, byte_tokenizer(), "seeing")
    vision = [module for name, module in tiny.named_modules() if "vision" in name and isinstance(module, nn.ModuleList)]
    assert max(map(len, vision)) > found.n_layers == 3, "the vision tower has the longer list"
    assert not {id(block) for block in found.blocks} & {id(block) for members in vision for block in members}


class TupleBlock(nn.Module):
    """A block as older models have it: more than the hidden states comes out."""

    def __init__(self, block: nn.Module) -> None:
        super().__init__()
        self.block = block
        self.width = 1

    def forward(self, *args: Any, **kwargs: Any) -> tuple[torch.Tensor, str]:
        return self.block(*args, **kwargs), "attention weights"


class Unwrapping(nn.Module):
    """A causal model whose blocks return tuples, and which takes them apart itself."""

    def __init__(self, plain: PreTrainedModel) -> None:
        super().__init__()
        self.embed = plain.get_input_embeddings()
        self.layers = nn.ModuleList(TupleBlock(nn.Linear(32, 32)) for _ in range(3))
        self.head = plain.get_output_embeddings()

    def forward(self, input_ids: torch.Tensor, **_: Any) -> Any:
        hidden = self.embed(input_ids)
        for layer in self.layers:
            hidden, extra = layer(hidden)
            assert extra == "attention weights", "a hook must give back the same kind"

        class Output:
            logits = self.head(hidden)

        return Output


def test_blocks_that_return_tuples_are_found_and_edited() -> None:
    wrapped = Unwrapping(tiny_model("llama"))
    probe = torch.tensor([[1, 2, 3]])
    blocks, width = find_blocks(wrapped, probe)
    assert (len(blocks), width) == (3, 32)
    check_blocks(wrapped, blocks, probe)
    seen = []
    with torch.no_grad():
        plain = wrapped(probe).logits
        with editing(blocks, lambda layer, hidden: seen.append((layer, hidden.shape)) or hidden * 2, [2]):
            edited = wrapped(probe).logits
    assert seen == [(2, (1, 3, 32))]
    torch.testing.assert_close(edited, 2 * plain)


def test_editing_leaves_the_given_tensor_as_it_was(llama: LanguageModel) -> None:
    given, copies = [], []

    def edit(_layer: int, hidden: torch.Tensor) -> torch.Tensor:
        given.append(hidden)
        copies.append(hidden.clone())
        return hidden + 1

    with torch.no_grad(), editing(llama.blocks, edit):
        llama.model(input_ids=probe_of(llama), use_cache=False)
    assert all(torch.equal(one, other) for one, other in zip(given, copies, strict=True))


@pytest.mark.parametrize("failing", [0, 2, 3])
def test_no_hook_stays_when_registering_one_fails(
    llama: LanguageModel, monkeypatch: pytest.MonkeyPatch, hooks: Callable[[LanguageModel], int], failing: int
) -> None:
    def refuse(_hook: object) -> None:
        raise RuntimeError("no more hooks")

    monkeypatch.setattr(llama.blocks[failing], "register_forward_hook", refuse)
    with pytest.raises(RuntimeError, match="no more hooks"), editing(llama.blocks, lambda _, hidden: hidden):
        pass
    assert hooks(llama) == 0


def test_finding_leaves_no_hook(model: LanguageModel, hooks: Callable[[LanguageModel], int]) -> None:
    assert hooks(model) == 0


class Ignoring(GPT2LMHeadModel):
    """Runs its blocks and throws away what they say."""

    def forward(self, input_ids: torch.Tensor, use_cache: bool = False, **_: Any) -> Any:
        super().forward(input_ids=input_ids, use_cache=use_cache)

        class Output:
            logits = self.lm_head(self.transformer.wte(input_ids))

        return Output


def test_a_model_that_ignores_its_blocks_is_refused() -> None:
    tiny = tiny_model("gpt2")
    tiny.__class__ = Ignoring
    with pytest.raises(ModelError, match="ignores what is added to the output of its GPT2Block blocks"):
        LanguageModel(tiny, byte_tokenizer(), "deaf")


def test_a_model_without_a_list_of_blocks_is_refused() -> None:
    class Flat(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embed = nn.Embedding(8, 4)
            self.experts = nn.ModuleList([nn.Linear(4, 8)])

        def forward(self, input_ids: torch.Tensor, **_: Any) -> torch.Tensor:
            return self.embed(input_ids)

    with pytest.raises(ModelError, match=r"No decoder blocks were found in Flat.*experts \(1 x Linear\)"):
        find_blocks(Flat(), torch.tensor([[1, 2, 3]]))


def test_a_model_that_never_says_the_same_twice_is_refused() -> None:
    tiny = tiny_model("llama")
    tiny.lm_head.register_forward_hook(lambda _module, _inputs, output: output + torch.rand(()))
    with pytest.raises(ModelError, match="gives other logits when nothing is added"):
        LanguageModel(tiny, byte_tokenizer(), "restless")


# Fingerprint


@pytest.mark.parametrize("family", ["llama", "gemma3", "gpt2"])
def test_a_fingerprint_survives_saving_and_bfloat16(tmp_path: Path, family: str) -> None:
    folder = save_tiny(tmp_path / "m", family)
    fresh = LanguageModel(tiny_model(family), byte_tokenizer(), "fresh").fingerprint
    assert load_model(str(folder), dtype="float32").fingerprint == fresh
    assert load_model(str(folder), dtype="bfloat16").fingerprint == fresh


@pytest.mark.parametrize("stored", [torch.float32, torch.bfloat16, torch.float16], ids=str)
@pytest.mark.parametrize("family", ["llama", "gpt2", "mixtral", "gemma3-multimodal"])
def test_a_fingerprint_is_the_same_in_every_type(tmp_path: Path, family: str, stored: torch.dtype) -> None:
    folder = save_tiny(tmp_path / "m", family)
    tiny_model(family).to(stored).save_pretrained(folder)
    found = {dtype: load_model(str(folder), dtype=dtype).fingerprint for dtype in ("float32", "bfloat16", "float16")}
    assert len(set(found.values())) == 1, found


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
def test_a_vector_from_when_float16_had_a_fingerprint_of_its_own_still_fits(tmp_path: Path, dtype: str) -> None:
    folder = save_tiny(tmp_path / "m", "llama")
    model = load_model(str(folder), dtype=dtype)
    former = LanguageModel(tiny_model("llama").half(), byte_tokenizer(), "x").fingerprint
    assert former != model.fingerprint, "the weights are so round that nothing is tested"
    directions = torch.ones(model.n_layers, model.d_model)
    vector = SteeringVector(directions, former, "x", "noise", ("more", "less"), "random")
    save_vector(vector, tmp_path / "v.safetensors")
    assert load_vector(tmp_path / "v.safetensors", model).model == model.fingerprint
    assert own_card(vector, model, "v.safetensors").fits
    rows = Foreign({0: directions[0]}, None, {"model": former})
    assert card(rows, model, "v.gguf", "gguf").fits
    assert plan(model, vector).model == model.fingerprint
    child = LanguageModel(tiny_model("gpt2"), byte_tokenizer(), "child")
    assert transfer(vector, model, child, width="truncate").model == child.fingerprint
    assert transfer(vector, model, model).model == model.fingerprint
    for strange in (replace(vector, model="0" * 16), replace(vector, directions=directions[1:])):
        with pytest.raises(MismatchError):
            strange.check_model(model)


def test_fingerprints_tell_models_apart() -> None:
    def fingerprint(tiny: PreTrainedModel) -> str:
        return LanguageModel(tiny, byte_tokenizer(), "x").fingerprint

    nudged = tiny_model("llama")
    with torch.no_grad():
        nudged.model.layers[2].mlp.up_proj.weight[0, 0] += 1.0
    found = [
        *(fingerprint(tiny_model(family)) for family in FAMILIES),
        fingerprint(tiny_model("llama", seed=1)),
        fingerprint(tiny_model("llama", layers=5)),
        fingerprint(tiny_model("llama", width=40)),
        fingerprint(nudged),
    ]
    assert len(set(found)) == len(found)


# Tokens


@pytest.mark.parametrize("tokenizer", [byte_tokenizer, piece_tokenizer])
@pytest.mark.parametrize("plain", [False, True])
def test_a_prompt_begins_exactly_once(tokenizer: Callable[..., Any], plain: bool) -> None:
    chat = tokenizer(chat=True)
    model = LanguageModel(tiny_model("llama", tokenizer=chat), chat, "chat")
    ids = model.prompt_ids(TEXT, plain=plain)
    n_begin = 0 if chat.bos_token_id is None else 1
    assert ids.count(chat.bos_token_id) == n_begin
    assert ids[:n_begin] == [chat.bos_token_id][:n_begin]
    assert TEXT in chat.decode(ids)
    assert ("<user>" in chat.decode(ids)) is not plain
    assert chat.decode(ids).endswith("<assistant>") is not plain
    expected = chat.apply_chat_template([{"role": "user", "content": TEXT}], add_generation_prompt=True)
    assert plain or ids == list(expected["input_ids"])


def test_without_a_chat_template_a_prompt_is_raw_text(model: LanguageModel) -> None:
    assert not model.has_chat_template
    assert model.prompt_ids(TEXT) == model.prompt_ids(TEXT, plain=True) == model.token_ids(TEXT)


@pytest.mark.parametrize("tokenizer", [byte_tokenizer, piece_tokenizer])
@pytest.mark.parametrize("plain", [False, True])
def test_a_continuation_is_tokenised_behind_its_prompt(tokenizer: Callable[..., Any], plain: bool) -> None:
    chat = tokenizer(chat=True)
    model = LanguageModel(tiny_model("llama", tokenizer=chat), chat, "chat")
    head = model.prompt_ids(TEXT, plain=plain)
    tail = model.continuation_ids(TEXT, " The rooms are clean.", plain=plain)
    assert head + tail == model.prompt_ids(f"{TEXT} The rooms are clean.", plain=True) or not plain
    assert chat.decode(head + tail).endswith(" The rooms are clean.")
    assert not chat.decode(head + tail).endswith("  The rooms are clean.")


def test_a_token_that_would_span_the_boundary_is_split_there() -> None:
    """The prompt has been read, so its tokens stay; what follows it begins with a token of its own."""
    pieces = piece_tokenizer()
    model = LanguageModel(tiny_model("llama", tokenizer=pieces), pieces, "x")
    head = model.token_ids("the pe")
    assert model.token_ids("the people")[: len(head)] != head, "the tokens do not span, so nothing is tested"
    tail = model.continuation_ids("the pe", "ople", plain=True)
    assert "".join(pieces.convert_ids_to_tokens(head + tail)) == "<s>▁the▁people"


def test_an_empty_prompt_needs_a_first_token() -> None:
    bare = LanguageModel(tiny_model("gpt2"), byte_tokenizer(), "bare")
    with pytest.raises(SteeringError, match="The prompt is empty: bare"):
        bare.prompt_ids("")
    pieces = piece_tokenizer()
    assert LanguageModel(tiny_model("llama", tokenizer=pieces), pieces, "x").prompt_ids("") == [pieces.bos_token_id]


@pytest.mark.parametrize("tokenizer", [byte_tokenizer, piece_tokenizer])
def test_the_tokenizer_is_left_as_it_was(tokenizer: Callable[..., Any]) -> None:
    mine = copy.deepcopy(tokenizer(chat=True))

    def state() -> tuple[object, ...]:
        return (
            mine.backend_tokenizer.to_str(),
            mine.padding_side,
            mine.truncation_side,
            mine.pad_token,
            mine.chat_template,
            mine.special_tokens_map,
        )

    before = state()
    model = LanguageModel(tiny_model("llama", tokenizer=mine), mine, "mine")
    model.prompt_ids(TEXT)
    pad([model.token_ids(TEXT), model.token_ids("short")], model)
    assert model.tokenizer is mine
    assert state() == before


def test_padding_is_on_the_right_and_marked(llama: LanguageModel) -> None:
    batch = pad([[5, 6, 7], [8]], llama)
    assert batch.mask.tolist() == [[1, 1, 1], [1, 0, 0]]
    assert batch.ids[0].tolist() == [5, 6, 7]
    assert batch.ids[1, 0] == 8


def test_stop_ids_are_the_tokenizers_and_the_configs() -> None:
    tiny = tiny_model("llama")
    tiny.generation_config.eos_token_id = [7, 9]
    model = LanguageModel(tiny, byte_tokenizer(), "x")
    assert model.stop_ids == {byte_tokenizer().eos_token_id, 7, 9}
    tiny.generation_config.eos_token_id = None
    assert model.stop_ids == {byte_tokenizer().eos_token_id}


def test_a_layer_that_does_not_exist_is_told_with_the_range(llama: LanguageModel) -> None:
    assert [llama.layer(number) for number in range(4)] == [0, 1, 2, 3]
    for number in (-1, 4, 40):
        with pytest.raises(SteeringError, match=f"Layer {number} does not exist: tiny-llama has layers 0 to 3"):
            llama.layer(number)


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


@pytest.mark.parametrize("name", ["xyz", "", "/no/such/folder", "./none"])
def test_an_unknown_name_is_told_what_there_is(name: str) -> None:
    with pytest.raises(
        ModelError, match=rf"Unknown model {name!r}\. Bundled models: gemma-3-270m, smollm2-135m-instruct"
    ):
        load_model(name)


def test_a_file_that_is_not_there_is_named() -> None:
    with pytest.raises(ModelError, match=r"no file /no/such\.gguf"):
        load_model("/no/such.gguf")


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


@pytest.mark.parametrize("dtype", ["float12", "int8", "nn", "float8_e5m2", ""])
def test_an_unknown_dtype_is_refused(good: Path, dtype: str) -> None:
    refused(good, f"Unknown dtype '{dtype}'. Use auto, float32, bfloat16 or float16", dtype=dtype)


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
