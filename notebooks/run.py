"""Execute the notebooks: `make notebooks` keeps what they show, and the tests look at it.

A code host draws neither Plotly's figures nor widgets, and no app answers there. So a kept notebook holds a picture beside
every figure, the first view of a widget with a line about what it offers, and a picture of the app.
"""

import base64
import os
import re
import shutil
import sys
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient
from nbclient.output_widget import OutputWidget
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_output
from playwright.sync_api import Page, sync_playwright
from plotly.offline import get_plotlyjs

FOLDER = Path(__file__).parent
NOTEBOOKS = tuple(sorted(FOLDER.glob("*.ipynb")))

FIGURE = "application/vnd.plotly.v1+json"
WIDGET = "application/vnd.jupyter.widget-view+json"
WIDTH = 860
"""Width of pictures in CSS pixels; they hold twice as many."""

MOST_CHARACTERS = 200
"""How much of a menu is told where it cannot be opened."""


class _View(OutputWidget):
    """What a widget shows, known here alone.

    Telling the kernel too, while a cell runs, writes to the socket that waits for the cell's end, and can make it wait forever.
    """

    def sync_state(self) -> None:
        pass


@contextmanager
def executed(path: Path, parameters: Mapping[str, Any] | None = None) -> Iterator[NotebookClient]:
    """Execute a notebook in a kernel that lives as long as the context.

    Args:
        path: the notebook, which is not changed.
        parameters: values that replace those of the cell tagged "parameters".

    Yields:
        The client; its `nb` is a copy of the notebook with the outputs.

    Raises:
        CellExecutionError: a cell failed.
    """
    notebook = nbformat.read(path, as_version=4)
    if parameters:
        place = tagged(notebook, "parameters")[0]
        lines = "\n".join(f"{name} = {value!r}" for name, value in parameters.items())
        notebook.cells.insert(notebook.cells.index(place) + 1, new_code_cell(lines))
    client = NotebookClient(
        notebook,
        timeout=None,
        startup_timeout=600,  # A busy machine takes its time.
        record_timing=False,
        extra_arguments=["--IPKernelApp.log_level=ERROR"],
        resources={"metadata": {"path": str(path.parent)}},
    )
    client.widget_registry["@jupyter-widgets/output"]["OutputModel"] = _View
    # By default Plotly puts a copy of its whole library, 4 MB, into a notebook.
    with client.setup_kernel(env={**os.environ, "PLOTLY_RENDERER": "plotly_mimetype"}):
        for place, cell in enumerate(notebook.cells):
            client.execute_cell(cell, place)
        yield client


def tagged(notebook: NotebookNode, tag: str) -> list[NotebookNode]:
    """The cells with a tag."""
    return [cell for cell in notebook.cells if tag in cell.metadata.get("tags", [])]


def app_address(notebook: NotebookNode) -> str:
    """Where the app answers that the notebook started, while its kernel lives."""
    shown = "".join(str(output.get("data", "")) for cell in tagged(notebook, "app") for output in cell.outputs)
    found = re.search(r"http://127\.0\.0\.1:\d+", shown)
    assert found, f"the cell tagged app shows no address: {shown:.200}"
    return found.group()


def keep(client: NotebookClient, page: Page) -> NotebookNode:
    """Make a notebook that reads well without a kernel out of an executed one, while its kernel lives."""
    notebook = client.nb
    picture = _output({"text/plain": "The app"}, _app(page, app_address(notebook)))
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.metadata.pop("execution", None)
            cell.outputs = [kept for output in cell.outputs for kept in first_view(output, client.widget_state)]
            for output in cell.outputs:
                if FIGURE in output.get("data", {}):
                    output.data["image/png"] = _draw(page, output.data[FIGURE])
                    output.metadata["image/png"] = {"width": WIDTH}
    for cell in tagged(notebook, "app"):
        cell.outputs = [picture]
    notebook.metadata.pop("widgets", None)
    nbformat.validate(notebook)
    return notebook


def first_view(output: NotebookNode, widgets: Mapping[str, Mapping[str, Any]]) -> list[NotebookNode]:
    """What stands where a widget was: what it offers, and what it showed at first."""
    view = output.get("data", {}).get(WIDGET)
    if view is None:
        return [output]
    parts = [widgets[name.removeprefix("IPY_MODEL_")] for name in widgets[view["model_id"]].get("children", ())]
    menus = [_menu(part["description"], part["_options_labels"]) for part in parts if "_options_labels" in part]
    note = f"*Live in Jupyter, to choose from — {'; '.join(menus)}. The first view:*"
    shown = [NotebookNode(found) for part in parts for found in part.get("outputs", ())]
    return [new_output("display_data", {"text/markdown": note, "text/plain": note.strip("*")}), *shown]


def _menu(name: str, labels: Sequence[str]) -> str:
    return f"{name}: {textwrap.shorten(', '.join(labels), MOST_CHARACTERS, placeholder=' …')}"


def _draw(page: Page, figure: Mapping[str, Any]) -> str:
    height = figure["layout"].get("height", 450)
    if page.url != "about:blank" or not page.evaluate("'Plotly' in window"):
        page.goto("about:blank")
        page.add_script_tag(content=get_plotlyjs())
    page.set_viewport_size({"width": WIDTH, "height": height})
    page.evaluate(
        "async figure => { document.body.innerHTML = ''; document.body.style.margin = 0;"
        " await Plotly.newPlot(document.body, figure.data, {...figure.layout, width: innerWidth}, {staticPlot: true}) }",
        figure,
    )
    return base64.b64encode(page.screenshot(omit_background=True)).decode()


def _app(page: Page, address: str) -> str:
    page.set_viewport_size({"width": 1200, "height": 900})
    page.goto(address)
    page.get_by_role("tab").first.wait_for()
    page.wait_for_timeout(3000)  # Until fonts and figures have settled.
    return base64.b64encode(page.screenshot(scale="css")).decode()


def _output(data: dict[str, str], png: str) -> NotebookNode:
    return new_output("display_data", {**data, "image/png": png}, metadata={"image/png": {"width": WIDTH}})


def main(paths: tuple[Path, ...]) -> None:
    """Execute notebooks as they are, and write what they show into them."""
    with sync_playwright() as playwright:
        found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
        browser = playwright.chromium.launch(executable_path=found, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page(device_scale_factor=2)
        for path in paths:
            print(f"Executing {path.name} ...", flush=True)
            with executed(path) as client:
                nbformat.write(keep(client, page), path)
        browser.close()


if __name__ == "__main__":
    main(tuple(map(Path, sys.argv[1:])) or NOTEBOOKS)
