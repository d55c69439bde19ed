"""What the Tune λ and Vote tabs do before they score: task, models and vector; and the tuning that both look at."""

from dataclasses import dataclass

from steering.errors import Progress
from steering.evaluation import Scorer, Store, Tuning
from steering.tasks import load_task
from steering.ui.questions.form import Form
from steering.ui.state.settings import Settings
from steering.ui.state.workspace import Session, Workspace
from steering.vectors import SteeringVector


@dataclass
class Tuned:
    """What the tab shows.

    Attributes:
        tuning: the newest grid; None before the first run.
        key: what it was made with.
        report_key: what the report was made with; None before the first one.
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
    """Load the task and the models, and make the vector when it is missing."""
    task = load_task(form.source, split, limit=form.limit, seed=settings.sampling.seed)
    concept = session.draft(settings.concept).concept
    vector = workspace.vector(settings, concept, progress)
    session.vector_key = settings.vector_key(concept)
    child = workspace.models(settings)[1]
    return Scorer(child, task, form.setup(settings), Store.open(resume=True)), vector


def uncounted(what: str) -> str:
    """What a scorer says it does without its count and its time: the page shows those itself."""
    return what.rpartition(": ")[0] or what
