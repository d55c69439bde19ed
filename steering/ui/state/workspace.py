"""State on the server: the loaded models, the transferred vectors, the visitors, and one session per open page.

Safe to call from several threads. Does not depend on Gradio.
"""

import hashlib
import threading
import time
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from weakref import WeakValueDictionary

from steering.concepts import Concept
from steering.errors import Progress, SteeringError, part_of, silent
from steering.models import LanguageModel, bundled
from steering.transfer import transfer
from steering.ui import text
from steering.ui.background.line import Line
from steering.ui.state.kept import KeptRuns
from steering.ui.state.limits import OWN, SHARED
from steering.ui.state.loaded_models import LoadedModels
from steering.ui.state.session import Session, Visitor
from steering.ui.state.settings import Settings
from steering.ui.state.shapes import Shape, shape_from_config
from steering.vectors import SteeringVector, extract

_MAX_VECTORS = 32

_STOP_SECONDS = 30.0
"""Longest time in which a stopped run ends its current step."""

_POLL_SECONDS = 0.1

_MAX_CLOSED = 4096
"""Names of closed sessions that are stored to recognise late requests; Gradio never uses a name twice."""

VISITOR_COOKIE = "steering-lab-visitor"
"""Cookie of a shared page that tells visitors apart who use the same password."""


class Workspace:
    """Models, vectors, visitors and sessions of one running app.

    Attributes:
        allowed: names of the models that may be loaded; empty allows any.
        shared: whether others than the person at this machine open the page.
        limits: what a page may ask for.
        accounts: whether every visitor has a password of their own.
        stopping: whether the app is about to end, so that no run begins any more.
        loaded_models: the models in memory.
        line: in which long tasks wait for the models.
        kept_runs: texts that outlive their page for a while.
    """

    def __init__(
        self,
        allowed: Sequence[str] = (),
        *,
        shared: bool = False,
        memory: int | None = None,
        dtype: str = "auto",
    ) -> None:
        """Begin without models.

        Args:
            allowed: names of the models that may be loaded; empty allows any, or the bundled ones on a shared page.
            shared: whether others than the person at this machine open the page.
            memory: bytes that models in memory may take; half of the machine's by default.
            dtype: the type that models are loaded in.
        """
        self.allowed = tuple(allowed) or (tuple(bundled.CATALOGUE) if shared else ())
        self.shared = shared
        self.limits = SHARED if shared else OWN
        self.accounts = False
        self.stopping = False
        self.loaded_models = LoadedModels(memory, dtype)
        self.line = Line()
        self.kept_runs = KeptRuns()
        self._lock = threading.RLock()
        self._shapes: dict[str, Shape] = {}
        self._vectors: OrderedDict[tuple[object, ...], SteeringVector] = OrderedDict()
        self._file_vectors: WeakValueDictionary[tuple[object, ...], SteeringVector] = WeakValueDictionary()
        self._visitors: WeakValueDictionary[str, Visitor] = WeakValueDictionary()
        self._sessions: dict[str, Session] = {}
        self._closed: OrderedDict[str, None] = OrderedDict()

    def visitor_name(self, session: str, account: str | None, cookies: Mapping[str, str]) -> str:
        """The name of a visitor; "" for the person at this machine.

        Where every visitor has an account, its name tells them apart, and else a cookie of their browser. Without a cookie
        every page is a visitor.

        Args:
            session: name of the page's session.
            account: name that the visitor logged in with.
            cookies: of the browser.
        """
        if not self.shared:
            return ""
        own = account if self.accounts and account else f"{account} {cookies.get(VISITOR_COOKIE) or session}"
        return hashlib.sha256(own.encode("utf-8", "replace")).hexdigest()[:32]

    def session(self, name: str, visitor: str = "") -> Session:
        """The session of an open page, created at its first request.

        A request that arrives after its page was closed gets a new closed session, which is not stored.

        Args:
            name: of the session.
            visitor: name of the visitor, see `visitor_name`.

        Raises:
            SteeringError: the page belongs to another visitor.
        """
        with self._lock:
            known = self._visitors.setdefault(visitor, Visitor(visitor, self.limits, self._refusal))
            if name in self._closed:
                return Session(known, closed=True)
            session = self._sessions.setdefault(name, Session(known))
        if session.visitor is not known:
            raise SteeringError(text.OTHER_VISITOR)
        return session

    def close(self, name: str) -> None:
        """Stop all jobs of a session and remove the session."""
        with self._lock:
            session = self._sessions.pop(name, None)
            self._closed[name] = None
            while len(self._closed) > _MAX_CLOSED:
                self._closed.popitem(last=False)
        if session is not None:
            session.close()

    @property
    def pages(self) -> int:
        """Number of open pages."""
        with self._lock:
            return len(self._sessions)

    @property
    def jobs(self) -> int:
        """Number of jobs that are under way or wait for their turn."""
        with self._lock:
            return sum(len(session.jobs) for session in self._sessions.values())

    def busy(self) -> bool:
        """Whether any session has an unfinished job."""
        return self.jobs > 0

    def stop(self, seconds: float) -> bool:
        """Let no further run begin, wait for those under way, and stop those that are not done in time.

        A run that is stopped keeps what it has written so far, as after a press of Stop.

        Args:
            seconds: that runs may take to end.

        Returns:
            Whether all runs ended by themselves.
        """
        self.stopping = True
        if self._ended_within(seconds):
            return True
        with self._lock:
            sessions = list(self._sessions.values())
        for session in sessions:
            session.stop_jobs()
        self._ended_within(_STOP_SECONDS)
        return False

    def _ended_within(self, seconds: float) -> bool:
        end = time.monotonic() + seconds
        while self.busy() and time.monotonic() < end:
            time.sleep(_POLL_SECONDS)
        return not self.busy()

    def _refusal(self) -> str:
        return text.ENDING if self.stopping else ""

    def check_allowed(self, *names: str) -> None:
        """Check that models may be loaded.

        Raises:
            SteeringError: one of them is not on the list of the app.
        """
        for name in names:
            if self.allowed and name not in self.allowed:
                raise SteeringError(text.NOT_ALLOWED.format(name=name, allowed=", ".join(self.allowed)))

    def models(self, settings: Settings, progress: Progress = silent) -> tuple[LanguageModel, LanguageModel]:
        """Parent and child, which are loaded if necessary.

        Raises:
            SteeringError: one of them is not allowed, or cannot be loaded.
        """
        self.check_allowed(settings.parent, settings.child)
        parent, child = self.loaded_models.get((settings.parent, settings.child), progress)
        with self._lock:
            for name, model in ((settings.parent, parent), (settings.child, child)):
                self._shapes[name] = Shape(model.n_layers, model.d_model)
        return parent, child

    def loaded(self) -> tuple[str, ...]:
        """Names of the models in memory."""
        return self.loaded_models.names

    def loaded_model(self, name: str) -> LanguageModel | None:
        """A model in memory; None if it is not loaded."""
        return self.loaded_models.loaded(name)

    def vector(self, settings: Settings, concept: Concept, progress: Progress = silent) -> SteeringVector:
        """The concept's vector in the child's space; extracted and transferred if it is not stored.

        Raises:
            SteeringError: models, pairs or maps that cannot be used.
        """
        self.limits.check_pairs(len(concept.pairs))
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
        """Store a vector for these settings and pairs. Beyond `_MAX_VECTORS` the least recently used one leaves."""
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
            if key in self._vectors:
                self._vectors.move_to_end(key)
            return self._vectors.get(key) or self._file_vectors.get(key)

    def shape(self, name: str) -> Shape | None:
        """Layers and width of a model that was loaded before, or whose config is on this machine; else None.

        On a page with a list of models, nothing is said about any other one, so that no path is looked at either.
        """
        if self.allowed and name not in self.allowed:
            return None
        with self._lock:
            if name in self._shapes:
                return self._shapes[name]
        shape = shape_from_config(name)
        if shape is not None:
            with self._lock:
                self._shapes[name] = shape
        return shape
