"""Weights in 8 bits: near float32, row by row as if alone, and the same model to everything that is kept."""

from pathlib import Path

import pytest
import torch
from tiny import FAMILIES, save_tiny
from torch import nn
from transformers import AutoModelForCausalLM

from steering.errors import ModelError
from steering.models import load_model, token_log_probabilities, wrap_model
from steering.models.int8 import EPSILON, Int8Embedding, Int8Product
from steering.models.language_model import LanguageModel
from steering.models.products import ProductLinear, products_of
from steering.steer import Intervention, Sampling, decode


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return save_tiny(tmp_path / "m", "llama")


def eight(folder: Path) -> LanguageModel:
    return load_model(str(folder), dtype="int8", device="cpu")


def linear(n_in: int = 70, n_out: int = 30, *, bias: bool = True) -> nn.Linear:
    torch.manual_seed(0)
    return nn.Linear(n_in, n_out, bias=bias)


def test_a_product_is_that_of_the_kept_weights_up_to_the_rounding_of_the_input() -> None:
    layer, inputs = linear(), torch.randn(5, 3, 70) * torch.tensor([1e-6, 1.0, 1e6])[:, None]
    product = Int8Product([layer])
    assert (product.weight - layer.weight).abs().max() <= 1.01 / 254 * layer.weight.abs().amax()
    largest = inputs.abs().amax(dim=-1, keepdim=True) * product.weight.abs().sum(dim=1)
    expected = inputs @ product.weight.T + layer.bias
    assert ((product(inputs) - expected).abs() <= EPSILON * largest + 1e-5 * expected.abs()).all()


def test_weights_of_whole_steps_and_an_input_of_whole_steps_give_the_exact_product() -> None:
    layer = nn.Linear(64, 8, bias=False)
    generator = torch.Generator().manual_seed(0)
    layer.weight.data = torch.randint(-127, 128, (8, 64), generator=generator).float()
    layer.weight.data[:, 0] = 127  # The largest weight of every row is a whole step, too.
    inputs = torch.randint(-63, 64, (4, 64), generator=generator).float()
    inputs[:, 0] = 63
    # The largest products on both sides: nothing saturates, whatever the processor.
    inputs[0], layer.weight.data[0] = 63, 127
    assert torch.equal(Int8Product([layer])(inputs).round(), inputs @ layer.weight.T)


def test_a_row_is_computed_as_if_it_were_alone() -> None:
    product, inputs = Int8Product([linear()]), torch.randn(13, 70)
    inputs[3] *= 1000
    assert torch.equal(torch.cat([product(row[None]) for row in inputs]), product(inputs))


@pytest.mark.parametrize("value", [0.0, float("nan"), float("inf")])
def test_a_row_of_zeros_gives_the_bias_and_numbers_that_are_not_finite_stay_in_their_row(value: float) -> None:
    layer, inputs = linear(), torch.randn(2, 70)
    inputs[0] = value
    outputs = Int8Product([layer])(inputs)
    assert torch.equal(outputs[0], layer.bias) if value == 0 else not outputs[0].isfinite().any()
    assert outputs[1].isfinite().all()


def test_layers_that_read_one_tensor_are_one_product_and_each_gives_its_own_part() -> None:
    layers = [linear(70, 12), linear(70, 20, bias=False), linear(70, 4)]
    product = Int8Product(layers)
    parts = [ProductLinear(product, number) for number in range(3)]
    for inputs in (torch.randn(2, 70), torch.randn(5, 70)):
        for part, layer in reversed(list(zip(parts, layers, strict=True))):
            assert torch.equal(part(inputs), Int8Product([layer])(inputs))
            assert torch.equal(part.weight, Int8Product([layer]).weight)
    # A layer that is called twice, and one whose input has changed meanwhile, are computed anew.
    first, second = torch.randn(2, 70), torch.randn(2, 70)
    assert torch.equal(parts[0](first), parts[0](first))
    assert torch.equal(parts[1](second), Int8Product([layers[1]])(second))
    assert torch.equal(parts[1](first), Int8Product([layers[1]])(first))


def test_gradients_are_those_of_the_kept_weights() -> None:
    product, inputs = Int8Product([linear()]), torch.randn(3, 70, requires_grad=True)
    weights = torch.randn(3, 30)
    (product(inputs) * weights).sum().backward()
    assert inputs.grad is not None
    torch.testing.assert_close(inputs.grad, weights @ product.weight)


def test_embeddings_are_looked_up_with_their_scale() -> None:
    table = torch.randn(20, 8)
    embedding, ids = Int8Embedding(table, 3.0), torch.tensor([[1, 2], [19, 1]])
    torch.testing.assert_close(embedding(ids), 3 * table[ids], rtol=0, atol=3 * float(table.abs().max()) / 254)
    assert torch.equal(embedding(ids), embedding.weight[ids])


@pytest.mark.parametrize("family", FAMILIES)
def test_a_model_in_8_bits_is_near_the_one_in_float32(tmp_path: Path, family: str) -> None:
    folder = save_tiny(tmp_path / "m", family)
    whole, small = load_model(str(folder), dtype="float32", device="cpu"), eight(folder)
    assert (small.precision, small.dtype, whole.precision) == ("int8", torch.float32, "torch.float32")
    assert (small.vocabulary, small.device, small.n_layers) == (whole.vocabulary, whole.device, whole.n_layers)
    assert {parameter.dtype for parameter in small.model.parameters()} <= {torch.float32}
    ids = torch.tensor([whole.token_ids("The morning train was late again, so the people began to talk.")])
    with torch.inference_mode():
        exact, rounded = (model.model(input_ids=ids).logits[0].log_softmax(dim=-1) for model in (whole, small))
    assert (exact.exp() * (exact - rounded)).sum(dim=-1).mean() < 0.02 * exact.std() ** 2
    assert not torch.equal(exact, rounded)


def test_no_linear_layer_stays_in_float32(folder: Path) -> None:
    model = eight(folder).model
    assert not [name for name, module in model.named_modules() if isinstance(module, nn.Linear | nn.Embedding)]
    # q, k and v are one product, and gate and up are another.
    assert len(products_of(model)) == 4 * model.config.num_hidden_layers + 1


def test_its_weights_take_a_quarter_of_the_memory(folder: Path) -> None:
    whole, small = wrap_model(AutoModelForCausalLM.from_pretrained(folder)), eight(folder)
    matrices = sum(each.numel() for each in whole.model.parameters() if each.dim() == 2)
    rest = sum(each.numel() for each in whole.model.parameters() if each.dim() != 2)
    tied = whole.model.get_output_embeddings().weight is whole.model.get_input_embeddings().weight
    again = whole.vocabulary * whole.d_model if tied else 0  # A shared table is kept once as rows and once as columns.
    assert whole.weight_bytes == 4 * (matrices + rest)
    assert small.weight_bytes == matrices + again + 4 * rest


def test_the_fingerprint_is_the_same_in_every_type(folder: Path) -> None:
    prints = {
        load_model(str(folder), dtype=dtype, device="cpu").fingerprint for dtype in ("float32", "bfloat16", "int8")
    }
    assert len(prints) == 1


def test_weights_stored_in_bfloat16_are_read_as_they_are_stored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored = tmp_path / "stored"
    model = load_model(str(save_tiny(tmp_path / "m", "llama")), dtype="bfloat16", device="cpu")
    model.model.save_pretrained(stored)
    model.tokenizer.save_pretrained(stored)
    read: list[torch.dtype] = []
    in_8_bits = load_model.__globals__["in_8_bits"]
    monkeypatch.setitem(load_model.__globals__, "in_8_bits", lambda model: (read.append(model.dtype), in_8_bits(model)))
    small = eight(stored)
    assert read == [torch.bfloat16]
    assert small.dtype == torch.float32
    assert small.fingerprint == model.fingerprint


def test_8_bits_are_for_the_cpu(folder: Path) -> None:
    with pytest.raises(ModelError, match='dtype "int8" is for the CPU, not for auto'):
        load_model(str(folder), dtype="int8", device_map="auto")


def test_rows_of_a_batch_write_what_they_write_alone(folder: Path) -> None:
    model = eight(folder)
    generator = torch.Generator().manual_seed(1)
    rows = torch.randn(model.n_layers, model.d_model, generator=generator)
    intervention = Intervention(rows, model.fingerprint, "unit", (1.0,) * model.n_layers, "all")
    prompts = [model.token_ids(text) for text in ("The rain", "A young woman answered that", "Soup")]
    lambdas, sampling = [0.0, 0.3, -0.3], Sampling(max_new_tokens=12, stop=False)
    *_, together = decode(model, prompts, intervention, lambdas, sampling)
    for number, (prompt, lam) in enumerate(zip(prompts, lambdas, strict=True)):
        *_, alone = decode(model, [prompt], intervention, [lam], sampling)
        assert alone.tokens[0] == together.tokens[number]
    *_, unsteered = decode(model, prompts[:1], None, [0.0], sampling)
    assert unsteered.tokens[0] == together.tokens[0]


def test_log_probabilities_of_a_padded_batch_are_those_of_its_rows(folder: Path) -> None:
    model = eight(folder)
    rows = [model.token_ids(text) for text in ("The rain was good for the gardens", "A soup")]
    with torch.inference_mode():
        together = token_log_probabilities(model, rows, [1, 1])
        for row, expected in zip(rows, together, strict=True):
            torch.testing.assert_close(token_log_probabilities(model, [row], [1])[0], expected, rtol=0, atol=1e-2)
