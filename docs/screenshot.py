"""Takes the pictures of the page that the README shows, light and dark: python docs/screenshot.py.

The bundled models write the texts. Needs the packages of requirements-dev.txt, and Chromium.
"""

import os
import shutil
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, sync_playwright

DOCS = Path(__file__).parent
SIZE = {"width": 1366, "height": 860}
PICTURES = {"light": DOCS / "page.png", "dark": DOCS / "page-dark.png"}
FLAGS = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync")
FLAGS += ("--disable-background-networking", "--disable-component-update")


def start(port: int) -> subprocess.Popen[str]:
    """Start the app with an empty library, and wait until it listens."""
    environment = os.environ | {"HF_HUB_OFFLINE": "1", "XDG_DATA_HOME": tempfile.mkdtemp()}
    command = [sys.executable, "app.py", "--port", str(port)]
    app = subprocess.Popen(command, cwd=DOCS.parent, env=environment, stdout=subprocess.PIPE, text=True)
    assert app.stdout is not None
    if "is at" not in app.stdout.readline():
        raise SystemExit("The app did not start; run `python app.py` to see why.")
    return app


def take(browser: Browser, address: str) -> None:
    """Press Generate, wait for the texts at every strength, and keep a picture of each theme in few colours."""
    page = browser.new_page(viewport=SIZE)
    page.goto(f"{address}?__theme=light")
    page.locator("#relation .lab-card").wait_for(timeout=60_000)
    # The first run also loads and aligns the models; the time in the picture is that of the second one.
    for _ in range(2):
        page.click("#generate")
        page.locator("#stop:not([disabled])").wait_for(timeout=30_000)
        page.locator("#status", has_text="side by side").wait_for(timeout=420_000)
    page.mouse.move(0, 0)
    page.wait_for_timeout(2000)
    for theme, target in PICTURES.items():
        page.evaluate(f"document.body.classList.toggle('dark', {str(theme == 'dark').lower()})")
        page.screenshot(path=target, animations="disabled")
        Image.open(target).convert("RGB").quantize(256, dither=Image.Dither.NONE).save(target, optimize=True)
        print(f"{target.name}: {target.stat().st_size // 1000} kB")


def main() -> None:
    """Take every picture from one running app."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    app = start(port)
    try:
        with sync_playwright() as playwright:
            found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
            browser = playwright.chromium.launch(executable_path=found, args=list(FLAGS))
            take(browser, f"http://127.0.0.1:{port}/")
            browser.close()
    finally:
        app.terminate()
        app.wait(30)


if __name__ == "__main__":
    main()
