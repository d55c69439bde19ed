"""Several parent layers into one child layer: the mean of single carries, at the layers that are asked for."""

import pytest
import torch
from conftest import loaded

from steering.models.language_model import LanguageModel
from steering.transfer.carry import transfer
from steering.transfer.several_layers import SHIFTS, shifted, transfer_from_several
from steering.vectors import SteeringVector

pytestmark = pytest.mark.usefixtures("fresh_cache")


@pytest.fixture
def parent() -> LanguageModel:
    return loaded("gpt2")


@pytest.fixture
def vector(parent: LanguageModel, vector_for) -> SteeringVector:
    chosen: SteeringVector = vector_for(parent)
    return chosen


def test_a_shifted_map_stays_within_the_parent() -> None:
    assert shifted(18, 30, 0.0) == tuple(round(layer * 17 / 29) for layer in range(30))
    for shift in (-0.5, -0.1, 0.1, 0.5):
        sources = shifted(18, 30, shift, first_layer=10)
        assert sources[:10] == (None,) * 10
        kept = [source for source in sources if source is not None]
        assert len(kept) == 20
        assert kept == sorted(kept)
        assert min(kept) >= 0
        assert max(kept) <= 17


def test_it_is_the_mean_of_single_carries(parent: LanguageModel, vector: SteeringVector) -> None:
    child = loaded("llama")
    whole = transfer_from_several(vector, parent, child, first_layer=1)
    parts = [
        transfer(vector, parent, child, layers=shifted(parent.n_layers, child.n_layers, shift, 1)) for shift in SHIFTS
    ]
    mean = torch.stack([torch.nn.functional.normalize(part.directions, dim=-1) for part in parts]).mean(dim=0)
    assert not whole.directions[0].any()
    assert torch.allclose(whole.directions, torch.nn.functional.normalize(mean, dim=-1), atol=1e-5)
    assert whole.belongs_to(child)
    assert len(whole.provenance["combined"]) == len(SHIFTS)


def test_a_models_own_vector_stays_as_it_is(parent: LanguageModel, vector: SteeringVector) -> None:
    assert torch.equal(transfer_from_several(vector, parent, parent).directions, vector.directions)
