"""A grid: one prompt continued at several λ in one batch, with measures of whether each text has degenerated."""

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch
import transformers

from steering.errors import SteeringError
from steering.models import LanguageModel, scoring_batches, token_log_probabilities
from steering.steer.batch import SharedBatch
from steering.steer.decoding import decode, written_text
from steering.steer.health import Health, degenerate, dominant, repeated
from steering.steer.intervention import joined, plan
from steering.steer.sampling import Sampling
from steering.steer.settings import DEFAULT_SETTINGS, Profile, SteeringSettings, check_strengths
from steering.vectors import SteeringVector


@dataclass(frozen=True)
class Row:
    """One continuation at one λ."""

    lam: float
    text: str
    token_ids: tuple[int, ...]
    ended: str
    health: Health


@dataclass(frozen=True)
class Grid:
    """One prompt continued at several λ.

    Attributes:
        child: name of the model that wrote.
        prompt: what the user wrote.
        prompt_token_ids: what the model read.
        rows: one a λ, in the order asked for.
        provenance: vector, settings and versions.
        unsteered: the unsteered text where none of the rows is: where a second vector acts on all of them.
    """

    child: str
    prompt: str
    prompt_token_ids: tuple[int, ...]
    rows: tuple[Row, ...]
    provenance: Mapping[str, Any] = field(default_factory=dict)
    unsteered: Row | None = None

    @property
    def baseline(self) -> Row | None:
        """The unsteered text; None where there is none."""
        return self.unsteered or next((row for row in self.rows if row.lam == 0), None)

    @property
    def done(self) -> bool:
        """Whether every row has ended."""
        return all(row.ended for row in self.rows)

    def at(self, lam: float) -> Row:
        """The row whose λ is nearest to `lam`."""
        return min(self.rows, key=lambda row: abs(row.lam - lam))


def stream(
    child: LanguageModel,
    prompt: str,
    vector: SteeringVector | Sequence[SteeringVector],
    lambdas: Sequence[float],
    *,
    sampling: Sampling | None = None,
    max_new_tokens: int | None = None,
    settings: SteeringSettings = DEFAULT_SETTINGS,
    scale: str | None = None,
    profile: Profile | None = None,
    positions: str | None = None,
    operator: str | None = None,
    plain: bool = False,
    system: str = "",
    thinking: bool = False,
    also: SteeringVector | None = None,
    shared: SharedBatch | None = None,
) -> Iterator[Grid]:
    """Continue a prompt at every λ at once, and yield all rows after every step.

    Args:
        child: the model that writes.
        prompt: a user's turn where the child has a chat template, else the beginning of a text.
        vector: a vector in the child's space for all rows, or one for every λ.
        lambdas: strengths; 0 is the unsteered child.
        sampling: how tokens are chosen; greedy by default.
        max_new_tokens: overrides the sampling's.
        settings: scale, layer profile, positions and operator.
        scale: overrides the settings'.
        profile: overrides the settings'.
        positions: overrides the settings'.
        operator: overrides the settings'.
        plain: send the prompt as it is, without the chat template.
        system: a system prompt, see `LanguageModel.prompt_ids`.
        thinking: let a model think before it answers, where its template has that choice.
        also: a second vector that is added in every row, at its own length: `0.3 * formal` steers all of them as `formal` at
            λ = 0.3 does. The grid then holds the unsteered text beside its rows. Needs the operator "add".
        shared: where grids that are written at the same time share forward passes, see `decode`.

    Yields:
        The grown grid.

    Raises:
        SteeringError: no λ, one that is not finite, not one vector for every λ, or settings that do not fit the child.
    """
    strengths = check_strengths(lambdas)
    chosen = sampling or Sampling()
    if max_new_tokens is not None:
        chosen = replace(chosen, max_new_tokens=max_new_tokens)
    single = isinstance(vector, SteeringVector)
    vectors = [vector] if isinstance(vector, SteeringVector) else list(vector)
    if not single and len(vectors) != len(strengths):
        raise SteeringError(f"There are {len(vectors)} vectors for {len(strengths)} λ; give one for every λ.")
    overrides: dict[str, Any] = {"scale": scale, "profile": profile, "positions": positions, "operator": operator}
    settings = replace(settings, **{name: value for name, value in overrides.items() if value is not None})
    plans = [plan(child, each, settings) for each in vectors]
    descriptions = [_description(each) for each in vectors]
    weights = [list(each.weights) for each in plans]
    ids = child.prompt_ids(prompt, plain=plain, system=system, thinking=thinking)
    if child.context and len(ids) + chosen.max_new_tokens - 1 > child.context:
        raise SteeringError(
            f"The prompt has {len(ids)} tokens and {chosen.max_new_tokens} are to follow, but {child.name} reads up to "
            f"{child.context}. Shorten the prompt, or ask for fewer new tokens."
        )
    # What is decoded: one intervention and one strength a row, and first the unsteered text where no λ is.
    interventions, amounts = (plans[0] if single else plans), strengths
    if also is not None:
        fixed = plan(child, also, settings)
        several = plans * len(strengths) if single else plans
        steered = [joined(each, [lam], fixed)[0] for each, lam in zip(several, strengths, strict=True)]
        interventions, amounts = [fixed, *steered], (0.0, *[1.0] * len(steered))
    provenance = {
        **({"vector": descriptions[0]} if single else {"vectors": descriptions}),
        "child": {"name": child.name, "fingerprint": child.fingerprint, "revision": child.revision},
        "scale": settings.scale,
        "profile": weights[0] if single else weights,
        "positions": settings.positions,
        "operator": settings.operator,
        "sampling": vars(chosen),
        **({"system": system} if system.strip() else {}),
        **({"thinking": True} if thinking else {}),
        **({"also": _description(also) | {"labels": list(also.labels)}} if also is not None else {}),
        "versions": {"torch": torch.__version__, "transformers": transformers.__version__},
    }

    def steps() -> Iterator[Grid]:
        written = strengths if also is None else (0.0, *strengths)
        for step in decode(child, [ids] * len(written), interventions, amounts, chosen, shared=shared):
            rows = [
                Row(lam, written_text(child, tokens, ended=bool(ended)), tokens, ended, _UNKNOWN)
                for lam, tokens, ended in zip(written, step.tokens, step.ended, strict=True)
            ]
            unsteered = None if also is None else rows.pop(0)
            yield _with_health(Grid(child.name, prompt, tuple(ids), tuple(rows), provenance, unsteered), {})

    return steps()


def generate(
    child: LanguageModel,
    prompt: str,
    vector: SteeringVector | Sequence[SteeringVector],
    lambdas: Sequence[float],
    **settings: Any,
) -> Grid:
    """Continue a prompt at every λ; takes the settings of `stream` and returns its last grid."""
    return deque(stream(child, prompt, vector, lambdas, **settings), maxlen=1)[0]


def assess(child: LanguageModel, grid: Grid) -> Grid:
    """Measure every text's perplexity under the unsteered child.

    Args:
        child: the model that wrote the grid.
        grid: finished or not.

    Returns:
        The grid with every row's health filled in.
    """
    rows = [*grid.rows, *([grid.unsteered] if grid.unsteered else [])]
    distinct = list(dict.fromkeys(row.token_ids for row in rows if row.token_ids))
    measured = dict(zip(distinct, perplexities(child, grid.prompt_token_ids, distinct), strict=True))
    return _with_health(grid, measured)


def perplexities(model: LanguageModel, prompt: Sequence[int], texts: Sequence[Sequence[int]]) -> list[float]:
    """Perplexity of each continuation of one prompt, under the model as it is.

    Returns:
        One number a text: e to the mean negative log-probability of its tokens.
    """
    rows, starts = [[*prompt, *text] for text in texts], [len(prompt)] * len(texts)
    measured = [0.0] * len(texts)
    for members in scoring_batches(model, rows, starts):
        with model.lock, torch.inference_mode():
            log_probabilities = token_log_probabilities(
                model, [rows[member] for member in members], [len(prompt)] * len(members)
            )
        for member, tokens in zip(members, log_probabilities, strict=True):
            measured[member] = tokens.mean().neg().exp().item()
    return measured


def _description(vector: SteeringVector) -> dict[str, Any]:
    return {"concept": vector.concept, "method": vector.method, **vector.provenance}


def _with_health(grid: Grid, perplexity: Mapping[tuple[int, ...], float]) -> Grid:
    """The grid with the health of its rows.

    Args:
        grid: the rows.
        perplexity: by a text's tokens, where it was measured.
    """
    baseline = grid.baseline

    def measured(row: Row, *, steered: bool) -> Row:
        own = perplexity.get(row.token_ids)
        health = Health(
            repeated=repeated(row.token_ids),
            dominant=dominant(row.token_ids),
            perplexity=own,
            same_as_baseline=steered and baseline is not None and row.token_ids == baseline.token_ids,
            degenerate=degenerate(row.token_ids, own),
        )
        return replace(row, health=health)

    everywhere = grid.unsteered is not None
    rows = tuple(measured(row, steered=everywhere or row.lam != 0) for row in grid.rows)
    return replace(grid, rows=rows, unsteered=grid.unsteered and measured(grid.unsteered, steered=False))


_UNKNOWN = Health(0.0, 0.0, None, False, False)
