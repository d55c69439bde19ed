"""The Tune λ tab without a browser: a grid that grows, the report, and what is said when the form is wrong."""

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
from steering.ui.tabs.tune import render as tables
from steering.ui.tabs.tune.handlers import REPORT, RUN, Tune, Tuned, chosen, rescaled, upload
from steering.ui.text import STOPPED

pytestmark = pytest.mark.usefixtures("own_cache")

LAMBDAS = (-0.5, 0.0, 0.5)
EVIL = "<b>2</b>"


@pytest.fixture
def tuning() -> Tune:
    return Tune(Workspace())


@pytest.fixture
def session(tmp_path: Path) -> Session:
    """A page that brought a task of 24 questions, 12 a part."""
    rows = [
        {"id": f"{part}-{place}", "question": f"{EVIL} {part} {place}?", "split": part}
        | {"choices": ["a train", "the gardens", "rain"], "answer": place % 3}
        for part in ("validation", "test")
        for place in range(12)
    ]
    path = tmp_path / "own.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)), "utf-8")
    made = Session()
    assert "12 questions for tuning and 12" in upload(made, str(path))["tune_status"]
    return made


def test_the_grid_grows_and_the_best_strength_goes_to_the_slider(
    tuning: Tune, session: Session, folders: tuple[str, str]
) -> None:
    values = fields(*folders)
    seen = list(press(RUN, tuning.tune, session, values, *form(session)))
    figures = [change["tune_plot"]["value"] for change in seen if "tune_plot" in change]
    assert [figure.data[0].customdata[0][2] for figure in figures] == [10, 12], "first ten questions, then all"
    found = session.of(Tuned).tuning
    assert found is not None
    assert [column.lam for column in found.evaluation.columns] == [-0.5, 0, 0.5]
    assert (found.evaluation.n, found.evaluation.split) == (12, "validation")
    assert list(chosen(session))[-1] == {"wanted_lam": found.best_lam}
    assert not list(chosen(Session()))
    assert strength(found.best_lam) in last(seen, "tune_use")["value"]
    assert "36 rows, in" in last(seen, "tune_status")
    assert "12 questions of the test split: at most 192 rows to compute, about" in last(seen, "tune_report_note")
    for piece in ("◆ baseline", "★ most right", f"{sum(found.evaluation.baseline.correct)} of 12"):
        assert piece in last(seen, "tune_table")

    again = list(press(RUN, tuning.tune, session, values, *form(session)))
    assert "36 of them from earlier runs" in last(again, "tune_status")
    assert session.of(Tuned).tuning == found


def test_a_stopped_run_goes_on_where_it_was(
    tuning: Tune, session: Session, folders: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    values = fields(*folders)

    def stop_behind(evaluation: Evaluation) -> Tuning:
        RUN.end(session)
        return tuned(evaluation)

    with monkeypatch.context() as patch:
        patch.setattr(handlers, "tuned", stop_behind)
        seen = list(press(RUN, tuning.tune, session, values, *form(session)))
    assert STOPPED in last(seen, "tune_status")
    assert session.of(Tuned).tuning.evaluation.n == 10, "what was found before stays"  # type: ignore[union-attr]
    again = list(press(RUN, tuning.tune, session, values, *form(session)))
    assert "of them from earlier runs" in last(again, "tune_status")
    assert session.of(Tuned).tuning.evaluation.n == 12  # type: ignore[union-attr]


def test_the_report_is_made_on_the_other_part_and_can_be_downloaded(
    tuning: Tune, session: Session, folders: tuple[str, str]
) -> None:
    values = fields(*folders)
    seen = list(press(REPORT, tuning.report, session, values, *form(session)))
    table = last(seen, "tune_study")
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
    assert last(seen, "tune_report_plot")["value"].data[-1].name == "tuned on other questions"
    for ending in text.DOWNLOADS:
        file = Path(last(seen, f"tune_download_{ending[1:]}")["value"])
        assert file.suffix == ending
        assert "own" in file.read_text("utf-8")


def test_the_first_prompt_is_shown_and_nothing_is_scored(
    tuning: Tune, session: Session, folders: tuple[str, str]
) -> None:
    seen = list(press(RUN, tuning.preview, session, fields(*folders), *form(session)))
    assert "Question: &lt;b&gt;2&lt;/b&gt; validation 0?" in last(seen, "tune_prompt")
    assert text.PROMPT_SHOWN in last(seen, "tune_status")
    assert session.of(Tuned).tuning is None


def test_figures_are_marked_when_they_are_out_of_date(tuning: Tune, session: Session, folders: tuple[str, str]) -> None:
    values = fields(*folders)
    settings = Settings.read(*values)
    assert tuning.notices(session, settings, *form(session)) == {"tune_stale": "", "tune_report_stale": ""}
    list(press(RUN, tuning.tune, session, values, *form(session, limit=5)))
    assert tuning.notices(session, settings, *form(session, limit=5))["tune_stale"] == ""
    for change in ({"limit": 10}, {"lambdas": "0.1"}, {"mode": "generate"}, {"frame": "chat"}):
        assert text.STALE in tuning.notices(session, settings, *form(session, **{"limit": 5} | change))["tune_stale"]
    other = Settings.read(*fields(*folders, concept="honesty"))
    assert text.STALE in tuning.notices(session, other, *form(session, limit=5))["tune_stale"]
    wrong = tuning.notices(session, settings, *form(session, lambdas="0.1 lots"))
    assert wrong["tune_stale"] == render.message(questions_text.BAD_LAMBDAS.format(word="lots"), "warning")


@pytest.mark.parametrize("source", ["nowhere", "/etc/passwd.csv", ""])
def test_only_known_tasks_and_own_files_are_read(source: str, session: Session) -> None:
    with pytest.raises(SteeringError, match="There is no task"):
        Form.read(session.of(Uploads).files, *form(session, source=source))


def test_a_file_that_is_no_task_is_refused(tmp_path: Path) -> None:
    path, session = tmp_path / "bad.jsonl", Session()
    path.write_text('{"question": "Why?"}', "utf-8")
    assert "with a &#x27;question&#x27; and an &#x27;answer&#x27;" in upload(session, str(path))["tune_status"]
    assert not session.of(Uploads).files


def test_strengths_are_read_as_people_write_them() -> None:
    def read(words: str) -> tuple[float, ...] | None:
        return Form.read((), *form(Session(), lambdas=words)).lambdas

    assert read("−0.2; 0 0.2,0.4") == (-0.2, 0, 0.2, 0.4)
    assert read(" ") is None
    settings = Settings.read(*fields())
    assert Form.read((), *form(Session(), lambdas="")).strengths(settings) == tuple(sorted(GRIDS["residual"]))
    assert Form.read((), *form(Session(), lambdas="0.3 -0.3")).strengths(settings) == (-0.3, 0, 0.3)


def test_another_scale_brings_its_own_grid_unless_it_was_edited() -> None:
    residual, unit = (questions_text.written(GRIDS[scale]) for scale in ("residual", "unit"))
    assert rescaled(Session(), "unit", residual) == {"tune_lambdas": unit}
    assert rescaled(Session(), "residual", unit) == {"tune_lambdas": residual}
    assert rescaled(Session(), "unit", "0.1") == {}


def test_cells_of_a_table_are_text() -> None:
    table = tables.rows_as_table(("what", EVIL), [(EVIL, EVIL)])
    assert "<b>" not in table
    assert table.count("&lt;b&gt;2&lt;/b&gt;") == 3
