"""State on the server: the two loaded models, the transferred vectors, and one session per open page.

Safe to call from several threads. Does not depend on Gradio.
"""

import gc
import threading
from collections import OrderedDict, deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar
from weakref import WeakValueDictionary

from steering.concepts import Concept, bundled_concepts, load_concept
from steering.errors import Progress, SteeringError, part_of, silent
from steering.models import LanguageModel, load_model
from steering.transfer import transfer
from steering.ui import text
from steering.ui.background.jobs import Job
from steering.ui.background.line import Line
from steering.ui.state.drafts import Draft
from steering.ui.state.files import DownloadFiles
from steering.ui.state.settings import Settings
from steering.ui.state.shapes import Shape, shape_from_config
from steering.vectors import SteeringVector, extract

T = TypeVar("T")

_MAX_VECTORS = 32

_MAX_CLOSED = 4096
"""Names of closed sessions that are stored to recognise late requests; Gradio never uses a name twice."""


@dataclass
class Session:
    """One open page.

    Attributes:
        drafts: edited concepts by name.
        jobs: the newest job of each long task, by the name of the task, until it ends.
        requested: names of the long tasks that were started at least once.
        vector_key: key of the newest vector; see `Settings.vector_key`.
        file_vectors: vectors that were read from files, by `Settings.vector_key`.
        files: the files that were written for download.
        records: the state of each tab, by the class of its record.
        closed: whether the page was closed; every job of a closed session is stopped.
    """

    drafts: dict[str, Draft] = field(default_factory=dict)
    jobs: dict[str, Job] = field(default_factory=dict)
    requested: set[str] = field(default_factory=set)
    vector_key: tuple[object, ...] | None = None
    file_vectors: dict[tuple[object, ...], SteeringVector] = field(default_factory=dict, repr=False, compare=False)
    files: DownloadFiles = field(default_factory=DownloadFiles, repr=False, compare=False)
    records: dict[type, Any] = field(default_factory=dict)
    closed: bool = False
    _waiting: dict[str, deque[Job]] = field(default_factory=dict, repr=False, compare=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False, compare=False)

    def begin_job(self, name: str) -> Job:
        """Create the newest job of a long task, put it into the task's queue, and stop the one before it.

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
        return job

    def refuse_job(self, name: str) -> None:
        """Put a job that does nothing into the queue of a long task, in the place of one that was refused."""
        with self._lock:
            self._waiting.setdefault(name, deque()).append(Job(refused=True))

    def next_job(self, name: str) -> Job:
        """Remove the first job from the queue of a long task and return it; a new job if the queue is empty."""
        with self._lock:
            waiting = self._waiting.get(name)
            if waiting:
                return waiting.popleft()
        self.begin_job(name)
        return self.next_job(name)

    def finish(self, name: str, job: Job) -> bool:
        """Remove a job that has ended.

        Returns:
            Whether it was the newest job of its task.
        """
        with self._lock:
            if self.jobs.get(name) is not job:
                return False
            del self.jobs[name]
            return True

    def close(self) -> None:
        """Stop every job, including later ones, and free the files and vectors of the session."""
        self.closed = True  # First, so that a job that is created meanwhile is stopped here or in `begin_job`.
        with self._lock:
            jobs = [*self.jobs.values(), *(job for waiting in self._waiting.values() for job in waiting)]
        for job in jobs:
            job.stop.set()
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


class Workspace:
    """Models, vectors and sessions of one running app.

    Attributes:
        allowed: names of the models that may be loaded; empty allows any.
        line: in which long tasks wait for the models.
    """

    def __init__(self, allowed: Sequence[str] = ()) -> None:
        self.allowed = tuple(allowed)
        self.line = Line()
        self._lock = threading.RLock()
        self._models: dict[str, LanguageModel] = {}
        self._shapes: dict[str, Shape] = {}
        self._vectors: OrderedDict[tuple[object, ...], SteeringVector] = OrderedDict()
        self._file_vectors: WeakValueDictionary[tuple[object, ...], SteeringVector] = WeakValueDictionary()
        self._sessions: dict[str, Session] = {}
        self._closed: OrderedDict[str, None] = OrderedDict()

    def session(self, name: str) -> Session:
        """The session of an open page, created at its first request.

        A request that arrives after its page was closed gets a new closed session, which is not stored.
        """
        with self._lock:
            return Session(closed=True) if name in self._closed else self._sessions.setdefault(name, Session())

    def close(self, name: str) -> None:
        """Stop all jobs of a session and remove the session."""
        with self._lock:
            session = self._sessions.pop(name, None)
            self._closed[name] = None
            while len(self._closed) > _MAX_CLOSED:
                self._closed.popitem(last=False)
        if session is not None:
            session.close()

    def busy(self) -> bool:
        """Whether any session has an unfinished job."""
        with self._lock:
            return any(session.jobs for session in self._sessions.values())

    def models(self, settings: Settings, progress: Progress = silent) -> tuple[LanguageModel, LanguageModel]:
        """Parent and child. They are loaded if necessary, after models that are not needed any more have been unloaded.

        Raises:
            SteeringError: one of them is not allowed, or cannot be loaded.
        """
        names = dict.fromkeys((settings.parent, settings.child))
        for name in names:
            self.check_allowed(name)
        with self._lock:
            unused = [name for name in self._models if name not in names]
            for name in unused:
                del self._models[name]
        if unused:
            gc.collect()
        for number, name in enumerate(names):
            if name not in self._models:
                model = load_model(name, progress=part_of(progress, number / len(names), (number + 1) / len(names)))
                with self._lock:
                    self._models[name] = model
                    self._shapes[name] = Shape(model.n_layers, model.d_model)
        return self._models[settings.parent], self._models[settings.child]

    def check_allowed(self, name: str) -> None:
        """Check that a model may be loaded.

        Raises:
            SteeringError: it is not on the page's list.
        """
        if self.allowed and name not in self.allowed:
            raise SteeringError(text.NOT_ALLOWED.format(name=name, allowed=", ".join(self.allowed)))

    def loaded(self) -> tuple[str, ...]:
        """Names of the models in memory."""
        with self._lock:
            return tuple(self._models)

    def loaded_model(self, name: str) -> LanguageModel | None:
        """A model in memory; None if it is not loaded."""
        with self._lock:
            return self._models.get(name)

    def vector(self, settings: Settings, concept: Concept, progress: Progress = silent) -> SteeringVector:
        """The concept's vector in the child's space; extracted and transferred if it is not stored.

        Raises:
            SteeringError: models, pairs or maps that cannot be used.
        """
        vector = self.stored_vector(settings, concept)
        if vector is not None:
            self.models(settings, progress)
            return vector
        parent, child = self.models(settings, part_of(progress, 0.0, 0.3))
        parent_vector = extract(parent, concept, settings.method, progress=part_of(progress, 0.3, 0.5))
        transferred = transfer(
            parent_vector,
            parent,
            child,
            layers=settings.layers,
            width=settings.width,
            progress=part_of(progress, 0.5, 1.0),
        )
        self.keep_vector(settings, concept, transferred)
        return transferred

    def keep_vector(self, settings: Settings, concept: Concept, vector: SteeringVector) -> None:
        """Store a vector for these settings and pairs. Beyond `_MAX_VECTORS` the oldest one is removed."""
        with self._lock:
            self._vectors[settings.vector_key(concept)] = vector
            while len(self._vectors) > _MAX_VECTORS:
                self._vectors.popitem(last=False)

    def keep_file_vector(self, session: Session, settings: Settings, concept: Concept, vector: SteeringVector) -> None:
        """Store a vector that was read from a file, until the last session that read it is closed.

        Args:
            session: that read it.
            settings: that it is used with.
            concept: from `saved_vectors.as_concept`; its digest distinguishes files of the same name.
            vector: that was read.
        """
        key = settings.vector_key(concept)
        with self._lock:
            # Sessions that read the same file share one object, so that it exists until the last of them is closed.
            session.file_vectors[key] = self._file_vectors.setdefault(key, vector)
            self._vectors.pop(key, None)

    def from_file(self, settings: Settings, concept: Concept) -> bool:
        """Whether the stored vector for these settings and pairs was read from a file."""
        with self._lock:
            return settings.vector_key(concept) in self._file_vectors

    def stored_vector(self, settings: Settings, concept: Concept) -> SteeringVector | None:
        """The stored vector for these settings and pairs; None if there is none."""
        key = settings.vector_key(concept)
        with self._lock:
            return self._vectors.get(key) or self._file_vectors.get(key)

    def shape(self, name: str) -> Shape | None:
        """Layers and width of a model that was loaded before, or whose config is on this machine; else None."""
        with self._lock:
            if name in self._shapes:
                return self._shapes[name]
        shape = shape_from_config(name)
        if shape is not None:
            with self._lock:
                self._shapes[name] = shape
        return shape
