"""The table of speeds: ratios within a round, and what 8 bits cost, on tiny models."""

from pathlib import Path

import pytest
import torch
from tiny import FAMILIES, save_tiny
from transformers import AutoModelForCausalLM

from steering.cli.bench import generation, gpu
from steering.cli.bench.precision import precision_lines
from steering.cli.bench.timing import (
    Line,
    bytes_read,
    line,
    linear_weights,
    matrix_product,
    memory_reader,
    products_done,
    ratio,
    timed,
)
from steering.concepts import load_concept
from steering.errors import SteeringError
from steering.models import load_model


def test_arms_are_timed_in_turn_and_the_first_round_warms_up() -> None:
    calls: list[str] = []
    done: list[float] = []
    rounds = timed({"a": lambda: calls.append("a"), "b": lambda: calls.append("b")}, 3, done.append)
    assert calls == ["a", "b"] * 4
    assert {name: len(seconds) for name, seconds in rounds.items()} == {"a": 3, "b": 3}
    assert done == sorted(done)
    assert done[-1] < 1


def test_a_ratio_is_of_two_times_of_one_round() -> None:
    # A machine that is ten times as slow in the second round changes no ratio.
    assert ratio("twice", [2.0, 20.0, 3.0], [1.0, 10.0, 1.0]) == Line("twice", 2.0, 2.0, 3.0)
    assert line("seconds", [4.0, 1.0, 2.0], "s") == Line("seconds", 2.0, 1.0, 4.0, "s")
    assert str(Line("x", 1.0, 1.0, 1.0)).split() == ["x", "1", "×"]
    assert str(Line("x", 1.0, 0.5, 2.0)).split() == ["x", "1", "×", "(0.5", "to", "2)"]


def test_the_machine_is_measured_by_what_it_reads_and_multiplies() -> None:
    memory_reader()()
    matrix_product()()
    assert (bytes_read(), products_done()) == (2**28, 2**30)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny(tmp_path_factory.mktemp("models") / "m", "llama")


def test_a_model_costs_nothing_against_itself_and_something_in_8_bits(folder: Path) -> None:
    exact, small = (load_model(str(folder), dtype=dtype, device="cpu") for dtype in ("float32", "int8"))
    concepts = [load_concept("sentiment")]
    divergence, equal, effect = precision_lines(exact, exact, concepts)
    assert (divergence.median, equal.median, effect.median) == (pytest.approx(0, abs=1e-6), 1, pytest.approx(1))
    divergence, equal, effect = precision_lines(exact, small, concepts)
    assert 1e-7 < divergence.median < 0.02
    assert divergence.low <= divergence.median <= divergence.high
    assert equal.median <= 1
    assert effect.median == pytest.approx(1, abs=0.5)
    assert effect.median != 1


def test_the_weights_that_a_token_meets_are_the_same_in_every_type(folder: Path) -> None:
    exact, small = (load_model(str(folder), dtype=dtype, device="cpu") for dtype in ("float32", "int8"))
    config = exact.model.config
    attention = 2 * exact.d_model * (config.num_attention_heads + config.num_key_value_heads) * config.head_dim
    per_layer = attention + 3 * exact.d_model * config.intermediate_size
    expected = exact.n_layers * per_layer + exact.vocabulary * exact.d_model
    assert linear_weights(exact) == linear_weights(small) == expected


def test_the_table_names_the_machine_and_every_line(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(generation, "ROWS", (1, 2, 3, 13))
    monkeypatch.setattr(generation, "_TOKENS", 2)
    monkeypatch.setattr(generation, "_READ", 8)
    monkeypatch.setattr(generation, "CONCEPTS", ("sentiment",))
    monkeypatch.setattr(generation, "_CKA_TEXTS", 8)
    data = generation.bench(str(folder), str(folder), repeats=1)
    assert "threads, PyTorch" in data["machine"]
    names = [each["what"] for each in data["lines"]]
    assert len(names) == len(set(names))
    assert all(each["low"] <= each["median"] <= each["high"] and each["median"] >= 0 for each in data["lines"])
    assert data["grid_over_one"] == data["grid_of_13_s"] / data["one_generation_s"]
    written = generation.table(data)
    assert all(name in written for name in (*names, *(key for key in data if key != "lines")))


def test_the_lines_of_a_gpu_are_worked_out_anywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"_TOKENS": 3, "_MANY_TOKENS": 4, "_MANY_ROWS": 5, "_COPIED": 64, "_SIDE": 8}.items():
        monkeypatch.setattr(gpu, name, value)
    shapes = {"llama": lambda: FAMILIES["llama"](2, 32, 300), "gemma": lambda: FAMILIES["gemma2"](2, 32, 300)}
    data = gpu.bench_gpu("cpu", shapes=shapes, repeats=1)
    names = [each["what"] for each in data["lines"]]
    assert len(names) == len(set(names)) == 14
    assert all(0 < each["low"] <= each["median"] <= each["high"] for each in data["lines"])


@pytest.mark.skipif(torch.cuda.is_available(), reason="There is a GPU here.")
def test_without_a_gpu_the_command_says_so() -> None:
    with pytest.raises(SteeringError, match="no GPU"):
        gpu.bench_gpu()


def test_the_shapes_are_those_of_the_models() -> None:
    # As their files count them, the output layer with the embeddings it shares counted once.
    with torch.device("meta"):
        sizes = {
            name: AutoModelForCausalLM.from_config(config()).num_parameters() / 1e9
            for name, config in gpu.SHAPES.items()
        }
    assert sizes == {
        "Qwen3-0.6B": pytest.approx(0.596, abs=0.001),
        "Llama-3.2-1B": pytest.approx(1.236, abs=0.001),
        "gemma-2-2b": pytest.approx(2.614, abs=0.001),
    }
