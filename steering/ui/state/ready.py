"""What can be checked before anything long begins: models, pairs, layer map and profile."""

from steering.concepts import Concept, check_pairs
from steering.errors import SteeringError
from steering.models import check_name
from steering.transfer import named_pair
from steering.ui import text
from steering.ui.state.settings import Settings
from steering.ui.state.workspace import Session, Workspace


def check_models(workspace: Workspace, settings: Settings) -> None:
    """Check that both models may be loaded, and that their names can be those of models.

    Raises:
        SteeringError: one of them cannot be used.
    """
    for name in dict.fromkeys((settings.parent, settings.child)):
        workspace.check_allowed(name)
        check_name(name)


def check_vector(workspace: Workspace, settings: Settings, concept: Concept) -> None:
    """Check that the vector is ready, or that nothing is known that keeps it from being made.

    Raises:
        SteeringError: models, pairs, layer map or layer profile that cannot be used.
    """
    check_models(workspace, settings)
    if workspace.vectors.get(settings, concept) is None:
        check_pairs(concept)
    parent, child = workspace.shape(settings.parent), workspace.shape(settings.child)
    pair = named_pair(settings.layers)
    if pair is not None and parent is not None and child is not None:
        for role, layer, shape in (("parent", pair[0], parent), ("child", pair[1], child)):
            if layer >= shape.layers:
                raise SteeringError(text.NO_LAYER.format(role=role, layer=layer, last=shape.layers - 1))
    weights = settings.profile
    if not isinstance(weights, str) and child is not None and len(weights) != child.layers:
        raise SteeringError(text.WRONG_PROFILE.format(weights=len(weights), layers=child.layers))


def check_writing(workspace: Workspace, session: Session, settings: Settings) -> None:
    """Check that the concept of the sidebar can be written with; see `check_vector`."""
    check_vector(workspace, settings, session.draft(settings.concept).concept)
