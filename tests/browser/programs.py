"""The two programs that visits need: a Chromium, and the real app. Nothing here asserts anything about them."""

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, Playwright

from browser.visits import ARTEFACTS, PATIENT

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


def _installed() -> str | None:
    return next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


def has_chromium(playwright: Playwright) -> bool:
    """Whether the machine has a Chromium, its own or Playwright's."""
    return _installed() is not None or Path(playwright.chromium.executable_path).exists()


@contextmanager
def chromium(playwright: Playwright) -> Iterator[Browser]:
    """A Chromium without a window."""
    browser = playwright.chromium.launch(executable_path=_installed(), args=FLAGS)
    try:
        yield browser
    finally:
        browser.close()


@contextmanager
def served(data: Path) -> Iterator[str]:
    """Address of the real app in a process of its own, whose library lies in a folder."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    ARTEFACTS.mkdir(exist_ok=True)
    with (ARTEFACTS / "app.log").open("w+") as log:
        command = [sys.executable, "app.py", "--port", str(port)]
        # The server must not need a network either.
        environment = os.environ | {"HF_HUB_OFFLINE": "1", "XDG_DATA_HOME": str(data)}
        process = subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=subprocess.STDOUT, env=environment)
        try:
            deadline = time.monotonic() + PATIENT / 1000
            while "Steering Lab is at" not in Path(log.name).read_text():
                assert process.poll() is None, Path(log.name).read_text()
                assert time.monotonic() < deadline, "the app did not start"
                time.sleep(0.2)
            yield f"http://127.0.0.1:{port}/"
        finally:
            process.terminate()
            process.wait(60)
