"""Controls: each is what it says, costs what the vote costs, and stands in one table."""

import json
import math
import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from conftest import loaded

from steering.errors import SteeringError
from steering.evaluation.columns import Column, judge
from steering.evaluation.controls import RANDOM_SEEDS, TEMPERATURE, Control, drawn
from steering.evaluation.evaluation import evaluate, tune
from steering.evaluation.overview import overview, read_reports
from steering.evaluation.protocol import Study, most_rows, study
from steering.evaluation.report import HEADINGS, as_html, as_markdown, table, write_report
from steering.evaluation.scorer import Setup
from steering.evaluation.scoring import Outcome
from steering.evaluation.voting import vote
from steering.models.language_model import LanguageModel
from steering.stats import derived_seed
from steering.steer.settings import SteeringSettings
from steering.tasks.prompting import Style
from steering.tasks.task import Item
from steering.vectors.vector import SteeringVector, random_like

LAMBDAS = (-0.5, 0.0, 0.5)
SETUP = Setup(max_new_tokens=6)


@pytest.fixture
def child() -> LanguageModel:
    return loaded("llama")


@pytest.fixture
def vector(child: LanguageModel, vector_for) -> SteeringVector:
    found: SteeringVector = vector_for(child)
    return found


@pytest.fixture(params=[True, False], ids=["choices", "numbers"])
def task(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    rows = [
        {"id": f"{split}-{place}", "question": f"{split} {place}?", "split": split}
        | ({"choices": ["a train", "the gardens", "rain"], "answer": place % 3} if request.param else {"answer": place})
        for split in ("validation", "test")
        for place in range(5)
    ]
    path = tmp_path / "own.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)), "utf-8")
    return path


def run(child: LanguageModel, vector: SteeringVector, task: Path, **settings: object) -> Study:
    store = task.with_name("rows.sqlite")
    return study(child, vector, task, LAMBDAS, **{"setup": SETUP, "store": store, **settings})  # type: ignore[arg-type]


def only(found: Study, name: str) -> Control:
    assert found.controls is not None
    (control,) = found.controls[name]
    return control


def test_every_control_is_what_it_says(child: LanguageModel, vector: SteeringVector, task: Path) -> None:
    found = run(child, vector, task, lam=0.5, tune=False)
    settings = {"setup": SETUP, "store": task.with_name("again.sqlite")}
    assert found.controls is not None

    assert len(found.controls["random"]) == RANDOM_SEEDS
    for seed, control in enumerate(found.controls["random"]):
        random = random_like(vector, derived_seed(0, "random vector", seed))
        grid = evaluate(child, random, task, LAMBDAS, **settings)  # type: ignore[arg-type]
        assert control.column == grid.at(0.5)
        assert control.vote == vote(grid, 0.5)

    flipped = only(found, "flipped")
    assert flipped.column.answers == found.evaluation.at(-0.5).answers
    assert flipped.vote is not None
    assert len(flipped.vote.voters) == len(LAMBDAS)

    samples = only(found, "self_consistency")
    assert samples.vote is not None
    assert len(samples.vote.voters) == len(LAMBDAS), "as many samples as there are λ"

    words = only(found, "prompt_only")
    asked = replace(SETUP, style=Style(instruction="Let your answer express this: more."))
    again = evaluate(child, vector, task, [0.0], setup=asked, store=task.with_name("again.sqlite"))
    assert words.column == again.baseline
    assert words.column != found.evaluation.baseline


@pytest.mark.parametrize("lambdas", [LAMBDAS, (0.0, 0.25, 0.5)], ids=["both signs", "one sign"])
def test_every_vector_among_the_controls_has_its_own_tuned_strength(
    child: LanguageModel, vector: SteeringVector, task: Path, lambdas: tuple[float, ...]
) -> None:
    found = study(child, vector, task, lambdas, setup=SETUP, store=task.with_name("rows.sqlite"))
    settings = {"setup": SETUP, "store": task.with_name("again.sqlite")}
    assert found.controls is not None
    assert found.tuning is not None
    for number, control in enumerate(found.controls["random"]):
        random = random_like(vector, derived_seed(0, "random vector", number))
        assert control.column.lam == tune(child, random, task, lambdas, **settings).best_lam  # type: ignore[arg-type]
        assert control.column == evaluate(child, random, task, lambdas, **settings).at(control.column.lam)  # type: ignore[arg-type]
        assert control.vote is not None
        assert control.vote.near == control.column.lam
        assert len(control.vote.voters) == len(lambdas)
    side = [lam for lam in lambdas if lam * found.lam > 0 or lam == 0]
    flipped = only(found, "flipped")
    assert flipped.column.lam == tune(child, -vector, task, side, **settings).best_lam  # type: ignore[arg-type]
    data = found.as_json()["controls"]
    assert [each["best_lam"] for each in data["random"]["each"]] == data["random"]["best_lams"]
    assert data["flipped"]["best_lam"] == flipped.column.lam
    assert data["flipped"]["tuned_on"] == 5
    assert data["prompt_only"]["best_lam"] is None


def test_where_nothing_is_tuned_the_controls_stay_at_the_given_strength(
    child: LanguageModel, vector: SteeringVector, task: Path
) -> None:
    found = run(child, vector, task, tune=False, lam=0.5)
    assert found.controls is not None
    assert {control.column.lam for name in ("random", "flipped") for control in found.controls[name]} == {0.5}
    assert only(found, "flipped").as_json()["best_lam"] is None


def test_a_vector_of_zeros_has_controls_equal_to_the_baseline(
    child: LanguageModel, vector: SteeringVector, task: Path
) -> None:
    nothing = replace(vector, directions=torch.zeros_like(vector.directions))
    found = run(child, nothing, task)
    assert found.controls is not None
    assert found.vote is not None
    right = found.evaluation.baseline.correct
    assert found.vote.correct == right
    for control in (*found.controls["random"], *found.controls["flipped"]):
        assert control.column.correct == right
        assert control.vote is not None
        assert control.vote.correct == right


def test_a_study_repeats_itself_and_samples_differ_by_seed(
    child: LanguageModel, vector: SteeringVector, task: Path
) -> None:
    first = run(child, vector, task)
    assert run(child, vector, task, store=task.with_name("other.sqlite")) == first
    if first.evaluation.mode == "generate":  # A tiny model's choices differ by so much that every sample is the same.
        other = run(child, vector, task, setup=replace(SETUP, seed=5))
        ballots = [only(one, "self_consistency").vote for one in (first, other)]
        assert ballots[0] != ballots[1]


def test_a_choice_is_sampled_as_often_as_it_is_likely() -> None:
    item = Item("q", "?", "A", ("four", "of words"))
    # Per character 0.25 apart, so 1.5 nats at the average length of 6, and 1.5 / 0.7 at the temperature.
    answer = judge("choice", item, Outcome(scores=(-4.0, -10.0)))
    items = [replace(item, id=f"q{place}", question=f"{place}?") for place in range(400)]
    baseline = Column(0.0, (answer,) * 400, ("A",) * 400)
    sample = drawn(baseline, items, seed=0)
    share = 1 / (1 + math.exp(-1.5 / TEMPERATURE))
    assert sample.accuracy == pytest.approx(share, abs=0.05)
    assert sample == drawn(baseline, items, seed=0)
    assert sample != drawn(baseline, items, seed=1)

    fewer = Column(0.0, (answer,) * 200, ("A",) * 200)
    assert drawn(fewer, items[7:207], seed=0).answers == sample.answers[7:207], "a sample does not depend on the others"


def test_runs_of_different_seeds_share_no_sample_and_no_random_vector(
    child: LanguageModel, vector: SteeringVector, task: Path
) -> None:
    seeds, vectors = set(), set()
    for seed in range(3):
        found = run(child, vector, task, setup=replace(SETUP, seed=seed), tune=False, voting=False)
        with sqlite3.connect(task.with_name("rows.sqlite")) as connection:
            cells = [json.loads(text) for (text,) in connection.execute("SELECT settings FROM cells")]
        written = found.evaluation.mode == "generate"
        seeds |= {cell["sampling"]["seed"] for cell in cells if written and cell["sampling"]["temperature"]}
        vectors |= {cell["steering"]["vector"] for cell in cells if cell["steering"]}
    assert len(vectors) == 1 + 3 * RANDOM_SEEDS
    assert len(seeds) == (3 * len(LAMBDAS) if written else 0)


def test_lambda_is_tuned_on_one_part_and_reported_on_the_other(
    child: LanguageModel, vector: SteeringVector, task: Path
) -> None:
    found = run(child, vector, task, controls=False)
    assert found.tuning is not None
    assert {answer.item.split("-")[0] for answer in found.tuning.evaluation.baseline.answers} == {"validation"}
    assert {answer.item.split("-")[0] for answer in found.evaluation.baseline.answers} == {"test"}
    assert found.lam == found.tuning.best_lam
    with pytest.raises(SteeringError, match="cannot report it"):
        run(child, vector, task, split="validation")


@pytest.mark.parametrize("lambdas", [(-0.5, 0.0, 0.5), (0.0, 0.25, 0.5)], ids=["both signs", "one sign"])
def test_a_study_computes_the_rows_that_were_foretold(
    child: LanguageModel, vector_for, task: Path, lambdas: tuple[float, ...]
) -> None:
    store, own = task.with_name("rows.sqlite"), vector_for(child, seed=9)  # No random vector of the controls.
    found = study(child, own, task, lambdas, setup=SETUP, store=store, lam=0.5, tune=False)
    with sqlite3.connect(store) as connection:
        ((rows,),) = connection.execute("SELECT count(*) FROM rows").fetchall()
    assert rows == most_rows(5, lambdas, found.evaluation.mode)


@pytest.mark.parametrize("lambdas", [(-0.5, 0.0, 0.5), (0.0, 0.25, 0.5)], ids=["both signs", "one sign"])
def test_rows_that_tune_the_controls_are_foretold_too(
    child: LanguageModel, vector_for, task: Path, lambdas: tuple[float, ...]
) -> None:
    store, own = task.with_name("rows.sqlite"), vector_for(child, seed=9)
    study(child, own, task, lambdas, setup=SETUP, store=store)
    with sqlite3.connect(store) as connection:
        ((rows,),) = connection.execute("SELECT count(*) FROM rows").fetchall()
    mode = "likelihood" if "choices" in task.read_text("utf-8") else "generate"
    most = 5 * len(lambdas) + most_rows(5, lambdas, mode, tuned_on=5)
    assert rows == most if lambdas[0] < 0 else rows <= most


def test_progress_only_grows(child: LanguageModel, vector: SteeringVector, task: Path) -> None:
    seen: list[float] = []
    run(child, vector, task, progress=lambda _, fraction: seen.append(fraction))
    assert seen == sorted(seen)
    assert seen[-1] == pytest.approx(1.0)


def test_the_table_holds_everything(child: LanguageModel, vector: SteeringVector, task: Path, tmp_path: Path) -> None:
    found = run(child, vector, task)
    rows = table(found)
    assert all(len(row) == len(HEADINGS) for row in rows)
    names = [row[0] for row in rows]
    assert names[:3] == ["baseline", "tuned", "vote over λ"]
    assert names.count("exploration") == len(LAMBDAS) - 1
    expected = {"random, mean of 3", "random 1", "flipped", "flipped, vote", "self-consistency, vote", "prompt-only"}
    assert expected <= set(names)
    assert f"{found.evaluation.baseline.accuracy:.3f}" in rows[0]

    text = as_markdown(found)
    for fact in ("n = 5", "split test", "seed 0", "torch", child.fingerprint, "chosen on 5 questions", "ties"):
        assert fact in text
    page = as_html(found)
    assert page.count("<tr>") == len(rows) + 1
    for ending in ("md", "html", "json"):
        path = tmp_path / f"report.{ending}"
        write_report(found, path)
        assert path.read_text("utf-8")
    assert json.loads((tmp_path / "report.json").read_text("utf-8")) == json.loads(json.dumps(found.as_json()))
    with pytest.raises(SteeringError, match="must end in"):
        write_report(found, tmp_path / "report.pdf")


def test_where_the_sign_says_nothing_no_flipped_vector_is_among_the_controls(
    child: LanguageModel, vector: SteeringVector, task: Path
) -> None:
    ablation = replace(SETUP, steering=SteeringSettings(operator="ablate"))
    found = run(child, vector, task, setup=ablation, lam=0.5, tune=False)
    assert found.controls is not None
    assert set(found.controls) == {"random", "self_consistency", "prompt_only"}
    store = task.with_name("rows.sqlite")
    other = evaluate(child, -vector, task, LAMBDAS, setup=ablation, store=store, resume=True)
    assert other.at(0.5).answers == found.evaluation.at(0.5).answers
    assert "Operator ablate" in as_markdown(found)
    write_report(run(child, vector, task, setup=ablation), task.with_name("report.json"))
    (row,) = overview(read_reports([task.with_name("report.json")])).to_dict("records")
    assert not [name for name in row if "flipped" in name]
