"""One server and one browser for all tests here, and one page on which Generate was pressed."""

import os
import shutil
import socket
import subprocess
import sys
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, sync_playwright

from browser.visits import ARTEFACTS, SLOW, opened, tab, text_of, write_short_texts
from steering.ui.tabs import steer

ROOT = Path(__file__).parent.parent.parent
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
        if found is None and not Path(playwright.chromium.executable_path).exists():
            words = "NO CHROMIUM WAS FOUND: the browser tests are left out. Install chromium."
            warnings.warn(words, stacklevel=1)
            pytest.skip(words)
        made = playwright.chromium.launch(executable_path=found, args=FLAGS)
        yield made
        made.close()


@pytest.fixture(scope="session")
def visitor(browser: Browser) -> BrowserContext:
    """Somebody who was here before: the files of the page lie in the browser's cache."""
    return browser.new_context(viewport={"width": 1366, "height": 900})


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of the real app, in a process of its own, with an empty library."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    ARTEFACTS.mkdir(exist_ok=True)
    with (ARTEFACTS / "app.log").open("w+") as log:
        command = [sys.executable, "app.py", "--port", str(port)]
        # The server must not need a network either.
        environment = os.environ | {"HF_HUB_OFFLINE": "1", "XDG_DATA_HOME": str(tmp_path_factory.mktemp("data"))}
        process = subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=subprocess.STDOUT, env=environment)
        try:
            deadline = time.monotonic() + 120
            while "Steering Lab is at" not in Path(log.name).read_text():
                assert process.poll() is None, Path(log.name).read_text()
                assert time.monotonic() < deadline, "the app did not start"
                time.sleep(0.2)
            yield f"http://127.0.0.1:{port}/"
        finally:
            process.terminate()
            process.wait(30)


@pytest.fixture(scope="session")
def generated(visitor: BrowserContext, home: str) -> Iterator[dict[str, Any]]:
    """A page on which Generate was pressed once, and what was seen on the way."""
    page, watch = opened(visitor, home)
    write_short_texts(page)
    page.click("#generate")
    seen: dict[str, Any] = {"page": page, "watch": watch, "lengths": [], "status": []}
    deadline = time.monotonic() + SLOW / 1000
    while "side by side" not in (page.locator("#status").text_content() or ""):
        assert time.monotonic() < deadline, seen["status"][-3:]
        status = page.locator("#status").text_content() or ""
        if not seen["status"] or seen["status"][-1] != status:
            seen["status"].append(status)
        if page.locator('#viewer .viewer[data-phase="running"]').count():
            seen["lengths"].append((len(text_of(page, "baseline")), len(text_of(page, "steered"))))
        page.wait_for_timeout(100)
    yield seen
    page.close()


@pytest.fixture
def steered(generated: dict[str, Any]) -> dict[str, Any]:
    """The page of `generated` on its first tab, in front of all others: a page behind them is not drawn."""
    generated["page"].bring_to_front()
    tab(generated["page"], steer.TAB.label)
    return generated
