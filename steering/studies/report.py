"""The report of a study: one HTML file with its table and figures. It needs no network and follows the reader's colour scheme.

Names and messages are escaped, and the file's content security policy forbids all requests to other servers.
"""

import shlex
from collections.abc import Sequence
from html import escape
from importlib.resources import files
from pathlib import Path
from typing import Any

from plotly.offline import get_plotlyjs

from steering.formatting import duration
from steering.storage import atomic
from steering.studies.cells import varied
from steering.studies.figures import Picture, pictures
from steering.studies.results import ERROR, SAMPLES, CellResult, read_accuracies
from steering.studies.running import STUDY
from steering.studies.settings import StudySettings

REPORT = "report.html"

_POLICY = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline' 'unsafe-eval'; img-src data: blob:"
"""Content security policy: the file may load nothing but its own inline scripts, styles and images."""

_CONFIG = {"displaylogo": False, "responsive": True, "showSendToCloud": False, "plotlyServerURL": ""}


def write_study_report(settings: StudySettings, results: Sequence[CellResult], folder: Path) -> Path:
    """Write the report of a study's results into its folder.

    Returns:
        The file.
    """
    import pandas as pd

    there = (folder / SAMPLES).is_file()
    accuracies = read_accuracies(folder) if there else pd.DataFrame(columns=["eval_id", "metadata_arm", "metadata_lam"])
    html = study_html(settings, results, pictures(results, accuracies), folder)
    path = folder / REPORT
    with atomic(path) as temporary:
        temporary.write_text(html, "utf-8")
    return path


def study_html(settings: StudySettings, results: Sequence[CellResult], drawn: Sequence[Picture], folder: Path) -> str:
    """The report as HTML: Plotly stands in it once, whatever the number of figures."""
    failed = [result for result in results if result.status == ERROR]
    took = duration(sum(result.seconds for result in results))
    figures = "\n".join(_figure(number, picture, folder) for number, picture in enumerate(drawn))
    summary = f"{len(results)} cells, {len(failed)} of them failed; {took} of computing."
    style = (files("steering.studies") / "report.css").read_text("utf-8")
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="{escape(_POLICY)}">
<title>{escape(settings.name)}</title>
<style>{style}</style>
{f"<script>{get_plotlyjs()}</script>" if drawn else ""}
</head>
<body>
<h1>{escape(settings.name)}</h1>
<p>{escape(settings.about)}</p>
<p class="soft">{summary} Made again by <code>{escape(command(folder))}</code>; compared with that by
<code>{escape(f"python -m steering rerun {shlex.quote(str(folder))}")}</code>.</p>
<h2>All cells</h2>
<div class="wide">{_table(results)}</div>
{figures}
</body>
</html>
"""


def command(folder: Path, changes: Sequence[str] = ()) -> str:
    """The command that runs a study of a folder, or a part of it, again."""
    words = ["python", "-m", "steering", "study", str(folder / STUDY), "--out", f"{folder.name}-again", *changes]
    return shlex.join(words)


def _figure(number: int, picture: Picture, folder: Path) -> str:
    body = picture.figure.to_html(full_html=False, include_plotlyjs=False, div_id=f"figure-{number}", config=_CONFIG)
    words = f"{escape(picture.about)}<br><code>{escape(command(folder, picture.changes))}</code>"
    return f"""<section><h2>{escape(picture.title)}</h2>
<figure>{body}<figcaption>{words}</figcaption></figure></section>"""


def _table(results: Sequence[CellResult]) -> str:
    names = varied(tuple(result.cell for result in results))
    figures = list(dict.fromkeys(name for result in results for name in result.figures))
    head = ["cell", "n", *figures, "seconds"]
    rows = "".join(_row(result, names, figures) for result in results)
    cells = "".join(f"<th>{escape(name.replace('_', ' '))}</th>" for name in head)
    return f"<table><thead><tr>{cells}</tr></thead><tbody>{rows}</tbody></table>"


def _row(result: CellResult, names: tuple[str, ...], figures: Sequence[str]) -> str:
    title = f"<td title='{result.key}'>{escape(result.cell.described(names))}</td>"
    if result.status == ERROR:
        return f"<tr>{title}<td class='reason' colspan='{len(figures) + 2}'>{escape(result.reason)}</td></tr>"
    values = "".join(f"<td>{_number(result.figures.get(name))}</td>" for name in figures)
    return f"<tr>{title}<td>{result.n}</td>{values}<td>{result.seconds:.0f}</td></tr>"


def _number(value: Any) -> str:
    return "" if value is None else f"{value:.2g}" if 0 < abs(value) < 0.001 else f"{value:.3f}"
