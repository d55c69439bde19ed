"""The output layer that fills up a few rows: the same values, the same weights, and only where it is faster."""

from pathlib import Path

import pytest
import torch
from tiny import FAMILIES, save_tiny, tiny_model

from steering.models.fingerprint import weights_hash
from steering.models.loading import load_model
from steering.models.output_layer import MOST_ROWS, OutputLayer, use_faster_output_layer


@pytest.fixture
def avx512(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "AVX512")
    monkeypatch.setattr(torch.backends.mkl, "is_available", lambda: True)


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("shape", [*((rows,) for rows in range(MOST_ROWS + 3)), (3, 2), (13, 1), (4, 5), ()])
def test_it_computes_what_the_layer_computes(bias: bool, shape: tuple[int, ...]) -> None:
    layer = torch.nn.Linear(24, 70, bias=bias)
    inputs = torch.randn(*shape, 24)
    torch.testing.assert_close(OutputLayer(layer)(inputs), layer(inputs))


@pytest.mark.parametrize("n_rows", range(20))
def test_five_to_fifteen_rows_are_multiplied_as_sixteen(monkeypatch: pytest.MonkeyPatch, n_rows: int) -> None:
    layer, multiplied = OutputLayer(torch.nn.Linear(24, 70)), list[int]()
    product = torch.nn.functional.linear

    def record(inputs: torch.Tensor, *weights: torch.Tensor) -> torch.Tensor:
        multiplied.append(inputs.numel() // 24)
        return product(inputs, *weights)

    monkeypatch.setattr(torch.nn.functional, "linear", record)
    assert layer(torch.randn(n_rows, 1, 24)).shape == (n_rows, 1, 70)
    assert multiplied == [16 if 5 <= n_rows <= 15 else n_rows]


def test_gradients_pass_through_it() -> None:
    layer, inputs = torch.nn.Linear(24, 70), torch.randn(13, 1, 24)
    given = []
    for each in (layer, OutputLayer(layer)):
        leaf = inputs.clone().requires_grad_()
        each(leaf).square().sum().backward()
        given.append(leaf.grad)
    torch.testing.assert_close(given[0], given[1])


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.usefixtures("avx512")
def test_a_model_with_it_has_the_same_weights_and_logits(family: str) -> None:
    plain, faster = (tiny_model(family) for _ in range(2))
    expected = weights_hash(plain)
    use_faster_output_layer(faster)
    assert isinstance(faster.get_output_embeddings(), OutputLayer)
    assert weights_hash(faster) == expected
    assert faster.num_parameters() == plain.num_parameters()
    ids = torch.randint(0, 50, (13, 3))
    with torch.no_grad():
        torch.testing.assert_close(faster(ids).logits[:, -1:], plain(ids).logits[:, -1:])


@pytest.mark.parametrize(
    ("dtype", "processor", "used"),
    [
        ("float32", "AVX512", True),
        ("float32", "AVX2", False),
        ("bfloat16", "AVX512", False),
        ("float16", "AVX512", False),
        ("int8", "AVX512", False),
    ],
)
def test_it_is_used_where_it_is_faster(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, dtype: str, processor: str, used: bool
) -> None:
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: processor)
    monkeypatch.setattr(torch.backends.mkl, "is_available", lambda: True)
    # A large table that is the output layer too, and so is not packed.
    model = load_model(str(save_tiny(tmp_path / "model", "gpt2", vocab_size=5000)), dtype=dtype).model
    assert isinstance(model.get_output_embeddings(), OutputLayer) == used
