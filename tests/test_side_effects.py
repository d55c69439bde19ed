"""What steering costs: nothing where nothing is added, and more the stronger it is."""

from pathlib import Path

import pytest
from conftest import loaded

from steering.evaluation import Store
from steering.evaluation.side_effects import OTHER_QUESTIONS, SideEffects, side_effects
from steering.models.language_model import LanguageModel
from steering.steer import SteeringSettings
from steering.vectors import SteeringVector

pytestmark = pytest.mark.usefixtures("fresh_cache")


@pytest.fixture
def child() -> LanguageModel:
    return loaded("llama")


@pytest.fixture
def vector(child: LanguageModel, vector_for) -> SteeringVector:
    chosen: SteeringVector = vector_for(child)
    return chosen


def cost(child: LanguageModel, vector: SteeringVector, lam: float, positions: str, tmp_path: Path) -> SideEffects:
    store = Store.open(tmp_path / "rows.sqlite")
    return side_effects(child, vector, lam, SteeringSettings(positions=positions), store)


@pytest.mark.parametrize("positions", ["all", "response"])
def test_no_strength_costs_nothing(
    child: LanguageModel, vector: SteeringVector, positions: str, tmp_path: Path
) -> None:
    free = cost(child, vector, 0.0, positions, tmp_path)
    assert free.kl == pytest.approx(0.0, abs=1e-6)
    assert free.perplexity_ratio == pytest.approx(1.0)
    assert free.steered == free.unsteered
    assert free.n == OTHER_QUESTIONS


@pytest.mark.parametrize("positions", ["all", "response"])
def test_greedy_text_gets_less_likely_the_stronger_the_steering(
    child: LanguageModel, vector: SteeringVector, positions: str, tmp_path: Path
) -> None:
    weak, strong = (cost(child, vector, lam, positions, tmp_path) for lam in (0.2, 2.0))
    assert 0 < weak.kl < strong.kl
    assert strong.perplexity_ratio > max(weak.perplexity_ratio, 1.0)
