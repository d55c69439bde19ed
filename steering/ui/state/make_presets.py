"""Computes the precomputed grids and vectors of the package with the bundled models.

`python -m steering.ui.state.make_presets` computes all, `python -m steering.ui.state.make_presets sentiment time` two of
them.
"""

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from steering.concepts import bundled_concepts, load_concept
from steering.models import LanguageModel, load_model
from steering.steer import Grid, assess, generate, grid_json, next_tokens, token_shifts
from steering.storage import atomic
from steering.transfer import transfer
from steering.ui.state.presets import FOLDER, PROMPTS, vector_file
from steering.ui.state.settings import DEFAULT, LAMBDAS
from steering.vectors import SteeringVector, extract, save_vector


def make(folder: Path, names: Sequence[str]) -> None:
    """Write the grids and vectors of bundled concepts, computed with the default settings."""
    # In the type that rounds least, so that they are the same on every machine.
    parent, child = (load_model(name, dtype="float32") for name in (DEFAULT.parent, DEFAULT.child))
    for name in names:
        vector = transfer(extract(parent, load_concept(name)), parent, child)
        save_vector(vector, folder / vector_file(name).name)
        grid = assess(child, generate(child, PROMPTS[name], vector, LAMBDAS, sampling=DEFAULT.sampling))
        token_moves = next_tokens(child, grid.prompt_token_ids, vector, LAMBDAS)
        moves = {
            str(lam): [asdict(move) for move in row_moves] for lam, row_moves in zip(LAMBDAS, token_moves, strict=True)
        }
        shifts = written_shifts(child, grid, vector)
        data = {"grid": grid_json(grid), "moves": moves, "shifts": shifts}
        with atomic(folder / f"{name}.json") as file:
            file.write_text(json.dumps(data, ensure_ascii=False), "utf-8")
        print(f"{name}: {grid.at(0.3).text[:80]!r}", flush=True)


def written_shifts(
    child: LanguageModel, grid: Grid, vector: SteeringVector
) -> dict[str, list[list[str | float | None]]]:
    """By λ the fields of every token, see `steer.TokenShift`."""
    return {
        str(row.lam): [[token.piece, token.before, token.after, token.along] for token in tokens]
        for row, tokens in zip(grid.rows, token_shifts(child, grid, vector), strict=True)
    }


if __name__ == "__main__":
    make(Path(str(FOLDER)), sys.argv[1:] or bundled_concepts())
