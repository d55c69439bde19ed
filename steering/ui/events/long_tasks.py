"""Long tasks: work that buttons start and stop. Every tab shows its progress, its end and its errors in the same way."""

import html
import logging
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import gradio as gr

from steering.errors import Progress, SteeringError
from steering.storage import full_disk
from steering.ui import render, text
from steering.ui.background.jobs import Job, ProgressReport, Stopped, work_with_progress
from steering.ui.background.line import Line, Ticket
from steering.ui.state.settings import Settings
from steering.ui.state.workspace import Session

Changes = dict[str, Any]
"""Changes of the page: the name of a component and its new value."""

Handler = Callable[..., Iterator[Changes]]
"""The work of a long task: called with the session, the job, the settings and further values; yields changes."""

Condition = Callable[..., bool]
"""Whether something is true of a task as it is started; called with the session, the settings and the values."""

_POLL_SECONDS = 0.3
"""Seconds between two looks at the line."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class LongTask:
    """One kind of long task, by the names of its components.

    Attributes:
        name: key of its job in a session.
        starts: the buttons that start it.
        stop: the button that stops it.
        status: the component that shows its progress, its end and its errors.
    """

    name: str
    starts: tuple[str, ...]
    stop: str
    status: str

    @property
    def components(self) -> tuple[str, ...]:
        """Every component that this class changes, whatever the handler does."""
        return (*self.starts, self.stop, self.status)

    def progress(self, report: ProgressReport) -> Changes:
        """Show progress in the status component."""
        return {self.status: render.progress(report)}

    def message(self, words: str, kind: str = "good") -> Changes:
        """Show a sentence in the status component; see `render.message`."""
        return {self.status: render.message(words, kind)}

    def buttons(self, *, running: bool) -> Changes:
        """Enable Stop and disable the start buttons while the task is running; the reverse otherwise."""
        return {start: gr.update(interactive=not running) for start in self.starts} | {
            self.stop: gr.update(interactive=running, variant="stop" if running else "secondary"),
        }

    def begin(self, session: Session) -> Changes:
        """Create the job, so that Stop works even while the task waits in the queue.

        An unfinished job of the same kind is stopped: a second start, with Enter in the prompt for instance, replaces the
        first. In a closed session the new job is stopped at once, as is one that the visitor may not begin.
        """
        job = session.begin_job(self.name)
        if session.closed:
            return self.buttons(running=False) | self.message(text.CLOSED, "error")
        if job.refusal:
            return self.buttons(running=False) | self.message(job.refusal, "error")
        return self.buttons(running=True) | self.message(text.STARTING + " …", "info")

    def refuse(self, session: Session, error: Exception) -> Changes:
        """Say why the task does not begin; an earlier one that is running goes on."""
        session.refuse_job(self.name)
        return self.message(show_failure(error, self.name), "error") | self.buttons(running=self.name in session.jobs)

    def in_line(
        self,
        line: Line,
        title: str,
        handler: Handler,
        light: Condition | None = None,
        shares: Condition | None = None,
    ) -> Handler:
        """A handler that waits in the line of the models before it does its work, and shows its place.

        Args:
            line: of the models.
            title: what the task does, in words.
            handler: does the work.
            light: whether this time the work needs no turn.
            shares: whether at present the work can be done beside that of others; asked until it is true, see `Ticket`.
        """

        def queued(session: Session, job: Job, settings: Settings, *values: Any) -> Iterator[Changes]:
            if light is not None and light(session, settings, *values):
                yield from handler(session, job, settings, *values)
                return
            ticket = line.join(title)

            def note_sharing() -> None:
                # Asked in the task's own thread, so that neither its time nor its errors are another page's.
                if shares is not None:
                    line.share(ticket, shares(session, settings, *values))

            try:
                yield from self._wait(line, ticket, job, note_sharing)
                with _closed_at_the_end(handler(session, job, settings, *values)) as steps:
                    for changes in steps:
                        if not ticket.shares:
                            note_sharing()
                        yield changes
            finally:
                line.leave(ticket)

        return queued

    def _wait(self, line: Line, ticket: Ticket, job: Job, before_every_look: Callable[[], None]) -> Iterator[Changes]:
        shown = ""
        before_every_look()
        while (place := line.wait(ticket, _POLL_SECONDS if shown else 0)) is not None:
            job.raise_if_stopped()
            before_every_look()
            words = text.in_line(place.before, place.running, place.seconds)
            if words != shown:
                shown = words
                yield self.message(words, "info")

    def request_stop(self, session: Session) -> Changes:
        """Ask the job to stop. The task shows the end itself, after its current step.

        The status is left to the task: this answer may reach the page after the task's last change.
        """
        job = session.jobs.get(self.name)
        if job is None:
            return self.buttons(running=False)
        job.stop.set()
        return {}

    def work(
        self, session: Session, handler: Callable[..., Iterator[Changes]], fields: Sequence[Any], *values: Any
    ) -> Iterator[Changes]:
        """Call the handler, show how it ended, and reset the buttons.

        Args:
            session: of the page.
            handler: called with the session, the job, the settings and the values; yields changes.
            fields: values of the sidebar's fields.
            values: further arguments of the handler.

        Yields:
            Changes of the page.
        """
        job = session.next_job(self.name)
        if job.skipped:
            yield {}
            return
        started, outcome = time.monotonic(), "left"
        try:
            job.raise_if_stopped()
            settings = Settings.read(*fields)
            session.visitor.limits.check_run(settings.sampling.max_new_tokens)
            last = yield from _with_last(handler(session, job, settings, *values))
            # Gradio's client takes out of an update what the next one does not repeat, even before it was shown.
            final = {name: change for name, change in last.items() if _is_update(change)}
            outcome = "done"
        except Stopped:
            final = self.message(job.refusal, "error") if job.refusal else self.message(text.STOPPED, "info")
            outcome = "refused" if job.refusal else "stopped"
        except Exception as error:
            final = self.message(show_failure(error, self.name), "error")
            outcome = "mistake" if isinstance(error, SteeringError) else "failed"
        finally:
            is_newest = session.finish(self.name, job)
            _log_run(self.name, job, started, outcome)
        if session.closed:
            yield self.message(text.CLOSED, "error") | self.buttons(running=False)
        elif is_newest:
            yield final | self.buttons(running=False)
        else:  # A newer job of the same kind has started, and shows its own status.
            yield self.buttons(running=True)

    def step(self, job: Job, work: Callable[[Progress], Any]) -> Generator[Changes, None, Any]:
        """Do one part of the task in the worker thread and show its progress; see `work_with_progress`."""
        return work_with_progress(work, job, self.progress)


def _with_last(steps: Iterator[Changes]) -> Generator[Changes, None, Changes]:
    """Yield the changes of a handler, and return the last ones."""
    last: Changes = {}
    with _closed_at_the_end(steps):
        for last in steps:
            yield last
    return last


@contextmanager
def _closed_at_the_end(steps: Iterator[Changes]) -> Iterator[Iterator[Changes]]:
    """Close a handler that is left before its end at once, not when it is collected."""
    try:
        yield steps
    finally:
        if isinstance(steps, Generator):
            steps.close()


def _is_update(change: Any) -> bool:
    """Whether a change is of a component's properties, as `gr.update` makes it."""
    return isinstance(change, dict) and change.get("__type__") == "update"


def _log_run(task: str, job: Job, started: float, outcome: str) -> None:
    """Write a line about a run into the log: what ran, how long, and how it ended; nothing that the visitor wrote."""
    run = {
        "run": job.id,
        "task": task,
        "outcome": outcome,
        "waited_s": round(started - job.begun, 3),
        "seconds": round(time.monotonic() - started, 3),
    }
    words = "Run {run} of {task}: {outcome} after {seconds} s, having waited {waited_s} s".format(**run)
    _log.info(words, extra={"run": run})


def show_failure(error: Exception, what: str) -> str:
    """Show an error in a toast, and log it if it is not a `SteeringError`.

    Args:
        error: what was raised.
        what: name of the handler or task that failed, for the log.

    Returns:
        The sentence in the toast, to be shown beside the control as well.
    """
    if isinstance(error, SteeringError):
        words = str(error)
    elif full_disk(error):
        _log.error("%s failed: %s", what, error)
        words = text.FULL_DISK
    else:
        _log.error("%s failed", what, exc_info=error)
        words = text.UNEXPECTED
    toast(words)
    return words


def toast(words: str) -> None:
    """Show a message in a toast. Gradio reads it as HTML, so it is escaped."""
    gr.Warning(html.escape(words, quote=False))


def by_component(changes: Mapping[str, Any], page: Mapping[str, gr.blocks.Block]) -> Any:
    """Changes with components instead of names as keys, for Gradio; `gr.skip()` where there are none.

    Gradio would take an empty mapping for the value of a component.
    """
    return {page[name]: value for name, value in changes.items()} or gr.skip()
