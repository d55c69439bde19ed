"""Which component calls which handler: every tab says so here by name, and this module connects them in Gradio.

Handlers are plain functions and generators from a session and values to changes of the page. Long tasks share one
queue, so that a single model works at a time.
"""

import inspect
import json
import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import gradio as gr

from steering.errors import SteeringError
from steering.ui import render, text
from steering.ui.background.jobs import Report
from steering.ui.events.long_tasks import Changes, LongTask, failed, named
from steering.ui.state.settings import FIELDS, Settings
from steering.ui.state.workspace import Session, Workspace

Page = dict[str, Any]
"""The components of the page by name."""

_log = logging.getLogger(__name__)

Notice = Callable[..., Changes]
"""Called with the session, the settings, and values of its inputs after everything that a person changes."""


@dataclass(frozen=True)
class Tab:
    """One tab.

    Attributes:
        id: its name in addresses and code.
        label: its name on the page.
        build: lays it out and returns its components by name; nothing is computed there.
        connect: binds its components to handlers.
    """

    id: str
    label: str
    build: Callable[[], Page]
    connect: Callable[["EventBinder"], None]


class EventBinder:
    """Binds events of components to handlers, by name, inside the context of the app that holds them.

    Attributes:
        demo: the app.
        page: its components by name.
        workspace: what the handlers work on.
    """

    def __init__(self, demo: gr.Blocks, page: Page, workspace: Workspace) -> None:
        self.demo = demo
        self.page = page
        self.workspace = workspace
        self._notices: list[tuple[Notice, tuple[str, ...], tuple[str, ...]]] = []
        self._followed: list[Callable[..., Any]] = []

    def on(
        self,
        trigger: Callable[..., Any],
        handler: Callable[..., Any],
        inputs: Sequence[str] = (),
        outputs: Sequence[str] = (),
        *,
        status: str = "",
        event: bool = False,
        model: bool = False,
        update_notices: bool = False,
        latest: bool = False,
    ) -> Any:
        """Call a handler with the session and the values of the inputs.

        Whatever it raises is said on the page, which otherwise stays as it was.

        Args:
            trigger: an event, such as `page["add"].click`.
            handler: returns changes, or yields them one after the other.
            inputs: names of components.
            outputs: names of all components that it may change.
            status: name of the component that says what went wrong; "" leaves that to the corner of the page alone.
            event: whether the handler also gets what Gradio knows of the event, between the session and the values.
            model: whether it waits for its turn with the models.
            update_notices: whether all notices are brought up to date behind it.
            latest: whether of several events in quick succession the newest is handled, and last. Without it, what comes
                while the handler works may be lost or overtaken: right for a button, wrong for a value that is dragged.
        """
        limits: dict[str, Any] = {"concurrency_limit": 8}
        if model:
            limits = {"concurrency_id": "model", "concurrency_limit": 1}
        if latest:
            limits |= {"trigger_mode": "always_last", "concurrency_limit": 1}
        changed = dict.fromkeys([*outputs, *([status] if status else [])])
        dependency = trigger(
            self._bound(handler, status, event),
            [self.page[name] for name in inputs],
            [self.page[name] for name in changed],
            api_visibility="private",
            show_progress="hidden",
            **limits,
        )
        if update_notices:
            self._followed.append(dependency.then)
        return dependency

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

    def long_task(
        self,
        trigger: Callable[..., Any],
        run: LongTask,
        handler: Callable[..., Iterator[Changes]],
        inputs: Sequence[str] = (),
        outputs: Sequence[str] = (),
    ) -> Any:
        """Start long work: the handler is called with session, job, settings and the values of the inputs."""

        def begin(session: Session) -> Changes:
            return run.begin(session, self.workspace)

        def work(session: Session, *values: Any) -> Iterator[Changes]:
            yield from run.work(session, handler, values[: len(FIELDS)], *values[len(FIELDS) :])

        begun = self.on(trigger, begin, outputs=run.components, status=run.status)
        changed = tuple(dict.fromkeys([*outputs, *run.components]))
        return self.on(
            begun.then, work, [*FIELDS, *inputs], changed, status=run.status, model=True, update_notices=True
        )

    def stop(self, run: LongTask) -> None:
        """Connect the Stop button of a kind of run; the page says at once that it was pressed."""
        stopping = json.dumps(render.progress(Report("", 0.0, stopping=True)))
        self.js(self.page[run.stop].click, f"() => {stopping}", outputs=[run.status])
        self.on(self.page[run.stop].click, run.end, outputs=run.components, status=run.status)

    def notice(self, handler: Notice, inputs: Sequence[str] = (), outputs: Sequence[str] = ()) -> None:
        """Have something brought up to date whenever the sidebar, one of the inputs, the pairs or a vector changed.

        Args:
            handler: called with session, settings and the values of the inputs; it runs nothing long.
            inputs: names of components outside the sidebar.
            outputs: names of all components that it may change.
        """
        self._notices.append((handler, tuple(inputs), tuple(outputs)))

    def finish(self) -> None:
        """Connect all notices; called once, when every tab has bound its own."""
        watched = tuple(dict.fromkeys(name for _, inputs, _ in self._notices for name in inputs))
        outputs = tuple(dict.fromkeys(["relation", *(name for _, _, outputs in self._notices for name in outputs)]))

        def changed(session: Session, *values: Any) -> Changes:
            return self.changed(session, values[: len(FIELDS)], dict(zip(watched, values[len(FIELDS) :], strict=True)))

        events = [self.page[name].change for name in (*FIELDS, *watched)]
        # One listener for all: of two fields that change together, the older state must not come in last.
        together = partial(gr.on, events)
        self.on(together, changed, [*FIELDS, *watched], outputs, latest=True)
        for trigger in self._followed:
            self.on(trigger, changed, [*FIELDS, *watched], outputs)

    def changed(self, session: Session, fields: Sequence[Any], values: dict[str, Any]) -> Changes:
        """What all notices say about these fields of the sidebar and these values of other components.

        One notice that fails does not keep the others from being brought up to date. It is shown in a card alone and not in
        the corner: this is called at every key.
        """
        try:
            settings = Settings.read(*fields)
        except SteeringError as error:
            return {"relation": render.message(str(error), "error")}
        changes: Changes = {}
        problems: list[str] = []
        for handler, inputs, _ in self._notices:
            try:
                changes |= handler(session, settings, *(values[name] for name in inputs))
            except SteeringError as error:
                problems.append(str(error))
            except Exception:
                _log.exception("Bringing the page up to date failed")
                problems.append(text.UNEXPECTED)
        return changes | ({"relation": render.message(problems[0], "error")} if problems else {})

    def _bound(self, handler: Callable[..., Any], status: str, event: bool) -> Callable[..., Any]:
        if inspect.isgeneratorfunction(handler):

            def stream(request: gr.Request, *values: Any) -> Iterator[Any]:
                quiet = True
                try:
                    for changes in handler(self._session(request), *map(_text, values)):
                        quiet = False
                        yield named(changes, self.page)
                except Exception as error:
                    quiet = False
                    yield self._failed(error, status, handler)
                if quiet:  # Gradio empties the outputs of a generator that yields nothing.
                    yield gr.skip()

            return stream

        def once(request: gr.Request, *values: Any) -> Any:
            try:
                return named(handler(self._session(request), *map(_text, values)), self.page)
            except Exception as error:
                return self._failed(error, status, handler)

        def with_event(request: gr.Request, data: gr.EventData, *values: Any) -> Any:
            return once(request, data, *values)

        return with_event if event else once

    def _failed(self, error: Exception, status: str, handler: Callable[..., Any]) -> Any:
        words = failed(error, getattr(handler, "__qualname__", repr(handler)))
        return named({status: render.message(words, "error")} if status else {}, self.page)

    def _session(self, request: gr.Request) -> Session:
        return self.workspace.session(str(request.session_hash))


def _text(value: Any) -> Any:
    """A value of the page with half a character, which JSON can bring and nothing can write, replaced in all its text."""
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, list):
        return [_text(item) for item in value]
    return {name: _text(item) for name, item in value.items()} if isinstance(value, dict) else value
