"""Scoring a task at many λ, tuning and voting, the controls beside them, and the report."""

from steering.evaluation.arms import Arm, Parts, at_every_layer, first_layer, steered, unsteered
from steering.evaluation.columns import Answer, Column
from steering.evaluation.controls import CONTROLS, RANDOM_SEEDS, Context, Control
from steering.evaluation.evaluation import Evaluation, Tuning, ask, evaluate, evaluation_of, tune, tuned
from steering.evaluation.gain import Gain, anchors_for, gain, power_sentence, task_parts
from steering.evaluation.gain_table import gain_table
from steering.evaluation.overview import overview, overview_markdown, read_reports
from steering.evaluation.own_answers import OWN_DESIGNS, SAMPLES, pairs_from_answers
from steering.evaluation.protocol import Study, most_rows, study
from steering.evaluation.report import HEADINGS, as_markdown, check_report, notes, table, write_report
from steering.evaluation.scorer import GRIDS, NEW_TOKENS, Scorer, Setup, default_grid, strengths
from steering.evaluation.scoring import score
from steering.evaluation.side_effects import SideEffects
from steering.evaluation.store import Store
from steering.evaluation.voting import Ballot, Vote, elect, tally, vote

__all__ = [
    "CONTROLS",
    "GRIDS",
    "HEADINGS",
    "NEW_TOKENS",
    "OWN_DESIGNS",
    "RANDOM_SEEDS",
    "SAMPLES",
    "Answer",
    "Arm",
    "Ballot",
    "Column",
    "Context",
    "Control",
    "Evaluation",
    "Gain",
    "Parts",
    "Scorer",
    "Setup",
    "SideEffects",
    "Store",
    "Study",
    "Tuning",
    "Vote",
    "anchors_for",
    "as_markdown",
    "ask",
    "at_every_layer",
    "check_report",
    "default_grid",
    "elect",
    "evaluate",
    "evaluation_of",
    "first_layer",
    "gain",
    "gain_table",
    "most_rows",
    "notes",
    "overview",
    "overview_markdown",
    "pairs_from_answers",
    "power_sentence",
    "read_reports",
    "score",
    "steered",
    "strengths",
    "study",
    "table",
    "tally",
    "task_parts",
    "tune",
    "tuned",
    "unsteered",
    "vote",
    "write_report",
]
