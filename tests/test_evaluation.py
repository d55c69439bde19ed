"""A λ grid on a task: laws on tiny models, and the choice of λ on columns made by hand."""

import json
import re
import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from conftest import loaded

from steering.errors import SteeringError
from steering.evaluation import scoring
from steering.evaluation.columns import Column, judge
from steering.evaluation.evaluation import Evaluation, _graded, ask, evaluate, tune, tuned
from steering.evaluation.scorer import GRIDS, Scorer, Setup, strengths
from steering.evaluation.scoring import Outcome
from steering.evaluation.store import Store
from steering.evaluation.voting import vote
from steering.steer.grid import Row
from steering.steer.health import Health, degenerate, dominant, repeated
from steering.steer.settings import SteeringSettings
from steering.storage import key
from steering.tasks.prompting import NEXT_QUESTION, Request, Style, requests
from steering.tasks.task import Item, load_task

LAMBDAS = (-0.5, 0.0, 0.5)
SETUP = Setup(max_new_tokens=6)


@pytest.fixture(params=[True, False], ids=["choices", "numbers"])
def task(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return own(tmp_path, request.param)


def own(folder: Path, choices: bool = True, marker: str = "") -> Path:
    rows = [
        {"id": f"{split}-{place}", "question": f"{split} {place}{marker if split == 'test' else ''}?", "split": split}
        | ({"choices": ["a train", "the gardens", "rain"], "answer": place % 3} if choices else {"answer": place})
        for split in ("validation", "test")
        for place in range(6)
    ]
    path = folder / f"own{marker}.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)), "utf-8")
    return path


def stored(path: Path) -> list[tuple[str, int]]:
    with sqlite3.connect(path) as connection:
        return connection.execute("SELECT item, attempts FROM rows").fetchall()


def test_a_vector_of_zeros_is_the_baseline_at_every_strength(task: Path, tmp_path: Path, vector_for) -> None:
    child = loaded("llama")
    nothing = replace(vector_for(child), directions=torch.zeros(child.n_layers, child.d_model))
    found = evaluate(child, nothing, task, LAMBDAS, setup=SETUP, store=tmp_path / "rows.sqlite")
    assert all(column.answers == found.baseline.answers for column in found.columns)
    assert vote(found, near=0.5).correct == found.baseline.correct
    assert all(against.p == 1 for against in found.comparisons)
    something = evaluate(child, vector_for(child), task, LAMBDAS, setup=SETUP, store=tmp_path / "rows.sqlite")
    assert something.baseline == found.baseline
    assert something.at(0.5).answers != found.baseline.answers


def test_tuning_never_sees_the_test_split(tmp_path: Path, vector_for) -> None:
    child = loaded("llama")
    one, other = own(tmp_path), own(tmp_path, marker=" quite another question")
    found = [
        tune(child, vector_for(child), path, LAMBDAS, store=tmp_path / f"{path.stem}.sqlite") for path in (one, other)
    ]
    assert found[0].evaluation.columns == found[1].evaluation.columns
    assert found[0].best_lam == found[1].best_lam
    assert {item.split("-")[0] for path in (one, other) for item, _ in stored(tmp_path / f"{path.stem}.sqlite")} == {
        "validation"
    }
    with pytest.raises(SteeringError, match="test split"):
        tune(child, vector_for(child), one, split="test")


class Stopped(Exception):
    pass


def test_a_stopped_run_goes_on_where_it_was(
    task: Path, tmp_path: Path, vector_for, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("steering.evaluation.scoring.WRITTEN_ROWS", 4)
    monkeypatch.setattr("steering.evaluation.scoring.WRITTEN_TOKENS", 150)
    child, vector = loaded("llama"), vector_for(loaded("llama"))
    whole = evaluate(child, vector, task, LAMBDAS, setup=SETUP, store=tmp_path / "whole.sqlite")
    store = tmp_path / "rows.sqlite"
    seen = []

    def stop(what: str, fraction: float) -> None:
        seen.append(what)
        if fraction > 0.3:
            raise Stopped

    with pytest.raises(Stopped):
        evaluate(child, vector, task, LAMBDAS, setup=SETUP, store=store, progress=stop)
    assert 0 < len(stored(store)) < 18
    assert "of 18 rows, about" in seen[0]
    again = evaluate(child, vector, task, LAMBDAS, setup=SETUP, store=store, resume=True)
    assert again == whole
    assert [attempts for _, attempts in stored(store)] == [1] * 18

    said: list[str] = []
    evaluate(
        child, vector, task, LAMBDAS, setup=SETUP, store=store, resume=True, progress=lambda what, _: said.append(what)
    )
    assert said == ["Scoring own: all rows were there"]
    evaluate(child, vector, task, LAMBDAS, setup=SETUP, store=store)
    assert [attempts for _, attempts in stored(store)] == [2] * 18, "without resume a run computes its own rows"


def test_missing_rows_are_counted_before_they_are_computed(task: Path, tmp_path: Path, vector_for) -> None:
    child, vector, store = loaded("llama"), vector_for(loaded("llama")), tmp_path / "rows.sqlite"
    scorer = Scorer(child, load_task(task), SETUP, Store(store))
    assert scorer.missing(vector, LAMBDAS) == 18
    evaluate(child, vector, task, (0.5,), limit=2, setup=SETUP, store=store)
    assert scorer.missing(vector, LAMBDAS) == 14
    scorer.columns(vector, LAMBDAS)
    assert scorer.missing(vector, LAMBDAS) == 0


@pytest.mark.parametrize("style", [Style(), Style("generate", plain=True)], ids=["as it suits", "plain"])
def test_a_question_asked_alone_is_answered_as_in_its_task(
    task: Path, tmp_path: Path, vector_for, style: Style
) -> None:
    child, vector, setup = loaded("llama"), vector_for(loaded("llama")), Setup(style, max_new_tokens=9)
    whole = evaluate(child, vector, task, LAMBDAS, setup=setup, store=tmp_path / "whole.sqlite")
    seen = list(ask(Scorer(child, load_task(task), setup, Store(tmp_path / "rows.sqlite")), vector, LAMBDAS))
    assert len(seen) == (1 if seen[-1].mode == "likelihood" else 3)
    assert seen[-1].n == 1
    for column in seen[-1].columns:
        alone, among = column.answers[0], whole.at(column.lam).answers[0]
        assert (alone.item, alone.text, alone.answer, alone.outcome) == (
            among.item, among.text, among.answer, among.outcome,
        )  # fmt: skip
        assert alone.scores == pytest.approx(among.scores)


def test_a_plain_question_ends_where_the_model_asks_its_own(
    task: Path, tmp_path: Path, vector_for, monkeypatch
) -> None:
    child, setup = loaded("llama"), Setup(Style("generate", plain=True), max_new_tokens=40)
    texts = iter(["It is", f"It is 4{NEXT_QUESTION} And", "never reached"])

    class Rambling:
        done = False

        def __init__(self, text: str) -> None:
            tokens = tuple(child.tokenizer(text, add_special_tokens=False)["input_ids"])
            self.rows = [Row(lam, text, tokens, "", Health(0, 0, None, False, False)) for lam in LAMBDAS]

    monkeypatch.setattr("steering.evaluation.evaluation.stream", lambda *_, **__: map(Rambling, texts))
    scorer = Scorer(child, load_task(task), setup, Store(tmp_path / "rows.sqlite"))
    (found,) = ask(scorer, vector_for(child), LAMBDAS)
    assert {column.answers[0].text.strip() for column in found.columns} == {"It is 4"}
    assert next(texts) == "never reached"


def test_one_row_has_one_health_in_a_streamed_question_and_in_a_scored_task() -> None:
    child = loaded("llama")
    item = Item("q", "?", "4")
    request = Request(item, "", (1,), stop=NEXT_QUESTION)
    tokens = tuple(child.tokenizer(f"It is 4{NEXT_QUESTION}{' 5 5 5' * 20}", add_special_tokens=False)["input_ids"])
    health = Health(repeated(tokens), dominant(tokens), None, same_as_baseline=False, degenerate=degenerate(tokens))
    assert health.degenerate, "what the child wrote behind its answer repeats itself"
    row = Row(0.0, child.tokenizer.decode(list(tokens)), tokens, "length", health)
    streamed = _graded(child, "number", request, row).answers[0]
    scored = judge("number", item, scoring.outcome(child, request, tokens, "length"))
    assert streamed == scored
    assert not scored.degenerate


def test_a_run_can_be_stopped_within_a_batch(
    tmp_path: Path, vector_for, hooks, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("steering.evaluation.scorer.REPORT_EVERY_S", 0.0)
    child, store = loaded("llama"), tmp_path / "rows.sqlite"

    def stop(what: str, fraction: float) -> None:
        assert (what, fraction) == ("Scoring own: 0 of 18 rows", 0.0)
        raise Stopped

    with pytest.raises(Stopped):
        evaluate(
            child,
            vector_for(child),
            own(tmp_path, choices=False),
            LAMBDAS,
            setup=Setup(max_new_tokens=50),
            store=store,
            progress=stop,
        )
    assert stored(store) == []
    assert hooks(child) == 0


def test_rows_are_shared_where_the_same_was_computed(tmp_path: Path, vector_for) -> None:
    child, vector, path, store = loaded("llama"), vector_for(loaded("llama")), own(tmp_path), tmp_path / "rows.sqlite"
    settings = {"store": store, "resume": True}
    first = evaluate(child, vector, path, LAMBDAS, **settings)
    flipped = evaluate(child, -vector, path, LAMBDAS, **settings)
    assert len(stored(store)) == 18
    assert flipped.at(0.5).answers == first.at(-0.5).answers
    evaluate(child, vector_for(child, seed=1), path, LAMBDAS, **settings)
    assert len(stored(store)) == 30, "another vector shares the baseline"
    evaluate(child, vector, path, LAMBDAS, setup=Setup(steering=SteeringSettings(scale="unit")), **settings)
    evaluate(child, vector, path, LAMBDAS, setup=Setup(steering=SteeringSettings(positions="response")), **settings)
    assert len(stored(store)) == 54
    evaluate(child, vector, path, LAMBDAS, limit=3, **settings)
    assert len(stored(store)) == 54, "a smaller run is part of a larger one"
    evaluate(child, vector, path, [0.0], setup=Setup(style=Style(instruction="Be brave.")), **settings)
    assert len(stored(store)) == 60


def test_rows_belong_to_their_operator_and_those_of_adding_are_found_as_before(tmp_path: Path, vector_for) -> None:
    child, vector, path, store = loaded("llama"), vector_for(loaded("llama")), own(tmp_path), tmp_path / "rows.sqlite"
    found = {
        operator: evaluate(
            child,
            vector,
            path,
            [0.5],
            setup=Setup(steering=SteeringSettings(operator=operator)),
            store=store,
            resume=True,
        )
        for operator in ("add", "ablate", "rotate")
    }
    assert len(stored(store)) == 24, "the baseline, and six questions an operator"
    assert len({each.at(0.5).answers for each in found.values()}) == 3
    cells = [
        json.loads(settings)["steering"] for (settings,) in sqlite3.connect(store).execute("SELECT settings FROM cells")
    ]
    assert sorted(map(len, filter(None, cells))) == [5, 6, 6], "rows of adding say nothing of an operator"
    ablate = Setup(steering=SteeringSettings(operator="ablate"))
    opposite = evaluate(child, -vector, path, [0.5], setup=ablate, store=store, resume=True)
    assert opposite.at(0.5).answers == found["ablate"].at(0.5).answers
    assert len(stored(store)) == 24, "a component that is taken out has no sign"


@pytest.mark.parametrize("temperature", [0.0, 0.7])
def test_rows_that_were_sampled_without_a_seed_for_each_question_are_not_served(
    tmp_path: Path, vector_for, temperature: float
) -> None:
    child, path = loaded("llama"), own(tmp_path, choices=False)
    scorer = Scorer(child, load_task(path), SETUP, Store(tmp_path / "rows.sqlite"))
    sampling = replace(scorer.sampling, temperature=temperature)
    made = {"child": child.fingerprint, "dtype": str(child.dtype), "sampling": vars(sampling), "steering": None}
    scorer.store.write(
        (key("row", made), key(request.ids, request.tails, request.stop), request.item.id, Outcome("from before"))
        for request in requests(child, scorer.task, SETUP.style)
    )
    (column,) = scorer.columns(vector_for(child), [0.0], sampling=sampling)
    assert {answer.text == "from before" for answer in column.answers} == {temperature == 0}


def test_a_record_can_be_written(task: Path, tmp_path: Path, vector_for) -> None:
    child = loaded("gpt2")
    data = evaluate(child, vector_for(child), task, [0.5], setup=SETUP, store=tmp_path / "rows.sqlite").as_json()
    json.dumps(data, allow_nan=False)
    assert [row["lam"] for row in data["rows"]] == [0.0, 0.5]
    for row in data["rows"]:
        assert row["low"] <= row["accuracy"] <= row["high"]
        assert sum(row["correct"]) / data["n"] == row["accuracy"]
    assert data["rows"][0]["change"]["mean"] == 0
    assert set(data["provenance"]) >= {"child", "vector", "task", "style", "sampling", "scale", "seed", "versions"}


def columns(*right: tuple[float, int], n: int = 40) -> Evaluation:
    item = Item("q", "?", "4")
    made = [
        Column(
            lam, tuple(judge("number", item, Outcome("4" if place < count else "5")) for place in range(n)), ("4",) * n
        )
        for lam, count in right
    ]
    return Evaluation("own", "validation", "number", "generate", tuple(made))


@pytest.mark.parametrize(
    ("right", "best", "verdict"),
    [
        ([(0.0, 10), (0.1, 12), (0.2, 11)], 0.1, "No λ differs"),
        ([(0.0, 10), (0.1, 12), (0.2, 12)], 0.1, "No λ differs"),
        ([(0.0, 12), (-0.1, 12)], 0.0, "No λ differs"),
        ([(0.0, 10), (-0.1, 12), (0.1, 12)], 0.1, "No λ differs"),
        ([(0.0, 10), (0.1, 30)], 0.1, r"λ = \+0.1 is better than the baseline by 0.500"),
        ([(0.0, 30), (0.1, 31), (0.3, 5)], 0.1, r"worse is λ = \+0.3"),
    ],
)
def test_the_best_strength_is_the_gentlest_of_the_best(
    right: list[tuple[float, int]], best: float, verdict: str
) -> None:
    found = tuned(columns(*right))
    assert found.best_lam == best
    assert re.match(f".*{verdict}", found.verdict)


def test_strengths_are_distinct_and_hold_zero() -> None:
    assert strengths([0.1, 0.2, 0.1], "residual") == (0.0, 0.1, 0.2)
    assert strengths([0.1, -0.0], "residual") == (0.1, 0.0)
    assert strengths(None, "unit") == GRIDS["unit"]
    for bad in ([], [float("nan")], [float("inf")]):
        with pytest.raises(SteeringError, match="finite"):
            strengths(bad, "residual")


def test_weighed_choices_are_graded_per_character() -> None:
    item = Item("q", "?", "B", ("no", "certainly not"))
    answer = judge("choice", item, Outcome(scores=(-4.0, -6.0)))
    assert (answer.answer, answer.likeliest, answer.outcome) == ("B", "A", "right")
    column = Column(0.0, (answer,), ("B",))
    assert (column.as_json()["accuracy"], column.as_json()["plain_accuracy"]) == (1.0, 0.0)
