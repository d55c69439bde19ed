"""Takes the pictures of the page that the docs show, light and dark, wide and narrow: python docs/screenshot.py.

The bundled models write the texts. Needs the packages of requirements-dev.txt, and Chromium. `--only opening,ability` takes
some of the scenes, for a look.
"""

import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright

DOCS = Path(__file__).parent
THEMES = ("light", "dark")
SIZES = {"wide": (1366, 860), "narrow": (390, 844)}
COLUMNS = {"wide": 2, "narrow": 8}
"""Scenes in a row of the strip."""

PATIENT = 420_000
"""Milliseconds for whatever the models have to do."""

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


def tab(page: Page, name: str) -> None:
    """Go to a tab, also where tabs hide in the menu of a narrow window."""
    wanted = page.locator('[role="tab"]', has_text=name).first
    if wanted.get_attribute("aria-selected") == "true":
        return
    if not wanted.is_visible():
        page.get_by_role("button", name="More tabs").click()
        wanted = page.locator(".overflow-dropdown button", has_text=name)
    wanted.click()


def opening(page: Page) -> None:
    """The first ten seconds: nothing was pressed yet."""
    page.locator("#viewer .chip").first.wait_for()


def ability(page: Page) -> None:
    """An ability that was carried, and what was measured."""
    page.locator('#gallery .card[data-id="ability:"]').click()
    page.locator("#ability .lab-ability").wait_for()


def second(page: Page) -> None:
    """Two concepts at once, coloured by where the first one is read."""
    if not page.locator("#viewer .card.steered .lam", has_text=" and ").count():
        page.locator("#gallery .card").nth(1).click()
        page.get_by_role("button", name="Add a second concept").click()
        page.locator("#second input").click()
        page.get_by_role("option", name="sentiment").click()
        page.get_by_label("number input for λ of the second concept").fill("0.3")
        page.keyboard.press("Tab")
        page.click("#generate")
        page.locator("#status", has_text="side by side").wait_for(timeout=PATIENT)
        page.select_option("#viewer .colour", "along")
        page.locator("#viewer .chip", has_text="+0.2").click()


def chat(page: Page) -> None:
    """Two turns of a conversation, side by side."""
    if not page.locator("#chat-log article").count():
        page.locator("#gallery .card").nth(1).click()
    tab(page, "Chat")
    if not page.locator("#chat-log article").count():
        for words in ("Hello, who are you?", "Can you come to my party tonight?"):
            page.fill("#chat-message textarea", words)
            page.click("#chat-send")
            page.locator("#chat-log .user", has_text=words).wait_for(timeout=PATIENT)
            page.locator("#chat-status", has_text="Answered").wait_for(timeout=PATIENT)


def layers(page: Page) -> None:
    """Every layer of the parent against every layer of the child."""
    tab(page, "Layers")
    if not page.locator("#plot .heatmaplayer image").count():
        page.click("#compute")
    page.locator("#plot .heatmaplayer image").wait_for(timeout=PATIENT)


def designs(page: Page) -> None:
    """The pairs of a concept, and what the linter says of them."""
    tab(page, "Concept")
    page.locator("#pairs").wait_for()


def task(page: Page) -> None:
    """The tab that tunes λ on a task."""
    tab(page, "Tune λ")
    page.locator("#tune-run").wait_for()


def studies(page: Page) -> None:
    """A study of many runs: what it asks, and what it takes."""
    tab(page, "Studies")
    if not page.locator("#studies-takes pre").count():
        page.locator("#studies-name input").click()
        page.get_by_role("option", name="layer-maps").click()
        page.locator("#studies-question", has_text="Question 1").wait_for()
        page.click("#studies-plan")
        page.locator("#studies-takes pre").wait_for(timeout=PATIENT)


SCENES: dict[str, Callable[[Page], None]] = {
    scene.__name__: scene for scene in (opening, ability, second, chat, task, layers, designs, studies)
}


def dress(page: Page, theme: str) -> None:
    """Make the page light or dark, and let what moves come to its end."""
    page.evaluate(f"document.body.classList.toggle('dark', {str(theme == 'dark').lower()})")
    page.evaluate("document.querySelector('.toast-wrap')?.remove()")
    page.mouse.move(0, 0)
    page.wait_for_timeout(800)


def take(browser: Browser, address: str, names: list[str], folder: Path) -> None:
    """Take every scene in both sizes and both themes from one visit, so that the models write each text once."""
    page = browser.new_page(viewport={"width": SIZES["wide"][0], "height": SIZES["wide"][1]})
    page.set_default_timeout(PATIENT)
    page.goto(f"{address}?__theme=light")
    page.locator("#relation .lab-card").wait_for()
    page.locator("#first-paint").wait_for(state="detached")
    for name in names:
        for size, (width, height) in SIZES.items():
            page.set_viewport_size({"width": width, "height": height})
            if bool(page.locator(".sidebar.open").count()) == (width <= 768):
                page.locator(".sidebar .toggle-button").click()
            SCENES[name](page)
            for theme in THEMES:
                dress(page, theme)
                page.evaluate("window.scrollTo(0, 0)")
                page.screenshot(path=folder / f"{name}-{size}-{theme}.png", animations="disabled")
        tab(page, "Steer")


def strip(folder: Path, names: list[str], size: str, theme: str) -> Image.Image:
    """The scenes of one size and theme in rows, at half their size."""
    pictures = [Image.open(folder / f"{name}-{size}-{theme}.png").convert("RGB") for name in names]
    halves = [
        picture.resize((picture.width // 2, picture.height // 2), Image.Resampling.LANCZOS) for picture in pictures
    ]
    gap, ground = 12, (255, 255, 255) if theme == "light" else (20, 20, 22)
    columns = COLUMNS[size]
    width, height = halves[0].width + gap, halves[0].height + gap
    whole = Image.new("RGB", (columns * width - gap, -(-len(halves) // columns) * height - gap), ground)
    for place, half in enumerate(halves):
        whole.paste(half, (place % columns * width, place // columns * height))
    return whole


def keep(picture: Image.Image, target: Path) -> None:
    """Write a picture in few colours."""
    picture.convert("RGB").quantize(256, dither=Image.Dither.NONE).save(target, optimize=True)
    print(f"{target.name}: {target.stat().st_size // 1000} kB")


def main() -> None:
    """Take every picture from one running app."""
    only = sys.argv[sys.argv.index("--only") + 1].split(",") if "--only" in sys.argv else []
    names = only or list(SCENES)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    folder = Path(tempfile.mkdtemp(prefix="steering-pictures-"))
    app = start(port)
    try:
        with sync_playwright() as playwright:
            found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
            browser = playwright.chromium.launch(executable_path=found, args=list(FLAGS))
            take(browser, f"http://127.0.0.1:{port}/", names, folder)
            browser.close()
    finally:
        app.terminate()
        app.wait(30)
    print(f"Single pictures are in {folder}.")
    if only:
        return
    for theme, target in zip(THEMES, ("page.png", "page-dark.png"), strict=True):
        keep(Image.open(folder / f"opening-wide-{theme}.png"), DOCS / target)
        for size in SIZES:
            keep(strip(folder, names, size, theme), DOCS / f"strip-{size}-{theme}.png")


if __name__ == "__main__":
    main()
