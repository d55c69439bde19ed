"""Vectors trained by gradient: they do what they were trained for at the λ that they state, and nothing else is changed."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from steering.concepts.concept import Concept, ContrastPair
from steering.errors import SteeringError
from steering.measure.pair_checks import read_design
from steering.models.language_model import LanguageModel
from steering.models.likelihood import token_log_probabilities
from steering.steer.intervention import plan, steer
from steering.steer.settings import SteeringSettings
from steering.tasks.prompting import Style, requests
from steering.tasks.task import load_task
from steering.tasks.training_examples import solved_examples
from steering.vectors.directions import METHODS
from steering.vectors.examples import Example, is_held_out, pair_examples
from steering.vectors.extraction import extract, fit
from steering.vectors.neutral_text import NEUTRAL_PROMPT, neutral_text
from steering.vectors.training import Training, train
from steering.vectors.vector import SteeringVector, load_vector, save_vector

Make = Callable[..., SteeringVector]

PAIRS = tuple(
    ContrastPair(
        f"The {place} is good, and the people there are kind.", f"The {place} is bad, and the people there are cold."
    )
    for place in ("garden", "train", "town", "bread", "soup", "room", "spring")
)
QUALITY = Concept("quality", "good", "bad", PAIRS)
SHORT = Training(steps=10, learning_rate=0.05)


def examples(model: LanguageModel, n: int = 6) -> tuple[Example, ...]:
    """Prompts of several lengths with one wanted continuation."""
    text = "The people on the platform talk about the weather and the food, and they have never seen so much rain."
    prompts = [model.token_ids(text[: 20 + 5 * number]) for number in range(n)]
    right = tuple(model.token_ids("rain")[-2:])
    return tuple(Example(tuple(prompt), right) for prompt in prompts)


def loss(model: LanguageModel, vector: SteeringVector, each: tuple[Example, ...], positions: str = "all") -> float:
    """What steering itself makes of the examples, at the λ that the vector states."""
    total = 0.0
    what = plan(model, vector, SteeringSettings(positions=positions))
    for example in each:
        rows, start = [[*example.prompt, *example.right]], len(example.prompt)
        with torch.inference_mode(), steer(model, what, [vector.provenance["lam"]], prompt_length=start):
            total -= float(token_log_probabilities(model, rows, [start])[0].mean())
    return total / len(each)


def hooks(model: LanguageModel) -> int:
    return sum(len(block._forward_hooks) for block in model.blocks)


def held_out(each: tuple[Example, ...]) -> tuple[Example, ...]:
    return tuple(example for number, example in enumerate(each) if is_held_out(number, len(each)))


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


# Laws


@pytest.mark.parametrize("positions", ["all", "response"])
@pytest.mark.parametrize("layers", [None, (1,)])
def test_steering_at_the_stated_strength_gives_the_stated_loss(
    llama: LanguageModel, positions: str, layers: tuple[int, ...] | None
) -> None:
    each = examples(llama)
    vector = train(llama, each, replace(SHORT, positions=positions, layers=layers))
    assert vector.provenance["best_step"] > 0
    assert vector.provenance["loss_after"] < vector.provenance["loss_before"] - 0.2
    unsteered = replace(vector, provenance={**vector.provenance, "lam": 0.0})
    assert loss(llama, unsteered, held_out(each), positions) == pytest.approx(
        vector.provenance["loss_before"], abs=1e-4
    )
    assert loss(llama, vector, held_out(each), positions) == pytest.approx(vector.provenance["loss_after"], abs=1e-3)
    lengths = vector.directions.norm(dim=-1)
    trained = [*range(llama.n_layers)] if layers is None else [*layers]
    assert vector.signal == tuple(layer in trained for layer in range(llama.n_layers))
    assert float(lengths[trained].mean()) == pytest.approx(1, abs=1e-5)


def test_the_same_seed_trains_the_same_vector_and_another_one_does_not(
    llama: LanguageModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    each, few = examples(llama, 12), replace(SHORT, steps=5)
    first = train(llama, each, few)
    assert not torch.equal(train(llama, each, replace(few, seed=1)).directions, first.directions)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "other"))
    again = train(llama, each, few)
    assert torch.equal(again.directions, first.directions)
    assert again.provenance == first.provenance
    json.dumps(first.provenance, allow_nan=False)


def test_a_trained_vector_is_kept_in_the_cache(llama: LanguageModel) -> None:
    said: list[str] = []
    first = train(llama, examples(llama), SHORT, progress=lambda what, _: said.append(what))
    assert [what for what in said if what.startswith("Training step")]
    said.clear()
    again = train(llama, examples(llama), SHORT, progress=lambda what, _: said.append(what))
    assert not said
    assert torch.equal(again.directions, first.directions)


def test_the_weights_are_left_as_they_were(llama: LanguageModel) -> None:
    before = {name: value.clone() for name, value in llama.model.named_parameters()}
    train(llama, examples(llama), replace(SHORT, steps=2))
    for name, value in llama.model.named_parameters():
        assert torch.equal(value, before[name])
        assert value.grad is None
    assert hooks(llama) == 0


def test_the_divergence_holds_the_vector_back(llama: LanguageModel) -> None:
    free, held = (train(llama, examples(llama), replace(SHORT, kl_weight=weight)) for weight in (0.0, 20.0))
    assert held.provenance["lam"] < free.provenance["lam"]
    assert free.provenance["kl_after"] is None
    assert held.provenance["kl_after"] >= 0


def test_exchanged_continuations_train_the_opposite_vector(llama: LanguageModel) -> None:
    both = Training(two_sided=True, steps=10, kl_weight=0.0)
    one, other = (train(llama, pair_examples(llama, concept), both) for concept in (QUALITY, QUALITY.swapped()))
    assert one.provenance["best_step"] > 0
    cosine = torch.nn.functional.cosine_similarity(one.directions, -other.directions, dim=-1)
    assert (cosine > 0.99).all()


def test_a_stop_ends_training_and_leaves_nothing(llama: LanguageModel, tmp_path: Path) -> None:
    class Stopped(Exception):
        pass

    def stop(what: str, _: float) -> None:
        if what.startswith("Training step 2"):
            raise Stopped

    with pytest.raises(Stopped):
        train(llama, examples(llama), SHORT, progress=stop)
    assert hooks(llama) == 0
    assert not (tmp_path / "cache" / "steering-lab" / "trained").exists()
    assert llama.lock.acquire(blocking=False)
    llama.lock.release()


def test_where_no_step_is_better_the_vector_is_nothing(llama: LanguageModel) -> None:
    opposed = [replace(example, right=(7,)) for example in examples(llama, 5)]
    opposed[-1] = Example(opposed[0].prompt, (9,), ((7,),))
    vector = train(llama, opposed, replace(SHORT, steps=5, kl_weight=0.0))
    assert vector.provenance["best_step"] == 0
    assert not vector.directions.any()
    assert vector.provenance["lam"] == 0


# Examples


def test_what_two_texts_begin_with_is_the_prompt(model: LanguageModel) -> None:
    (example,) = pair_examples(model, replace(QUALITY, pairs=PAIRS[:1]))
    for pair, tail in ((PAIRS[0].positive, example.right), (PAIRS[0].negative, *example.wrong)):
        assert [*example.prompt, *tail] == model.token_ids(pair)
    assert model.tokenizer.decode(list(example.prompt), skip_special_tokens=True).startswith("The garden is")
    assert example.right[0] != example.wrong[0][0]


def test_texts_that_share_no_beginning_stand_behind_a_line_break(model: LanguageModel) -> None:
    pair = ContrastPair("We like this place.", "Nobody likes it.")
    (example,) = pair_examples(model, replace(QUALITY, pairs=(pair,)))
    assert list(example.prompt) == model.token_ids("\n")
    assert model.tokenizer.decode(list(example.right)).strip() == pair.positive
    assert model.tokenizer.decode(list(example.wrong[0])).strip() == pair.negative


def test_a_text_that_another_one_goes_on_from_keeps_a_token(model: LanguageModel) -> None:
    pair = ContrastPair("We like this place very much", "We like this place")
    (example,) = pair_examples(model, replace(QUALITY, pairs=(pair,)))
    assert len(example.wrong[0]) == 1
    assert [*example.prompt, *example.wrong[0]] == model.token_ids(pair.negative)


@pytest.mark.parametrize("choices", [True, False])
def test_solved_questions_of_a_task_become_examples(llama: LanguageModel, tmp_path: Path, choices: bool) -> None:
    row = {"id": "1", "question": "What falls?", "answer": "rain", "choices": ["bread", "rain"]} if choices else {
        "id": "1", "question": "How many?", "answer": 24}  # fmt: skip
    path = tmp_path / "own.jsonl"
    path.write_text(json.dumps(row), "utf-8")
    task = load_task(path)
    (example,) = solved_examples(llama, requests(llama, task, Style()), Style(), task)
    assert "24" in llama.tokenizer.decode(list(example.right)) if not choices else True
    if choices:
        assert [llama.tokenizer.decode(list(ids)).strip() for ids in (example.right, *example.wrong)] == [
            "rain",
            "bread",
        ]


def test_an_entry_of_a_list_is_answered_by_its_word_alone(llama: LanguageModel, tmp_path: Path) -> None:
    path, style = tmp_path / "own.jsonl", Style(layout="list")
    path.write_text(json.dumps({"id": "1", "question": "walk", "answer": "walked"}), "utf-8")
    task = load_task(path)
    (example,) = solved_examples(llama, requests(llama, task, style), style, task)
    assert llama.tokenizer.decode(list(example.right)).strip() == "walked"


def test_neutral_text_is_what_the_model_writes(model: LanguageModel) -> None:
    texts = neutral_text(model)
    assert len({tuple(text[:NEUTRAL_PROMPT]) for text in texts}) == len(texts)
    with torch.inference_mode():
        logits = model.model(input_ids=torch.tensor(texts[:2]), use_cache=False).logits
    chosen = logits[:, NEUTRAL_PROMPT - 1 : -1].gather(-1, torch.tensor(texts[:2])[:, NEUTRAL_PROMPT:, None])[..., 0]
    assert (logits[:, NEUTRAL_PROMPT - 1 : -1].amax(dim=-1) - chosen).max() < 0.01


@pytest.mark.parametrize("count", [2, 4, 5, 12])
def test_something_is_held_out_and_something_is_not(count: int) -> None:
    apart = [is_held_out(number, count) for number in range(count)]
    assert sum(apart) == max(1, count // 5)


# Through extraction


def test_extraction_goes_through_training(llama: LanguageModel, tmp_path: Path) -> None:
    fractions: list[float] = []
    few = replace(QUALITY, pairs=PAIRS[:4])
    vector = extract(llama, few, "gradient", progress=lambda _, fraction: fractions.append(fraction))
    assert fractions == sorted(fractions)
    assert (vector.method, vector.concept, vector.labels) == ("gradient", "quality", ("good", "bad"))
    assert vector.provenance["lam"] > 0
    assert vector.provenance["pairs"] == 4
    assert {quality.dropped for quality in vector.quality} == {3}, "one of four pairs is held out"
    assert vector.projections is not None
    assert vector.projections.shape == (llama.n_layers, 4)
    assert vector.projections.abs().max() <= 1 + 1e-6
    save_vector(vector, tmp_path / "v.safetensors")
    back = load_vector(tmp_path / "v.safetensors", llama)
    assert torch.equal(back.directions, vector.directions)
    assert back.provenance == vector.provenance


def test_checks_of_single_pairs_use_the_mean_instead(llama: LanguageModel) -> None:
    trained, mean = (read_design(llama, QUALITY, method) for method in ("gradient", "mean"))
    assert torch.equal(trained.directions, mean.directions)
    assert trained.method == "mean"


# What cannot be done


def test_what_cannot_be_trained_is_said_in_a_sentence(llama: LanguageModel) -> None:
    each = examples(llama)
    for settings, sentence in (
        ({"steps": 0}, "number of steps is 0"),
        ({"positions": "some"}, "Unknown positions 'some'"),
        ({"learning_rate": float("nan")}, "learning rate is nan"),
        ({"kl_weight": -1.0}, "KL weight -1"),
        ({"layers": ()}, "Name at least one"),
        ({"seed": -1}, "seed is -1"),
        ({"layers": (99,)}, "Layer 99 does not exist"),
        ({"two_sided": True}, "exactly one wrong continuation"),
    ):
        with pytest.raises(SteeringError, match=sentence):
            train(llama, each, Training(**settings))  # type: ignore[arg-type]
    with pytest.raises(SteeringError, match="there are 1"):
        train(llama, each[:1])
    with pytest.raises(SteeringError, match="without tokens"):
        Example((1,), ())
    with pytest.raises(SteeringError, match="Shorten it"):
        train(llama, [*each, Example((1,) * 600, (2,))])
    assert "gradient" in METHODS
    with pytest.raises(SteeringError, match="needs the model"):
        fit(torch.zeros(4, 2, 8), torch.ones(4, 2, 8), "gradient")
