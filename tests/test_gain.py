"""A gain: settings are tried as written answers would judge them, and arms choose on the validation part alone."""

import json
from pathlib import Path

import pytest
from conftest import loaded

from steering.errors import SteeringError
from steering.evaluation import Gain, Scorer, Setup, Store, gain, gain_table, power_sentence, task_parts
from steering.evaluation.arms import FIRST_DEPTH, LEAD_INS, STRENGTHS
from steering.evaluation.forced import Trial, run_trials
from steering.models.language_model import LanguageModel
from steering.stats import mcnemar_power
from steering.steer import SteeringSettings, plan
from steering.tasks import Style, load_task
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
    child: LanguageModel, vector: SteeringVector, tmp_path: Path
) -> None:
    """Questions whose right answer is what the steered child writes are all right, and those of another strength are not."""
    settings = SteeringSettings(positions="response")
    intervention, style = plan(child, vector, settings), Style(plain=True, layout="question")
    questions = [{"id": str(n), "question": f"Say {n} again.", "answer": "1"} for n in range(4)]

    def saved(answers: list[str]) -> Path:
        path = tmp_path / "said.jsonl"
        path.write_text("\n".join(json.dumps({**row, "answer": a}) for row, a in zip(questions, answers, strict=True)))
        return path

    path = saved(["1"] * 4)
    one = load_task(path, "all")
    (plain, steered) = run_trials(child, one, style, [Trial(None), Trial(intervention, 2.0)])
    assert plain.right == steered.right == 0
    assert plain.log_likelihood != steered.log_likelihood
    unsteered = run_trials(child, one, style, [Trial(intervention, 0.0)])[0]
    assert unsteered.log_likelihood == pytest.approx(plain.log_likelihood, abs=1e-6)


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
    assert carried["lam"] in (0.5, *STRENGTHS)
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
