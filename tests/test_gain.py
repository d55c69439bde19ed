"""A gain: settings are tried as written answers would judge them, and arms choose on the validation part alone."""

import json
from collections import deque
from pathlib import Path

import pytest
from conftest import loaded

from steering.errors import SteeringError
from steering.evaluation import Gain, Scorer, Setup, Store, forced, gain, gain_table, power_sentence, task_parts
from steering.evaluation.arms import FIRST_DEPTH, FIRST_STRENGTHS, LEAD_INS, STRENGTHS
from steering.evaluation.forced import Trial, run_trials
from steering.models.language_model import LanguageModel
from steering.stats import mcnemar_power
from steering.steer import Sampling, SteeringSettings, decode, plan
from steering.tasks import Style, load_task, requests
from steering.vectors import SteeringVector

CONTRACT = [
    "baseline", "carried", "own", "random", "flipped", "format-only", "first-token", "self-consistency", "asked", "few-shot",
]  # fmt: skip

pytestmark = pytest.mark.usefixtures("fresh_cache")


@pytest.fixture
def child() -> LanguageModel:
    return loaded("llama")


@pytest.fixture
def vector(child: LanguageModel, vector_for) -> SteeringVector:
    chosen: SteeringVector = vector_for(child)
    return chosen


@pytest.fixture(params=["words", "choices"])
def task(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    rows: list[dict[str, object]] = []
    for split, count in (("train", 10), ("validation", 5), ("test", 6)):
        for place in range(count):
            row: dict[str, object] = {
                "question": f"{split[:2]}{place}",
                "split": split,
                "answer": f"{split[0]}{place}x",
            }
            if request.param == "choices":
                row |= {"choices": ["a train", "the gardens", "rain"], "answer": place % 3}
            rows.append(row)
    path = tmp_path / "own.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)), "utf-8")
    return path


def test_a_trial_weighs_choices_as_an_evaluation_does(
    child: LanguageModel, vector: SteeringVector, task: Path, tmp_path: Path
) -> None:
    loaded_task, style = load_task(task, "validation"), Style(plain=True)
    settings = SteeringSettings(positions="response")
    intervention = plan(child, vector, settings)
    lambdas = (0.0, 0.5, -0.5)
    trials = run_trials(child, loaded_task, style, [Trial(intervention, lam) for lam in lambdas])
    scorer = Scorer(child, loaded_task, Setup(style, 12, settings), Store.open(tmp_path / "rows.sqlite"))
    written = scorer.columns(vector, lambdas)
    assert [trial.right for trial in trials] == [sum(column.correct) for column in written]


def test_a_trial_counts_what_greedy_decoding_writes(
    child: LanguageModel, vector: SteeringVector, task: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the right answers are what one strength writes, that strength has them all right, and others have not."""
    settings, style = SteeringSettings(positions="response"), Style(plain=True)
    intervention, questions = plan(child, vector, settings), load_task(task, "validation")
    asked = requests(child, questions, style)
    steps = decode(child, [each.ids for each in asked], intervention, [3.0] * len(asked), Sampling(4, stop=False))
    written = deque(steps, maxlen=1)[0].tokens

    def rows(_child: object, _task: object, _style: object, n_trials: int) -> list[forced._Row]:
        return [
            forced._Row(trial, place, request.item, (*request.ids, *tokens), len(request.ids))
            for place, (request, tokens) in enumerate(zip(asked, written, strict=True))
            for trial in range(n_trials)
        ]

    monkeypatch.setattr(forced, "_rows", rows)
    strengths = (3.0, 0.0, -3.0)
    steered, unsteered, opposite = run_trials(child, questions, style, [Trial(intervention, lam) for lam in strengths])
    assert steered.right == len(asked)
    assert unsteered.right < len(asked)
    assert opposite.right < len(asked)
    assert steered.log_likelihood > max(unsteered.log_likelihood, opposite.log_likelihood)
    (plain,) = run_trials(child, questions, style, [Trial(None)])
    assert plain == unsteered

    written = tuple((*tokens[:-1], (tokens[-1] + 1) % child.vocabulary) for tokens in written)
    (one_token_off,) = run_trials(child, questions, style, [Trial(intervention, 3.0)])
    assert one_token_off.right == 0, "every token counts"


def run_gain(task: Path, **settings: object) -> Gain:
    store = task.with_name("rows.sqlite")
    return gain(loaded("gpt2"), loaded("llama"), task, shots=3, store=store, **settings)  # type: ignore[arg-type]


def test_every_arm_answers_the_same_questions(task: Path) -> None:
    result = run_gain(task)
    data = result.as_json()
    assert [arm["name"] for arm in data["arms"]][: len(CONTRACT)] == CONTRACT
    assert data["n"] == 6
    assert all(len(arm["correct"]) == 6 for arm in data["arms"])
    assert all(arm["low"] <= arm["accuracy"] <= arm["high"] for arm in data["arms"])
    assert all(arm["p_adjusted"] >= arm["p"] for arm in data["arms"])
    carried = result.arm("carried").chosen
    assert carried["layer"] >= int(FIRST_DEPTH * loaded("llama").n_layers)
    assert carried["lam"] in (*FIRST_STRENGTHS, *STRENGTHS)
    assert result.arm("first-token").chosen["positions"] == "first"
    assert result.arm("format-only").chosen["prompt"] in LEAD_INS
    assert result.verdict
    assert gain_table([result, result]).count("\n") == 3


def test_nothing_is_chosen_on_the_test_part(task: Path) -> None:
    """Other right answers in the test part change what is right, and nothing that was chosen."""
    before = run_gain(task)
    rows = [json.loads(line) for line in task.read_text().splitlines()]
    for row in rows:
        if row["split"] == "test":
            row["answer"] = (row["answer"] + 1) % 3 if isinstance(row["answer"], int) else "other"
    task.write_text("\n".join(map(json.dumps, rows)))
    after = run_gain(task)
    assert [arm.chosen for arm in before.arms] == [arm.chosen for arm in after.arms]
    assert before.vector.digest == after.vector.digest


def test_a_task_without_a_training_part_takes_it_from_validation(tmp_path: Path) -> None:
    path = tmp_path / "own.csv"
    rows = [f"a{n},b{n},{'validation' if n < 24 else 'test'}" for n in range(30)]
    path.write_text("\n".join(["question,answer,split", *rows]))
    validation, test = task_parts(path, None, 0)
    assert validation.pool == test.pool
    assert len(test.pool) == 8
    assert len(validation.items) == 16
    assert len({item.question for item in (*validation.items, *test.items, *test.pool)}) == 30


def test_too_few_training_questions_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "few.csv"
    path.write_text(
        "question,answer,split\n" + "".join(f"a{n},b{n},{['validation', 'test'][n % 2]}\n" for n in range(9))
    )
    with pytest.raises(SteeringError, match="1 training questions"):
        run_gain(path)


def test_power_grows_with_the_number_of_questions() -> None:
    powers = [mcnemar_power(n, 0.2, 0.05) for n in (100, 300, 620, 1200)]
    assert powers == sorted(powers)
    # Where 20 % are answered differently, about 620 paired questions show 5 points with a power of 80 %.
    assert powers[2] == pytest.approx(0.8, abs=0.03)
    assert mcnemar_power(300, 0.2, 0.0) < 0.05
    assert "n = 620" in power_sentence(620)
