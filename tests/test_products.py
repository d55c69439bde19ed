"""Weights that are kept in products: the same values, one product where layers read one tensor, and a model saved whole."""

import sys
from pathlib import Path

import pytest
import torch
from tiny import FAMILIES, save_tiny, tiny_model
from torch import nn
from transformers import AutoModelForCausalLM

from steering.models import load_model, wrap_model
from steering.models.attention import NAME, grouped_attention
from steering.models.packed import MOST_COPIED, PackedProduct, can_pack, pack_weights
from steering.models.products import ProductLinear, products_of

CPU = torch.device("cpu")

TYPES = [dtype for dtype in (torch.float32, torch.bfloat16) if can_pack(dtype, CPU)]

pytestmark = pytest.mark.skipif(not TYPES, reason="needs oneDNN on x86")


def linear(n_in: int = 70, n_out: int = 30, *, bias: bool = True) -> nn.Linear:
    generator = torch.Generator().manual_seed(n_in * n_out)
    layer = nn.Linear(n_in, n_out, bias=bias)
    for weight in layer.parameters():
        weight.data = torch.randn(weight.shape, generator=generator)
    return layer


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("size", [(1, 1), (8, 8), (3, 1), (1, 5), (70, 30), (576, 192)])
def test_packing_keeps_every_weight(dtype: torch.dtype, size: tuple[int, int]) -> None:
    layer = linear(*size).to(dtype)
    product = PackedProduct([layer])
    assert torch.equal(product.weight, layer.weight)
    assert product.n_bytes == layer.weight.nbytes


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("shape", [(), (0,), (1,), (5, 3), (16, 1), (2, 40)])
def test_a_packed_product_is_that_of_the_layer(dtype: torch.dtype, bias: bool, shape: tuple[int, ...]) -> None:
    layer, inputs = linear(bias=bias).to(dtype), torch.randn(*shape, 70).to(dtype)
    outputs = PackedProduct([layer])(inputs)
    assert (outputs.shape, outputs.dtype) == ((*shape, 30), dtype)
    # Rounding is relative to the sizes of what is added up.
    largest = inputs.abs().float() @ layer.weight.abs().float().T + 1
    error = (outputs.float() - layer.float()(inputs.float())).abs()
    assert (error <= 2 * torch.finfo(dtype).eps * largest).all()


@pytest.mark.parametrize("dtype", TYPES)
def test_packed_layers_that_read_one_tensor_share_a_product(dtype: torch.dtype) -> None:
    layers = [linear(70, 12).to(dtype), linear(70, 20, bias=False).to(dtype), linear(70, 4).to(dtype)]
    product, inputs = PackedProduct(layers), torch.randn(5, 70).to(dtype)
    parts = [ProductLinear(product, number) for number in range(3)]
    multiplied = []
    product.multiply = lambda given, multiply=product.multiply: (multiplied.append(given), multiply(given))[1]  # type: ignore[method-assign]
    for part, layer in zip(parts, layers, strict=True):
        torch.testing.assert_close(part(inputs), layer(inputs))
        assert torch.equal(part.weight, layer.weight)
        assert part.bias is not None
        assert torch.equal(part.bias, torch.zeros(20).to(dtype) if layer.bias is None else layer.bias)
    assert len(multiplied) == 1


def test_gradients_are_those_of_the_layer() -> None:
    layer, inputs = linear(), torch.randn(3, 70)
    given = []
    for each in (layer, PackedProduct([layer])):
        leaf = inputs.clone().requires_grad_()
        each(leaf).square().sum().backward()
        given.append(leaf.grad)
    torch.testing.assert_close(given[0], given[1], rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("family", FAMILIES)
def test_a_packed_model_is_the_same_model(tmp_path: Path, family: str, dtype: torch.dtype) -> None:
    folder = save_tiny(tmp_path / "m", family)
    packed = load_model(str(folder), dtype=str(dtype).removeprefix("torch."), device="cpu")
    plain = wrap_model(AutoModelForCausalLM.from_pretrained(folder, dtype=dtype))
    assert products_of(packed.model)
    assert not products_of(plain.model)
    assert (packed.precision, packed.fingerprint) == (plain.precision, plain.fingerprint)
    ids = torch.tensor([packed.token_ids("The morning train was late again, so the people began to talk.")])
    with torch.inference_mode():
        near, exact = (model.model(input_ids=ids).logits.float() for model in (packed, plain))
    assert (near - exact).abs().max() <= 16 * torch.finfo(dtype).eps * exact.abs().max()


@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")
@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "int8"])
def test_the_file_of_the_weights_does_not_stay_in_memory(tmp_path: Path, dtype: str) -> None:
    model = load_model(str(save_tiny(tmp_path / "m", "llama")), dtype=dtype, device="cpu")
    assert products_of(model.model)
    assert str(tmp_path) not in Path("/proc/self/maps").read_text()


@pytest.mark.parametrize("family", ["llama", "gemma3", "gpt2", "qwen2"])
@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "int8"])
def test_a_loaded_model_is_saved_whole(tmp_path: Path, family: str, dtype: str) -> None:
    loaded = load_model(str(save_tiny(tmp_path / "m", family)), dtype=dtype, device="cpu")
    loaded.model.save_pretrained(tmp_path / "again")
    loaded.tokenizer.save_pretrained(tmp_path / "again")
    again = load_model(str(tmp_path / "again"), dtype=dtype, device="cpu")
    if dtype != "int8":  # There the fingerprint is of the weights before they were rounded.
        assert again.fingerprint == loaded.fingerprint
    ids = torch.tensor([loaded.token_ids("The rain was good.")])
    with torch.inference_mode():
        first, second = (model.model(input_ids=ids).logits for model in (loaded, again))
    torch.testing.assert_close(first, second, rtol=0, atol=0.05 * float(first.std()) if dtype == "int8" else 1e-6)


@pytest.mark.parametrize(("vocabulary", "twice"), [(400, True), (5000, False)])
def test_a_large_table_that_is_the_output_layer_too_is_kept_once(vocabulary: int, twice: bool) -> None:
    model = tiny_model("gpt2", vocab_size=vocabulary)
    share = model.get_input_embeddings().weight.numel() / model.num_parameters()
    assert (share <= MOST_COPIED) == twice
    ids = torch.arange(12)[None]
    with torch.no_grad():
        expected = model(input_ids=ids).logits
        pack_weights(model)
        torch.testing.assert_close(model(input_ids=ids).logits, expected)
    assert isinstance(model.get_output_embeddings(), ProductLinear if twice else nn.Linear)
    assert len(products_of(model)) == 4 * model.config.num_hidden_layers + twice


@pytest.mark.parametrize(
    ("processor", "device", "dtype"),
    [("aarch64", "cpu", torch.float32), ("x86_64", "meta", torch.float32), ("x86_64", "cpu", torch.float16)],
)
def test_weights_stay_as_they_are_elsewhere(
    monkeypatch: pytest.MonkeyPatch, processor: str, device: str, dtype: torch.dtype
) -> None:
    monkeypatch.setattr("platform.machine", lambda: processor)
    assert not can_pack(dtype, torch.device(device))


@pytest.mark.parametrize("new", [1, 4])
@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("heads", [(9, 3), (4, 4), (4, 1)])
def test_grouped_attention_is_attention(new: int, masked: bool, heads: tuple[int, int]) -> None:
    generator = torch.Generator().manual_seed(0)
    query = torch.randn(2, heads[0], new, 8, generator=generator)
    key, value = torch.randn(2, 2, heads[1], 11, 8, generator=generator)
    seen = torch.ones(new, 11, dtype=torch.bool).tril(diagonal=11 - new)[None, None].repeat(2, 1, 1, 1)
    if masked:
        seen[0, ..., :3] = False
    mask = seen if masked or new > 1 else None
    module = nn.Module()
    module.num_key_value_groups = heads[0] // heads[1]  # type: ignore[assignment]
    outputs, weights = grouped_attention(module, query, key, value, mask, scaling=0.3, dropout=0.0)
    keys, values = (each.repeat_interleave(heads[0] // heads[1], dim=1) for each in (key, value))
    scores = (query @ keys.transpose(2, 3) * 0.3).masked_fill(~seen, float("-inf"))
    torch.testing.assert_close(outputs, (scores.softmax(dim=-1) @ values).transpose(1, 2))
    assert weights is None


def test_heads_that_share_keys_go_into_the_kernel_together(monkeypatch: pytest.MonkeyPatch) -> None:
    shapes, kernel = list[torch.Size](), nn.functional.scaled_dot_product_attention

    def record(query: torch.Tensor, *tensors: torch.Tensor, **settings: float) -> torch.Tensor:
        shapes.append(query.shape)
        return kernel(query, *tensors, **settings)

    monkeypatch.setattr(nn.functional, "scaled_dot_product_attention", record)
    key = torch.randn(2, 3, 11, 8)
    grouped_attention(nn.Module(), torch.randn(2, 9, 1, 8), key, key, None)
    assert shapes == [(2, 3, 3, 8)]


def test_weights_in_float16_stay_as_they_are(tmp_path: Path) -> None:
    assert not products_of(load_model(str(save_tiny(tmp_path / "m", "llama")), dtype="float16", device="cpu").model)


@pytest.mark.parametrize("setting", ["position_bias", "softcap"])
def test_attention_that_changes_scores_is_left_to_transformers(monkeypatch: pytest.MonkeyPatch, setting: str) -> None:
    asked: list[object] = []

    def theirs(*_tensors: object, **settings: object) -> tuple[torch.Tensor, None]:
        asked.append(settings[setting])
        return torch.zeros(1), None

    monkeypatch.setattr("transformers.integrations.sdpa_attention.sdpa_attention_forward", theirs)
    query, key = torch.randn(2, 4, 1, 8), torch.randn(2, 2, 5, 8)
    grouped_attention(nn.Module(), query, key, key, None, **{setting: 50.0})
    assert asked == [50.0]


def test_attention_is_grouped_in_bfloat16(tmp_path: Path) -> None:
    folder = save_tiny(tmp_path / "m", "llama")
    used = {dtype: load_model(str(folder), dtype=dtype, device="cpu").model for dtype in ("float32", "bfloat16")}
    assert {dtype: model.config._attn_implementation for dtype, model in used.items()} == {
        "float32": "sdpa",
        "bfloat16": NAME,
    }
