"""Events of the comparison: two designs kept as A and B, compared, and steered with side by side."""

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import gradio as gr

from steering.concepts import Concept, load_concept
from steering.errors import Progress, SteeringError, part_of
from steering.measure import DesignComparison, compare_designs
from steering.plots import LETTERS, plot_cosines, plot_quality
from steering.steer import Grid, stream
from steering.ui.background.jobs import Job, ProgressReport, throttled
from steering.ui.events.binder import EventBinder
from steering.ui.events.long_tasks import Changes, LongTask
from steering.ui.render import message
from steering.ui.state.settings import Settings
from steering.ui.state.workspace import Session, Workspace
from steering.ui.tabs.concept import render, text
from steering.vectors import SteeringVector, extract

LONG_TASK = LongTask("compare", ("compare",), "compare_stop", "compare_status")


_RESULT = ("design_texts", "design_verdict", "design_figures", "design_cosines", "design_quality", "compare_stale")


def connect(events: EventBinder) -> None:
    """Connect the comparison."""
    page, comparing = events.page, Comparing(events.workspace)
    for letter in LETTERS:
        low = letter.lower()
        keep, load = partial(kept, letter), partial(loaded, letter)
        cards_of = [f"design_{low}", f"load_{low}"]
        events.on(page[f"keep_{low}"].click, keep, ["concept"], cards_of, status=LONG_TASK.status, update_notices=True)
        events.on(
            page[f"load_{low}"].input,
            load,
            [f"load_{low}"],
            [f"design_{low}"],
            status=LONG_TASK.status,
            update_notices=True,
        )
    events.on(events.demo.load, design_cards, outputs=["design_a", "design_b"])
    events.long_task(
        page["compare"].click, LONG_TASK, comparing.compare, ["prompt", "design_lam", "design_measure"], _RESULT
    )
    events.stop(LONG_TASK)
    events.on(page["design_measure"].change, measured, ["design_measure"], ["design_quality"], status=LONG_TASK.status)
    events.notice(comparing.notices, ["prompt", "design_lam"], ["compare_stale"])


@dataclass
class Designs:
    """The two designs and what was found of them.

    Attributes:
        designs: by letter.
        comparison: of both; None before the first one.
        key: what it was made with.
    """

    designs: dict[str, Concept] = field(default_factory=dict)
    comparison: DesignComparison | None = None
    key: tuple[object, ...] | None = None


def design_cards(session: Session) -> Changes:
    """Both designs as they are kept."""
    designs = session.record(Designs).designs
    return {f"design_{letter.lower()}": render.design(letter, designs.get(letter)) for letter in LETTERS}


def kept(letter: str, session: Session, name: str) -> Changes:
    """Keep the concept as it stands."""
    session.record(Designs).designs[letter] = session.draft(name).concept
    return _card(session, letter) | {f"load_{letter.lower()}": None}


def loaded(letter: str, session: Session, name: str | None) -> Changes:
    """Take a bundled concept."""
    if name:
        session.record(Designs).designs[letter] = load_concept(name)
    return _card(session, letter)


def measured(session: Session, measure: str) -> Changes:
    """Draw another measure of quality."""
    found = session.record(Designs).comparison
    return {} if found is None else {"design_quality": plot_quality(found, measure)}


class Comparing:
    """The events of one running app."""

    def __init__(self, workspace: Workspace) -> None:
        self.workspace = workspace

    def notices(self, session: Session, settings: Settings, prompt: str, lam: float | None) -> Changes:
        """Whether the comparison is out of date."""
        kept = session.record(Designs)
        stale = kept.key not in (None, _key(settings, kept.designs, prompt, lam))
        return {"compare_stale": message(text.STALE_COMPARISON if stale else "", "warning")}

    def compare(
        self, session: Session, job: Job, settings: Settings, prompt: str, lam: float | None, measure: str
    ) -> Iterator[Changes]:
        """Compare both designs' directions, then write with both in one batch."""
        designs = dict(session.record(Designs).designs)
        for letter in LETTERS:
            if letter not in designs:
                raise SteeringError(text.NEEDS_BOTH.format(letter=letter))
        if lam is None:
            raise SteeringError(text.NEEDS_STRENGTH)
        if not prompt.strip():
            raise SteeringError(text.EMPTY_PROMPT)
        both = [designs[letter] for letter in LETTERS]
        found, grids = yield from LONG_TASK.step(
            job, lambda progress: self._prepare(settings, both, prompt, lam, progress)
        )
        kept = session.record(Designs)
        kept.comparison, kept.key = found, _key(settings, designs, prompt, lam)
        yield {
            "design_verdict": render.design_verdict(found),
            "design_figures": gr.update(visible=True),
            "design_cosines": plot_cosines(
                found.cosines.tolist(), found.chance, clear=found.clear.tolist(), axis="parent layer"
            ),
            "design_quality": plot_quality(found, measure),
            "compare_stale": "",
        }
        yield from self._write(job, grids, both, lam, settings.sampling.max_new_tokens)

    def _prepare(
        self, settings: Settings, both: list[Concept], prompt: str, lam: float, progress: Progress
    ) -> tuple[DesignComparison, Iterator[Grid]]:
        parent, child = self.workspace.models(settings, part_of(progress, 0.0, 0.3))
        own: list[SteeringVector] = []
        carried: list[SteeringVector] = []
        for place, concept in enumerate(both):
            stage = part_of(progress, 0.3 + 0.3 * place, 0.6 + 0.3 * place)
            own.append(extract(parent, concept, settings.method, progress=part_of(stage, 0.0, 0.5)))
            carried.append(self.workspace.vector(settings, concept, part_of(stage, 0.5, 1.0)))
        progress(text.PREPARING_DESIGNS, 0.9)
        found = compare_designs(*own)
        grids = stream(
            child,
            prompt,
            [carried[0], *carried],
            [0.0, lam, lam],
            sampling=settings.sampling,
            settings=settings.steering,
            plain=not settings.chat,
        )
        return found, grids

    def _write(self, job: Job, grids: Iterator[Grid], both: list[Concept], lam: float, most: int) -> Iterator[Changes]:
        started = time.monotonic()
        grid: Grid | None = None
        for grid in throttled(grids, job):
            share = max(len(row.token_ids) for row in grid.rows) / most
            report = ProgressReport(text.WRITING, share, time.monotonic() - started)
            yield {"design_texts": render.design_texts(grid, both, lam)} | LONG_TASK.progress(report)
        assert grid is not None, "a stream has at least one step"
        yield {"design_texts": render.design_texts(grid, both, lam)} | LONG_TASK.message(text.WRITTEN)


def _card(session: Session, letter: str) -> Changes:
    return {f"design_{letter.lower()}": render.design(letter, session.record(Designs).designs.get(letter))}


def _key(settings: Settings, designs: dict[str, Concept], prompt: str, lam: Any) -> tuple[object, ...]:
    return tuple((*settings.grid_key(designs[letter], prompt), lam) for letter in LETTERS if letter in designs)
