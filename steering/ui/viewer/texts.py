"""The texts of a session, generated or precomputed, and their data for the viewer."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from steering.concepts import Concept, load_concept
from steering.steer import Grid, Move, TokenShift
from steering.ui.state.gallery import gallery
from steering.ui.state.presets import preset
from steering.ui.state.second import texts_key
from steering.ui.state.session import Session
from steering.ui.state.settings import DEFAULT, Settings
from steering.ui.viewer import component as viewer

Moves = Mapping[float, Sequence[Move]]
"""By λ, the next tokens whose probability changed most."""

Shifts = Mapping[float, Sequence[TokenShift]]
"""By λ, how far it changed the probability of every token of its text."""

LIVE = "Live."
"""Source of texts that were generated in this session."""


LEAD = (
    "Both texts are by {child}, without any training: the baseline as it is, the other one pushed by λ, towards “{positive}” "
    "above 0 and towards “{negative}” below."
)
"""What the texts of a concept show."""

ALSO = " All but the baseline are also pushed by {strength} towards “{label}”, whatever λ is."
"""What the texts show where a second concept acts in them."""


@dataclass
class ConceptTexts:
    """The texts of one concept, with the settings that they were generated with.

    Attributes:
        grid: the texts.
        key: see `texts_key`.
        moves: by λ, the next tokens whose probability changed most.
        source: where they come from, in words.
        versions: of the software that wrote them; "" if they were generated in this session.
        phase: see `viewer.show`.
        lead: one sentence on what they show; "" for the usual one.
        shifts: by λ, how far it changed the probability of every token.
    """

    grid: Grid
    key: tuple[object, ...]
    moves: Moves = field(default_factory=dict)
    source: str = LIVE
    versions: str = ""
    phase: str = "done"
    lead: str = ""
    shifts: Shifts = field(default_factory=dict)

    def current(self, session: Session, settings: Settings, prompt: str) -> bool:
        """Whether the texts were generated with these settings, the pairs of the page, and this prompt."""
        return self.key == texts_key(session, settings, prompt)

    @property
    def lambdas(self) -> frozenset[float]:
        """The strengths that were written."""
        return frozenset(row.lam for row in self.grid.rows)

    @property
    def max_tokens(self) -> int:
        """Limit of new tokens per row."""
        return int(self.grid.provenance["sampling"]["max_new_tokens"])


@dataclass
class PageTexts:
    """All texts of a session.

    Attributes:
        written: the newest texts of each concept, by its name.
        shown: name of the concept whose texts the viewer shows; "" for none.
    """

    written: dict[str, ConceptTexts] = field(default_factory=dict)
    shown: str = ""

    def for_concept(self, concept: Concept) -> ConceptTexts | None:
        """The texts of a concept, generated or precomputed; None if there are none."""
        bundled = preset(concept.name)
        if concept.name not in self.written and bundled is not None:
            key = replace(DEFAULT, concept=concept.name).grid_key(load_concept(concept.name), bundled.grid.prompt)
            self.written[concept.name] = ConceptTexts(
                bundled.grid, key, bundled.moves, bundled.source, bundled.versions, shifts=bundled.shifts
            )
        return self.written.get(concept.name)

    def reopened(self, concept: Concept) -> ConceptTexts | None:
        """The precomputed texts of a concept, in the place of those that were generated since; None if there are none."""
        self.written.pop(concept.name, None)
        return self.for_concept(concept)


def show(written: ConceptTexts, concept: Concept, choose: float | None = None) -> dict[str, Any]:
    """The viewer's data for the texts of a concept; see `viewer.show` for `choose`."""
    return viewer.show(
        written.grid,
        labels(concept),
        written.max_tokens,
        written.phase,
        moves=written.moves,
        source=(written.source, written.versions),
        choose=choose,
        shifts=written.shifts,
        lead=(written.lead or lead(written.grid.child, concept)) + _also_sentence(written.grid),
        also=also_words(written.grid),
    )


def precomputed(name: str) -> dict[str, Any] | None:
    """The viewer's data for the precomputed texts of a bundled concept; None if there are none."""
    concept = load_concept(name)
    written = PageTexts().for_concept(concept)
    return show(written, concept, (gallery()[name].high or None) if name in gallery() else None) if written else None


def lead(child: str, concept: Concept) -> str:
    """One sentence on what the texts of a concept show."""
    return LEAD.format(child=child, positive=concept.positive_label, negative=concept.negative_label)


def also_words(grid: Grid) -> str:
    """The pole and the strength of the second concept of a grid, in words; "" where it has none."""
    also = _also(grid)
    return "" if also is None else " ".join(also)


def _also_sentence(grid: Grid) -> str:
    also = _also(grid)
    return "" if also is None else ALSO.format(label=also[0], strength=also[1])


def _also(grid: Grid) -> tuple[str, str] | None:
    """Pole and strength of the second concept. A session file may hold anything."""
    also = grid.provenance.get("also")
    if not isinstance(also, Mapping):
        return None
    poles, strength = also.get("labels"), also.get("factor")
    label = str(poles[0]) if isinstance(poles, list | tuple) and poles else str(also.get("concept"))
    return label, f"{strength:g}" if isinstance(strength, int | float) else "1"


def labels(concept: Concept) -> tuple[str, str]:
    """Both poles of a concept, the positive one first."""
    return (concept.positive_label, concept.negative_label)
