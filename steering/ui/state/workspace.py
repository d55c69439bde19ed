"""State on the server: the loaded models, the transferred vectors, the visitors, and one session per open page.

Safe to call from several threads. Does not depend on Gradio.
"""

import hashlib
import threading
import time
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from weakref import WeakKeyDictionary, WeakValueDictionary

from steering.concepts import Concept
from steering.errors import Progress, SteeringError, part_of, silent
from steering.models import LanguageModel, bundled
from steering.steer import SharedBatch
from steering.transfer import transfer
from steering.ui import text
from steering.ui.background import worker
from steering.ui.background.line import Line
from steering.ui.state.kept import KeptRuns
from steering.ui.state.limits import OWN, SHARED
from steering.ui.state.loaded_models import LoadedModels
from steering.ui.state.presets import carried
from steering.ui.state.session import Session, Visitor
from steering.ui.state.settings import Settings
from steering.ui.state.shapes import Shape, shape_from_config
from steering.ui.state.stored_vectors import StoredVectors
from steering.vectors import SteeringVector, extract

MOST_PAGES = 500
"""Pages that are remembered, by Gradio as here: a program may send events without the connection that tells when it leaves."""

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
        vectors: of all pages.
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
        self.vectors = StoredVectors()
        self.line = Line()
        self.kept_runs = KeptRuns()
        self._lock = threading.RLock()
        self._batches: WeakKeyDictionary[LanguageModel, SharedBatch] = WeakKeyDictionary()
        self._shapes: dict[str, Shape] = {}
        self._visitors: WeakValueDictionary[str, Visitor] = WeakValueDictionary()
        self._sessions: OrderedDict[str, Session] = OrderedDict()
        self._closing: WeakValueDictionary[str, Session] = WeakValueDictionary()
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

        Beyond `MOST_PAGES` the page that was used longest ago is closed, unless a run of it is under way.

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
            self._sessions.move_to_end(name)
            surplus = self._surplus(name) if len(self._sessions) > MOST_PAGES else []
        for each in surplus:
            self.close(each)
        if session.visitor is not known:
            raise SteeringError(text.OTHER_VISITOR)
        return session

    def _surplus(self, but: str) -> list[str]:
        idle = [name for name, session in self._sessions.items() if name != but and not session.unfinished]
        return idle[: len(self._sessions) - MOST_PAGES]

    def close(self, name: str) -> None:
        """Stop all jobs of a session and remove the session."""
        with self._lock:
            session = self._sessions.pop(name, None)
            self._closed[name] = None
            while len(self._closed) > _MAX_CLOSED:
                self._closed.popitem(last=False)
            if session is not None:
                self._closing[name] = session  # As long as one of its jobs works, which refers to it.
        if session is not None:
            session.close()

    @property
    def pages(self) -> int:
        """Number of open pages."""
        with self._lock:
            return len(self._sessions)

    @property
    def jobs(self) -> int:
        """Number of jobs that are under way or wait for their turn, those of closed pages until they have ended."""
        with self._lock:
            sessions = [*self._sessions.values(), *self._closing.values()]
        # The step of a run that nobody waits for any more is in the worker's thread, with its hooks.
        return max(sum(session.unfinished for session in sessions), worker.unfinished())

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

    def shared_batch(self, child: LanguageModel) -> SharedBatch:
        """The batch in which all pages write with a child."""
        with self._lock:
            return self._batches.setdefault(child, SharedBatch())

    def only_writes(self, session: Session, settings: Settings) -> bool:
        """Whether models and vector are at hand, so that texts can be written beside those of other pages."""
        in_memory = set(self.loaded())
        concept = session.draft(settings.concept).concept
        return {settings.parent, settings.child} <= in_memory and self.vectors.get(settings, concept) is not None

    def vector(
        self, session: Session, settings: Settings, concept: Concept, progress: Progress = silent
    ) -> SteeringVector:
        """The concept's vector in the child's space; extracted and transferred if it is neither stored nor in the package.

        Args:
            session: of the page that asks for it.
            settings: of the sidebar.
            concept: whose pairs it is made from.
            progress: of loading and computing.

        Raises:
            SteeringError: models, pairs or maps that cannot be used.
        """
        self.limits.check_pairs(len(concept.pairs))
        vector = self.vectors.get(settings, concept)
        if vector is not None:
            self.vectors.keep(session, settings, concept, vector)
            self.models(settings, progress)
            return vector
        parent, child = self.models(settings, part_of(progress, 0.0, 0.3))
        if (ready := carried(settings, concept, child)) is not None:
            self.vectors.keep(session, settings, concept, ready)
            return ready
        parent_vector = extract(parent, concept, settings.method, progress=part_of(progress, 0.3, 0.5))
        transferred = transfer(
            parent_vector,
            parent,
            child,
            layers=settings.layers,
            width=settings.width,
            progress=part_of(progress, 0.5, 1.0),
        )
        self.vectors.keep(session, settings, concept, transferred)
        return transferred

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
