"""Handlers of the comparison of two designs, A and B: compare their directions, and generate texts with both."""

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import gradio as gr

from steering.concepts import Concept, check_pairs, load_concept
from steering.errors import Progress, SteeringError, part_of
from steering.measure import DesignComparison, compare_designs
from steering.plots import LETTERS, plot_cosines, plot_quality
from steering.steer import Grid, stream
from steering.ui.background.jobs import Job, ProgressReport, throttled
from steering.ui.events.binder import EventBinder
from steering.ui.events.long_tasks import Changes, LongTask
from steering.ui.render import message
from steering.ui.state.ready import check_vector
from steering.ui.state.settings import Settings, required_number
from steering.ui.state.workspace import Session, Workspace
from steering.ui.tabs.concept import render, text
from steering.vectors import SteeringVector, extract

LONG_TASK = LongTask("compare", ("compare",), "compare_stop", "compare_status")


_RESULT = ("design_texts", "design_verdict", "design_figures", "design_cosines", "design_quality", "compare_stale")


def connect(events: EventBinder) -> None:
    """Connect the comparison."""
    page, comparing = events.page, Comparing(events.workspace)
    for letter in LETTERS:
        suffix = letter.lower()
        keep, load = partial(keep_design, letter), partial(load_design, letter)
        outputs = [f"design_{suffix}", f"load_{suffix}"]
        events.on(
            page[f"keep_{suffix}"].click, keep, ["concept"], outputs, status=LONG_TASK.status, update_notices=True
        )
        events.on(
            page[f"load_{suffix}"].input,
            load,
            [f"load_{suffix}"],
            [f"design_{suffix}"],
            status=LONG_TASK.status,
            update_notices=True,
            latest=True,
        )
    events.on(events.demo.load, design_cards, outputs=["design_a", "design_b"])
    events.long_task(
        page["compare"].click,
        LONG_TASK,
        comparing.compare,
        ["prompt", "design_lam", "design_measure"],
        _RESULT,
        check=comparing.check,
    )
    events.stop(LONG_TASK)
    events.on(
        page["design_measure"].change, show_quality, ["design_measure"], ["design_quality"], status=LONG_TASK.status
    )
    events.notice(comparing.notices, ["prompt", "design_lam"], ["compare_stale"])


@dataclass
class DesignState:
    """The two designs and their comparison.

    Attributes:
        designs: concepts by letter.
        comparison: of both; None before the first one.
        key: designs, settings, prompt and λ of the comparison.
    """

    designs: dict[str, Concept] = field(default_factory=dict)
    comparison: DesignComparison | None = None
    key: tuple[object, ...] | None = None


def design_cards(session: Session) -> Changes:
    """Show both designs."""
    return _card(session, LETTERS[0]) | _card(session, LETTERS[1])


def keep_design(letter: str, session: Session, name: str) -> Changes:
    """Store the current draft of a concept as a design."""
    session.record(DesignState).designs[letter] = session.draft(name).concept
    return _card(session, letter) | {f"load_{letter.lower()}": None}


def load_design(letter: str, session: Session, name: str | None) -> Changes:
    """Store a bundled concept as a design."""
    if name:
        session.record(DesignState).designs[letter] = load_concept(name)
    return _card(session, letter)


def show_quality(session: Session, measure: str) -> Changes:
    """Show another measure of quality."""
    comparison = session.record(DesignState).comparison
    return {} if comparison is None else {"design_quality": plot_quality(comparison, measure)}


class Comparing:
    """The handlers of one app."""

    def __init__(self, workspace: Workspace) -> None:
        self.workspace = workspace

    def notices(self, session: Session, settings: Settings, prompt: str, lam: float | None) -> Changes:
        """Mark the comparison if it is out of date."""
        state = session.record(DesignState)
        stale = state.key not in (None, _key(settings, state.designs, prompt, lam))
        return {"compare_stale": message(text.STALE_COMPARISON if stale else "", "warning")}

    def check(self, session: Session, settings: Settings, prompt: str, lam: float | None, measure: str = "") -> None:
        """Check what can be checked before anything long begins."""
        del measure
        designs = session.record(DesignState).designs
        for letter in LETTERS:
            if letter not in designs:
                raise SteeringError(text.NEEDS_BOTH.format(letter=letter))
        if lam is None:
            raise SteeringError(text.NEEDS_STRENGTH)
        if not prompt.strip():
            raise SteeringError(text.EMPTY_PROMPT)
        for letter in LETTERS:
            check_pairs(designs[letter])
            check_vector(self.workspace, settings, designs[letter])

    def compare(
        self, session: Session, job: Job, settings: Settings, prompt: str, lam: float | None, measure: str
    ) -> Iterator[Changes]:
        """Compare the directions of both designs, then generate texts with both in one batch."""
        self.check(session, settings, prompt, lam)
        lam = required_number(text.STRENGTH, lam)
        designs = dict(session.record(DesignState).designs)
        concepts = [designs[letter] for letter in LETTERS]
        comparison, grids = yield from LONG_TASK.step(
            job, lambda progress: self._prepare(session, settings, concepts, prompt, lam, progress)
        )
        state = session.record(DesignState)
        state.comparison, state.key = comparison, _key(settings, designs, prompt, lam)
        yield {
            "design_verdict": render.design_verdict(comparison),
            "design_figures": gr.update(visible=True),
            "design_cosines": plot_cosines(
                comparison.cosines.tolist(), comparison.chance, clear=comparison.clear.tolist(), axis="parent layer"
            ),
            "design_quality": plot_quality(comparison, measure),
            "compare_stale": "",
        }
        yield from self._write(job, grids, concepts, lam, settings.sampling.max_new_tokens)

    def _prepare(
        self,
        session: Session,
        settings: Settings,
        concepts: list[Concept],
        prompt: str,
        lam: float,
        progress: Progress,
    ) -> tuple[DesignComparison, Iterator[Grid]]:
        parent, child = self.workspace.models(settings, part_of(progress, 0.0, 0.3))
        parent_vectors: list[SteeringVector] = []
        child_vectors: list[SteeringVector] = []
        for index, concept in enumerate(concepts):
            stage = part_of(progress, 0.3 + 0.3 * index, 0.6 + 0.3 * index)
            parent_vectors.append(extract(parent, concept, settings.method, progress=part_of(stage, 0.0, 0.5)))
            child_vectors.append(self.workspace.vector(session, settings, concept, part_of(stage, 0.5, 1.0)))
        progress(text.PREPARING_DESIGNS, 0.9)
        comparison = compare_designs(*parent_vectors)
        grids = stream(
            child,
            prompt,
            [child_vectors[0], *child_vectors],
            [0.0, lam, lam],
            sampling=settings.sampling,
            settings=settings.steering,
            plain=not settings.chat,
            system=settings.system,
        )
        return comparison, grids

    def _write(
        self, job: Job, grids: Iterator[Grid], concepts: list[Concept], lam: float, max_tokens: int
    ) -> Iterator[Changes]:
        started = time.monotonic()
        grid: Grid | None = None
        for grid in throttled(grids, job):
            share = max(len(row.token_ids) for row in grid.rows) / max_tokens
            report = ProgressReport(text.WRITING, share, time.monotonic() - started)
            yield {"design_texts": render.design_texts(grid, concepts, lam)} | LONG_TASK.progress(report)
        assert grid is not None, "a stream has at least one step"
        yield {"design_texts": render.design_texts(grid, concepts, lam)} | LONG_TASK.message(text.WRITTEN)


def _card(session: Session, letter: str) -> Changes:
    return {f"design_{letter.lower()}": render.design(letter, session.record(DesignState).designs.get(letter))}


def _key(settings: Settings, designs: dict[str, Concept], prompt: str, lam: Any) -> tuple[object, ...]:
    return tuple((*settings.grid_key(designs[letter], prompt), lam) for letter in LETTERS if letter in designs)
