"""A vector of a file put in the place of one that is made from pairs."""

from collections.abc import Mapping
from typing import Any

from steering.library import Shelf
from steering.library import saved_vectors as library
from steering.ui.state.drafts import Draft
from steering.ui.state.settings import FIELDS, FILE_PREFIX, Settings
from steering.ui.state.workspace import Session, Workspace
from steering.vectors import METHODS, SteeringVector


def use_file_vector(
    workspace: Workspace, session: Session, fields: Mapping[str, Any], vector: SteeringVector, name: str
) -> dict[str, Any]:
    """Steer with a vector of the library: a concept of its own in the menu stands for it.

    Args:
        workspace: keeps the vector until the session is closed.
        session: of the page.
        fields: values of the sidebar's fields by name; they name the vector's child.
        vector: in the child's space.
        name: of its file in the library.

    Returns:
        The values of the sidebar's fields that steer with it: the concept, and its method and maps where they are known.

    Raises:
        SteeringError: a field is empty or cannot be read.
    """
    report = vector.report or {}
    concept = library.as_concept(vector, FILE_PREFIX + name)
    values = {
        **fields,
        "concept": concept.name,
        "method": vector.method if vector.method in METHODS else fields["method"],
        "layers": str(report.get("layers", fields["layers"])),
        "width": str(report.get("width", fields["width"])),
    }
    settings = Settings.read(*(values[field] for field in FIELDS))
    session.drafts[concept.name] = Draft(concept, concept)
    workspace.vectors.keep_from_file(session, settings, concept, vector)
    session.vector_key = settings.vector_key(concept)
    return values


def library_name(shelf: Shelf, vector: SteeringVector) -> str:
    """Name of the vector's file on a shelf; it is saved there if no file holds it."""
    for entry in shelf.entries():
        if entry.vector is not None and entry.vector.digest == vector.digest:
            return entry.name
    return shelf.keep(vector, vector.concept).name
