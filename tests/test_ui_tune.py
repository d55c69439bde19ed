"""The Tune λ tab without a browser: a grid that grows, the report, and the messages when the form is wrong."""

import json
from pathlib import Path

import pytest
from pages import fields, form, last, press

from steering.errors import SteeringError
from steering.evaluation.evaluation import Evaluation, Tuning, tuned
from steering.evaluation.scorer import GRIDS
from steering.formatting import strength
from steering.ui import render
from steering.ui.questions import text as questions_text
from steering.ui.questions.form import Form, Uploads
from steering.ui.state.settings import Settings
from steering.ui.state.workspace import Session, Workspace
from steering.ui.tabs.tune import handlers, text
from steering.ui.tabs.tune.handlers import (
    LONG_TASK,
    REPORT_TASK,
    Tune,
    TuneState,
    send_best_lambda,
    upload,
    use_default_grid,
)
from steering.ui.text import STOPPED

pytestmark = pytest.mark.usefixtures("own_cache")

LAMBDAS = (-0.5, 0.0, 0.5)
EVIL = "<b>2</b>"


@pytest.fixture
def tuning() -> Tune:
    return Tune(Workspace())


@pytest.fixture
def session(tmp_path: Path) -> Session:
    """A session with an uploaded task of 24 questions, 12 per split."""
    rows = [
        {"id": f"{part}-{place}", "question": f"{EVIL} {part} {place}?", "split": part}
        | {"choices": ["a train", "the gardens", "rain"], "answer": place % 3}
        for part in ("validation", "test")
        for place in range(12)
    ]
    path = tmp_path / "own.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)), "utf-8")
    page_session = Session()
    assert "12 questions for tuning and 12" in upload(page_session, str(path))["tune_status"]
    return page_session


def test_the_grid_grows_and_the_best_strength_goes_to_the_slider(
    tuning: Tune, session: Session, folders: tuple[str, str]
) -> None:
    values = fields(*folders)
    all_changes = list(press(LONG_TASK, tuning.tune, session, values, *form(session)))
    figures = [change["tune_plot"]["value"] for change in all_changes if "tune_plot" in change]
    assert [figure.data[0].customdata[0][2] for figure in figures] == [10, 12], "first ten questions, then all"
    tuning_result = session.record(TuneState).tuning
    assert tuning_result is not None
    assert [column.lam for column in tuning_result.evaluation.columns] == [-0.5, 0, 0.5]
    assert (tuning_result.evaluation.n, tuning_result.evaluation.split) == (12, "validation")
    assert list(send_best_lambda(session))[-1] == {"wanted_lam": tuning_result.best_lam}
    assert not list(send_best_lambda(Session()))
    assert strength(tuning_result.best_lam) in last(all_changes, "tune_use")["value"]
    assert "36 rows, in" in last(all_changes, "tune_status")
    assert "12 questions of the test split: at most 192 rows to compute, about" in last(all_changes, "tune_report_note")
    for piece in ("◆ baseline", "★ most right", f"{sum(tuning_result.evaluation.baseline.correct)} of 12"):
        assert piece in last(all_changes, "tune_table")

    second_run = list(press(LONG_TASK, tuning.tune, session, values, *form(session)))
    assert "36 of them from earlier runs" in last(second_run, "tune_status")
    assert session.record(TuneState).tuning == tuning_result


def test_a_stopped_run_goes_on_where_it_was(
    tuning: Tune, session: Session, folders: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    values = fields(*folders)

    def stop_behind(evaluation: Evaluation) -> Tuning:
        LONG_TASK.request_stop(session)
        return tuned(evaluation)

    with monkeypatch.context() as patch:
        patch.setattr(handlers, "tuned", stop_behind)
        all_changes = list(press(LONG_TASK, tuning.tune, session, values, *form(session)))
    assert STOPPED in last(all_changes, "tune_status")
    assert session.record(TuneState).tuning.evaluation.n == 10, "what was found before stays"  # type: ignore[union-attr]
    second_run = list(press(LONG_TASK, tuning.tune, session, values, *form(session)))
    assert "of them from earlier runs" in last(second_run, "tune_status")
    assert session.record(TuneState).tuning.evaluation.n == 12  # type: ignore[union-attr]


def test_the_report_is_made_on_the_other_part_and_can_be_downloaded(
    tuning: Tune, session: Session, folders: tuple[str, str]
) -> None:
    values = fields(*folders)
    all_changes = list(press(REPORT_TASK, tuning.report, session, values, *form(session)))
    table = last(all_changes, "tune_study")
    for words in (
        "baseline",
        "tuned",
        "vote over λ",
        "flipped",
        "random, mean of 3",
        "self-consistency",
        "prompt-only",
    ):
        assert f'<th scope="row">{words}' in table
    assert table.index("prompt-only") < table.index(text.EXPLORATION)
    assert "Task own, split test, n = 12" in table
    assert last(all_changes, "tune_report_plot")["value"].data[-1].name == "tuned on other questions"
    for ending in text.DOWNLOADS:
        file = Path(last(all_changes, f"tune_download_{ending[1:]}")["value"])
        assert file.suffix == ending
        assert "own" in file.read_text("utf-8")


def test_the_first_prompt_is_shown_and_nothing_is_scored(
    tuning: Tune, session: Session, folders: tuple[str, str]
) -> None:
    all_changes = list(press(LONG_TASK, tuning.preview, session, fields(*folders), *form(session)))
    assert "Question: &lt;b&gt;2&lt;/b&gt; validation 0?" in last(all_changes, "tune_prompt")
    assert text.PROMPT_SHOWN in last(all_changes, "tune_status")
    assert session.record(TuneState).tuning is None


def test_figures_are_marked_when_they_are_out_of_date(tuning: Tune, session: Session, folders: tuple[str, str]) -> None:
    values = fields(*folders)
    settings = Settings.read(*values)
    assert tuning.notices(session, settings, *form(session)) == {"tune_stale": "", "tune_report_stale": ""}
    list(press(LONG_TASK, tuning.tune, session, values, *form(session, limit=5)))
    assert tuning.notices(session, settings, *form(session, limit=5))["tune_stale"] == ""
    for change in ({"limit": 10}, {"lambdas": "0.1"}, {"mode": "generate"}, {"frame": "chat"}):
        assert text.STALE in tuning.notices(session, settings, *form(session, **{"limit": 5} | change))["tune_stale"]
    other_settings = Settings.read(*fields(*folders, concept="honesty"))
    assert text.STALE in tuning.notices(session, other_settings, *form(session, limit=5))["tune_stale"]
    wrong = tuning.notices(session, settings, *form(session, lambdas="0.1 lots"))
    assert wrong["tune_stale"] == render.message(questions_text.BAD_LAMBDAS.format(word="lots"), "warning")


@pytest.mark.parametrize("source", ["nowhere", "/etc/passwd.csv", ""])
def test_only_known_tasks_and_own_files_are_read(source: str, session: Session) -> None:
    with pytest.raises(SteeringError, match="There is no task"):
        Form.read(session.record(Uploads).files, *form(session, source=source))


@pytest.mark.parametrize("source", ["word-forms:ing-form", "reasoning-gym:gcd", "questions"])
def test_bundled_and_generated_tasks_are_read_by_name(source: str, session: Session) -> None:
    assert Form.read((), *form(session, source=source)).source == source


def test_a_file_that_is_no_task_is_refused(tmp_path: Path) -> None:
    path, session = tmp_path / "bad.jsonl", Session()
    path.write_text('{"question": "Why?"}', "utf-8")
    assert "has no &#x27;answer&#x27;. Columns: &#x27;question&#x27;." in upload(session, str(path))["tune_status"]
    assert not session.record(Uploads).files


def test_an_upload_says_how_the_file_was_read(tmp_path: Path) -> None:
    path, session = tmp_path / "own.tsv", Session()
    path.write_text("question\tA\tB\tanswer\n" + "".join(f"Which {n}?\tred\tblue\tB\n" for n in range(8)), "utf-8")
    status = upload(session, str(path))["tune_status"]
    assert "4 questions for tuning and 4 for the report. Read as MMLU&#x27;s rows: every choice has a column." in status
    assert "Its answer of 2 choices: B: &#x27;blue&#x27;." in status


def test_strengths_are_read_in_several_notations() -> None:
    def read(words: str) -> tuple[float, ...] | None:
        return Form.read((), *form(Session(), lambdas=words)).lambdas

    assert read("−0.2; 0 0.2,0.4") == (-0.2, 0, 0.2, 0.4)
    assert read(" ") is None
    settings = Settings.read(*fields())
    assert Form.read((), *form(Session(), lambdas="")).strengths(settings) == tuple(sorted(GRIDS["residual"]))
    assert Form.read((), *form(Session(), lambdas="0.3 -0.3")).strengths(settings) == (-0.3, 0, 0.3)


def test_another_scale_brings_its_own_grid_unless_it_was_edited() -> None:
    residual, unit = (questions_text.lambda_list(GRIDS[scale]) for scale in ("residual", "unit"))
    assert use_default_grid(Session(), "unit", "add", residual) == {"tune_lambdas": unit}
    assert use_default_grid(Session(), "residual", "add", unit) == {"tune_lambdas": residual}
    assert use_default_grid(Session(), "unit", "add", "0.1") == {}
    ablation = questions_text.lambda_list(GRIDS["ablate"])
    assert use_default_grid(Session(), "unit", "ablate", residual) == {"tune_lambdas": ablation}
    assert use_default_grid(Session(), "unit", "half of a word", residual) == {}


def test_cells_of_a_table_are_text() -> None:
    table = render.rows_as_table(("what", EVIL), [(EVIL, EVIL)])
    assert "<b>" not in table
    assert table.count("&lt;b&gt;2&lt;/b&gt;") == 3
