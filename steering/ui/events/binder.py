"""Connects components to handlers in Gradio; the tabs refer to components by name.

A handler is a function or a generator: it gets a session and values of components, and returns or yields changes of the
page. All long tasks share one line, so that only one of them uses the models at a time.
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
from steering.ui.background.jobs import ProgressReport
from steering.ui.events.long_tasks import Changes, Condition, LongTask, by_component, show_failure
from steering.ui.state.settings import FIELDS, Settings
from steering.ui.state.workspace import Session, Workspace

Page = dict[str, Any]
"""The components of the page by name."""

_MAX_LONG_TASKS = 24
"""Long tasks that wait or work at a time; each holds one of the 40 threads of Gradio, and the others stay free."""

_log = logging.getLogger(__name__)

Notice = Callable[..., Changes]
"""A handler that marks results as out of date. It is called with the session, the settings and the values of its inputs
whenever the user changes something."""


@dataclass(frozen=True)
class Tab:
    """One tab.

    Attributes:
        id: name in addresses and code.
        label: name on the page.
        build: creates the components and returns them by name; nothing is computed there.
        connect: connects the components to handlers.
    """

    id: str
    label: str
    build: Callable[[], Page]
    connect: Callable[["EventBinder"], None]


class EventBinder:
    """Connects events of components to handlers. Used inside the `gr.Blocks` context of the app.

    Attributes:
        demo: the app.
        page: its components by name.
        workspace: models, vectors and sessions.
    """

    def __init__(self, demo: gr.Blocks, page: Page, workspace: Workspace) -> None:
        self.demo = demo
        self.page = page
        self.workspace = workspace
        self._notices: list[tuple[Notice, tuple[str, ...], tuple[str, ...]]] = []
        self._notice_triggers: list[Callable[..., Any]] = []

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
        """Call a handler with the session and the values of the inputs when an event occurs.

        An error of the handler is shown on the page; no other component changes then.

        Args:
            trigger: an event, such as `page["add"].click`.
            handler: returns changes, or yields them one after the other.
            inputs: names of components.
            outputs: names of all components that the handler may change.
            status: name of the component that shows errors; with "" they are shown in a toast only.
            event: whether the handler also gets a `gr.EventData`, between the session and the values.
            model: whether the handler is a long task, which waits in the line of the models by itself.
            update_notices: whether all notices are updated after the handler.
            latest: whether, of several events in quick succession, the newest one is always handled, after all others.
                Without it, an event that occurs while the handler works may be dropped: fine for a button, wrong for a
                slider.

        Returns:
            Gradio's dependency; its `then` is an event.
        """
        limits: dict[str, Any] = {"concurrency_limit": 8}
        if model:
            # By default the client skips an event while one of the same dependency is pending: a run that replaces an earlier
            # one would have begun and never work.
            limits = {"concurrency_id": "long", "concurrency_limit": _MAX_LONG_TASKS, "trigger_mode": "multiple"}
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
            self._notice_triggers.append(dependency.then)
        return dependency

    def js(
        self, trigger: Callable[..., Any], code: str, inputs: Sequence[str] = (), outputs: Sequence[str] = ()
    ) -> Any:
        """Execute JavaScript in the browser when an event occurs, without a request to the server."""
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
        task: LongTask,
        handler: Callable[..., Iterator[Changes]],
        inputs: Sequence[str] = (),
        outputs: Sequence[str] = (),
        *,
        check: Callable[..., object] | None = None,
        light: Condition | None = None,
        shares: Condition | None = None,
    ) -> Any:
        """Start a long task when an event occurs.

        Args:
            trigger: an event.
            task: names of the components of the task.
            handler: called with the session, the job, the settings and the values of the inputs; yields changes.
            inputs: names of components outside the sidebar.
            outputs: names of all components that the handler may change.
            check: raises an error where the task cannot succeed, without delay; called with the session, the settings and
                the values of the inputs.
            light: whether this time the handler needs no model, so that it does not wait; called as `check`.
            shares: whether at present it can work beside other tasks of which this is true; called as `check`.

        Returns:
            Gradio's dependency of the handler; its `then` is an event.
        """
        title = str(getattr(self.page[task.starts[0]], "value", None) or task.name)
        queued = task.in_line(self.workspace.line, title, handler, light, shares)

        def begin(session: Session, *values: Any) -> Changes:
            try:
                settings = Settings.read(*values[: len(FIELDS)])
                if check is not None:
                    check(session, settings, *values[len(FIELDS) :])
            except Exception as error:
                return task.refuse(session, error)
            return task.begin(session)

        def work(session: Session, *values: Any) -> Iterator[Changes]:
            yield from task.work(session, queued, values[: len(FIELDS)], *values[len(FIELDS) :])

        started = self.on(trigger, begin, [*FIELDS, *inputs], outputs=task.components, status=task.status)
        changed = tuple(dict.fromkeys([*outputs, *task.components]))
        return self.on(
            started.then, work, [*FIELDS, *inputs], changed, status=task.status, model=True, update_notices=True
        )

    def stop(self, task: LongTask) -> None:
        """Connect the Stop button of a long task; the page says at once that it was pressed."""
        stopping = json.dumps(render.progress(ProgressReport("", 0.0, stopping=True)))
        self.js(self.page[task.stop].click, f"() => {stopping}", outputs=[task.status])
        self.on(self.page[task.stop].click, task.request_stop, outputs=task.components, status=task.status)

    def notice(self, handler: Notice, inputs: Sequence[str] = (), outputs: Sequence[str] = ()) -> None:
        """Register a notice, which is updated whenever the sidebar, one of its inputs, the pairs or a vector changes.

        Args:
            handler: called with the session, the settings and the values of the inputs; it must return quickly.
            inputs: names of components outside the sidebar.
            outputs: names of all components that the handler may change.
        """
        self._notices.append((handler, tuple(inputs), tuple(outputs)))

    def finish(self) -> None:
        """Connect all notices; called once, after every tab has registered its notices."""
        watched = tuple(dict.fromkeys(name for _, inputs, _ in self._notices for name in inputs))
        outputs = tuple(dict.fromkeys(["relation", *(name for _, _, outputs in self._notices for name in outputs)]))

        def changed(session: Session, *values: Any) -> Changes:
            return self.changed(session, values[: len(FIELDS)], dict(zip(watched, values[len(FIELDS) :], strict=True)))

        events = [self.page[name].change for name in (*FIELDS, *watched)]
        # A single listener for all fields: when two of them change together, the older state must not be handled last.
        any_change = partial(gr.on, events)
        self.on(any_change, changed, [*FIELDS, *watched], outputs, latest=True)
        for trigger in self._notice_triggers:
            self.on(trigger, changed, [*FIELDS, *watched], outputs)

    def changed(self, session: Session, fields: Sequence[Any], values: dict[str, Any]) -> Changes:
        """Update all notices.

        The others are updated even if one fails. An error is shown in a card and not in a toast, because this is called at
        every key press.

        Args:
            session: of the page.
            fields: values of the sidebar's fields.
            values: values of the other inputs of notices, by the name of the component.

        Returns:
            The changes of all notices.
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
                _log.exception("Updating a notice failed")
                problems.append(text.UNEXPECTED)
        return changes | ({"relation": render.message(problems[0], "error")} if problems else {})

    def _bound(self, handler: Callable[..., Any], status: str, event: bool) -> Callable[..., Any]:
        if inspect.isgeneratorfunction(handler):

            def stream(request: gr.Request, *values: Any) -> Iterator[Any]:
                silent = True
                try:
                    for changes in handler(self._session(request), *self._checked(values)):
                        silent = False
                        yield by_component(changes, self.page)
                except Exception as error:
                    silent = False
                    yield self._failed(error, status, handler)
                if silent:  # Gradio empties the outputs of a generator that yields nothing.
                    yield gr.skip()

            return stream

        def call(request: gr.Request, *values: Any) -> Any:
            try:
                return by_component(handler(self._session(request), *self._checked(values)), self.page)
            except Exception as error:
                return self._failed(error, status, handler)

        def with_event(request: gr.Request, data: gr.EventData, *values: Any) -> Any:
            return call(request, data, *values)

        return with_event if event else call

    def _failed(self, error: Exception, status: str, handler: Callable[..., Any]) -> Any:
        words = show_failure(error, getattr(handler, "__qualname__", repr(handler)))
        return by_component({status: render.message(words, "error")} if status else {}, self.page)

    def _session(self, request: gr.Request) -> Session:
        name, account = str(request.session_hash), getattr(request, "username", None)
        return self.workspace.session(
            name, self.workspace.visitor_name(name, account, getattr(request, "cookies", None) or {})
        )

    def _checked(self, values: Sequence[Any]) -> list[Any]:
        for value in values:
            self.workspace.limits.check_values(value)
        return [_without_surrogates(value) for value in values]


def _without_surrogates(value: Any) -> Any:
    """A value of the page with lone surrogates in its strings replaced: JSON can hold them, but UTF-8 cannot."""
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, list):
        return [_without_surrogates(item) for item in value]
    return {name: _without_surrogates(item) for name, item in value.items()} if isinstance(value, dict) else value
