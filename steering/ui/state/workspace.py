"""What the server keeps for the pages that are open: the two loaded models, carried vectors, and each page's drafts.

Safe to call from several threads. Gradio is not needed here.
"""

import gc
import json
import threading
from collections import OrderedDict, deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar
from weakref import WeakValueDictionary

from steering.concepts import Concept, bundled_concepts, load_concept
from steering.errors import Progress, SteeringError, part_of, silent
from steering.models import LanguageModel, bundled, load_model
from steering.storage import cache_dir
from steering.transfer import transfer
from steering.ui import text
from steering.ui.background.jobs import Job
from steering.ui.state.drafts import Draft
from steering.ui.state.files import HandedOut
from steering.ui.state.settings import Settings
from steering.vectors import SteeringVector, extract

T = TypeVar("T")

_MOST_VECTORS = 32

_MOST_CLOSED = 4096
"""Closed pages that are remembered, so that a late request of theirs is known; names are never used twice."""


@dataclass
class Session:
    """One open page.

    Attributes:
        drafts: edited concepts by the name they started from.
        jobs: the newest run by the tab it belongs to, as long as it waits or works.
        begun: tabs on which a run was ever asked for.
        vector_key: what the newest vector was made with.
        held: vectors that it read from files, by what they are used with.
        files: those that it handed out.
        records: what each tab remembers, by the class of its record.
        closed: whether the page is gone; nothing is done for it any more.
    """

    drafts: dict[str, Draft] = field(default_factory=dict)
    jobs: dict[str, Job] = field(default_factory=dict)
    begun: set[str] = field(default_factory=set)
    vector_key: tuple[object, ...] | None = None
    held: dict[tuple[object, ...], SteeringVector] = field(default_factory=dict, repr=False, compare=False)
    files: HandedOut = field(default_factory=HandedOut, repr=False, compare=False)
    records: dict[type, Any] = field(default_factory=dict)
    closed: bool = False
    _waiting: dict[str, deque[Job]] = field(default_factory=dict, repr=False, compare=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False, compare=False)

    def begin(self, name: str) -> Job:
        """A new job of a tab, which waits until it is taken; the one before it is stopped."""
        job = Job()
        with self._lock:
            earlier, self.jobs[name] = self.jobs.get(name), job
            self._waiting.setdefault(name, deque()).append(job)
            self.begun.add(name)
        if earlier is not None:
            earlier.stop.set()
        if self.closed:
            job.stop.set()
        return job

    def take(self, name: str) -> Job:
        """The job of a tab that has waited longest; a new one where none waits."""
        with self._lock:
            waiting = self._waiting.get(name)
            if waiting:
                return waiting.popleft()
        self.begin(name)
        return self.take(name)

    def finish(self, name: str, job: Job) -> bool:
        """Forget a job that is at its end.

        Returns:
            Whether it was the newest of its tab.
        """
        with self._lock:
            if self.jobs.get(name) is not job:
                return False
            del self.jobs[name]
            return True

    def close(self) -> None:
        """Stop every job, those that begin later too, and let go of the page's files and vectors."""
        self.closed = True  # First, so that a job that begins meanwhile is stopped here or there.
        with self._lock:
            jobs = [*self.jobs.values(), *(job for waiting in self._waiting.values() for job in waiting)]
        for job in jobs:
            job.stop.set()
        self.held.clear()
        self.files.remove()

    def of(self, kind: type[T]) -> T:
        """What a tab remembers: one record of its own class, made when it is first asked for."""
        found: T = self.records.setdefault(kind, kind())
        return found

    @property
    def concepts(self) -> list[str]:
        """What the concept menu offers: the bundled ones, and those that this page made or read."""
        return list(dict.fromkeys([*bundled_concepts(), *self.drafts]))

    def draft(self, concept: str) -> Draft:
        """The concept as this page edits it.

        Raises:
            SteeringError: it is neither bundled nor one that this page made or read.
        """
        if concept not in self.drafts:
            if concept not in bundled_concepts():  # `load_concept` would take any other name for a path.
                raise SteeringError(text.NO_CONCEPT.format(name=concept[:60]))
            original = load_concept(concept)
            self.drafts[concept] = Draft(original, original)
        return self.drafts[concept]


@dataclass(frozen=True)
class Shape:
    """Number of layers and width of a model, as far as they are known without loading it."""

    layers: int
    width: int


class Workspace:
    """Models, vectors and sessions of one running app.

    Attributes:
        allowed: names of the models that may be loaded; empty allows any.
    """

    def __init__(self, allowed: Sequence[str] = ()) -> None:
        self.allowed = tuple(allowed)
        self._lock = threading.RLock()
        self._models: dict[str, LanguageModel] = {}
        self._shapes: dict[str, Shape] = {}
        self._vectors: OrderedDict[tuple[object, ...], SteeringVector] = OrderedDict()
        self._read: WeakValueDictionary[tuple[object, ...], SteeringVector] = WeakValueDictionary()
        self._sessions: dict[str, Session] = {}
        self._closed: OrderedDict[str, None] = OrderedDict()

    def session(self, name: str) -> Session:
        """The state of one open page, made when it is new.

        A request that comes after its page was closed gets an empty state that is closed too, and that nobody keeps.
        """
        with self._lock:
            return Session(closed=True) if name in self._closed else self._sessions.setdefault(name, Session())

    def close(self, name: str) -> None:
        """Stop what a page was running and forget the page."""
        with self._lock:
            session = self._sessions.pop(name, None)
            self._closed[name] = None
            while len(self._closed) > _MOST_CLOSED:
                self._closed.popitem(last=False)
        if session is not None:
            session.close()

    def busy(self) -> bool:
        """Whether any page has a run under way or waiting."""
        with self._lock:
            return any(session.jobs for session in self._sessions.values())

    def models(self, settings: Settings, progress: Progress = silent) -> tuple[LanguageModel, LanguageModel]:
        """Parent and child, loaded when they are not; models of earlier choices leave memory first.

        Raises:
            SteeringError: one of them is not allowed, or cannot be loaded.
        """
        wanted = dict.fromkeys((settings.parent, settings.child))
        for name in wanted:
            if self.allowed and name not in self.allowed:
                raise SteeringError(text.NOT_ALLOWED.format(name=name, allowed=", ".join(self.allowed)))
        with self._lock:
            unwanted = [name for name in self._models if name not in wanted]
            for name in unwanted:
                del self._models[name]
        if unwanted:
            gc.collect()
        for number, name in enumerate(wanted):
            if name not in self._models:
                model = load_model(name, progress=part_of(progress, number / len(wanted), (number + 1) / len(wanted)))
                with self._lock:
                    self._models[name] = model
                    self._shapes[name] = Shape(model.n_layers, model.d_model)
        return self._models[settings.parent], self._models[settings.child]

    def loaded(self) -> tuple[str, ...]:
        """Names of the models in memory."""
        with self._lock:
            return tuple(self._models)

    def vector(self, settings: Settings, concept: Concept, progress: Progress = silent) -> SteeringVector:
        """The concept's vector in the child's space; extracted and carried over when it is not at hand.

        Raises:
            SteeringError: models, pairs or maps that cannot be used.
        """
        found = self.ready(settings, concept)
        if found is not None:
            self.models(settings, progress)
            return found
        parent, child = self.models(settings, part_of(progress, 0.0, 0.3))
        own = extract(parent, concept, settings.method, progress=part_of(progress, 0.3, 0.5))
        carried = transfer(
            own, parent, child, layers=settings.layers, width=settings.width, progress=part_of(progress, 0.5, 1.0)
        )
        self.keep(settings, concept, carried)
        return carried

    def keep(self, settings: Settings, concept: Concept, vector: SteeringVector) -> None:
        """Hold a vector at hand for these settings and pairs; the oldest one makes room."""
        with self._lock:
            self._vectors[settings.vector_key(concept)] = vector
            while len(self._vectors) > _MOST_VECTORS:
                self._vectors.popitem(last=False)

    def hold(self, session: Session, settings: Settings, concept: Concept, vector: SteeringVector) -> None:
        """Hold a vector that was read from a file for these settings and pairs, as long as a page is open that read it.

        Args:
            session: of the page that read it.
            settings: that it is used with.
            concept: of `saved_vectors.as_concept`, which tells files of one name apart.
            vector: what was read.
        """
        key = settings.vector_key(concept)
        with self._lock:
            # Pages that read the same file share one object, so that it stays until the last of them is closed.
            session.held[key] = self._read.setdefault(key, vector)
            self._vectors.pop(key, None)

    def from_file(self, settings: Settings, concept: Concept) -> bool:
        """Whether the vector for these settings and pairs was read from a file."""
        with self._lock:
            return settings.vector_key(concept) in self._read

    def ready(self, settings: Settings, concept: Concept) -> SteeringVector | None:
        """The vector for these settings and pairs, when it has been made or read before."""
        key = settings.vector_key(concept)
        with self._lock:
            return self._vectors.get(key) or self._read.get(key)

    def shape(self, name: str) -> Shape | None:
        """Layers and width of a model that was loaded, or whose config lies on this machine; else None."""
        with self._lock:
            if name in self._shapes:
                return self._shapes[name]
        found = _read_shape(name)
        if found is not None:
            with self._lock:
                self._shapes[name] = found
        return found


def _read_shape(name: str) -> Shape | None:
    known = bundled.CATALOGUE.get(name)
    try:
        folder = cache_dir() / "models" / f"{name}-{known.sha256[:12]}" if known else Path(name).expanduser()
        config: dict[str, Any] = json.loads((folder / "config.json").read_text("utf-8"))
        config = config.get("text_config") or config
        return Shape(int(config["num_hidden_layers"]), int(config["hidden_size"]))
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RuntimeError):  # The last for "~nobody".
        return None
