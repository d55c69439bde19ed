"""Handlers of the Studies tab: a study is planned, run and shown, and one of its cells is steered with."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import Any

import gradio as gr

from steering.errors import Progress, SteeringError
from steering.storage import data_dir
from steering.studies import (
    STUDY,
    CellResult,
    Picture,
    StudySettings,
    expand,
    failures,
    pictures,
    plan_study,
    presets,
    read_accuracies,
    read_study,
    run_study,
    study_results,
    vector_of,
    write_study_report,
)
from steering.ui.background.jobs import Job
from steering.ui.events.binder import EventBinder
from steering.ui.events.long_tasks import Changes, LongTask
from steering.ui.look import style
from steering.ui.render import message, note
from steering.ui.state import profiles
from steering.ui.state.file_vectors import use_file_vector
from steering.ui.state.settings import FIELDS, Settings
from steering.ui.state.strengths import Strengths
from steering.ui.state.workspace import Session, Workspace
from steering.ui.tabs.studies import render, text
from steering.ui.viewer import component as viewer
from steering.ui.viewer.texts import PageTexts, labels, show
from steering.vectors import load_vector

LONG_TASK = LongTask("study", ("studies_run",), "studies_stop", "studies_status")

_RESULT = ("studies_takes", "studies_picture", "studies_plot", "studies_about", "studies_cell", "studies_use")
_SHOWN = (*_RESULT, "studies_table")
_STEER = (*FIELDS, "viewer", "stale", "status")


def connect(events: EventBinder) -> None:
    """Connect the study, its figures and its cells."""
    page, studies = events.page, Studies(events.workspace)
    status, name = LONG_TASK.status, ["studies_name"]
    events.on(page["studies_name"].change, studies.question, name, ["studies_question"], latest=True)
    events.on(page["studies_show"].click, studies.show, name, [*_SHOWN, status], status=status)
    events.on(page["studies_plan"].click, studies.plan, name, ["studies_takes"], status=status)
    events.long_task(page["studies_run"].click, LONG_TASK, studies.run, name, _SHOWN, check=studies.check)
    events.stop(LONG_TASK)
    drawn = ["studies_plot", "studies_about"]
    events.on(page["studies_picture"].input, studies.draw, ["studies_picture"], drawn, status=status, latest=True)
    outputs = [*_STEER, status]
    inputs = ["studies_cell", *FIELDS]
    events.on(page["studies_use"].click, studies.use, inputs, outputs, status=status, update_notices=True)
    events.js(page["studies_use"].click, style.OPEN_FIRST_TAB)


@dataclass
class StudyState:
    """The study that a session shows.

    Attributes:
        folder: of its results; None before one was shown.
        results: of its cells, by key.
        pictures: its figures by title.
    """

    folder: Path | None = None
    results: dict[str, CellResult] = field(default_factory=dict)
    pictures: dict[str, Picture] = field(default_factory=dict)


class Studies:
    """The handlers of one app."""

    def __init__(self, workspace: Workspace) -> None:
        self.workspace = workspace

    def question(self, _session: Session, name: object) -> Changes:
        """Say what a study asks; nothing where there is no such study."""
        try:
            return {"studies_question": note(self._study(name)[0].about)}
        except SteeringError:  # Said when a button is pressed: the name may still be typed.
            return {"studies_question": ""}

    def plan(self, _session: Session, name: object) -> Changes:
        """Say what a study takes."""
        settings, folder = self._study(name)
        return {"studies_takes": f'<pre class="lab-pre">{escape(plan_study(settings, folder).text())}</pre>'}

    def show(self, session: Session, name: object) -> Changes:
        """Show what a study's folder holds."""
        settings, folder = self._study(name)
        results = study_results(settings, folder)
        if not results:
            raise SteeringError(text.NO_RESULTS)
        return self._shown(session, settings, folder, results)

    def check(self, _session: Session, _settings: Settings, name: object) -> None:
        """Check that there is such a study before anything long begins."""
        self._study(name)

    def run(self, session: Session, job: Job, _settings: Settings, name: object) -> Iterator[Changes]:
        """Run what is missing of a study, and show it."""
        settings, folder = self._study(name)

        def work(progress: Progress) -> tuple[CellResult, ...]:
            results = run_study(settings, folder, progress=progress)
            write_study_report(settings, results, folder)
            return results

        results = yield from LONG_TASK.step(job, work)
        yield self._shown(session, settings, folder, results)

    def draw(self, session: Session, title: object) -> Changes:
        """Show one figure."""
        picture = session.record(StudyState).pictures.get(str(title))
        if picture is None:
            raise SteeringError(text.NO_RESULTS)
        return {
            "studies_plot": gr.update(value=picture.figure, visible=True),
            "studies_about": note(picture.about),
        }

    def use(self, session: Session, key: object, *fields: Any) -> Changes:
        """Steer with the vector of a cell as the cell did: the sidebar and λ are set to it."""
        state = session.record(StudyState)
        result = state.results.get(str(key))
        if result is None or state.folder is None:
            raise SteeringError(text.NO_CELL)
        path = vector_of(state.folder, result.key)
        if not path.is_file():
            raise SteeringError(text.NO_VECTOR)
        vector, chosen = load_vector(path), dict(result.details["steer"])
        lam, profile = float(chosen.pop("lam")), chosen.pop("profile")
        profile = profile if isinstance(profile, str) else profiles.write(profile)
        file = session.shelf.keep(vector, vector.concept).name
        steering = {
            **dict(zip(FIELDS, fields, strict=True)),
            **chosen,
            "parent": result.cell.parents[0],
            "child": result.cell.child,
            "profile": profile,
            "chat": False,
        }
        values = use_file_vector(self.workspace, session, steering, vector, file)
        concept = session.draft(values["concept"]).concept
        strengths = session.record(Strengths)
        strengths.chosen[concept.name] = lam
        written = session.record(PageTexts).for_concept(concept)
        empty = viewer.empty(labels(concept), "", strengths.grid(concept.name), choose=lam)
        words = message(text.steering_with(file, lam), "good")
        return {
            **values,
            "concept": gr.update(choices=session.concepts, value=concept.name),
            "profile": gr.update(choices=profiles.choices(profile), value=profile),
            "viewer": show(written, concept, lam) if written else empty,
            "status": words,
            LONG_TASK.status: words,
        }

    def _study(self, name: object) -> tuple[StudySettings, Path]:
        """A study and the folder of its results, from what stands in the menu."""
        words = str(name or "").strip()
        if not words:
            raise SteeringError(text.NO_STUDY)
        own = data_dir() / "studies"
        if words in presets():
            settings, folder = read_study(words), own / words
        elif self.workspace.allowed:
            raise SteeringError(text.ONLY_BUNDLED.format(name=words))
        else:
            path = Path(words).expanduser()
            folder = path if path.is_dir() else own / path.stem
            settings = read_study(path / STUDY if path.is_dir() else path)
        named = {model for cell in expand(settings) for model in (*cell.parents, cell.child)}
        for model in sorted(named):
            self.workspace.check_allowed(model)
        return settings, folder

    def _shown(self, session: Session, settings: StudySettings, folder: Path, results: Sequence[CellResult]) -> Changes:
        drawn = pictures(results, read_accuracies(folder))
        state = session.record(StudyState)
        state.folder, state.results = folder, {result.key: result for result in results}
        state.pictures = {picture.title: picture for picture in drawn}
        cells = [choice for choice in render.cells(results) if vector_of(folder, choice[1]).is_file()]
        first = drawn[0] if drawn else None
        return {
            "studies_takes": "",
            "studies_picture": gr.update(
                choices=list(state.pictures), value=first.title if first else None, visible=bool(first)
            ),
            "studies_plot": gr.update(value=first.figure if first else None, visible=bool(first)),
            "studies_about": note(first.about) if first else "",
            "studies_cell": gr.update(choices=cells, value=cells[0][1] if cells else None, visible=bool(cells)),
            "studies_use": gr.update(visible=bool(cells)),
            "studies_table": render.table(results),
        } | LONG_TASK.message(text.shown(settings.name, len(results), len(failures(results))))
