"""A grid grows row by row, ends as `generate` returns it, and says honestly how healthy its texts are."""

from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

import pytest
import torch
from conftest import loaded
from tiny import byte_tokenizer, piece_tokenizer, tiny_model

from steering.errors import MismatchError, SteeringError
from steering.models.language_model import LanguageModel
from steering.steer import grid as generation
from steering.steer.batch import Step
from steering.steer.grid import Grid, Row, assess, generate, perplexities, stream
from steering.steer.health import PERPLEXITY, REPEATED, Health, degenerate
from steering.steer.sampling import Sampling
from steering.vectors.vector import SteeringVector

Make = Callable[..., SteeringVector]

PROMPT = "I like this place very much."
LAMBDAS = [-0.5, 0.0, 0.5]


# Streams


def test_a_stream_grows_in_step_and_ends_as_generate(model: LanguageModel, vector_for: Make) -> None:
    settings: dict[str, Any] = {"max_new_tokens": 5, "sampling": Sampling(stop=False)}
    grids = list(stream(model, PROMPT, vector_for(model), LAMBDAS, **settings))
    assert [[len(row.token_ids) for row in grid.rows] for grid in grids] == [[n] * 3 for n in range(1, 6)]
    for before, after in pairwise(grids):
        assert all(new.token_ids[:-1] == old.token_ids for old, new in zip(before.rows, after.rows, strict=True))
    assert [grid.done for grid in grids] == [False] * 4 + [True]
    assert grids[-1] == generate(model, PROMPT, vector_for(model), LAMBDAS, **settings)


def test_rows_come_in_the_order_asked_for_each_at_its_strength(llama: LanguageModel, vector_for: Make) -> None:
    vector = vector_for(llama)
    grid = generate(llama, PROMPT, vector, [0.5, -0.5, 0.0, 0.5], max_new_tokens=6)
    assert [row.lam for row in grid.rows] == [0.5, -0.5, 0.0, 0.5]
    for row in grid.rows:
        assert generate(llama, PROMPT, vector, [row.lam], max_new_tokens=6).rows[0].token_ids == row.token_ids
        assert row.text == llama.tokenizer.decode(list(row.token_ids), skip_special_tokens=True)
        assert row.ended in ("length", "end of text")
    assert len({row.token_ids for row in grid.rows}) == 3


def test_rows_with_vectors_of_their_own_write_what_each_would_alone(llama: LanguageModel, vector_for: Make) -> None:
    one, other = vector_for(llama, 1), vector_for(llama, 2)
    grid = generate(llama, PROMPT, [one, one, other], [0.0, 0.5, 0.5], max_new_tokens=6)
    alone = [generate(llama, PROMPT, vector, [0.0, 0.5], max_new_tokens=6) for vector in (one, other)]
    assert [row.token_ids for row in grid.rows] == [
        alone[0].rows[0].token_ids, alone[0].rows[1].token_ids, alone[1].rows[1].token_ids,
    ]  # fmt: skip
    assert grid.rows[1].token_ids != grid.rows[2].token_ids
    assert [entry["concept"] for entry in grid.provenance["vectors"]] == ["noise"] * 3
    with pytest.raises(SteeringError, match="2 vectors for 3 λ"):
        stream(llama, PROMPT, [one, other], LAMBDAS)


@pytest.mark.parametrize("family", ["llama", "gemma3", "gpt2"])
def test_the_row_at_zero_is_what_transformers_writes(family: str, vector_for: Make) -> None:
    model = loaded(family)
    ids = torch.tensor([model.token_ids(PROMPT)])
    with torch.no_grad():
        expected = model.model.generate(ids, attention_mask=torch.ones_like(ids), do_sample=False, max_new_tokens=6)
    row = generate(model, PROMPT, vector_for(model), LAMBDAS, max_new_tokens=6).at(0)
    stops = (*row.token_ids, *model.stop_ids) if row.ended == "end of text" else row.token_ids
    assert tuple(expected[0, ids.shape[1] :].tolist()) == tuple(stops)


def test_a_dropped_stream_leaves_the_model_unsteered(
    model: LanguageModel, vector_for: Make, hooks: Callable[[LanguageModel], int]
) -> None:
    ids = torch.tensor([model.token_ids(PROMPT)])
    with torch.no_grad():
        plain = model.model(input_ids=ids).logits
        dropped = stream(model, PROMPT, vector_for(model), [9.0])
        next(dropped)
        next(dropped)
        assert torch.equal(model.model(input_ids=ids).logits, plain)
        del dropped
        assert torch.equal(model.model(input_ids=ids).logits, plain)
    assert hooks(model) == 0


def test_settings_are_checked_before_the_first_step(llama: LanguageModel, vector_for: Make) -> None:
    other = LanguageModel(tiny_model("llama", seed=1), byte_tokenizer(), "other")
    with pytest.raises(MismatchError, match="belongs to other"):
        stream(llama, PROMPT, vector_for(other), LAMBDAS)
    with pytest.raises(SteeringError, match="Unknown scale"):
        stream(llama, PROMPT, vector_for(llama), LAMBDAS, scale="percent")
    with pytest.raises(SteeringError, match="max_new_tokens is 0"):
        stream(llama, PROMPT, vector_for(llama), LAMBDAS, max_new_tokens=0)


@pytest.mark.parametrize("lambdas", [[], [float("nan")], [0.0, float("inf")], [-float("inf")]], ids=str)
def test_strengths_that_are_no_numbers_are_refused(
    llama: LanguageModel, vector_for: Make, lambdas: list[float]
) -> None:
    with pytest.raises(SteeringError, match="λ must be one or more finite numbers"):
        stream(llama, PROMPT, vector_for(llama), lambdas)


def test_the_length_asked_for_beats_the_samplings(llama: LanguageModel, vector_for: Make) -> None:
    sampling = Sampling(max_new_tokens=9, temperature=1.0, seed=5, stop=False)
    grid = generate(llama, PROMPT, vector_for(llama), [0.0], sampling=sampling, max_new_tokens=3)
    assert len(grid.rows[0].token_ids) == 3
    assert grid.provenance["sampling"]["temperature"] == 1.0
    longer = generate(llama, PROMPT, vector_for(llama), [0.0], sampling=sampling)
    assert longer.rows[0].token_ids[:3] == grid.rows[0].token_ids
    assert len(longer.rows[0].token_ids) == 9


def test_every_setting_reaches_the_text(llama: LanguageModel, vector_for: Make) -> None:
    settings: list[dict[str, Any]] = [
        {},
        {"scale": "unit"},
        {"profile": "late"},
        {"profile": [1, 0, 0, 0]},
        {"positions": "response"},
        {"sampling": Sampling(temperature=1.0)},
    ]
    grids = [generate(llama, PROMPT, vector_for(llama), [0.9], max_new_tokens=8, **one) for one in settings]
    assert len({grid.rows[0].token_ids for grid in grids}) == len(settings)


def test_a_grid_says_where_it_is_from(llama: LanguageModel, vector_for: Make) -> None:
    grid = generate(llama, PROMPT, vector_for(llama), LAMBDAS, max_new_tokens=2, profile="late", positions="response")
    assert (grid.child, grid.prompt, grid.prompt_token_ids) == (llama.name, PROMPT, tuple(llama.token_ids(PROMPT)))
    assert grid.provenance["child"]["fingerprint"] == llama.fingerprint
    assert grid.provenance["scale"] == "residual"
    assert grid.provenance["profile"] == [0, 0, 0.5, 0.5]
    assert grid.provenance["positions"] == "response"
    assert grid.provenance["sampling"]["max_new_tokens"] == 2
    assert grid.provenance["vector"]["concept"] == "noise"


# Prompts


@pytest.mark.parametrize("tokenizer", [byte_tokenizer, piece_tokenizer])
def test_a_prompt_is_a_users_turn_unless_it_is_plain(tokenizer: Callable[..., Any], vector_for: Make) -> None:
    chat = tokenizer(chat=True)
    model = LanguageModel(tiny_model("llama", tokenizer=chat), chat, "chat")
    turn, plain = (
        generate(model, PROMPT, vector_for(model), [0.0], max_new_tokens=2, plain=plain) for plain in (False, True)
    )
    assert turn.prompt_token_ids == tuple(model.prompt_ids(PROMPT))
    assert "<user>" in chat.decode(list(turn.prompt_token_ids))
    assert plain.prompt_token_ids == tuple(model.token_ids(PROMPT))
    assert turn.prompt == plain.prompt == PROMPT


@pytest.mark.parametrize("family", ["gpt2", "opt"])
def test_a_text_longer_than_the_model_can_read_is_refused(family: str, vector_for: Make) -> None:
    model = LanguageModel(tiny_model(family), byte_tokenizer(), family)
    n = len(model.token_ids("rain " * 505))
    assert 500 < n < 512
    with pytest.raises(SteeringError, match=f"{n} tokens.*512"):
        stream(model, "rain " * 505, vector_for(model), [0.0], max_new_tokens=20)
    assert generate(model, "rain " * 505, vector_for(model), [0.0], max_new_tokens=1).done


# Health


def grid_of(*rows: tuple[float, tuple[int, ...]]) -> Grid:
    unknown = Health(0.0, 0.0, None, False, False)
    made = tuple(Row(lam, "", tokens, "length", unknown) for lam, tokens in rows)
    return generation._with_health(Grid("x", "", (1,), made), {})


VARIED = tuple(range(20))


def test_a_varied_text_is_healthy() -> None:
    (row,) = grid_of((0.3, VARIED)).rows
    assert row.health == Health(repeated=0.0, dominant=0.05, perplexity=None, same_as_baseline=False, degenerate=False)


def test_repeated_is_the_share_of_three_grams_that_occurred_before() -> None:
    # abcabcab: abc bca cab abc bca cab; three of six came before.
    (row,) = grid_of((0.3, (1, 2, 3, 1, 2, 3, 1, 2))).rows
    assert row.health.repeated == pytest.approx(0.5)
    assert row.health.degenerate
    (row,) = grid_of((0.3, (*VARIED, 0, 1, 2))).rows
    assert row.health.repeated == pytest.approx(1 / 21)
    assert not row.health.degenerate


def test_dominant_is_the_share_of_the_commonest_token() -> None:
    often = (9, 10, 9, 11, 9, 12, 9, 13, 9, 14)
    (row,) = grid_of((0.3, often)).rows
    assert row.health.dominant == pytest.approx(0.5)
    assert row.health.repeated == 0
    assert not row.health.degenerate, "it is told, and is no ground for a verdict"
    (row,) = grid_of((0.3, often[:5])).rows
    assert row.health.dominant == 0, "in a handful of tokens one is always common"


def test_a_verdict_needs_eight_tokens_and_one_limit() -> None:
    assert pytest.approx((0.48, 130)) == (REPEATED, PERPLEXITY)
    assert degenerate((5, 6) * 4)
    assert not degenerate((5, 6, 5, 6, 5, 6, 5))
    assert degenerate(VARIED, PERPLEXITY + 1)
    assert not degenerate(VARIED, PERPLEXITY)
    assert not degenerate(VARIED[:7], PERPLEXITY + 1)
    assert not degenerate(VARIED)


def test_the_same_text_as_the_baseline_is_told() -> None:
    rows = grid_of((-0.1, VARIED), (0.0, VARIED), (0.1, VARIED[::-1])).rows
    assert [row.health.same_as_baseline for row in rows] == [True, False, False]
    assert [row.health.same_as_baseline for row in grid_of((-0.1, VARIED), (0.1, VARIED)).rows] == [False, False]


def test_an_empty_text_is_no_error() -> None:
    (row, _) = grid_of((0.1, ()), (0.0, VARIED)).rows
    assert (row.health.repeated, row.health.dominant, row.health.degenerate) == (0.0, 0.0, False)


def test_a_text_that_the_child_finds_strange_is_degenerate(llama: LanguageModel) -> None:
    prompt = llama.token_ids(PROMPT)
    likely = tuple(
        llama.model.generate(torch.tensor([prompt]), do_sample=False, max_new_tokens=12)[0, len(prompt) :].tolist()
    )
    strange = tuple(range(50, 62))
    rows = [Row(0.0, "", likely, "length", generation._UNKNOWN), Row(0.5, "", strange, "length", generation._UNKNOWN)]
    judged = assess(llama, Grid("x", PROMPT, tuple(prompt), tuple(rows))).rows
    assert judged[0].health.perplexity == pytest.approx(perplexities(llama, prompt, [likely])[0])
    assert judged[1].health.perplexity > 5 * judged[0].health.perplexity
    assert [row.health.degenerate for row in judged] == [row.health.perplexity > PERPLEXITY for row in judged]
    assert judged[1].health.degenerate
    assert judged[1].health.repeated == 0
    alone = assess(llama, Grid("x", PROMPT, tuple(prompt), (rows[1],))).rows[0]
    assert alone.health == judged[1].health, "a verdict does not depend on the other rows"


def test_assessing_changes_health_alone(model: LanguageModel, vector_for: Make) -> None:
    grid = generate(model, PROMPT, vector_for(model), [0.0, 0.0, 0.9], max_new_tokens=6)
    assessed = assess(model, grid)
    assert [(row.lam, row.text, row.token_ids, row.ended) for row in assessed.rows] == [
        (row.lam, row.text, row.token_ids, row.ended) for row in grid.rows
    ]
    assert assessed.provenance == grid.provenance
    assert all(row.health.perplexity > 0 for row in assessed.rows)
    assert assessed.rows[0].health == assessed.rows[1].health
    assert all(row.health.perplexity is None for row in grid.rows)


def test_empty_rows_have_no_perplexity(llama: LanguageModel) -> None:
    rows = (Row(0.0, "", (), "end of text", generation._UNKNOWN), Row(0.1, "", (5, 6), "length", generation._UNKNOWN))
    first, second = assess(llama, Grid("x", PROMPT, (1, 2), rows)).rows
    assert first.health.perplexity is None
    assert second.health.perplexity is not None
    assert perplexities(llama, [1, 2], []) == []


def test_perplexity_is_what_a_direct_computation_gives(model: LanguageModel) -> None:
    prompt = model.token_ids(PROMPT)
    texts = [list(range(40, 47)), [50], list(range(60, 72))]
    for text, found in zip(texts, perplexities(model, prompt, texts), strict=True):
        total = 0.0
        for place in range(len(text)):
            with torch.no_grad():
                logits = model.model(input_ids=torch.tensor([[*prompt, *text[:place]]]), use_cache=False).logits[0, -1]
            total -= logits.double().log_softmax(dim=-1)[text[place]].item()
        assert found == pytest.approx(torch.tensor(total / len(text)).exp().item(), rel=1e-3)


def test_the_nearest_row_is_found() -> None:
    grid = grid_of((-0.3, VARIED), (0.0, VARIED), (0.3, VARIED))
    assert [grid.at(lam).lam for lam in (-9, 0.1, 0.2)] == [-0.3, 0.0, 0.3]


@pytest.mark.parametrize("tokenizer", [byte_tokenizer, piece_tokenizer])
def test_a_streamed_text_shows_no_half_character(
    tokenizer: Callable[..., Any], vector_for: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = tokenizer()
    model = LanguageModel(tiny_model("llama", tokenizer=words), words, "writer")
    written = words("é😀 a\ufffd b漢", add_special_tokens=False)["input_ids"]
    assert words.decode(written[:1] if tokenizer is byte_tokenizer else written[:2]).endswith("\ufffd"), (
        "nothing is split"
    )
    # The last character of the first row never comes whole.
    rows = [(*written, *words("漢", add_special_tokens=False)["input_ids"][-3:-1]), tuple(written)]

    def steps(*_: object, **__: object) -> Iterator[Step]:
        for size in range(1, len(rows[0]) + 1):
            ended = tuple("length" if size >= len(row) else "" for row in rows)
            yield Step(tuple(row[:size] for row in rows), ended)

    monkeypatch.setattr(generation, "decode", steps)
    seen = list(stream(model, "The train", vector_for(model), [0.0, 0.1]))
    for grid in seen:
        for row in grid.rows:
            shown = row.text.replace("a\ufffd", "a")
            assert "\ufffd" not in shown or row.ended, row.text
    assert seen[-1].rows[1].text == "é😀 a\ufffd b漢"
    assert seen[-1].rows[0].text == words.decode(rows[0]), "an ended row shows what there is"
