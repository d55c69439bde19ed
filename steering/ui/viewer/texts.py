"""The texts that a page has: written on it, or precomputed; and how the viewer shows them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from steering.concepts import Concept, load_concept
from steering.steer import Grid, Move
from steering.ui.state.presets import preset
from steering.ui.state.settings import DEFAULT, Settings
from steering.ui.viewer import component as viewer

Moves = Mapping[float, Sequence[Move]]


LIVE = "Live."
"""Says that a text was written on this page."""


@dataclass
class ConceptTexts:
    """The texts of one concept, and what they were made with.

    Attributes:
        grid: the texts.
        key: see `Settings.grid_key`.
        moves: by λ, the next tokens that moved most.
        source: where they come from, in words.
        versions: of what made them, where that was not this page.
        phase: see `viewer.show`.
    """

    grid: Grid
    key: tuple[object, ...]
    moves: Moves = field(default_factory=dict)
    source: str = LIVE
    versions: str = ""
    phase: str = "done"

    def current(self, settings: Settings, concept: Concept, prompt: str) -> bool:
        """Whether these settings, pairs and prompt made them."""
        return self.key == settings.grid_key(concept, prompt)

    @property
    def most(self) -> int:
        """How many tokens a row may have."""
        return int(self.grid.provenance["sampling"]["max_new_tokens"])


@dataclass
class PageTexts:
    """What the viewer has to show.

    Attributes:
        written: the newest texts of each concept.
        shown: the concept whose texts are on the page.
    """

    written: dict[str, ConceptTexts] = field(default_factory=dict)
    shown: str = ""

    def for_concept(self, concept: Concept) -> ConceptTexts | None:
        """The texts of a concept: written on this page, or precomputed; None where there are none."""
        found = preset(concept.name)
        if concept.name not in self.written and found is not None:
            key = replace(DEFAULT, concept=concept.name).grid_key(load_concept(concept.name), found.grid.prompt)
            self.written[concept.name] = ConceptTexts(found.grid, key, found.moves, found.source, found.versions)
        return self.written.get(concept.name)


def show(written: ConceptTexts, concept: Concept, choose: float | None = None) -> dict[str, Any]:
    """What the viewer shows of a concept's texts; see `viewer.show` for `choose`."""
    return viewer.show(
        written.grid,
        labels(concept),
        written.most,
        written.phase,
        moves=written.moves,
        source=(written.source, written.versions),
        choose=choose,
    )


def precomputed(name: str) -> dict[str, Any] | None:
    """What the viewer shows of a bundled concept when the page opens; None where nothing is precomputed."""
    concept = load_concept(name)
    written = PageTexts().for_concept(concept)
    return show(written, concept) if written else None


def labels(concept: Concept) -> tuple[str, str]:
    """Both poles of a concept, the positive one first."""
    return (concept.positive_label, concept.negative_label)
