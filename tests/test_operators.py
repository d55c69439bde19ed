"""Operators beside adding: taking a direction out, and turning towards it; what cannot be written as an offset is refused."""

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from tiny import byte_tokenizer, tiny_model

from steering.errors import SteeringError
from steering.evaluation.scorer import GRIDS, default_grid
from steering.interop.export import EXPORTS, export_vector
from steering.measure.effects import expected_effect
from steering.models.blocks import editing
from steering.models.language_model import LanguageModel
from steering.steer.grid import generate
from steering.steer.intervention import Intervention, plan, steer
from steering.steer.operators import ablate, rotate
from steering.steer.settings import OPERATORS, SteeringSettings
from steering.vectors.vector import SteeringVector

Make = Callable[..., SteeringVector]

OTHERS = [operator for operator in OPERATORS if operator != "add"]
STRENGTHS = [0.0, 1.0, -0.5, 0.4]


def ids_of(model: LanguageModel, rows: int = 4) -> torch.Tensor:
    return torch.tensor([model.token_ids("The people on the platform talk about the weather.")] * rows)


def hidden(
    model: LanguageModel, what: Intervention | list[Intervention], strengths: list[float], **settings: int
) -> list[torch.Tensor]:
    """Every block's output while steered, and the logits."""
    seen: list[torch.Tensor] = []
    with (
        torch.inference_mode(),
        steer(model, what, strengths, **settings),
        editing(model.blocks, lambda _, out: seen.append(out)),
    ):
        seen.append(model.model(input_ids=ids_of(model, len(strengths)), use_cache=False).logits)
    return seen


def operate(operator: str, **settings: str) -> SteeringSettings:
    return SteeringSettings(operator=operator, **settings)


def cosine(rows: torch.Tensor, direction: torch.Tensor) -> torch.Tensor:
    return torch.nn.functional.cosine_similarity(rows, direction, dim=-1)


def planted(rows: int = 50, width: int = 8) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    states = 100 * torch.randn(rows, 3, width, generator=generator)
    return states, torch.nn.functional.normalize(torch.randn(1, 1, width, generator=generator), dim=-1)


# Laws of the steps


@pytest.mark.parametrize("step", [ablate, rotate])
def test_an_amount_of_zero_is_a_step_of_zero(step: Callable[..., torch.Tensor]) -> None:
    states, direction = planted()
    states = torch.cat([states, direction.expand(1, 3, -1), -7 * direction.expand(1, 3, -1), 0 * states[:1]])
    assert not step(states, direction, torch.zeros(len(states), 1, 1)).any()


def test_ablation_takes_out_its_share_and_nothing_else() -> None:
    states, direction = planted()
    for share in (1.0, 0.25, -1.0):
        after = states + ablate(states, direction, torch.full((len(states), 1, 1), share))
        along = (states * direction).sum(-1)
        torch.testing.assert_close((after * direction).sum(-1), (1 - share) * along, rtol=1e-4, atol=1e-3)
        torch.testing.assert_close(after - (after * direction).sum(-1, True) * direction,
                                   states - along[..., None] * direction, rtol=1e-4, atol=1e-3)  # fmt: skip


def test_a_rotation_keeps_the_norm_and_turns_by_its_angle_in_the_plane() -> None:
    states, direction = planted()
    between = cosine(states, direction).arccos()
    for angle in (0.3, -0.3, 1e-3):
        after = states + rotate(states, direction, torch.full((len(states), 1, 1), angle))
        torch.testing.assert_close(after.norm(dim=-1), states.norm(dim=-1), rtol=1e-5, atol=0)
        expected = (between - angle).clamp(0, math.pi)
        torch.testing.assert_close(cosine(after, direction).arccos(), expected, rtol=0, atol=2e-3)
        plane = torch.linalg.qr(torch.stack([states, direction.expand_as(states)], dim=-1)).Q
        outside = after - (plane @ (plane.mT @ after[..., None]))[..., 0]
        assert (outside.norm(dim=-1) < 1e-4 * states.norm(dim=-1)).all()


def test_a_rotation_ends_at_the_direction_or_at_its_opposite() -> None:
    states, direction = planted()
    for angle in (9.0, -9.0):
        after = states + rotate(states, direction, torch.full((len(states), 1, 1), angle))
        torch.testing.assert_close(
            cosine(after, direction), torch.full(states.shape[:2], math.copysign(1.0, angle)), rtol=0, atol=1e-5
        )
        torch.testing.assert_close(after.norm(dim=-1), states.norm(dim=-1), rtol=1e-5, atol=0)


def test_a_right_angle_known_by_hand() -> None:
    state, direction = torch.tensor([[[3.0, 0.0]]]), torch.tensor([[[0.0, 1.0]]])
    amount = torch.tensor([[[math.pi / 6]]])
    expected = torch.tensor([[[3 * math.cos(math.pi / 6), 1.5]]])
    torch.testing.assert_close(state + rotate(state, direction, amount), expected)
    assert torch.equal(state + ablate(state, torch.tensor([[[1.0, 0.0]]]), torch.ones(1, 1, 1)), torch.zeros(1, 1, 2))


# Laws of a steered model


@pytest.mark.parametrize("operator", OTHERS)
def test_at_zero_every_state_is_bit_identical_and_elsewhere_not(
    model: LanguageModel, vector_for: Make, operator: str
) -> None:
    plain = hidden(model, plan(model, vector_for(model)), [0.0] * 4)
    for scale in ("residual", "unit"):
        seen = hidden(model, plan(model, vector_for(model), operate(operator, scale=scale)), STRENGTHS)
        for before, after in zip(plain, seen, strict=True):
            assert torch.equal(after[0], before[0])
        assert all(not torch.allclose(seen[-1][row], plain[-1][row], atol=1e-3) for row in (1, 2, 3))


def test_at_one_no_component_is_left_at_any_layer(model: LanguageModel, vector_for: Make) -> None:
    vector = vector_for(model)
    seen = hidden(model, plan(model, 3 * vector, operate("ablate")), STRENGTHS)
    for layer, direction in enumerate(vector.directions):
        assert cosine(seen[layer][1], direction).abs().max() < 1e-5
        assert cosine(seen[layer][0], direction).abs().max() > 1e-2, "there was something to take out"


def test_a_rotation_keeps_the_norm_of_every_state(model: LanguageModel, vector_for: Make) -> None:
    first = operate("rotate", profile=[1.0] + [0.0] * (model.n_layers - 1))  # type: ignore[arg-type]
    plain, turned = (hidden(model, plan(model, vector_for(model), first), [lam])[0] for lam in (0.0, 0.4))
    torch.testing.assert_close(turned.norm(dim=-1), plain.norm(dim=-1), rtol=1e-5, atol=0)
    direction = vector_for(model).directions[0]
    turn = cosine(plain, direction).arccos() - cosine(turned, direction).arccos()
    torch.testing.assert_close(turn, torch.full_like(turn, 0.4 * math.pi / 2), rtol=0, atol=2e-3)


@pytest.mark.parametrize("operator", OTHERS)
def test_a_row_does_not_depend_on_its_neighbours_or_their_vectors(
    model: LanguageModel, vector_for: Make, operator: str
) -> None:
    one, other = (plan(model, vector_for(model, seed), operate(operator)) for seed in (0, 1))
    together = hidden(model, [one, one, other, other], STRENGTHS)[-1]
    for row, (what, strength) in enumerate(zip([one, one, other, other], STRENGTHS, strict=True)):
        torch.testing.assert_close(together[row], hidden(model, what, [strength])[-1][0], rtol=1e-4, atol=1e-4)


def test_the_sign_turns_a_rotation_round_and_does_nothing_to_an_ablation(
    llama: LanguageModel, vector_for: Make
) -> None:
    vector = vector_for(llama)
    opposite = [-lam for lam in STRENGTHS]
    for operator, strengths in (("rotate", opposite), ("ablate", STRENGTHS)):
        one = hidden(llama, plan(llama, vector, operate(operator)), STRENGTHS)[-1]
        other = hidden(llama, plan(llama, -vector, operate(operator)), strengths)[-1]
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("operator", OTHERS)
def test_response_leaves_the_prompt_as_it_was(llama: LanguageModel, vector_for: Make, operator: str) -> None:
    n = ids_of(llama).shape[1]
    what = plan(llama, vector_for(llama), operate(operator, positions="response"))
    plain, seen = (hidden(llama, what, strengths, prompt_length=n) for strengths in ([0.0] * 4, STRENGTHS))
    for before, after in zip(plain, seen, strict=True):
        assert torch.equal(before[:, : n - 1], after[:, : n - 1])
        assert not torch.equal(before[1, n - 1 :], after[1, n - 1 :])


@pytest.mark.parametrize("operator", OTHERS)
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_a_model_keeps_its_type(dtype: torch.dtype, vector_for: Make, operator: str) -> None:
    half = LanguageModel(tiny_model("llama").to(dtype), byte_tokenizer(), "half")
    seen = hidden(half, plan(half, vector_for(half), operate(operator)), STRENGTHS)
    assert {out.dtype for out in seen} == {dtype}
    assert all(out.isfinite().all() for out in seen)


def test_layers_outside_the_profile_are_left_alone(model: LanguageModel, vector_for: Make) -> None:
    for operator in OTHERS:
        what = plan(model, vector_for(model), operate(operator, profile="late"))
        assert what.active == [layer for layer, weight in enumerate(what.weights) if weight]
        assert 0 not in what.active


def test_weights_are_shares_of_the_heaviest_in_an_ablation(llama: LanguageModel, vector_for: Make) -> None:
    bars = [1.0, 2.0, 4.0] + [0.0] * (llama.n_layers - 3)
    what = plan(llama, vector_for(llama), operate("ablate", profile=bars))  # type: ignore[arg-type]
    torch.testing.assert_close(what.rows.norm(dim=-1), torch.tensor(bars) / 4)


def test_one_batch_has_one_operator(llama: LanguageModel, vector_for: Make) -> None:
    plans = [plan(llama, vector_for(llama), operate(operator)) for operator in OPERATORS]
    with pytest.raises(SteeringError, match="same operator"), steer(llama, plans, [0.1] * len(plans)):
        pass
    with pytest.raises(SteeringError, match="Unknown operator 'multiply'"):
        operate("multiply")


# What carries an operator, and what refuses it


@pytest.mark.parametrize("operator", OTHERS)
def test_what_knows_offsets_alone_refuses_in_a_sentence(
    llama: LanguageModel, vector_for: Make, operator: str, tmp_path: Path
) -> None:
    what = plan(llama, vector_for(llama), operate(operator))
    with pytest.raises(SteeringError, match=f"'{operator}' depends on the hidden state"):
        expected_effect(what, torch.zeros(llama.n_layers, llama.d_model))
    for format in EXPORTS:
        with pytest.raises(SteeringError, match=f"'{operator}' depends on the hidden state"):
            export_vector(
                vector_for(llama), tmp_path / "a.pt", format, child=llama, settings=operate(operator, scale="unit")
            )
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("operator", OPERATORS)
def test_texts_say_which_operator_made_them(llama: LanguageModel, vector_for: Make, operator: str) -> None:
    grid = generate(llama, "The people", vector_for(llama), [0.0, 0.5], max_new_tokens=3, operator=operator)
    assert grid.provenance["operator"] == operator
    unsteered = generate(llama, "The people", vector_for(llama), [0.0], max_new_tokens=3)
    assert grid.rows[0].token_ids == unsteered.rows[0].token_ids


def test_the_default_grid_fits_the_operator() -> None:
    assert default_grid(operate("ablate", scale="unit")) == "ablate"
    assert {default_grid(operate(operator, scale="unit")) for operator in ("add", "rotate")} == {"unit"}
    assert max(GRIDS["ablate"]) == 1


def test_an_intervention_that_adds_is_its_offsets(llama: LanguageModel, vector_for: Make) -> None:
    what = plan(llama, vector_for(llama))
    assert torch.equal(what.offsets, what.rows)
    assert torch.equal(replace(what, rows=2 * what.rows).offsets, 2 * what.offsets)
