"""Texts that outlive their page for a while, so that a reload in the middle of a run does not lose them.

A visitor gets back what was written in the same tab of the same browser, and nothing else.
"""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from steering.ui.state.drafts import Draft
from steering.ui.state.settings import Settings

SECONDS = 900.0
"""How long texts are kept after they grew for the last time."""

_MOST = 64
"""Runs that are kept; the one that was kept longest ago leaves."""


@dataclass(frozen=True)
class KeptRun:
    """The texts of a run, with what made them.

    Attributes:
        settings: of the run.
        prompt: of the run.
        drafts: the concepts that act in it, by name.
        texts: what was written; it grows while the run goes on.
    """

    settings: Settings
    prompt: str
    drafts: dict[str, Draft]
    texts: Any


class KeptRuns:
    """The last run of every tab. Safe to call from several threads."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._runs: OrderedDict[tuple[str, str], tuple[float, KeptRun]] = OrderedDict()

    def keep(self, visitor: str, tab: str, run: KeptRun) -> None:
        """Keep a run in the place of the earlier one of its tab; without the name of a tab, nothing is kept.

        Args:
            visitor: name of the visitor, see `Workspace.visitor_name`.
            tab: name that the browser gave to its tab.
            run: the run.
        """
        if not tab:
            return
        with self._lock:
            self._runs[visitor, tab] = (self._clock(), run)
            self._runs.move_to_end((visitor, tab))
            while len(self._runs) > _MOST or self._is_old(next(iter(self._runs.values()))):
                self._runs.popitem(last=False)

    def get(self, visitor: str, tab: str) -> KeptRun | None:
        """The last run of a tab; None where there is none, where it is too old, and where it is another visitor's."""
        with self._lock:
            kept = self._runs.get((visitor, tab))
            return None if kept is None or self._is_old(kept) else kept[1]

    def _is_old(self, kept: tuple[float, KeptRun]) -> bool:
        return self._clock() - kept[0] > SECONDS
