"""Studies: every combination of models, tasks and ways of steering in one file, planned, run, kept and reported."""

from steering.studies.cells import Cell, cell_key, expand, varied
from steering.studies.distributed import LOCAL, run_on_ray
from steering.studies.figures import Picture, pictures
from steering.studies.inspect_logs import LOGS, write_inspect_logs
from steering.studies.measures import MEASURES, Measured
from steering.studies.planning import Plan, plan_study
from steering.studies.remote import Results, results_at
from steering.studies.report import REPORT, write_study_report
from steering.studies.rerunning import Rerun, rerun
from steering.studies.results import EVALS, SAMPLES, CellResult, read_accuracies, read_evals
from steering.studies.running import ROWS, STUDY, failures, kept_results, run_study, study_results, vector_of
from steering.studies.settings import AXES, USES, StudySettings, presets, read_study, write_settings
from steering.studies.trackio_runs import log_to_trackio

__all__ = [
    "AXES",
    "EVALS",
    "LOCAL",
    "LOGS",
    "MEASURES",
    "REPORT",
    "ROWS",
    "SAMPLES",
    "STUDY",
    "USES",
    "Cell",
    "CellResult",
    "Measured",
    "Picture",
    "Plan",
    "Rerun",
    "Results",
    "StudySettings",
    "cell_key",
    "expand",
    "failures",
    "kept_results",
    "log_to_trackio",
    "pictures",
    "plan_study",
    "presets",
    "read_accuracies",
    "read_evals",
    "read_study",
    "rerun",
    "results_at",
    "run_on_ray",
    "run_study",
    "study_results",
    "varied",
    "vector_of",
    "write_inspect_logs",
    "write_settings",
    "write_study_report",
]
