"""The notebooks: kept so that they read well without a kernel, and executed here with a few small sizes."""

import ast
import re
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import pandas as pd
import pytest
from nbclient import NotebookClient
from nbformat import NotebookNode

from notebooks.display import table
from notebooks.run import FIGURE, NOTEBOOKS, WIDGET, app_address, executed, first_view, tagged

SHORT: dict[str, dict[str, Any]] = {
    "01_extract_and_steer": {"LAMBDAS": [-0.2, 0.0, 0.2], "NEW_TOKENS": 8, "STRENGTHS": [0.1], "LEAD_INS": 1},
    "02_carry_between_families": {
        "METRICS": ["scores", "cka"],
        "LAMBDAS": [-0.2, 0.0, 0.2],
        "NEW_TOKENS": 8,
        "LEAD_INS": 1,
        "CONCEPTS": ["sentiment", "formality"],
        "WAYS": [("relative", "ridge"), ("relative", "truncate")],
    },
    "03_tune_and_vote": {
        "QUESTIONS": 6,
        "LAMBDAS": [-0.1, 0.0, 0.1],
        "GENERATED": 2,
        "NEW_TOKENS": 8,
    },
    "04_carry_a_task": {"QUESTIONS": 6, "OWN_WORDS": ["bake"], "STEPS": 2},
}
"""Sizes with which a notebook is executed here."""

LIVE = {
    "01_extract_and_steer": ("compare", "λ", "grid.at(slider.value).text"),
    "02_carry_between_families": ("side_by_side", "λ", "grids['carried'].at(slider.value).text"),
    "03_tune_and_vote": ("ballot", "question", "slider.value.choices[0]"),
    "04_carry_a_task": ("answers", "word", "words.arm('carried').column.answers[slider.value].text.strip()"),
}
"""One live view a notebook: its function, what its control is called, and what it must show after the control moved."""

each = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


def kept(path: Path) -> NotebookNode:
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    return notebook


def code(notebook: NotebookNode) -> list[NotebookNode]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def shown(notebook: NotebookNode) -> Iterator[NotebookNode]:
    for cell in code(notebook):
        yield from cell.outputs


def test_there_are_four() -> None:
    assert [path.stem for path in NOTEBOOKS] == list(SHORT)


@each
def test_a_kept_notebook_was_executed_from_start_to_end(path: Path) -> None:
    notebook = kept(path)
    assert [cell.execution_count for cell in code(notebook)] == list(range(1, len(code(notebook)) + 1))
    assert all(cell.outputs for cell in tagged(notebook, "app"))


@each
def test_a_kept_notebook_says_nothing_of_the_machine_and_complains_of_nothing(path: Path) -> None:
    text = path.read_text("utf-8")
    assert not re.search(r"/home/|/root/|/work/|/tmp/|/Users/|127\.0\.0\.1|ipykernel_", text)
    assert {output.get("name") for output in shown(kept(path))} <= {None, "stdout"}
    assert "error" not in {output.output_type for output in shown(kept(path))}


@each
def test_a_kept_notebook_needs_no_javascript_and_is_small(path: Path) -> None:
    for output in shown(kept(path)):
        data = output.get("data", {})
        assert WIDGET not in data
        assert FIGURE not in data or "image/png" in data
        assert "<script" not in str(data.get("text/html", ""))
    assert path.stat().st_size < 1_000_000


@each
def test_a_cell_is_short_and_no_step_stands_without_words(path: Path) -> None:
    notebook = kept(path)
    for cell in code(notebook):
        body = ast.parse(cell.source).body
        imports = 2 * sum(isinstance(node, ast.Import | ast.ImportFrom) for node in body) > len(body)
        assert imports or sum(bool(line.strip()) for line in cell.source.splitlines()) <= 8, cell.source
    assert len(code(notebook)) < 2 * sum(cell.cell_type == "markdown" for cell in notebook.cells)


def test_a_widget_leaves_what_it_offers_and_its_first_view() -> None:
    first = nbformat.v4.new_output("display_data", {"text/html": "first"})
    widgets = {
        "box": {"children": ["IPY_MODEL_menu", "IPY_MODEL_view"]},
        "menu": {"description": "metric", "_options_labels": ["cka", "r2"]},
        "view": {"outputs": [first]},
    }
    note, view = first_view(nbformat.v4.new_output("display_data", {WIDGET: {"model_id": "box"}}), widgets)
    assert "metric: cka, r2" in note.data["text/markdown"]
    assert view == first
    assert first_view(first, {}) == [first]


def test_a_table_shows_text_as_text() -> None:
    page = table(pd.DataFrame({"λ": ["+0.1"], "text": ["<b>a</b>\nb"], "share": [0.126], "none": [None]})).data
    assert "&lt;b&gt;a&lt;/b&gt;<br>b" in page
    assert ">0.13<" in page
    assert "None" not in page


@pytest.mark.real
@each
def test_a_notebook_runs(path: Path) -> None:
    parameters = SHORT[path.stem]
    source = tagged(kept(path), "parameters")[0].source
    assert all(re.search(rf"\b{name}\b.* = ", source) for name in parameters)
    with executed(path, parameters) as client:
        assert [output.text for output in shown(client.nb) if output.get("name") == "stderr"] == []
        check_live(client, *LIVE[path.stem])
        with urllib.request.urlopen(app_address(client.nb), timeout=60) as answer:
            assert answer.status == 200
            assert b"gradio" in answer.read()
    with pytest.raises(urllib.error.URLError):
        urllib.request.urlopen(app_address(client.nb), timeout=10)


def check_live(client: NotebookClient, function: str, label: str, wanted: str) -> None:
    """Move a view's control to its last value, in the kernel, and look at what the view shows then."""
    lines = (
        f"slider = next(one for one in {function}.widget.children if getattr(one, 'description', '') == {label!r})",
        f"before = {function}.widget.result.data",
        "slider.index = len(slider.options) - 1 if slider.index == 0 else 0",
        "import html",
        f"after = {function}.widget.result.data",
        f"print(after != before, html.escape({wanted}).replace('\\n', '<br>') in after)",
    )
    cell = nbformat.v4.new_code_cell("\n".join(lines))
    client.nb.cells.append(cell)
    client.execute_cell(cell, len(client.nb.cells) - 1)
    assert "".join(output.get("text", "") for output in cell.outputs).strip() == "True True"
