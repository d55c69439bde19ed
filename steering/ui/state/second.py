"""The second concept of the Steer tab: its vector is added to every text at a strength of its own."""

from dataclasses import dataclass, replace

from steering.concepts import Concept
from steering.errors import Progress, SteeringError, part_of
from steering.library import saved_vectors as library
from steering.ui import text
from steering.ui.state.ready import check_vector
from steering.ui.state.settings import FILE_PREFIX, Settings
from steering.ui.state.workspace import Session, Workspace
from steering.vectors import SteeringVector


@dataclass(frozen=True)
class Second:
    """A second concept.

    Attributes:
        concept: its pairs; the digest of one that stands for a vector of the library covers the vector.
        lam: its strength, the same in every text.
        saved: its vector, where it is one of the library; None where the vector is made from the pairs.
    """

    concept: Concept
    lam: float
    saved: SteeringVector | None = None


def second_names(session: Session) -> list[str]:
    """Names in the menu: the concepts of the page, then the vectors of the library that can be read."""
    saved = [FILE_PREFIX + entry.name for entry in session.shelf.entries() if entry.vector is not None]
    return list(dict.fromkeys([*session.concepts, *saved]))


def second_of(session: Session, settings: Settings) -> Second | None:
    """The second concept; None where none is chosen, or its λ is 0.

    Raises:
        SteeringError: there is neither a concept nor a saved vector of that name.
    """
    if not settings.second or settings.second_lam == 0:
        return None
    saved = None
    if settings.second.startswith(FILE_PREFIX):
        name = settings.second.removeprefix(FILE_PREFIX)
        saved = next((entry.vector for entry in session.shelf.entries() if entry.name == name), None)
    if saved is not None:
        return Second(library.as_concept(saved, settings.second), settings.second_lam, saved)
    return Second(session.draft(settings.second).concept, settings.second_lam)


def check_second(workspace: Workspace, session: Session, settings: Settings) -> None:
    """Check what can be checked before anything long begins.

    Raises:
        SteeringError: the second concept cannot be used.
    """
    second = second_of(session, settings)
    if second is None:
        return
    if settings.operator != "add":
        raise SteeringError(text.SECOND_IS_ADDED.format(operator=settings.operator))
    if second.saved is None:
        check_vector(workspace, settings, second.concept)


def stored_second(workspace: Workspace, settings: Settings, second: Second) -> SteeringVector | None:
    """The vector of the second concept at λ = 1; None where it is not made yet."""
    named = replace(settings, concept=second.concept.name)
    return second.saved or workspace.vectors.get(named, second.concept)


def both_vectors(
    workspace: Workspace, session: Session, settings: Settings, progress: Progress
) -> tuple[SteeringVector, SteeringVector | None]:
    """The vector of the sidebar's concept, and that of the second one times its λ; they are made if they are missing."""
    second = second_of(session, settings)
    share = 1.0 if second is None else 0.6
    vector = workspace.vector(session, settings, session.draft(settings.concept).concept, part_of(progress, 0.0, share))
    if second is None:
        return vector, None
    named = replace(settings, concept=second.concept.name)
    also = second.saved or workspace.vector(session, named, second.concept, part_of(progress, share, 1.0))
    return vector, second.lam * also


def texts_key(session: Session, settings: Settings, prompt: str) -> tuple[object, ...]:
    """Everything that the texts of the Steer tab depend on."""
    key = settings.grid_key(session.draft(settings.concept).concept, prompt)
    try:
        second = second_of(session, settings)
    except SteeringError:  # Of a name that is not here any more; whoever uses it says so.
        return (*key, settings.second, settings.second_lam)
    return key if second is None else (*key, second.concept.digest, second.lam)
