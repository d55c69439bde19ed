"""The layer profile and its effect on the text: bars that are edited, and a short preview beside them.

An edit is previewed by itself when that takes a second: the vector is at hand, the models are loaded, and nobody else waits
for them. A newer edit ends the preview of an older one.
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
from steering.ui.state.settings import FIELDS, Settings, required_number
from steering.ui.state.workspace import Session, Workspace
from steering.ui.tabs.layers import bars, render, text

LONG_TASK = LongTask("preview", ("preview",), "preview_stop", "preview_status")

TOKENS = 24


def connect(events: EventBinder) -> None:
    """Connect bars and preview."""
    page, preview = events.page, Preview(events.workspace)
    values, outputs = ["prompt", "preview_lam"], ["preview_texts", "preview_stale"]
    edited, moved = ["bars", "preview_lam", *FIELDS], ["preview_lam", *FIELDS]
    asked = ["profile", "preview_asked"]
    events.on(page["bars"].input, preview.edited, edited, asked, status=LONG_TASK.status, latest=True)
    events.on(page["preview_lam"].change, preview.moved, moved, ["preview_asked"], status=LONG_TASK.status)
    for trigger in (page["preview"].click, page["preview_asked"].change):
        events.long_task(trigger, LONG_TASK, preview.write, values, outputs)
    events.stop(LONG_TASK)
    events.notice(preview.notices, values, ["bars", "preview_stale"])


@dataclass
class PreviewState:
    """What the page shows, and what was asked for last.

    Attributes:
        bars: what the bars show.
        key: what the texts were made with.
        asked: how often a preview was asked for by an edit.
        profile: the profile that the last edit asked for.
        lam: the λ that it asked for.
    """

    bars: dict[str, Any] | None = None
    key: tuple[object, ...] | None = None
    asked: int = 0
    profile: Profile = "all"
    lam: float = 0.0


class Preview:
    """The events of one running app."""

    def __init__(self, workspace: Workspace) -> None:
        self.workspace = workspace

    def notices(self, session: Session, settings: Settings, prompt: str, lam: float | None) -> Changes:
        """The bars for these settings, and whether the texts are out of date."""
        concept, shown = session.draft(settings.concept).concept, session.record(PreviewState)
        stale = shown.key not in (None, _key(settings, concept, prompt, lam)) and LONG_TASK.name not in session.jobs
        changes: Changes = {"preview_stale": page_render.message(text.PREVIEW_STALE if stale else "", "warning")}
        shape, vector = self.workspace.shape(settings.child), self.workspace.stored_vector(settings, concept)
        found = bars.show(shape.layers if shape else None, settings.profile, vector.signal if vector else None)
        if found != shown.bars:
            shown.bars = found
            changes["bars"] = found
        return changes

    def edited(self, session: Session, value: Any, lam: float | None, *fields: Any) -> Changes:
        """Take the bars over into the settings, and ask for a preview."""
        field = bars.read(value)
        if field is None:
            return {}
        # What is on the page already is not sent back to it: a newer edit may be under way there.
        session.record(PreviewState).bars = {**value, "at": (session.record(PreviewState).bars or value)["at"]}
        changes: Changes = {"profile": gr.update(choices=profiles.choices(field), value=field)}
        values = dict(zip(FIELDS, fields, strict=True)) | {"profile": field}
        return changes | self._ask(session, list(values.values()), lam)

    def moved(self, session: Session, lam: float | None, *fields: Any) -> Changes:
        """Ask for a preview at another λ."""
        return self._ask(session, fields, lam)

    def write(
        self, session: Session, job: Job, settings: Settings, prompt: str, lam: float | None
    ) -> Iterator[Changes]:
        """Write baseline and steered text; begin again when another edit has settled meanwhile."""
        shown, concept, lam = (
            session.record(PreviewState),
            session.draft(settings.concept).concept,
            required_number(text.PREVIEW_LAM, lam),
        )
        if not prompt.strip():
            raise SteeringError(text.PREVIEW_NO_PROMPT)
        while True:
            asked = shown.asked
            job = session.jobs.setdefault(LONG_TASK.name, job)
            if shown.key == _key(settings, concept, prompt, lam):
                yield LONG_TASK.message("")
                return
            yield from self._write(session, job, settings, prompt, lam)
            if shown.asked == asked:
                return
            settings, lam = replace(settings, profile=shown.profile), shown.lam

    def _write(self, session: Session, job: Job, settings: Settings, prompt: str, lam: float) -> Iterator[Changes]:
        shown, concept, asked = (
            session.record(PreviewState),
            session.draft(settings.concept).concept,
            session.record(PreviewState).asked,
        )
        rows = yield from LONG_TASK.step(
            job, lambda progress: self._prepare(session, settings, concept, prompt, lam, progress)
        )
        shown.key = None
        started = time.monotonic()
        grid: Grid | None = None
        for grid in throttled(rows, job):
            # Stop reaches whatever job is the newest: each edit begins one.
            session.jobs.get(LONG_TASK.name, job).raise_if_stopped()
            if shown.asked != asked:
                return
            share = max(len(row.token_ids) for row in grid.rows) / TOKENS
            report = ProgressReport(text.WRITING, share, time.monotonic() - started)
            yield {"preview_texts": render.preview(grid), "preview_stale": ""} | LONG_TASK.progress(report)
        assert grid is not None, "a stream has at least one step"
        shown.key = _key(settings, concept, prompt, lam)
        done = LONG_TASK.message(text.previewed(time.monotonic() - started, prompt))
        yield {"preview_texts": render.preview(grid), "preview_stale": ""} | done

    def _prepare(
        self, session: Session, settings: Settings, concept: Concept, prompt: str, lam: float, progress: Progress
    ) -> Iterator[Grid]:
        vector = self.workspace.vector(settings, concept, part_of(progress, 0.0, 0.97))
        session.vector_key = settings.vector_key(concept)
        return stream(
            self.workspace.models(settings)[1],
            prompt,
            vector,
            sorted({0.0, lam}, key=abs),
            sampling=_short(settings).sampling,
            settings=settings.steering,
            plain=not settings.chat,
        )

    def _ask(self, session: Session, fields: Any, lam: float | None) -> Changes:
        try:
            settings, lam = Settings.read(*fields), required_number(text.PREVIEW_LAM, lam)
        except SteeringError:
            return {}
        shown = session.record(PreviewState)
        concept = session.draft(settings.concept).concept
        loaded = {settings.parent, settings.child} <= set(self.workspace.loaded())
        free = LONG_TASK.name in session.jobs or not self.workspace.busy()
        if not (loaded and free and self.workspace.stored_vector(settings, concept)):
            return {}
        shown.asked, shown.profile, shown.lam = shown.asked + 1, settings.profile, lam
        return {"preview_asked": str(shown.asked)}


def _short(settings: Settings) -> Settings:
    return replace(settings, sampling=replace(settings.sampling, max_new_tokens=TOKENS))


def _key(settings: Settings, concept: Concept, prompt: str, lam: float | None) -> tuple[object, ...]:
    return (*_short(settings).grid_key(concept, prompt), lam)
