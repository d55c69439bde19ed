"""Events of the Steer tab: writing at every λ at once, and showing it while it grows."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from steering.concepts import Concept
from steering.errors import Progress, SteeringError, part_of
from steering.generation import Grid, assess, stream
from steering.ui import render
from steering.ui.jobs import Job, Report, Stopped
from steering.ui.runs import Changes, Run
from steering.ui.settings import LAMBDAS, Settings
from steering.ui.steer import text, viewer
from steering.ui.wiring import Wire
from steering.ui.workspace import Session, Workspace

RUN = Run("steer", ("generate",), "stop", "status")

_PAINT = 0.08
"""Seconds between two pictures of a growing grid."""


def connect(wire: Wire) -> None:
    """Connect the tab."""
    page, steering = wire.page, Steering(wire.workspace)
    for trigger in (page["generate"].click, page["prompt"].submit):
        wire.run(trigger, RUN, steering.steer, ["prompt"], ["viewer", "stale"])
    wire.stop(RUN)
    wire.mark(steering.marks, ["prompt"], ["stale", "viewer"])
    for name in (name for name in page if name.startswith("example_")):
        wire.js(page[name].click, f"() => {page[name].value!r}", outputs=["prompt"])


@dataclass
class Texts:
    """The grid on the page.

    Attributes:
        grid: the texts; None before the first run.
        key: what they were made with.
    """

    grid: Grid | None = None
    key: tuple[object, ...] | None = None


class Steering:
    """The events of one running app."""

    def __init__(self, workspace: Workspace) -> None:
        self.workspace = workspace

    def marks(self, session: Session, settings: Settings, prompt: str) -> Changes:
        """Whether the texts are out of date; and what the first Generate will do, as long as there are none."""
        concept, texts = session.draft(settings.concept).concept, session.of(Texts)
        stale = texts.key not in (None, settings.grid_key(concept, prompt))
        changes: Changes = {"stale": render.message(text.STALE_GRID if stale else "", "warning")}
        if texts.grid is None and RUN.name not in session.jobs:
            words = text.first_run(settings.parent, settings.child, concept.name, len(concept.pairs))
            changes["viewer"] = viewer.empty(_labels(concept), words)
        return changes

    def steer(self, session: Session, job: Job, settings: Settings, prompt: str) -> Iterator[Changes]:
        """Make the vector when it is missing, then write at every λ at once, then measure."""
        concept, texts = session.draft(settings.concept).concept, session.of(Texts)
        if not prompt.strip():
            raise SteeringError(text.EMPTY_PROMPT)
        grids = yield from RUN.step(
            job, self.workspace, lambda progress: self._prepare(session, settings, concept, prompt, progress)
        )
        texts.key = settings.grid_key(concept, prompt)
        yield {"stale": ""}
        labels, most = _labels(concept), settings.sampling.max_new_tokens
        started = painted = time.monotonic()
        try:
            for grid in grids:
                texts.grid = grid
                job.check()
                if time.monotonic() - painted > _PAINT:
                    painted = time.monotonic()
                    written = max(len(row.token_ids) for row in grid.rows) / most
                    report = Report(text.WRITING, written, painted - started)
                    yield {"viewer": viewer.show(grid, labels, most, "running")} | RUN.says(report)
        except Stopped:
            if texts.grid is not None:
                yield {"viewer": viewer.show(texts.grid, labels, most, "stopped")}
            raise
        seconds = time.monotonic() - started
        assert texts.grid is not None, "a stream has at least one step"
        grid = texts.grid
        yield {"viewer": viewer.show(grid, labels, most)} | RUN.says(Report(text.MEASURING, 1.0))
        child = self.workspace.models(settings)[1]
        texts.grid = yield from RUN.step(job, self.workspace, lambda progress: _measure(child, grid, progress))
        yield {"viewer": viewer.show(texts.grid, labels, most)} | RUN.said(text.finished(len(grid.rows), seconds))

    def _prepare(
        self, session: Session, settings: Settings, concept: Concept, prompt: str, progress: Progress
    ) -> Iterator[Grid]:
        vector = self.workspace.vector(settings, concept, part_of(progress, 0.0, 0.97))
        session.vector_key = settings.vector_key(concept)
        progress(text.PREPARING, 0.97)
        return stream(
            self.workspace.models(settings)[1],
            prompt,
            vector,
            LAMBDAS,
            sampling=settings.sampling,
            scale=settings.scale,
            profile=settings.profile,
            positions=settings.positions,
            plain=not settings.chat,
        )


def _measure(child: Any, grid: Grid, progress: Progress) -> Grid:
    progress(text.MEASURING, 1.0)
    return assess(child, grid)


def _labels(concept: Concept) -> tuple[str, str]:
    return (concept.positive_label, concept.negative_label)
