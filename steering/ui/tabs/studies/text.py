"""The words of the Studies tab."""

from steering.formatting import strength

TAB = "Studies"
INTRO = (
    "A study measures every combination of models, tasks and ways of steering that its file names. What is finished is kept: a "
    "stopped study goes on where it was, here or with python -m steering study."
)
STUDY = "Study"
STUDY_INFO = "A bundled study, a YAML file, or the folder of one that was run"
PLAN = "What it takes"
RUN = "Run"
SHOW = "Show results"
PICTURE = "Figure"
CELL = "Cell"
CELL_INFO = "With the λ that it chose or was given"
USE = "Steer with this cell's vector"
NO_RESULTS = "No results yet. Run the study, or choose the folder of one that was run."
NO_STUDY = "Choose a study first."
NO_CELL = "Choose a cell first: show the results of a study, then choose one of its cells."
NO_VECTOR = "This cell kept no vector. Cells of the measures arms, gain, grid and compatibility do."
ONLY_BUNDLED = "On this page only bundled studies can be used, not {name!r}."


def shown(name: str, n_cells: int, n_failed: int) -> str:
    """The end of showing a study."""
    failed = f", {n_failed} of them failed" if n_failed else ""
    return f"{name}: {n_cells} cells{failed}."


def steering_with(name: str, lam: float) -> str:
    """The end of choosing a cell to steer with."""
    return f"Steering with {name}, kept in the Library, at λ = {strength(lam)} as in the cell. Press Generate."
