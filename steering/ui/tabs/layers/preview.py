"""The layer profile and a preview of its effect: baseline and steered text for the profile that the bars show.

An edit of the bars starts a preview if that is quick: the vector is ready, the models are loaded, and no long task uses
them. A newer edit ends the preview of an older one.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import gradio as gr

from steering.concepts import Concept
from steering.errors import Progress, SteeringError, part_of
from steering.steer import Grid, Profile, stream
from steering.ui import render as page_render
from steering.ui.background.jobs import Job, ProgressReport, throttled
from steering.ui.events.binder import EventBinder
from steering.ui.events.long_tasks import Changes, LongTask
from steering.ui.state import profiles
from steering.ui.state.ready import check_writing
from steering.ui.state.settings import FIELDS, Settings, required_number
from steering.ui.state.workspace import Session, Workspace
from steering.ui.tabs.layers import bars, render, text

LONG_TASK = LongTask("preview", ("preview",), "preview_stop", "preview_status")

TOKENS = 24
"""Limit of new tokens of a preview."""


def connect(events: EventBinder) -> None:
    """Connect bars and preview."""
    page, preview = events.page, Preview(events.workspace)
    values, outputs = ["prompt", "preview_lam"], ["preview_texts", "preview_stale"]
    bars_inputs, lam_inputs = ["bars", "preview_lam", *FIELDS], ["preview_lam", *FIELDS]
    request_outputs = ["profile", "preview_asked"]
    events.on(
        page["bars"].input, preview.bars_edited, bars_inputs, request_outputs, status=LONG_TASK.status, latest=True
    )
    events.on(page["preview_lam"].change, preview.lam_changed, lam_inputs, ["preview_asked"], status=LONG_TASK.status)
    for trigger in (page["preview"].click, page["preview_asked"].change):
        events.long_task(trigger, LONG_TASK, preview.write, values, outputs, check=preview.check)
    events.stop(LONG_TASK)
    events.notice(preview.notices, values, ["bars", "preview_stale"])


@dataclass
class PreviewState:
    """The preview on the page, and the last request for another one.

    Attributes:
        bars: data of the bars on the page; None before the first.
        key: settings, prompt and λ of the texts on the page; None before the first and while texts are generated.
        finished: the sentence about the texts on the page.
        requests: number of previews that edits have requested.
        profile: layer profile of the last request.
        lam: λ of the last request.
    """

    bars: dict[str, Any] | None = None
    key: tuple[object, ...] | None = None
    finished: str = ""
    requests: int = 0
    profile: Profile = "all"
    lam: float = 0.0


class Preview:
    """The handlers of one app."""

    def __init__(self, workspace: Workspace) -> None:
        self.workspace = workspace

    def notices(self, session: Session, settings: Settings, prompt: str, lam: float | None) -> Changes:
        """Update the bars, and mark texts that are out of date."""
        concept, state = session.draft(settings.concept).concept, session.record(PreviewState)
        stale = state.key not in (None, _key(settings, concept, prompt, lam)) and LONG_TASK.name not in session.jobs
        changes: Changes = {"preview_stale": page_render.message(text.PREVIEW_STALE if stale else "", "warning")}
        shape, vector = self.workspace.shape(settings.child), self.workspace.vectors.get(settings, concept)
        bars_data = bars.show(shape.layers if shape else None, settings.profile, vector.signal if vector else None)
        if bars_data != state.bars:
            state.bars = bars_data
            changes["bars"] = bars_data
        return changes

    def bars_edited(self, session: Session, value: Any, lam: float | None, *fields: Any) -> Changes:
        """Set the layer profile to the edited bars, and request a preview."""
        field = bars.read(value)
        if field is None:
            return {}
        # The edited bars are on the page already. Sending them back could overwrite a newer edit.
        state = session.record(PreviewState)
        state.bars = {**value, "at": (state.bars or value)["at"]}
        changes: Changes = {"profile": gr.update(choices=profiles.choices(field), value=field)}
        values = dict(zip(FIELDS, fields, strict=True)) | {"profile": field}
        return changes | self._request(session, list(values.values()), lam)

    def lam_changed(self, session: Session, lam: float | None, *fields: Any) -> Changes:
        """Request a preview at another λ."""
        return self._request(session, fields, lam)

    def check(self, session: Session, settings: Settings, prompt: str, lam: float | None) -> None:
        """Check what can be checked before anything long begins."""
        required_number(text.PREVIEW_LAM, lam)
        if not prompt.strip():
            raise SteeringError(text.PREVIEW_NO_PROMPT)
        check_writing(self.workspace, session, settings)

    def write(
        self, session: Session, job: Job, settings: Settings, prompt: str, lam: float | None
    ) -> Iterator[Changes]:
        """Generate baseline and steered text; start over if another preview is requested meanwhile."""
        state, concept = session.record(PreviewState), session.draft(settings.concept).concept
        lam = required_number(text.PREVIEW_LAM, lam)
        self.check(session, settings, prompt, lam)
        while True:
            requests = state.requests
            job = session.jobs.setdefault(LONG_TASK.name, job)
            if state.key == _key(settings, concept, prompt, lam):
                yield LONG_TASK.message(state.finished)
                return
            yield from self._write(session, job, settings, prompt, lam)
            if state.requests == requests:
                return
            settings, lam = replace(settings, profile=state.profile), state.lam

    def _write(self, session: Session, job: Job, settings: Settings, prompt: str, lam: float) -> Iterator[Changes]:
        state, concept = session.record(PreviewState), session.draft(settings.concept).concept
        requests = state.requests
        rows = yield from LONG_TASK.step(
            job, lambda progress: self._prepare(session, settings, concept, prompt, lam, progress)
        )
        state.key = None
        started = time.monotonic()
        grid: Grid | None = None
        for grid in throttled(rows, job):
            # The Stop button stops the newest job, and every request creates a job.
            session.jobs.get(LONG_TASK.name, job).raise_if_stopped()
            if state.requests != requests:
                return
            share = max(len(row.token_ids) for row in grid.rows) / TOKENS
            report = ProgressReport(text.WRITING, share, time.monotonic() - started)
            yield {"preview_texts": render.preview(grid), "preview_stale": ""} | LONG_TASK.progress(report)
        assert grid is not None, "a stream has at least one step"
        state.key = _key(settings, concept, prompt, lam)
        state.finished = text.previewed(time.monotonic() - started, prompt)
        yield {"preview_texts": render.preview(grid), "preview_stale": ""} | LONG_TASK.message(state.finished)

    def _prepare(
        self, session: Session, settings: Settings, concept: Concept, prompt: str, lam: float, progress: Progress
    ) -> Iterator[Grid]:
        vector = self.workspace.vector(session, settings, concept, part_of(progress, 0.0, 0.97))
        session.vector_key = settings.vector_key(concept)
        return stream(
            self.workspace.models(settings)[1],
            prompt,
            vector,
            sorted({0.0, lam}, key=abs),
            sampling=_shortened(settings).sampling,
            settings=settings.steering,
            plain=not settings.chat,
            system=settings.system,
        )

    def _request(self, session: Session, fields: Any, lam: float | None) -> Changes:
        try:
            settings, lam = Settings.read(*fields), required_number(text.PREVIEW_LAM, lam)
        except SteeringError:
            return {}
        state = session.record(PreviewState)
        concept = session.draft(settings.concept).concept
        loaded = {settings.parent, settings.child} <= set(self.workspace.loaded())
        models_free = LONG_TASK.name in session.jobs or not self.workspace.busy()
        if not (loaded and models_free and self.workspace.vectors.get(settings, concept)):
            return {}
        state.requests, state.profile, state.lam = state.requests + 1, settings.profile, lam
        return {"preview_asked": str(state.requests)}


def _shortened(settings: Settings) -> Settings:
    return replace(settings, sampling=replace(settings.sampling, max_new_tokens=TOKENS))


def _key(settings: Settings, concept: Concept, prompt: str, lam: float | None) -> tuple[object, ...]:
    return (*_shortened(settings).grid_key(concept, prompt), lam)
