"""A λ grid on a task: rows from the store where they are, else computed and kept there batch by batch."""

import hashlib
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from steering.errors import Progress, check_whole, silent
from steering.evaluation.columns import Column, judge
from steering.evaluation.scoring import Job, Outcome, score
from steering.evaluation.store import Store
from steering.formatting import duration
from steering.models import LanguageModel
from steering.stats import check_seed
from steering.steer import DEFAULT_SETTINGS, Intervention, Sampling, SteeringSettings, check_strengths, plan
from steering.storage import key
from steering.tasks import Request, Style, Task, requests
from steering.vectors import SteeringVector

GRIDS: Mapping[str, tuple[float, ...]] = {
    "residual": (-0.3, -0.2, -0.1, -0.05, 0.0, 0.05, 0.1, 0.2, 0.3),
    "unit": (0.0, 0.01, 0.03, 0.1, 0.2, 0.3, 0.5, 0.7, 1.0),
    "ablate": (0.0, 0.25, 0.5, 0.75, 1.0),
}
"""The λ that are tried by default, by the scale, or by the operator where that says what λ means; "unit" has the paper's."""


def default_grid(settings: SteeringSettings) -> str:
    """The key of `GRIDS` that fits the settings."""
    return settings.operator if settings.operator in GRIDS else settings.scale


NEW_TOKENS: Mapping[str, int] = {"choice": 16, "number": 200, "math": 400, "text": 200, "line": 12}
"""Most tokens of an answer in writing, by the kind of answer."""


REPORT_EVERY_S = 2.0
"""At most so many seconds pass between two reports of progress; a Stop button may take as long."""


@dataclass(frozen=True)
class Setup:
    """What stays the same over all λ and all controls.

    Attributes:
        style: how questions are put.
        max_new_tokens: most tokens of an answer; None takes `NEW_TOKENS`.
        steering: scale, layer profile, positions and operator.
        seed: of samples, random vectors and bootstraps.

    Raises:
        SteeringError: a seed or a number of tokens that cannot be used.
    """

    style: Style = field(default_factory=Style)
    max_new_tokens: int | None = None
    steering: SteeringSettings = DEFAULT_SETTINGS
    seed: int = 0

    def __post_init__(self) -> None:
        check_seed(self.seed)
        if self.max_new_tokens is not None:
            check_whole("max_new_tokens", self.max_new_tokens, 1)


def strengths(lambdas: Sequence[float] | None, grid: str) -> tuple[float, ...]:
    """The λ to try, each once, and 0 in front where it is not among them; by default those of an entry of `GRIDS`.

    Raises:
        SteeringError: see `steer.check_strengths`.
    """
    wanted = check_strengths(GRIDS.get(grid, GRIDS["residual"]) if lambdas is None else lambdas)
    # Adding 0.0 turns -0.0 into 0.0.
    distinct = list(dict.fromkeys(lam + 0.0 for lam in wanted))
    return tuple(distinct if 0.0 in distinct else [0.0, *distinct])


@dataclass(frozen=True)
class Scorer:
    """A child, a task and a store, from which grids of judged rows come.

    Attributes:
        child: the model that answers.
        task: the questions.
        setup: prompts, sampling and steering.
        store: where rows are kept.
        progress: told how many rows are done.
    """

    child: LanguageModel
    task: Task
    setup: Setup
    store: Store
    progress: Progress = silent

    @property
    def sampling(self) -> Sampling:
        """Greedy decoding of the setup's length."""
        return Sampling(max_new_tokens=self.setup.max_new_tokens or NEW_TOKENS[self.setup.style.kind_for(self.task)])

    def columns(
        self,
        vector: SteeringVector,
        lambdas: Sequence[float],
        *,
        name: str = "",
        style: Style | None = None,
        sampling: Sampling | None = None,
    ) -> tuple[Column, ...]:
        """Rows at several λ, from the store where they are, else computed and kept there batch by batch.

        Args:
            vector: a vector in the child's space.
            lambdas: strengths.
            name: what progress calls these rows; "" for the task alone.
            style: how questions are put, where not as the setup says.
            sampling: how tokens are chosen, where not greedily.
        """
        chosen = sampling or self.sampling
        rows = self._rows(vector, lambdas, style or self.setup.style, chosen)
        asked, prompts, cells, known = rows.asked, rows.prompts, rows.cells, rows.known
        kind = (style or self.setup.style).kind_for(self.task)
        self.store.describe({cells[lam]: rows.settings[lam] for lam in lambdas})
        for done in self._compute(asked, rows.missing, rows.intervention, chosen, name):
            self.store.write(
                (cells[lam], prompts[place], asked[place].item.id, outcome) for (place, lam), outcome in done
            )
            for (place, lam), outcome in done:
                known[cells[lam]][prompts[place]] = outcome
        gold = tuple(request.item.answer for request in asked)
        return tuple(
            Column(
                lam,
                tuple(
                    judge(kind, request.item, known[cells[lam]][prompt], request.before)
                    for request, prompt in zip(asked, prompts, strict=True)
                ),
                gold,
            )
            for lam in lambdas
        )

    def missing(self, vector: SteeringVector, lambdas: Sequence[float]) -> int:
        """How many rows `columns` would have to compute, because the store does not hold them."""
        return len(self._rows(vector, lambdas, self.setup.style, self.sampling).missing)

    def _rows(self, vector: SteeringVector, lambdas: Sequence[float], style: Style, sampling: Sampling) -> "_Rows":
        setup = self.setup
        intervention = plan(self.child, vector, setup.steering)
        asked = requests(self.child, self.task, style)
        prompts = [key(request.ids, request.tails, request.stop) for request in asked]
        settings = {
            lam: self._row_settings(vector, intervention, lam, sampling, bool(asked[0].tails)) for lam in lambdas
        }
        cells = {lam: key("row", settings[lam]) for lam in lambdas}
        known = {cell: self.store.read(cell) for cell in set(cells.values())}
        # λ that share a cell share their rows, and so do questions that share a prompt: each is computed once.
        missing = {
            (cells[lam], prompts[place]): (place, lam)
            for lam in reversed(lambdas)
            for place in reversed(range(len(asked)))
            if prompts[place] not in known[cells[lam]]
        }
        return _Rows(intervention, asked, prompts, settings, cells, known, list(missing.values()))

    def _row_settings(
        self, vector: SteeringVector, intervention: Intervention, lam: float, sampling: Sampling, weighed: bool
    ) -> dict[str, Any]:
        """Everything that a row depends on besides its prompt."""
        settings: dict[str, Any] = {
            "child": self.child.fingerprint,
            "dtype": self.child.precision,
            "sampling": "weighed" if weighed else _drawn_by(sampling),
            "steering": None,
        }
        if lam != 0 and intervention.active:  # Rows that nothing is added to are the baseline, whatever the vector.
            sign = _sign(vector)
            settings["steering"] = {
                "vector": digest(vector if sign > 0 else -vector),
                # −v at λ is v at −λ; a component that is taken out has no sign.
                "lam": lam if intervention.operator == "ablate" else sign * lam,
                "scale": intervention.scale,
                "weights": intervention.weights,
                "positions": intervention.positions,
            }
            if intervention.operator != "add":  # Left out otherwise, so that rows of earlier versions are found.
                settings["steering"]["operator"] = intervention.operator
        return settings

    def _compute(
        self, asked: Sequence[Request], jobs: Sequence[Job], intervention: Intervention, sampling: Sampling, name: str
    ) -> Iterator[list[tuple[Job, Outcome]]]:
        what = f"Scoring {self.task.name}{f', {name}' if name else ''}"
        started = reported = time.monotonic()
        done = 0
        if not jobs:
            self.progress(f"{what}: all rows were there", 1.0)
        for batch in score(self.child, asked, jobs, intervention if intervention.active else None, sampling):
            if batch:
                yield batch
                done += len(batch)
            elif time.monotonic() - reported < REPORT_EVERY_S:
                continue
            reported = time.monotonic()
            left = f", about {duration((reported - started) * (len(jobs) / done - 1))} left" if done else ""
            self.progress(f"{what}: {done} of {len(jobs)} rows{left}", done / len(jobs))


@dataclass(frozen=True)
class _Rows:
    """The rows of a grid: what makes each, which are known, and which are missing."""

    intervention: Intervention
    asked: Sequence[Request]
    prompts: Sequence[str]
    settings: Mapping[float, Mapping[str, Any]]
    cells: Mapping[float, str]
    known: Mapping[str, dict[str, Outcome]]
    missing: Sequence[Job]


def _drawn_by(sampling: Sampling) -> dict[str, Any]:
    """What a written row depends on. Greedy rows draw nothing, whatever seeds there are."""
    return vars(sampling) if sampling.temperature == 0 else {**vars(sampling), "seeds": "one a question"}


def digest(vector: SteeringVector) -> str:
    """Hash of a vector's directions."""
    return hashlib.sha256(vector.directions.float().contiguous().numpy().tobytes()).hexdigest()[:32]


def _sign(vector: SteeringVector) -> int:
    first = vector.directions[vector.directions != 0]
    return -1 if len(first) and first[0] < 0 else 1
