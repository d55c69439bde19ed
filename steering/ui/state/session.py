"""One session per open page, and the visitors that pages belong to. Safe to call from several threads."""

import threading
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from steering.concepts import bundled_concepts, load_concept
from steering.errors import SteeringError
from steering.library import Shelf
from steering.ui import text
from steering.ui.background.jobs import Job
from steering.ui.state.drafts import Draft
from steering.ui.state.files import DownloadFiles
from steering.ui.state.limits import OWN, Limits
from steering.vectors import SteeringVector

T = TypeVar("T")


class Visitor:
    """Whom pages belong to: the person at this machine, or one visitor of a shared page.

    Attributes:
        name: hexadecimal digits that stand for a visitor of a shared page; "" for the person at this machine.
        limits: of the app.
    """

    def __init__(self, name: str = "", limits: Limits = OWN, refusal: Callable[[], str] = str) -> None:
        """Begin without jobs.

        Args:
            name: of the visitor.
            limits: of the app.
            refusal: why no run may begin now; "" where one may.
        """
        self.name = name
        self.limits = limits
        self._refusal = refusal
        self._lock = threading.Lock()
        self._jobs: list[Job] = []

    @property
    def shelf(self) -> Shelf:
        """The saved vectors of this visitor, which no other one sees."""
        return Shelf.of_visitor(self.name, self.limits.vectors) if self.name else Shelf.own()

    def admit(self, job: Job) -> None:
        """Count a new job, or refuse it: it is stopped then, and says why."""
        with self._lock:
            self._jobs = [each for each in self._jobs if not each.ended and not each.stop.is_set()]
            if not (problem := self._refusal()) and len(self._jobs) >= self.limits.runs:
                problem = text.TOO_MANY_RUNS.format(runs=self.limits.runs)
            if problem:
                job.refuse(problem)
            else:
                self._jobs.append(job)


@dataclass
class Session:
    """One open page.

    Attributes:
        visitor: whom it belongs to.
        drafts: edited concepts by name.
        jobs: the newest job of each long task, by the name of the task, until it ends.
        requested: names of the long tasks that were started at least once.
        vector_key: key of the newest vector; see `Settings.vector_key`.
        vectors: those of concepts that were written or changed on this page, see `StoredVectors`.
        file_vectors: vectors that were read from files, by `Settings.vector_key`.
        files: the files that were written for download.
        records: the state of each tab, by the class of its record.
        closed: whether the page was closed; every job of a closed session is stopped.
        tab: name that the browser gave to its tab, which a reload leaves as it is; "" for none.
    """

    visitor: Visitor = field(default_factory=Visitor, repr=False, compare=False)
    drafts: dict[str, Draft] = field(default_factory=dict)
    jobs: dict[str, Job] = field(default_factory=dict)
    requested: set[str] = field(default_factory=set)
    vector_key: tuple[object, ...] | None = None
    vectors: OrderedDict[tuple[object, ...], Any] = field(default_factory=OrderedDict, repr=False, compare=False)
    file_vectors: dict[tuple[object, ...], SteeringVector] = field(default_factory=dict, repr=False, compare=False)
    files: DownloadFiles = field(default_factory=DownloadFiles, repr=False, compare=False)
    records: dict[type, Any] = field(default_factory=dict)
    closed: bool = False
    tab: str = ""
    _waiting: dict[str, deque[Job]] = field(default_factory=dict, repr=False, compare=False)
    _working: dict[str, Job] = field(default_factory=dict, repr=False, compare=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False, compare=False)

    @property
    def shelf(self) -> Shelf:
        """The saved vectors that this page shows."""
        return self.visitor.shelf

    def begin_job(self, name: str) -> Job:
        """Create the newest job of a long task, put it into the task's queue, and stop the one before it.

        A job that the visitor may not begin is stopped at once, and says why.

        Args:
            name: of the long task.
        """
        job = Job()
        with self._lock:
            earlier, self.jobs[name] = self.jobs.get(name), job
            self._waiting.setdefault(name, deque()).append(job)
            self.requested.add(name)
        if earlier is not None:
            earlier.stop.set()
        if self.closed:
            job.stop.set()
        else:
            self.visitor.admit(job)
        return job

    def refuse_job(self, name: str) -> None:
        """Put a job that does nothing into the queue of a long task, in the place of one that a check refused."""
        with self._lock:
            self._waiting.setdefault(name, deque()).append(Job(skipped=True))

    def next_job(self, name: str) -> Job:
        """Remove the first job from the queue of a long task and return it; a new job if the queue is empty."""
        with self._lock:
            waiting = self._waiting.get(name)
            if waiting:
                job = waiting.popleft()
                if not job.skipped:
                    self._working[job.id] = job
                return job
        self.begin_job(name)
        return self.next_job(name)

    def finish(self, name: str, job: Job) -> bool:
        """Remove a job that has ended.

        Returns:
            Whether it was the newest job of its task.
        """
        job.ended = True
        with self._lock:
            self._working.pop(job.id, None)
            if self.jobs.get(name) is not job:
                return False
            del self.jobs[name]
            return True

    @property
    def unfinished(self) -> int:
        """Number of jobs that work, or wait for their turn; none of a closed page begins any more."""
        with self._lock:
            waiting = [] if self.closed else self.jobs.values()
            return len({job.id for job in (*self._working.values(), *waiting)})

    def stop_jobs(self) -> None:
        """Stop every job that is under way or waits."""
        with self._lock:
            waiting = (job for each in self._waiting.values() for job in each)
            jobs = [*self.jobs.values(), *self._working.values(), *waiting]
        for job in jobs:
            job.stop.set()

    def close(self) -> None:
        """Stop every job, including later ones, and free the files and vectors of the session."""
        self.closed = True  # First, so that a job that is created meanwhile is stopped here or in `begin_job`.
        self.stop_jobs()
        self.vectors.clear()
        self.file_vectors.clear()
        self.files.remove()

    def record(self, kind: type[T]) -> T:
        """The state of a tab: the only record of its class, created at the first call."""
        record: T = self.records.setdefault(kind, kind())
        return record

    @property
    def concepts(self) -> list[str]:
        """Names in the concept menu: the bundled concepts, and those that this session created or read from files."""
        return list(dict.fromkeys([*bundled_concepts(), *self.drafts]))

    def draft(self, concept: str) -> Draft:
        """The draft of a concept.

        Raises:
            SteeringError: the concept is neither bundled, nor did this session create it or read it from a file.
        """
        if concept not in self.drafts:
            if concept not in bundled_concepts():  # `load_concept` would read any other name as a path.
                raise SteeringError(text.NO_CONCEPT.format(name=concept[:60]))
            original = load_concept(concept)
            self.drafts[concept] = Draft(original, original)
        return self.drafts[concept]
