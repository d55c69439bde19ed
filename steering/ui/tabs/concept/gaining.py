"""Handlers of "Measure the gain": what the task's carried vector gains beside all arms, and steering with it."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import gradio as gr

from steering.errors import Progress, SteeringError, part_of
from steering.evaluation import OWN_DESIGNS, Gain, gain, power_sentence, task_parts
from steering.plots import plot_arms
from steering.tasks import DESIGNS, Style, Task, plain_prompt
from steering.ui.background.jobs import Job
from steering.ui.events.binder import EventBinder
from steering.ui.events.long_tasks import Changes, LongTask
from steering.ui.look import style
from steering.ui.questions.form import Uploads, known_task
from steering.ui.questions.prepare import without_counts
from steering.ui.render import message, note
from steering.ui.state import profiles
from steering.ui.state.file_vectors import library_name, use_file_vector
from steering.ui.state.ready import check_models
from steering.ui.state.settings import FIELDS, Settings, required_number
from steering.ui.state.strengths import Strengths
from steering.ui.state.workspace import Session, Workspace
from steering.ui.tabs.concept import render, text
from steering.ui.viewer import component as viewer
from steering.ui.viewer.texts import PageTexts, labels, show

LONG_TASK = LongTask("gain", ("gain_run",), "gain_stop", "gain_status")

FORM = ("task_source", "task_design", "gain_questions")

_RESULT = ("gain_power", "gain_plot", "gain_verdict", "gain_table", "gain_use", "gain_used", "gain_stale")

_STEER = (*FIELDS, "prompt", "viewer", "stale", "status", "gain_used")


def connect(events: EventBinder) -> None:
    """Connect the measurement and the button that steers with its vector."""
    page, gaining = events.page, Gaining(events.workspace)
    events.long_task(page["gain_run"].click, LONG_TASK, gaining.measure, FORM, _RESULT, check=gaining.check)
    events.stop(LONG_TASK)
    events.notice(gaining.notices, FORM, ["gain_stale"])
    events.on(page["gain_use"].click, gaining.use, FIELDS, _STEER, status=LONG_TASK.status, update_notices=True)
    events.js(page["gain_use"].click, style.OPEN_FIRST_TAB)


@dataclass(frozen=True)
class Measured:
    """A gain, and what steering with its vector needs.

    Attributes:
        gain: the arms and the carried vector.
        settings: of the sidebar when it was measured.
        prompt: a question of the validation part in its plain layout.
        key: everything that the gain depends on.
    """

    gain: Gain
    settings: Settings
    prompt: str
    key: tuple[object, ...]


@dataclass
class GainState:
    """The newest gain of a session; None before the first one."""

    measured: Measured | None = None


class Gaining:
    """The handlers of one app."""

    def __init__(self, workspace: Workspace) -> None:
        self.workspace = workspace

    def notices(self, session: Session, settings: Settings, source: object, design: object, limit: object) -> Changes:
        """Mark the gain if it is out of date."""
        measured = session.record(GainState).measured
        stale = measured is not None and measured.key != _key(settings, source, design, limit)
        return {"gain_stale": message(text.STALE_GAIN if stale else "", "warning")}

    def check(
        self, session: Session, settings: Settings, source: object, design: object, limit: object
    ) -> tuple[str, str, int]:
        """Check what can be checked before anything long begins, and return the task, the design and the number."""
        name, chosen = known_task(session.record(Uploads).files, source), _known_design(design)
        check_models(self.workspace, settings)
        return name, chosen, int(required_number(text.GAIN_QUESTIONS, limit))

    def measure(
        self, session: Session, job: Job, settings: Settings, source: object, design: object, limit: object
    ) -> Iterator[Changes]:
        """Say what so many questions can show, then measure what the task's carried vector gains."""
        name, chosen, n = self.check(session, settings, source, design, limit)
        seed = settings.sampling.seed

        def read(progress: Progress) -> tuple[Task, Task]:
            progress(text.READING_TASK, 0.0)
            return task_parts(name, n, seed)

        def work(progress: Progress) -> Gain:
            parent, child = self.workspace.models(settings, part_of(progress, 0.0, 0.05))
            arms = part_of(progress, 0.05, 1.0)
            return gain(
                parent,
                child,
                name,
                design=chosen,
                method=settings.method,
                limit=n,
                seed=seed,
                resume=True,
                progress=lambda what, fraction: arms(without_counts(what), fraction),
            )

        validation, test = yield from LONG_TASK.step(job, read)
        yield {"gain_power": note(power_sentence(len(test.items)))}
        try:
            result: Gain = yield from LONG_TASK.step(job, work)
        except Exception:  # Also when it is stopped: an earlier result stays, and has its own sentence.
            yield {"gain_power": ""}
            raise
        prompt = plain_prompt(validation, validation.items[0], Style(plain=True))
        key = _key(settings, source, design, limit)
        session.record(GainState).measured = Measured(result, settings, prompt, key)
        yield {
            "gain_power": "",
            "gain_plot": gr.update(value=plot_arms(result), visible=True),
            "gain_verdict": render.gain_verdict(result),
            "gain_table": render.gain_arms(result),
            "gain_use": gr.update(visible=True),
            "gain_used": "",
            "gain_stale": "",
        } | LONG_TASK.message(text.MEASURED.format(n=result.n, arms=len(result.arms)))

    def use(self, session: Session, *fields: Any) -> Changes:
        """Steer with the carried vector as it was chosen on the validation part: the sidebar, prompt and λ are set to it."""
        measured = session.record(GainState).measured
        if measured is None:
            raise SteeringError(text.NO_GAIN)
        vector, arm = measured.gain.vector, measured.gain.arm("carried")
        lam, steering = float(arm.chosen["lam"]), arm.steering
        assert steering is not None, "an arm that is steered has settings"
        profile = profiles.one_layer(arm.chosen["layer"], len(vector.signal))
        chosen = {
            "parent": measured.settings.parent,
            "child": measured.settings.child,
            "scale": steering.scale,
            "profile": profile,
            "positions": steering.positions,
            "operator": steering.operator,
            "temperature": 0.0,  # As the arms were answered.
            "repetition_penalty": 1.0,
            "chat": False,
            "system": "",
        }
        file = library_name(session.shelf, vector)
        values = use_file_vector(
            self.workspace, session, {**dict(zip(FIELDS, fields, strict=True)), **chosen}, vector, file
        )
        concept = session.draft(values["concept"]).concept
        strengths, texts = session.record(Strengths), session.record(PageTexts)
        strengths.chosen[concept.name] = lam
        written = texts.for_concept(concept)
        grid = strengths.grid(concept.name)
        words = text.steering_with(file, lam, arm.chosen["layer"])
        return {
            **values,
            "concept": gr.update(choices=session.concepts, value=concept.name),
            "profile": gr.update(choices=profiles.choices(profile), value=profile),
            "prompt": measured.prompt,
            "viewer": show(written, concept, lam) if written else viewer.empty(labels(concept), "", grid, choose=lam),
            "status": message(words, "good"),
            "gain_used": message(words, "good"),
        }


def _known_design(design: object) -> str:
    name = str(design or "")
    if name in OWN_DESIGNS:
        raise SteeringError(text.NO_GAIN_OF_OWN.format(name=name, designs=", ".join(DESIGNS)))
    if name not in DESIGNS:
        raise SteeringError(text.UNKNOWN_TASK_DESIGN.format(name=name))
    return name


def _key(settings: Settings, source: object, design: object, limit: object) -> tuple[object, ...]:
    return (settings.parent, settings.child, settings.method, settings.sampling.seed, source, design, limit)
