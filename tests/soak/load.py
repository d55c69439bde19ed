"""Many pages on one app: each must get the texts that it would get alone, and leave nothing behind."""

import random
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import httpx

from soak.app import DTYPE, App
from soak.ties import texts_up_to_rounding
from soak.visitor import Lost, Visitor
from steering import extract, generate, load_concept, load_model, transfer
from steering.steer import DEFAULT_SETTINGS, Sampling, plan
from steering.storage import cache_in
from steering.vectors import SteeringVector

CONCEPTS = ("sentiment", "courage", "formality", "honesty")
PROMPTS = ("The weather", "Tell me about the night in the forest.", "🙂 שלום", "a" * 60)
TOKENS = 8
PAUSE_S = 0.2


@dataclass(frozen=True)
class Wish:
    """What a page asks for."""

    concept: str
    prompt: str
    seed: int
    temperature: float

    @staticmethod
    def of(chance: random.Random) -> "Wish":
        """A wish by chance; half of them draw by chance too, from a seed of their own."""
        return Wish(
            chance.choice(CONCEPTS), chance.choice(PROMPTS), chance.randrange(1000), chance.choice([0.0, 0.0, 0.8, 1.2])
        )

    @property
    def sampling(self) -> Sampling:
        """How its tokens are chosen."""
        return Sampling(max_new_tokens=TOKENS, temperature=self.temperature, seed=self.seed)


class Alone:
    """What one person alone gets from the core, without a page.

    Attributes:
        child: folder of the child model.
        ties: texts so far that differ from it by rounding alone, see `soak.ties`.

    Args:
        parent: folder of the parent model.
        child: folder of the child model.
        home: folder of a cache of its own.
    """

    def __init__(self, parent: str, child: str, home: Path) -> None:
        self.child = child
        self.ties = 0
        self._home = home
        self._lock = threading.Lock()
        self._parent, self._child = (load_model(folder, dtype=DTYPE) for folder in (parent, child))
        self._vector = cache(self._vector_of)
        self._texts = cache(self._texts_of)
        self._up_to_rounding = cache(self._up_to_rounding_of)

    def texts(self, wish: Wish, lambdas: Sequence[float]) -> dict[float, str]:
        """The text at every λ."""
        with self._lock:
            return self._texts(wish, tuple(lambdas))

    def allows(self, wish: Wish, lam: float, text: str) -> bool:
        """Whether a text that is not the one of `texts` differs from it by rounding alone; counts it if so."""
        allowed = text in self.up_to_rounding(wish, lam)
        with self._lock:
            self.ties += allowed
        return allowed

    def up_to_rounding(self, wish: Wish, lam: float) -> set[str]:
        """Every text that one λ may have, see `texts_up_to_rounding`."""
        with self._lock:
            return self._up_to_rounding(wish, lam)

    def _vector_of(self, concept: str) -> SteeringVector:
        with cache_in(self._home):
            return transfer(extract(self._parent, load_concept(concept), "pca"), self._parent, self._child)

    def _texts_of(self, wish: Wish, lambdas: tuple[float, ...]) -> dict[float, str]:
        with cache_in(self._home):
            grid = generate(self._child, wish.prompt, self._vector(wish.concept), lambdas, sampling=wish.sampling)
        return {row.lam: row.text for row in grid.rows}

    def _up_to_rounding_of(self, wish: Wish, lam: float) -> set[str]:
        intervention = plan(self._child, self._vector(wish.concept), DEFAULT_SETTINGS)
        prompt = self._child.prompt_ids(wish.prompt)
        return texts_up_to_rounding(self._child, prompt, intervention, lam, wish.sampling)


@dataclass
class Tally:
    """What happened to all pages together.

    Attributes:
        clients: pages that were open at a time.
        requests: runs that were asked for.
        wrong: texts that were not what one person alone gets, as sentences.
        lost: runs without an answer, as sentences.
        waits: seconds of every run that was waited for.
        stopped: runs that were stopped on purpose.
        left: pages that were closed during a run.
    """

    clients: int = 0
    requests: int = 0
    wrong: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    waits: list[float] = field(default_factory=list)
    stopped: int = 0
    left: int = 0


def fill_in(page: Visitor, wish: Wish) -> None:
    """Fill in the fields of a page as a person does, with the events of the changes."""
    page.put("concept", wish.concept)
    page.put("prompt", wish.prompt)
    page.put("Most new tokens", TOKENS)
    page.put("Seed", wish.seed)
    page.put("Temperature", wish.temperature)
    page.do("concept", "change")


def check_texts(page: Visitor, wish: Wish, alone: Alone) -> list[str]:
    """Sentences about the texts of a finished run that are not what one person alone gets."""
    viewer = page.get("viewer")
    if viewer["phase"] != "done":
        return [f"{wish}: the run ended as {viewer['phase']}: {page.get('status')}"]
    texts = {row["lam"]: row["text"] for row in viewer["rows"]}
    expected = alone.texts(wish, sorted(texts))
    return [
        f"{wish} at {lam}: {text!r}, expected {expected[lam]!r}"
        for lam, text in texts.items()
        if text != expected[lam] and not alone.allows(wish, lam, text)
    ]


def visit(
    app: App, alone: Alone, chance: random.Random, tally: Tally, lock: threading.Lock, end: float, runs: int
) -> None:
    """One person after the other at one browser: they run, wait, stop, leave, and come again.

    Args:
        app: the running app.
        alone: what is expected.
        chance: decides what they do.
        tally: counts.
        lock: of the tally.
        end: time on the monotonic clock at which they go.
        runs: least number of runs that are waited for, also after `end`.
    """
    waited = 0
    while waited < runs or time.monotonic() < end:
        page, manner = Visitor(app.address), chance.random()
        wishes = [Wish.of(chance) for _ in range(1 + (manner > 0.6))]
        try:
            if manner < 0.1:
                _leave_meanwhile(page, wishes[0])
            else:
                with page.open():
                    if manner < 0.2:
                        _stop_meanwhile(page, wishes[0])
                    for wish in wishes:
                        seconds, wrong = _wait_for_texts(page, wish, alone)
                        waited += 1
                        with lock:
                            tally.waits.append(seconds)
                            tally.wrong += wrong
        except Exception as error:
            with lock:
                tally.lost.append(f"{wishes}: {type(error).__name__}: {str(error)[:200]}")
            waited += 1
            time.sleep(PAUSE_S)
        with lock:
            tally.requests += (manner < 0.2) + (manner >= 0.1) * len(wishes)
            tally.left += manner < 0.1
            tally.stopped += 0.1 <= manner < 0.2


def _wait_for_texts(page: Visitor, wish: Wish, alone: Alone) -> tuple[float, list[str]]:
    """Press Generate, and wait; how long that took, and sentences about wrong texts."""
    fill_in(page, wish)
    begun = time.monotonic()
    page.do("generate")
    return time.monotonic() - begun, check_texts(page, wish, alone)


def _leave_meanwhile(page: Visitor, wish: Wish) -> None:
    """Press Generate, and close the tab while the text is written."""
    with suppress(httpx.HTTPError, Lost), page.open():
        fill_in(page, wish)
        page.do("generate", watch=lambda _: page.get("viewer").get("phase") != "running")
        page.http.close()


def _stop_meanwhile(page: Visitor, wish: Wish) -> None:
    """Press Generate, and Stop as soon as something is written; the page then says how the run ended."""
    fill_in(page, wish)
    pressed = False

    def watch(_: dict[int, Any]) -> bool:
        nonlocal pressed
        if not pressed and page.get("viewer").get("phase") == "running":
            pressed = True
            page.press("stop")
        return True

    page.do("generate", watch=watch)


def load(app: App, alone: Alone, clients: int, seconds: float, runs: int = 1, seed: int = 0) -> Tally:
    """Let many pages work at a time.

    Args:
        app: the running app.
        alone: what is expected.
        clients: number of pages at a time.
        seconds: how long new visits begin.
        runs: least number of runs that each client waits for.
        seed: of what the visitors do.
    """
    tally, lock, end = Tally(clients), threading.Lock(), time.monotonic() + seconds
    threads = [
        threading.Thread(target=visit, args=(app, alone, random.Random(f"{seed} {number}"), tally, lock, end, runs))
        for number in range(clients)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return tally


def settled(app: App, seconds: float = 60.0) -> dict[str, Any]:
    """What the app says about itself once no page or run is left, or after some seconds."""
    end = time.monotonic() + seconds
    while True:
        report = app.report()
        if not report["pages"] + report["runs"] + report["states"] or time.monotonic() > end:
            return report
        time.sleep(0.5)
