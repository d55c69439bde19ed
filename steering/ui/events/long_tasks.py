"""Long tasks: work that buttons start and stop, with the same words and behaviour on every tab."""

import html
import logging
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import gradio as gr

from steering.errors import Progress, SteeringError
from steering.ui import render, text
from steering.ui.background.jobs import Job, Report, Stopped, watched
from steering.ui.state.settings import Settings
from steering.ui.state.workspace import Session, Workspace

Changes = dict[str, Any]
"""Changes of the page: the name of a component and its new value."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class LongTask:
    """One kind of long work, by the names of its components.

    Attributes:
        name: under which a session keeps the job.
        starts: the buttons that start it.
        stop: the button that stops it.
        status: where it says how it goes.
    """

    name: str
    starts: tuple[str, ...]
    stop: str
    status: str

    @property
    def components(self) -> tuple[str, ...]:
        """Every component that a run changes by itself."""
        return (*self.starts, self.stop, self.status)

    def progress(self, report: Report) -> Changes:
        """How far the run is."""
        return {self.status: render.progress(report)}

    def message(self, words: str, kind: str = "good") -> Changes:
        """How the run ended; see `render.message`."""
        return {self.status: render.message(words, kind)}

    def buttons(self, *, running: bool) -> Changes:
        """The buttons as they are during a run, or as they are after it."""
        return {start: gr.update(interactive=not running) for start in self.starts} | {
            self.stop: gr.update(interactive=running, variant="stop" if running else "secondary"),
        }

    def begin(self, session: Session, workspace: Workspace) -> Changes:
        """Note that a run was asked for, so that Stop reaches it even while it waits for its turn.

        A run of the same kind that is not at its end is stopped: whoever starts another one, with Enter in the prompt for
        instance, wants what the page says now. On a closed page nothing begins.
        """
        words = text.BUSY if workspace.busy() else text.STARTING + " …"
        session.begin(self.name)
        if session.closed:
            return self.buttons(running=False) | self.message(text.CLOSED, "error")
        return self.buttons(running=True) | self.message(words, "info")

    def end(self, session: Session) -> Changes:
        """Ask the run to stop; it says so itself when it has.

        The status is left to the run: the answer to Stop may reach the page after the run's last word.
        """
        job = session.jobs.get(self.name)
        if job is None:
            return self.buttons(running=False)
        job.stop.set()
        return {}

    def work(
        self, session: Session, handler: Callable[..., Iterator[Changes]], fields: Sequence[Any], *values: Any
    ) -> Iterator[Changes]:
        """Do the work; turn whatever ends it into words on the page, and give the buttons back.

        Args:
            session: of the page.
            handler: called with session, job, settings and the values; yields changes.
            fields: values of the sidebar's fields.
            values: what else the handler wants.
        """
        job = session.take(self.name)
        try:
            job.check()
            yield from handler(session, job, Settings.read(*fields), *values)
            last: Changes = {}
        except Stopped:
            last = self.message(text.STOPPED, "info")
        except Exception as error:
            last = self.message(failed(error, self.name), "error")
        finally:
            newest = session.finish(self.name, job)
        if session.closed:
            yield self.message(text.CLOSED, "error") | self.buttons(running=False)
        elif newest:
            yield last | self.buttons(running=False)
        else:  # The buttons and the status belong to the run that was started meanwhile.
            yield self.buttons(running=True)

    def step(self, job: Job, work: Callable[[Progress], Any]) -> Generator[Changes, None, Any]:
        """Do one piece of work with the models while nobody else does, and tell how far it is; returns its result."""
        return watched(work, job, self.progress)


def failed(error: Exception, what: str) -> str:
    """Say in the corner why something could not be done; what no user can have caused goes into the log.

    Args:
        error: what was raised.
        what: what failed, for the log.

    Returns:
        The sentence, to be shown beside the control as well.
    """
    if isinstance(error, SteeringError):
        words = str(error)
    else:
        _log.error("%s failed", what, exc_info=error)
        words = text.UNEXPECTED
    toast(words)
    return words


def toast(words: str) -> None:
    """Show a message in the corner; it is read as HTML there, so it is escaped."""
    gr.Warning(html.escape(words, quote=False))


def named(changes: Mapping[str, Any], page: Mapping[str, gr.blocks.Block]) -> Any:
    """Changes by component instead of by name, as Gradio takes them; it would take an empty mapping for a value."""
    return {page[name]: value for name, value in changes.items()} or gr.skip()
