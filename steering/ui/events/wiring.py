"""Which component calls which handler: every tab tells the wire, and the wire tells Gradio.

Handlers are plain functions and generators from a session and values to changes of the page. Long runs share one lane, so
that a single model works at a time.
"""

import inspect
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import gradio as gr

from steering.errors import SteeringError
from steering.ui import render
from steering.ui.events.long_tasks import Changes, Run, named
from steering.ui.state.settings import FIELDS, Settings
from steering.ui.state.workspace import Session, Workspace

Page = dict[str, Any]
"""The components of the page by name."""

Mark = Callable[..., Changes]
"""Called with the session, the settings, and values of its inputs after everything that a person changes."""


@dataclass(frozen=True)
class Room:
    """One tab.

    Attributes:
        id: its name in addresses and code.
        label: its name on the page.
        build: lays it out and returns its components by name; nothing is computed there.
        connect: tells the wire which component calls which handler.
    """

    id: str
    label: str
    build: Callable[[], Page]
    connect: Callable[["Wire"], None]


class Wire:
    """Connects components by name, inside the context of the app that holds them.

    Attributes:
        demo: the app.
        page: its components by name.
        workspace: what the handlers work on.
    """

    def __init__(self, demo: gr.Blocks, page: Page, workspace: Workspace) -> None:
        self.demo = demo
        self.page = page
        self.workspace = workspace
        self._marks: list[tuple[Mark, tuple[str, ...], tuple[str, ...]]] = []
        self._marked: list[Callable[..., Any]] = []

    def on(
        self,
        trigger: Callable[..., Any],
        handler: Callable[..., Any],
        inputs: Sequence[str] = (),
        outputs: Sequence[str] = (),
        *,
        model: bool = False,
        marks: bool = False,
        latest: bool = False,
    ) -> Any:
        """Call a handler with the session and the values of the inputs.

        Args:
            trigger: an event, such as `page["add"].click`.
            handler: returns changes, or yields them one after the other.
            inputs: names of components.
            outputs: names of all components that it may change.
            model: whether it waits for its turn with the models.
            marks: whether all marks are brought up to date behind it.
            latest: whether of several events in quick succession the newest is handled, and last. Without it, what comes
                while the handler works may be lost or overtaken: right for a button, wrong for a value that is dragged.
        """
        lane: dict[str, Any] = {"concurrency_limit": 8}
        if model:
            lane = {"concurrency_id": "model", "concurrency_limit": 1}
        if latest:
            lane |= {"trigger_mode": "always_last", "concurrency_limit": 1}
        event = trigger(
            self._bound(handler),
            [self.page[name] for name in inputs],
            [self.page[name] for name in outputs],
            api_visibility="private",
            show_progress="hidden",
            **lane,
        )
        if marks:
            self._marked.append(event.then)
        return event

    def js(
        self, trigger: Callable[..., Any], code: str, inputs: Sequence[str] = (), outputs: Sequence[str] = ()
    ) -> Any:
        """Run a piece of JavaScript in the page; the server hears nothing of it."""
        return trigger(
            fn=None,
            js=code,
            inputs=[self.page[name] for name in inputs],
            outputs=[self.page[name] for name in outputs],
            api_visibility="private",
        )

    def run(
        self,
        trigger: Callable[..., Any],
        run: Run,
        handler: Callable[..., Iterator[Changes]],
        inputs: Sequence[str] = (),
        outputs: Sequence[str] = (),
    ) -> Any:
        """Start long work: the handler is called with session, job, settings and the values of the inputs."""

        def begin(session: Session) -> Changes:
            return run.begin(session, self.workspace)

        def work(session: Session, *values: Any) -> Iterator[Changes]:
            yield from run.work(session, handler, values[: len(FIELDS)], *values[len(FIELDS) :])

        begun = self.on(trigger, begin, outputs=run.components)
        changed = tuple(dict.fromkeys([*outputs, *run.components]))
        return self.on(begun.then, work, [*FIELDS, *inputs], changed, model=True, marks=True)

    def stop(self, run: Run) -> None:
        """Connect the Stop button of a kind of run."""
        self.on(self.page[run.stop].click, run.end, outputs=run.components)

    def mark(self, handler: Mark, inputs: Sequence[str] = (), outputs: Sequence[str] = ()) -> None:
        """Have something brought up to date whenever the sidebar, one of the inputs, the pairs or a vector changed.

        Args:
            handler: called with session, settings and the values of the inputs; it runs nothing long.
            inputs: names of components outside the sidebar.
            outputs: names of all components that it may change.
        """
        self._marks.append((handler, tuple(inputs), tuple(outputs)))

    def finish(self) -> None:
        """Connect all marks; called once, when every tab has told what it wants."""
        watched = tuple(dict.fromkeys(name for _, inputs, _ in self._marks for name in inputs))
        outputs = tuple(dict.fromkeys(["relation", *(name for _, _, outputs in self._marks for name in outputs)]))

        def changed(session: Session, *values: Any) -> Changes:
            return self.changed(session, values[: len(FIELDS)], dict(zip(watched, values[len(FIELDS) :], strict=True)))

        events = [self.page[name].change for name in (*FIELDS, *watched)]
        # One listener for all: of two fields that change together, the older state must not come in last.
        together = partial(gr.on, events)
        self.on(together, changed, [*FIELDS, *watched], outputs, latest=True)
        for trigger in self._marked:
            self.on(trigger, changed, [*FIELDS, *watched], outputs)

    def changed(self, session: Session, fields: Sequence[Any], values: dict[str, Any]) -> Changes:
        """What all marks say about these fields of the sidebar and these values of other components."""
        try:
            settings = Settings.read(*fields)
        except SteeringError as error:
            return {"relation": render.message(str(error), "error")}
        changes: Changes = {}
        for handler, inputs, _ in self._marks:
            changes |= handler(session, settings, *(values[name] for name in inputs))
        return changes

    def _bound(self, handler: Callable[..., Any]) -> Callable[..., Any]:
        if inspect.isgeneratorfunction(handler):

            def stream(request: gr.Request, *values: Any) -> Iterator[Any]:
                quiet = True
                for changes in handler(self._session(request), *values):
                    quiet = False
                    yield named(changes, self.page)
                if quiet:  # Gradio empties the outputs of a generator that yields nothing.
                    yield gr.skip()

            return stream

        def once(request: gr.Request, *values: Any) -> Any:
            return named(handler(self._session(request), *values), self.page)

        return once

    def _session(self, request: gr.Request) -> Session:
        return self.workspace.session(str(request.session_hash))
