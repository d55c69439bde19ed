"""Handlers of the Steer tab: generate texts at every λ in one batch, and add a text at another λ."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from steering.concepts import Concept
from steering.errors import Progress, SteeringError, part_of
from steering.measure import Strength, check_budget, strength_at
from steering.steer import Grid, stream
from steering.ui import render
from steering.ui.background.jobs import Job, ProgressReport, Stopped, throttled
from steering.ui.events.binder import EventBinder
from steering.ui.events.long_tasks import Changes, LongTask
from steering.ui.state.presets import PROMPTS
from steering.ui.state.ready import check_writing
from steering.ui.state.second import both_vectors, check_second, second_of, stored_second, texts_key
from steering.ui.state.settings import DEFAULT, LAMBDAS, Settings, required_number
from steering.ui.state.strengths import Strengths
from steering.ui.state.workspace import Session, Workspace
from steering.ui.tabs.steer import gallery, kept, second, text
from steering.ui.tabs.steer.measuring import Measurements, Vectors, measure, put_into
from steering.ui.viewer import component as viewer
from steering.ui.viewer.texts import ConceptTexts, PageTexts, labels, show

LONG_TASK = LongTask("steer", ("generate", "set_by_kl"), "stop", "status")

_DIGITS = 3
"""Significant digits of a λ that is set: one step of the last changes the divergence by a few percent at most."""


def connect(events: EventBinder) -> None:
    """Connect the tab."""
    page, steering = events.page, Steering(events.workspace)
    for trigger in (page["generate"].click, page["prompt"].submit):
        events.long_task(
            trigger,
            LONG_TASK,
            steering.steer,
            ["prompt", "reach"],
            ["viewer", "stale"],
            check=steering.check,
            shares=steering.shares,
        )
    lam_read = events.js(page["viewer"].apply, _READ_LAMBDA, outputs=["exact_lam"])
    exact = ["prompt", "exact_lam"]
    events.long_task(
        lam_read.then,
        LONG_TASK,
        steering.add_text,
        exact,
        ["viewer"],
        check=steering.check_text,
        shares=steering.shares,
    )
    events.long_task(
        page["set_by_kl"].click,
        LONG_TASK,
        steering.set_by_kl,
        ["kl_budget"],
        ["wanted_lam"],
        check=steering.check_budget,
    )
    events.stop(LONG_TASK)
    gallery.connect(events)
    second.connect(events)
    kept.connect(events)
    events.notice(steering.notices, ["prompt", "reach"], ["stale", "viewer"])
    events.on(
        page["concept"].input, steering.suggest, ["concept", "prompt"], ["prompt"], status=LONG_TASK.status, latest=True
    )
    for name in (name for name in page if name.startswith("example_")):
        events.js(page[name].click, f"() => {page[name].value!r}", outputs=["prompt"])
    events.js(page["wanted_lam"].change, _SELECT_LAMBDA, ["wanted_lam"])
    page_painted = events.js(events.demo.load, _WAIT_FOR_PAINT)
    events.on(page_painted.then, steering.load, ["parent", "child"], status=LONG_TASK.status, model=True)


class Steering:
    """The handlers of one app."""

    def __init__(self, workspace: Workspace) -> None:
        self.workspace = workspace

    def load(self, session: Session, parent: str, child: str) -> Iterator[Changes]:
        """Load the models when the page opens if they are on this machine, so that Generate starts sooner."""
        settings = replace(DEFAULT, parent=parent, child=child)
        if LONG_TASK.name in session.requested or not all(self.workspace.shape(name) for name in (parent, child)):
            return

        def work(_session: Session, job: Job, _settings: Settings) -> Iterator[Changes]:
            if LONG_TASK.name not in session.requested:  # Otherwise that task loads them.
                yield from LONG_TASK.step(job, lambda progress: self.workspace.models(settings, progress))

        queued = LONG_TASK.in_line(self.workspace.line, text.LOADING, work)
        try:
            yield from (
                changes for changes in queued(session, Job(), settings) if LONG_TASK.name not in session.requested
            )
            final = LONG_TASK.message(text.loaded(parent, child))
        except SteeringError as error:
            final = LONG_TASK.message(str(error), "error")
        if LONG_TASK.name not in session.requested:  # Otherwise the status is that of a task that the user started.
            yield final

    def suggest(self, session: Session, concept: str, prompt: str) -> Changes:
        """Fill in the default prompt of the concept, unless the user has written another prompt."""
        del session
        untouched = prompt.strip() in ("", *PROMPTS.values())
        return {"prompt": PROMPTS[concept]} if untouched and concept in PROMPTS else {}

    def notices(self, session: Session, settings: Settings, prompt: str, reach: object = LAMBDAS[-1]) -> Changes:
        """Mark texts that are out of date, and show the texts of another concept if it was chosen."""
        strengths = session.record(Strengths)
        strengths.read_reach(reach)
        concept, texts = session.draft(settings.concept).concept, session.record(PageTexts)
        written = texts.for_concept(concept)
        stale = written is not None and not written.current(session, settings, prompt)
        running = LONG_TASK.name in session.jobs
        words = text.STALE_GRID
        if written is not None and running and written.phase != "running":
            words = text.earlier_texts(written.grid.prompt)
        changes: Changes = {"stale": render.message(words if stale else "", "warning")}
        if running:
            return changes
        if written is not None and not stale and not set(strengths.grid(concept.name)) <= written.lambdas:
            changes["stale"] = render.message(text.NEW_RANGE.format(reach=strengths.reach), "info")
        if written is None:
            ready = self.workspace.vectors.get(settings, concept) is not None
            words = text.first_run(settings.parent, settings.child, concept.name, len(concept.pairs))
            lambdas = strengths.grid(concept.name)
            changes["viewer"] = viewer.empty(labels(concept), text.FIRST_TEXTS if ready else words, lambdas)
        elif texts.shown != concept.name:
            changes["viewer"] = show(written, concept)
        texts.shown = concept.name if written else ""
        return changes

    def check(self, session: Session, settings: Settings, prompt: str, reach: object = LAMBDAS[-1]) -> None:
        """Check what can be checked before anything long begins."""
        session.record(Strengths).read_reach(reach)
        if not prompt.strip():
            raise SteeringError(text.EMPTY_PROMPT)
        check_writing(self.workspace, session, settings)
        check_second(self.workspace, session, settings)

    def shares(self, session: Session, settings: Settings, *_values: object) -> bool:
        """Whether texts can be written beside those of other pages."""
        second = second_of(session, settings)
        second_at_hand = second is None or stored_second(self.workspace, settings, second) is not None
        return second_at_hand and self.workspace.only_writes(session, settings)

    def check_text(self, session: Session, settings: Settings, prompt: str, lam: float | None) -> None:
        """Check that one more text can be written beside those of the grid."""
        required_number(text.EXACT, lam)
        concept = session.draft(settings.concept).concept
        written = session.record(PageTexts).for_concept(concept)
        if written is None or not written.current(session, settings, prompt):
            raise SteeringError(text.EXACT_NEEDS_GRID)

    def check_budget(self, session: Session, settings: Settings, kl: float | None) -> None:
        """Check that a λ can be found for a KL budget."""
        check_budget(required_number(text.KL_LABEL, kl))
        check_writing(self.workspace, session, settings)

    def steer(
        self, session: Session, job: Job, settings: Settings, prompt: str, reach: object = LAMBDAS[-1]
    ) -> Iterator[Changes]:
        """Compute the vector if it is missing, generate texts at every λ in one batch, then measure them."""
        self.check(session, settings, prompt, reach)
        concept, texts = session.draft(settings.concept).concept, session.record(PageTexts)
        earlier = texts.for_concept(concept)
        if earlier is not None and not earlier.current(session, settings, prompt):
            yield {"stale": render.message(text.earlier_texts(earlier.grid.prompt), "warning")}
        key, lambdas = texts_key(session, settings, prompt), session.record(Strengths).grid(concept.name)
        vectors, grids = yield from LONG_TASK.step(
            job, lambda progress: self._prepare(session, settings, concept, prompt, lambdas, progress)
        )
        yield {"stale": ""}
        child = self.workspace.loaded_model(settings.child)
        base = text.BASE_MODEL.format(child=settings.child) if child and not child.has_chat_template else ""
        written: ConceptTexts | None = None
        started = time.monotonic()
        try:
            for grid in throttled(grids, job):
                written = ConceptTexts(grid, key, phase="running", lead=base)
                texts.written[concept.name], texts.shown = written, concept.name
                kept.keep(self.workspace, session, settings, prompt, written)
                share = max(len(row.token_ids) for row in grid.rows) / written.max_tokens
                report = ProgressReport(text.WRITING, share, time.monotonic() - started)
                yield {"viewer": show(written, concept)} | LONG_TASK.progress(report)
        except Stopped:
            if written is not None:
                written.phase = "stopped"
                yield {"viewer": show(written, concept)}
            raise
        seconds = time.monotonic() - started
        assert written is not None, "a stream has at least one step"
        written.phase = "done"
        yield {"viewer": show(written, concept)} | LONG_TASK.progress(ProgressReport(text.MEASURING, 1.0))
        yield from self._measure(job, settings, vectors, written, written.grid)
        yield {"viewer": show(written, concept)} | LONG_TASK.message(text.finished(len(written.grid.rows), seconds))

    def add_text(
        self, session: Session, job: Job, settings: Settings, prompt: str, lam: float | None
    ) -> Iterator[Changes]:
        """Generate one more text, at a λ that is not in the grid."""
        self.check_text(session, settings, prompt, lam)
        exact_lam = required_number(text.EXACT, lam)
        concept = session.draft(settings.concept).concept
        written = session.record(PageTexts).for_concept(concept)
        assert written is not None, "checked"

        vectors, grids = yield from LONG_TASK.step(
            job, lambda progress: self._prepare(session, settings, concept, prompt, [exact_lam], progress)
        )
        yield LONG_TASK.progress(ProgressReport(text.WRITING_ONE, 0.9))
        *_, addition = throttled(grids, job)
        grid = written.grid
        written.grid = replace(grid, rows=tuple(sorted((*grid.rows, *addition.rows), key=lambda row: row.lam)))
        yield {"viewer": show(written, concept, choose=exact_lam)} | LONG_TASK.progress(
            ProgressReport(text.MEASURING, 1.0)
        )
        yield from self._measure(job, settings, vectors, written, replace(grid, rows=(grid.at(0.0), *addition.rows)))
        yield {"viewer": show(written, concept, choose=exact_lam)} | LONG_TASK.message(text.wrote_one(exact_lam))

    def set_by_kl(self, session: Session, job: Job, settings: Settings, kl: float | None) -> Iterator[Changes]:
        """Find the λ above 0 of a KL budget, and select it in the viewer."""
        self.check_budget(session, settings, kl)
        budget = check_budget(required_number(text.KL_LABEL, kl))
        concept = session.draft(settings.concept).concept

        def work(progress: Progress) -> Strength:
            vector = self.workspace.vector(session, settings, concept, part_of(progress, 0.0, 0.5))
            session.vector_key = settings.vector_key(concept)
            child = self.workspace.models(settings)[1]
            return strength_at(child, vector, budget, settings.steering, progress=part_of(progress, 0.5, 1.0))

        found = yield from LONG_TASK.step(job, work)
        lam = float(f"{found.lam:.{_DIGITS}g}")
        yield {"wanted_lam": None}  # Otherwise selecting the same λ again would be no change, and do nothing.
        alone = second_of(session, settings) is not None
        yield {"wanted_lam": lam} | LONG_TASK.message(text.set_by_kl(lam, budget, alone=alone))

    def _prepare(
        self,
        session: Session,
        settings: Settings,
        concept: Concept,
        prompt: str,
        lambdas: Sequence[float],
        progress: Progress,
    ) -> tuple[Vectors, Iterator[Grid]]:
        vectors = both_vectors(self.workspace, session, settings, part_of(progress, 0.0, 0.97))
        session.vector_key = settings.vector_key(concept)
        progress(text.PREPARING, 0.97)
        child, (vector, also) = self.workspace.models(settings)[1], vectors
        shared = self.workspace.shared_batch(child)
        return vectors, stream(child, prompt, vector, lambdas, also=also, shared=shared, **_generation(settings))

    def _measure(
        self, job: Job, settings: Settings, vectors: Vectors, written: ConceptTexts, grid: Grid
    ) -> Iterator[Changes]:
        """Measure rows of a grid and put them into the texts: their health, and the moves of the next token.

        Args:
            job: stops the work.
            settings: of the sidebar.
            vectors: that the texts were steered with.
            written: the texts that are updated.
            grid: the rows to measure, and the baseline.

        Yields:
            Progress of the work.
        """

        def work(progress: Progress) -> Measurements:
            return measure(self.workspace.models(settings)[1], grid, vectors, settings.steering, progress)

        measurements = yield from LONG_TASK.step(job, work)
        put_into(written, measurements)


def _generation(settings: Settings) -> dict[str, Any]:
    return {
        "sampling": settings.sampling,
        "settings": settings.steering,
        "plain": not settings.chat,
        "system": settings.system,
    }


_READ_LAMBDA = """() => Number(document.querySelector("#viewer .viewer").dataset.lam)"""

_WAIT_FOR_PAINT = """() => new Promise((done) => setTimeout(done, 1500))"""
"""Waits 1.5 s before the models are loaded: loading takes all cores, which the browser needs first."""

_SELECT_LAMBDA = """(lam) => {
  const number = document.querySelector("#viewer .number");
  if (!number || lam === null) return;
  number.value = lam;
  number.dispatchEvent(new Event("input", { bubbles: true }));
  number.dispatchEvent(new Event("blur"));
}"""
