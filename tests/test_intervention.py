"""Steering adds exactly what it says, to the rows, layers and positions that it says, and then is gone."""

import threading
from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from tiny import byte_tokenizer, tiny_model

from steering.models.blocks import editing
from steering.models.language_model import LanguageModel
from steering.steer.intervention import Intervention, plan, steer
from steering.steer.settings import SteeringSettings
from steering.vectors.vector import SteeringVector

Make = Callable[..., SteeringVector]

STRENGTHS = [0.0, 2.0, -2.0, 5.0]


def ids_of(model: LanguageModel, rows: int = 4) -> torch.Tensor:
    return torch.tensor([model.token_ids("The people on the platform talk about the weather.")] * rows)


def run(model: LanguageModel, ids: torch.Tensor) -> torch.Tensor:
    with torch.inference_mode():
        logits: torch.Tensor = model.model(input_ids=ids, use_cache=False).logits
    return logits


def steered(
    model: LanguageModel, what: Intervention | list[Intervention], strengths: list[float], **settings: int
) -> torch.Tensor:
    with steer(model, what, strengths, **settings):
        return run(model, ids_of(model, len(strengths)))


def hidden(model: LanguageModel, what: Intervention, strengths: list[float], **settings: int) -> list[torch.Tensor]:
    """Every block's output while steered, hooks of the test's own coming after those of steering."""
    seen: list[torch.Tensor] = []
    with steer(model, what, strengths, **settings), editing(model.blocks, lambda _, out: seen.append(out)):
        run(model, ids_of(model, len(strengths)))
    return seen


def only(what: Intervention, layer: int) -> Intervention:
    mask = torch.zeros(len(what.rows), 1)
    mask[layer] = 1
    return replace(what, rows=what.rows * mask)


def nothing(vector: SteeringVector) -> SteeringVector:
    """v - v."""
    return replace(vector, directions=vector.directions - vector.directions)


# Laws


def test_at_zero_every_logit_is_bit_identical(model: LanguageModel, vector_for: Make) -> None:
    plain = run(model, ids_of(model))
    found = steered(model, plan(model, vector_for(model)), STRENGTHS)
    assert torch.equal(found[0], plain[0])
    for row in (1, 2, 3):
        assert not torch.allclose(found[row], plain[row], atol=0.05), "the other rows are steered"
    assert torch.equal(steered(model, plan(model, vector_for(model)), [0.0] * 4), plain)


def test_a_vector_of_zeros_is_nothing(model: LanguageModel, vector_for: Make) -> None:
    plain = run(model, ids_of(model))
    for scale in ("residual", "unit"):
        none = plan(model, nothing(vector_for(model)), SteeringSettings(scale=scale))
        assert torch.equal(steered(model, none, STRENGTHS), plain)


def test_every_row_moves_by_exactly_its_own_strength(model: LanguageModel, vector_for: Make) -> None:
    for layer in (0, model.n_layers - 1):
        what = only(plan(model, vector_for(model), SteeringSettings(scale="unit")), layer)
        found = hidden(model, what, STRENGTHS)[layer]
        plain = hidden(model, what, [0.0] * 4)[layer]
        for row, strength in enumerate(STRENGTHS):
            expected = plain[row] + strength * what.offsets[layer]
            torch.testing.assert_close(found[row], expected, rtol=1e-6, atol=1e-6)


def test_a_row_does_not_depend_on_its_neighbours(model: LanguageModel, vector_for: Make) -> None:
    what = plan(model, vector_for(model))
    together = steered(model, what, STRENGTHS)
    for row, strength in enumerate(STRENGTHS):
        torch.testing.assert_close(together[row], steered(model, what, [strength])[0], rtol=1e-4, atol=1e-4)


def test_layers_below_are_left_as_they_were_and_those_above_are_not(model: LanguageModel, vector_for: Make) -> None:
    plain = hidden(model, plan(model, vector_for(model)), [0.0] * 4)
    for layer in range(model.n_layers):
        found = hidden(model, only(plan(model, vector_for(model)), layer), STRENGTHS)
        for below in range(layer):
            assert torch.equal(found[below], plain[below])
        for above in range(layer, model.n_layers):
            assert not torch.allclose(found[above][1], plain[above][1], atol=1e-3)


def test_twice_the_vector_is_twice_the_strength(model: LanguageModel, vector_for: Make) -> None:
    vector = vector_for(model)
    once = plan(model, vector, SteeringSettings(scale="unit"))
    twice = plan(model, replace(vector, directions=2 * vector.directions), SteeringSettings(scale="unit"))
    assert torch.equal(steered(model, twice, [1.0, -0.5]), steered(model, once, [2.0, -1.0]))


def test_the_opposite_vector_is_the_opposite_strength(model: LanguageModel, vector_for: Make) -> None:
    vector = vector_for(model)
    for scale in ("residual", "unit"):
        one, other = (
            plan(model, vector, SteeringSettings(scale=scale)),
            plan(model, -vector, SteeringSettings(scale=scale)),
        )
        assert torch.equal(steered(model, one, STRENGTHS), steered(model, other, [-lam for lam in STRENGTHS]))


def test_response_begins_with_the_last_prompt_token(model: LanguageModel, vector_for: Make) -> None:
    everywhere = plan(model, vector_for(model))
    response = plan(model, vector_for(model), SteeringSettings(positions="response"))
    n = ids_of(model).shape[1]
    plain = hidden(model, everywhere, [0.0] * 4)
    found = hidden(model, response, STRENGTHS, prompt_length=n)
    for layer in range(model.n_layers):
        assert torch.equal(found[layer][:, : n - 1], plain[layer][:, : n - 1]), "nothing before it is touched"
    last = found[0][:, -1] - plain[0][:, -1]
    expected = torch.tensor(STRENGTHS)[:, None] * response.offsets[0]
    torch.testing.assert_close(last, expected, rtol=1e-4, atol=1e-4)
    assert not torch.equal(hidden(model, everywhere, STRENGTHS, prompt_length=n)[0][1, :-1], plain[0][1, :-1])


def test_response_steers_every_decoding_step(llama: LanguageModel, vector_for: Make) -> None:
    response, everywhere = (
        plan(llama, vector_for(llama), SteeringSettings(positions=name)) for name in ("response", "all")
    )
    with steer(llama, response, [3.0]):
        one = run(llama, torch.tensor([[5]]))
    with steer(llama, everywhere, [3.0]):
        assert torch.equal(run(llama, torch.tensor([[5]])), one)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_a_model_keeps_its_type(dtype: torch.dtype, vector_for: Make) -> None:
    model = LanguageModel(tiny_model("llama").to(dtype), byte_tokenizer(), "half")
    what = plan(model, vector_for(model))
    assert what.offsets.dtype == torch.float32, "cast once, at the hook"
    seen = hidden(model, what, STRENGTHS)
    assert {out.dtype for out in seen} == {dtype}
    found, plain = steered(model, what, STRENGTHS), run(model, ids_of(model))
    assert found.dtype == dtype
    assert torch.equal(found[0], plain[0])
    assert not torch.equal(found[1], plain[1])


# The hooks are gone


def test_after_steering_nothing_is_left(
    model: LanguageModel, vector_for: Make, hooks: Callable[[LanguageModel], int]
) -> None:
    plain = run(model, ids_of(model))
    with steer(model, plan(model, vector_for(model)), STRENGTHS):
        assert hooks(model) == model.n_layers
    assert hooks(model) == 0
    assert torch.equal(run(model, ids_of(model)), plain)


def test_after_an_error_nothing_is_left(
    llama: LanguageModel, vector_for: Make, hooks: Callable[[LanguageModel], int]
) -> None:
    def fail() -> None:
        with steer(llama, plan(llama, vector_for(llama)), STRENGTHS):
            raise RuntimeError("out of paper")

    with pytest.raises(RuntimeError, match="out of paper"):
        fail()
    assert hooks(llama) == 0
    assert free(llama)


def test_when_registering_the_third_of_five_fails_nothing_is_left(
    vector_for: Make, monkeypatch: pytest.MonkeyPatch, hooks: Callable[[LanguageModel], int]
) -> None:
    model = LanguageModel(tiny_model("llama", layers=5), byte_tokenizer(), "five")
    what = plan(model, vector_for(model))
    plain = run(model, ids_of(model))

    def refuse(_hook: object) -> None:
        assert hooks(model) == 2
        raise RuntimeError("no more hooks")

    monkeypatch.setattr(model.blocks[2], "register_forward_hook", refuse)
    with pytest.raises(RuntimeError, match="no more hooks"):
        steered(model, what, STRENGTHS)
    assert hooks(model) == 0
    assert free(model)
    assert torch.equal(run(model, ids_of(model)), plain)


def free(model: LanguageModel) -> bool:
    """Whether another thread can take the model."""
    taken: list[bool] = []

    def take() -> None:
        taken.append(model.lock.acquire(blocking=False))
        if taken[0]:
            model.lock.release()

    thread = threading.Thread(target=take)
    thread.start()
    thread.join()
    return taken[0]


def test_a_model_that_is_steered_is_not_free(llama: LanguageModel, vector_for: Make) -> None:
    assert free(llama)
    with steer(llama, plan(llama, vector_for(llama)), [1.0]):
        assert not free(llama)
    assert free(llama)


def test_threads_with_different_strengths_get_what_each_would_get_alone(llama: LanguageModel, vector_for: Make) -> None:
    what = plan(llama, vector_for(llama))
    strengths = [0.0, 1.0, -3.0, 8.0]
    alone = {strength: steered(llama, what, [strength]) for strength in strengths}
    together = threading.Barrier(len(strengths))
    wrong: list[float] = []

    def work(strength: float) -> None:
        together.wait(30)
        for _ in range(25):
            if not torch.equal(steered(llama, what, [strength]), alone[strength]):
                wrong.append(strength)

    threads = [threading.Thread(target=work, args=(strength,)) for strength in strengths]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert len({tuple(logits.flatten().tolist()) for logits in alone.values()}) == len(strengths)
