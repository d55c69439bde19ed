"""Rows from a live model: the same whether computed alone or in a batch, and as plain transformers gives them."""

import json
from collections import defaultdict
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from conftest import loaded
from tiny import tiny_model

from steering.errors import SteeringError
from steering.evaluation import scoring
from steering.evaluation.scoring import Job, Outcome, score
from steering.models.language_model import LanguageModel
from steering.steer.intervention import plan, steer
from steering.steer.sampling import Sampling
from steering.steer.settings import SteeringSettings
from steering.tasks.prompting import Request, Style, requests
from steering.tasks.task import load_task

LAMBDAS = (-0.5, 0.0, 0.5)


def questions(folder: Path, choices: bool) -> Path:
    rows = [
        {"question": " ".join(["What is it that they see"] * (1 + place % 3)) + f" {place}?", "answer": place % 3}
        | ({"choices": ["a train", "the old gardens in spring", "bread"]} if choices else {})
        for place in range(7)
    ]
    path = folder / "own.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)), "utf-8")
    return path


def asked(child: LanguageModel, folder: Path, choices: bool) -> tuple[Request, ...]:
    return requests(child, load_task(questions(folder, choices), "all"), Style(plain=True))


def rows(
    child: LanguageModel, wanted: tuple[Request, ...], vector: object, **settings: object
) -> dict[object, Outcome]:
    jobs = [(place, lam) for lam in LAMBDAS for place in range(len(wanted))]
    found = [
        row
        for batch in score(
            child, wanted, jobs, plan(child, vector, SteeringSettings(**settings)), Sampling(max_new_tokens=6)
        )  # type: ignore[arg-type]
        for row in batch
    ]
    assert sorted(job for job, _ in found) == sorted(jobs), "every job once"
    return dict(found)


@pytest.mark.parametrize("family", ["llama", "gpt2", "gemma3", "opt"])
@pytest.mark.parametrize("positions", ["all", "response"])
def test_choices_are_weighed_as_plain_transformers_would(
    tmp_path: Path, vector_for, family: str, positions: str
) -> None:
    child = loaded(family)
    vector = vector_for(child)
    wanted = asked(child, tmp_path, True)
    intervention = plan(child, vector, SteeringSettings(positions=positions))
    for (place, lam), outcome in rows(child, wanted, vector, positions=positions).items():
        request = wanted[place]
        for tail, found in zip(request.tails, outcome.scores, strict=True):
            ids = torch.tensor([[*request.ids, *tail]])
            with torch.inference_mode(), steer(child, intervention, [lam], prompt_length=len(request.ids)):
                logits = child.model(input_ids=ids, use_cache=False).logits[0].double().log_softmax(-1)
            by_hand = sum(float(logits[len(request.ids) - 1 + step, token]) for step, token in enumerate(tail))
            assert found == pytest.approx(by_hand, abs=1e-3)


@pytest.mark.parametrize("family", ["llama", "gemma3", "qwen3"])
def test_a_row_alone_is_a_row_in_a_batch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, vector_for, family: str
) -> None:
    child = loaded(family)
    vector = vector_for(child)
    for choices in (False, True):
        wanted = asked(child, tmp_path, choices)
        together = rows(child, wanted, vector)
        assert len(set(together.values())) > len(wanted), "λ changes something"
        with monkeypatch.context() as patch:
            patch.setattr(scoring, "WRITTEN_ROWS", 1)
            patch.setattr(scoring, "WRITTEN_TOKENS", 1)
            alone = rows(child, wanted, vector)
        for job, outcome in together.items():
            assert (outcome.text, outcome.n_tokens) == (alone[job].text, alone[job].n_tokens)
            assert outcome.scores == pytest.approx(alone[job].scores, abs=1e-3)


def test_rows_that_wait_take_the_places_of_rows_that_have_ended(
    tmp_path: Path, vector_for, monkeypatch: pytest.MonkeyPatch
) -> None:
    child, tokens = loaded("llama"), 12
    wanted = asked(child, tmp_path, False)
    jobs = [(0, number / 100) for number in range(16)]
    wanted = (replace(wanted[0], stop="none"),)
    # One of the first two rows is long, all others are short.
    lengths = iter([tokens, *[2] * 15])
    monkeypatch.setattr(scoring, "WRITTEN_ROWS", 4)
    monkeypatch.setattr(scoring, "_stopped", lambda _child, asked, row, done: len(done) >= by_row[id(asked), row])
    by_row: dict[tuple[int, int], int] = defaultdict(lambda: next(lengths))
    sizes: list[int] = []

    def note(_module: object, _inputs: object, output: torch.Tensor) -> None:
        sizes.extend([len(output)] if output.shape[1] == 1 else [])

    watch = child.blocks[0].register_forward_hook(note)
    try:
        steps = list(score(child, wanted, jobs, plan(child, vector_for(child)), Sampling(tokens, stop=False)))
    finally:
        watch.remove()
    written = {job: outcome.n_tokens for batch in steps for job, outcome in batch}
    assert sorted(written.values()) == [2] * 15 + [tokens]
    assert max(sizes) <= 4
    assert len(sizes) <= tokens + 1, "18, if each two of them waited for the two before"


def test_a_zero_push_through_the_hooks_is_no_push(tmp_path: Path, vector_for) -> None:
    child = loaded("llama")
    wanted = asked(child, tmp_path, False)
    steered = rows(child, wanted, vector_for(child))
    jobs = [(place, 0.0) for place in range(len(wanted))]
    for batch in score(child, wanted, jobs, None, Sampling(max_new_tokens=6)):
        for job, outcome in batch:
            assert steered[job] == outcome


def test_what_follows_the_next_question_is_cut(tmp_path: Path) -> None:
    child = loaded("llama")
    first = asked(child, tmp_path, False)[0]
    sampling = Sampling(max_new_tokens=40)
    ((_, whole),) = [row for batch in score(child, [first], [(0, 0.0)], None, sampling) for row in batch]
    stop = whole.text[3:5]
    cut = Request(first.item, first.text, first.ids, stop=stop)
    ((_, short),) = [row for batch in score(child, [cut], [(0, 0.0)], None, sampling) for row in batch]
    assert short.text == whole.text.split(stop, 1)[0]
    assert short.ended == "stop"
    assert short.n_tokens < whole.n_tokens


def test_a_text_that_repeats_itself_is_degenerate(tmp_path: Path) -> None:
    child = loaded("llama")
    first = asked(child, tmp_path, False)[0]
    assert scoring.outcome(child, first, (5, 6, 7) * 6, "length").degenerate
    assert not scoring.outcome(child, first, tuple(range(20, 38)), "length").degenerate


def test_a_prompt_that_is_too_long_is_refused(tmp_path: Path) -> None:
    child = loaded("llama")
    wanted = asked(child, tmp_path, False)
    with pytest.raises(SteeringError, match="reads up to 512"):
        next(score(child, wanted, [(0, 0.0)], None, Sampling(max_new_tokens=500)))


def test_nothing_to_do_is_nothing_done() -> None:
    assert list(score(loaded("llama"), [], [], None, Sampling())) == []


def even(child: LanguageModel) -> LanguageModel:
    """A copy of a model that finds every token equally likely, so that what it samples is its random numbers alone."""
    even = LanguageModel(tiny_model("llama", tokenizer=child.tokenizer), child.tokenizer, "even")
    with torch.no_grad():
        even.model.get_output_embeddings().weight.zero_()
    return even


def sampled(
    child: LanguageModel, wanted: tuple[Request, ...], vector: object, jobs: list[Job], seed: int = 0
) -> dict[Job, str]:
    sampling = Sampling(max_new_tokens=8, temperature=1.0, seed=seed, stop=False)
    return {
        job: outcome.text
        for batch in score(child, wanted, jobs, plan(child, vector), sampling)  # type: ignore[arg-type]
        for job, outcome in batch
    }


def test_every_question_draws_its_own_numbers_and_its_strengths_share_them(tmp_path: Path, vector_for) -> None:
    child = even(loaded("llama"))
    wanted, vector = asked(child, tmp_path, False), vector_for(child)
    jobs = [(place, lam) for place in range(len(wanted)) for lam in LAMBDAS]
    texts = sampled(child, wanted, vector, jobs)
    assert len({texts[place, 0.0] for place in range(len(wanted))}) == len(wanted)
    assert all(texts[place, lam] == texts[place, 0.0] for place, lam in jobs)
    assert sampled(child, wanted, vector, jobs) == texts
    assert not set(sampled(child, wanted, vector, jobs, seed=1).values()) & set(texts.values())


def test_what_a_question_samples_does_not_depend_on_the_others(
    tmp_path: Path, vector_for, monkeypatch: pytest.MonkeyPatch
) -> None:
    child = even(loaded("llama"))
    wanted, vector = asked(child, tmp_path, False), vector_for(child)
    jobs = [(place, lam) for place in range(len(wanted)) for lam in LAMBDAS]
    texts = sampled(child, wanted, vector, jobs)
    assert sampled(child, wanted, vector, jobs[::-1][:4]) == {job: texts[job] for job in jobs[::-1][:4]}
    monkeypatch.setattr(scoring, "WRITTEN_ROWS", 2)
    assert sampled(child, wanted[2:5], vector, [(1, 0.5)]) == {(1, 0.5): texts[3, 0.5]}
    assert sampled(child, wanted, vector, jobs) == texts
