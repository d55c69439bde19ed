"""Chooses the strongest texts of the precomputed grids, with the parent as their reader.

`python -m steering.ui.state.make_gallery` reads the grids in the package and writes the choice beside them. A text counts only
where it and the baseline are long enough to be judged, where it is not degenerate, and where neither model finds it far more
perplexing than the baseline: an example has to be fluent, which is more than not to be broken.
"""

import json
import math
import operator
from dataclasses import asdict
from pathlib import Path

from steering.concepts import load_concept
from steering.measure import expression
from steering.models import LanguageModel, load_model
from steering.steer import FEWEST_TOKENS, Grid, Row, perplexities
from steering.storage import atomic
from steering.ui.state.gallery import FILE, FOLDER, Strongest
from steering.ui.state.presets import PROMPTS, preset
from steering.ui.state.settings import PARENT
from steering.vectors import extract

MOST_PERPLEXITY = 5.0
"""Of a fluent text, under either model, as a multiple of the baseline's."""


def choose(reader: LanguageModel, name: str, grid: Grid) -> Strongest:
    """The strongest texts of a grid.

    Args:
        reader: the parent.
        name: of the bundled concept.
        grid: with λ = 0 among its rows.
    """
    vector = extract(reader, load_concept(name))
    shifts = expression(reader, vector, [row.text for row in grid.rows])
    zero = next(place for place, row in enumerate(grid.rows) if row.lam == 0)
    fluent = _fluent(reader, grid.rows, grid.rows[zero])
    moved = {row.lam: shift - shifts[zero] for row, shift in zip(grid.rows, shifts, strict=True) if row.lam in fluent}
    low = min((lam for lam in moved if lam < 0), key=lambda lam: moved[lam], default=0.0)
    high = max((lam for lam in moved if lam > 0), key=lambda lam: moved[lam], default=0.0)
    return Strongest(low, high, -round(moved.get(low, 0.0), 3), round(moved.get(high, 0.0), 3))


def _fluent(reader: LanguageModel, rows: tuple[Row, ...], baseline: Row) -> set[float]:
    """The λ of the texts that read well under both models."""
    if len(baseline.token_ids) < FEWEST_TOKENS:
        return set()
    judged = [row for row in rows if len(row.token_ids) >= FEWEST_TOKENS]
    healthy = [row for row in judged if row is baseline or not row.health.degenerate]
    start = reader.token_ids("")
    texts = [reader.token_ids(row.text)[len(start) :] for row in healthy]
    if not start:  # A tokenizer without a first token: nothing predicts the first one of a text.
        start, texts = texts[0][:1], [text[1:] for text in texts]
    measured = dict(zip((row.lam for row in healthy), perplexities(reader, start, texts), strict=True))
    both = {row.lam: (row.health.perplexity or math.inf, measured[row.lam]) for row in healthy}
    limits = [MOST_PERPLEXITY * perplexity for perplexity in both[baseline.lam]]
    return {lam for lam, found in both.items() if all(map(operator.le, found, limits))}


def make(folder: Path) -> None:
    """Choose for every bundled concept, and write the strongest concept first."""
    reader = load_model(PARENT, dtype="float32")  # As for the grids: in the type that rounds least.
    chosen: dict[str, Strongest] = {}
    for name in PROMPTS:
        found = preset(name)
        assert found is not None, "every bundled concept has a grid"
        chosen[name] = choose(reader, name, found.grid)
        print(f"{name:14} {chosen[name]}", flush=True)
    ordered = sorted(chosen.items(), key=lambda item: (not item[1].shown, -item[1].strength))
    with atomic(folder / FILE) as file:
        file.write_text(json.dumps({name: asdict(each) for name, each in ordered}, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    make(Path(str(FOLDER)))
