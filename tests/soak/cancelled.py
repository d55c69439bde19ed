"""Runs that are stopped, or whose page is closed, in the middle of a text: how long until nothing of them works any more."""

import random
import time
from contextlib import suppress

import httpx

from soak.app import App
from soak.load import Wish, fill_in
from soak.visitor import Lost, Visitor

LONG = 200
"""Tokens of a text that is cut off."""

PATIENT_S = 30.0
_POLL_S = 0.01


def cancel_often(app: App, times: int, seed: int = 0) -> list[float]:
    """Stop a run, or close its page, in the middle of a text, while no other page is open.

    Args:
        app: the running app.
        times: number of runs; every second one is stopped, the page of the others is closed.
        seed: of what the runs are.

    Returns:
        Seconds from every press of Stop, or every closing, until the app has no run and no step under way.
    """
    chance = random.Random(f"cancel {seed}")
    return [_cancelled(app, Wish.of(chance), stop=number % 2 == 0) for number in range(times)]


def _cancelled(app: App, wish: Wish, *, stop: bool) -> float:
    page = Visitor(app.address)
    with httpx.Client(base_url=app.address) as http, suppress(httpx.HTTPError, Lost), page.open():
        fill_in(page, wish)
        page.put("Most new tokens", LONG)
        page.do("generate", watch=lambda _: page.get("viewer").get("phase") != "running")
        begun = time.monotonic()
        if stop:
            page.press("stop")
        else:
            page.http.close()
        while http.get("/health").json()["runs"] and time.monotonic() - begun < PATIENT_S:
            time.sleep(_POLL_S)
        return time.monotonic() - begun
    return PATIENT_S
