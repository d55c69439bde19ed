"""Preparation of scoring for the Tune λ and Vote tabs, and the tuning result that both of them read."""

from dataclasses import dataclass

from steering.errors import Progress
from steering.evaluation import Scorer, Store, Tuning
from steering.tasks import load_task
from steering.ui.questions.form import Form
from steering.ui.state.settings import Settings
from steering.ui.state.workspace import Session, Workspace
from steering.vectors import SteeringVector


@dataclass
class TuneState:
    """The results on the Tune λ tab.

    Attributes:
        tuning: the newest result; None before the first run.
        key: `Form.key` of that result.
        report_key: `Form.key` of the newest report; None before the first one.
    """

    tuning: Tuning | None = None
    key: tuple[object, ...] | None = None
    report_key: tuple[object, ...] | None = None


def prepare(
    workspace: Workspace,
    session: Session,
    settings: Settings,
    form: Form,
    progress: Progress,
    split: str = "validation",
) -> tuple[Scorer, SteeringVector]:
    """Load the task and the models, and compute the vector if it is missing.

    Args:
        workspace: models and vectors.
        session: of the page.
        settings: of the sidebar.
        form: of the Tune λ tab.
        progress: of loading and computing.
        split: of the task.

    Returns:
        The scorer of the task with the child, and the vector.
    """
    limits = workspace.limits
    limits.check_run(form.max_new_tokens or 0, len(form.strengths(settings)), form.limit)
    task = load_task(form.source, split, limit=form.limit, seed=settings.sampling.seed)
    concept = session.draft(settings.concept).concept
    vector = workspace.vector(session, settings, concept, progress)
    session.vector_key = settings.vector_key(concept)
    child = workspace.models(settings)[1]
    return Scorer(child, task, form.setup(settings), Store.open(resume=True)), vector


def without_counts(what: str) -> str:
    """The description of a scorer's step without its count and time, which the page shows itself."""
    return what.rpartition(": ")[0] or what
