"""Laws of alignment and transfer: the rotated twin is the known answer, an unrelated random model the negative control."""

from itertools import product
from typing import cast

import pytest
import torch
from tiny import byte_tokenizer, piece_tokenizer, tiny_model
from transformers import LlamaForCausalLM
from twin import rotated_twin

from steering.concepts.concept import Concept, ContrastPair
from steering.concepts.files import load_concept
from steering.errors import MismatchError, SteeringError
from steering.formatting import ranges
from steering.models.anchors import anchor_texts
from steering.models.language_model import LanguageModel
from steering.steer.grid import generate
from steering.steer.intervention import plan, steer
from steering.steer.sampling import Sampling
from steering.steer.settings import SteeringSettings
from steering.transfer import paired_rows
from steering.transfer.alignment import align, held_out_masks
from steering.transfer.all_pairs import paired_sample
from steering.transfer.carry import carry, combine, describe, transfer
from steering.transfer.layer_maps import LAYER_MAPS, best_path, index, layer_map, named_pair, pair_name, relative
from steering.transfer.paired_rows import FIRST_POSITION, visit_pairs
from steering.transfer.width_maps import WIDTH_MAPS
from steering.vectors.extraction import extract
from steering.vectors.vector import random_like

CONCEPT = load_concept("sentiment")
SHAPES = {"as wide": (32, ()), "wider": (48, ()), "deeper": (32, (1, 2)), "wider and deeper": (56, (0, 3))}


def language_model(model: object, name: str, tokenizer: object = None) -> LanguageModel:
    return LanguageModel(model, tokenizer or byte_tokenizer(), name)


@pytest.fixture(scope="module")
def parent() -> LanguageModel:
    return language_model(tiny_model("llama", layers=4, width=32), "parent")


@pytest.fixture(scope="module", params=SHAPES, ids=lambda name: name.replace(" ", "-"))
def twin(request: pytest.FixtureRequest, parent: LanguageModel) -> tuple[LanguageModel, torch.Tensor, list[int]]:
    width, extra = SHAPES[request.param]
    model, isometry, layer_of = rotated_twin(cast(LlamaForCausalLM, parent.model), width=width, extra_layers=extra)
    return language_model(model, f"twin {request.param}"), isometry, layer_of


@pytest.fixture(scope="module")
def stranger() -> LanguageModel:
    return language_model(tiny_model("qwen2", layers=5, width=40, seed=3), "stranger")


def test_a_twin_gets_the_rotated_vector_at_every_layer(
    parent: LanguageModel, twin: tuple[LanguageModel, torch.Tensor, list[int]]
) -> None:
    child, isometry, layer_of = twin
    vector = extract(parent, CONCEPT)
    carried = transfer(vector, parent, child, layers=layer_of)
    truth = vector.directions.double()[layer_of] @ isometry
    cosines = (carried.directions.double() * truth).sum(dim=1)
    assert all(vector.signal)
    assert cosines.min() >= 0.999
    assert carried.report is not None
    assert min(carried.report["r2"]) > 0.999
    assert carried.report["verdict"].startswith("Carries well")


def test_a_twin_is_steered_as_its_original(
    parent: LanguageModel, twin: tuple[LanguageModel, torch.Tensor, list[int]]
) -> None:
    child, _isometry, layer_of = twin
    vector = extract(parent, CONCEPT)
    carried = transfer(vector, parent, child, layers=layer_of)
    # A block that writes nothing repeats its input's layer, which must not be steered twice.
    first = [layer for layer in range(child.n_layers) if layer == 0 or layer_of[layer] != layer_of[layer - 1]]
    weights = [float(layer in first) for layer in range(child.n_layers)]
    ids = torch.tensor([parent.token_ids("A walk in the rain and a long way home")])

    def logits(model: LanguageModel, vector: object, profile: object) -> torch.Tensor:
        planned = plan(model, vector, SteeringSettings(scale="unit", profile=profile))  # type: ignore[arg-type]
        with torch.no_grad(), steer(model, planned, [2.0]):
            return model.model(input_ids=ids).logits.double()

    original, moved = logits(parent, vector, "all"), logits(child, carried, weights)
    plain = parent.model(input_ids=ids).logits.double()
    assert (original - plain).abs().max() > 0.1
    assert (original - moved).abs().max() < 0.02 * (original - plain).abs().max()


def test_an_unrelated_model_gets_nothing(parent: LanguageModel, stranger: LanguageModel) -> None:
    carried = transfer(extract(parent, CONCEPT), parent, stranger)
    assert carried.report is not None
    assert max(carried.report["r2_shuffled"]) <= 0.02
    assert carried.report["verdict"].startswith("Does not carry")


def test_procrustes_finds_a_rotation_too(parent: LanguageModel) -> None:
    model, isometry, layer_of = rotated_twin(cast(LlamaForCausalLM, parent.model), width=48)
    child = language_model(model, "twin")
    alignment = align(parent, child, layers=layer_of, width="procrustes")
    for linear in alignment.maps.double():
        assert torch.allclose(linear @ linear.T, torch.eye(32).double(), atol=1e-4)
        assert torch.allclose(linear, isometry, atol=0.05)


def test_points_use_the_means_and_directions_do_not(parent: LanguageModel, stranger: LanguageModel) -> None:
    alignment = align(parent, stranger)
    layer = 2
    middle = alignment.parent_means[layer][None]
    assert torch.allclose(alignment.map_points(middle, layer)[0], alignment.child_means[layer], atol=1e-4)
    nothing = torch.zeros(parent.n_layers, parent.d_model)
    assert not alignment.map_directions(nothing).any()
    one = torch.randn(parent.n_layers, parent.d_model, generator=torch.Generator().manual_seed(0))
    assert torch.allclose(alignment.map_directions(2 * one), 2 * alignment.map_directions(one), rtol=1e-4)


def test_truncate_cuts_or_pads(parent: LanguageModel, stranger: LanguageModel) -> None:
    vector = extract(parent, CONCEPT)
    wide = transfer(vector, parent, stranger, layers=[0, 1, 2, 3, None], width="truncate")
    assert torch.allclose(wide.directions[:4, :32], vector.directions, atol=1e-6)
    assert not wide.directions[:, 32:].any()
    assert wide.signal == (True, True, True, True, False)
    back = transfer(extract(stranger, CONCEPT), stranger, parent, layers=[0, 1, 2, 3], width="truncate")
    assert torch.allclose(back.directions.norm(dim=1), torch.ones(4))


def test_the_same_model_keeps_its_vector(parent: LanguageModel) -> None:
    vector = extract(parent, CONCEPT)
    assert transfer(vector, parent, parent) is vector


def test_a_carried_vector_steers_the_child_and_not_the_parent(parent: LanguageModel, stranger: LanguageModel) -> None:
    carried = transfer(extract(parent, CONCEPT), parent, stranger)
    grid = generate(stranger, "Once", carried, [0.0, 1.0], sampling=Sampling(8, stop=False))
    assert grid.rows[0].token_ids != grid.rows[1].token_ids
    with pytest.raises(MismatchError, match="belongs to stranger"):
        generate(parent, "Once", carried, [1.0])
    with pytest.raises(MismatchError):
        carry(carried, align(parent, stranger))


def test_a_vector_that_was_multiplied_stays_so(parent: LanguageModel, stranger: LanguageModel) -> None:
    vector = extract(parent, CONCEPT)
    once, twice = transfer(vector, parent, stranger), transfer(2 * vector, parent, stranger)
    assert torch.allclose(twice.directions, 2 * once.directions, atol=1e-5)
    assert torch.allclose(once.directions.norm(dim=1), torch.ones(stranger.n_layers), atol=1e-5)
    assert once.report is not None
    assert twice.report is not None
    assert twice.report["share_kept"] == pytest.approx(once.report["share_kept"], rel=1e-4)


def test_zero_rows_stay_zero(parent: LanguageModel, stranger: LanguageModel) -> None:
    vector = random_like(extract(parent, CONCEPT), 0)
    vector.directions[1] = 0
    carried = transfer(vector, parent, stranger, layers=[0, 1, 1, 2, 3])
    assert carried.signal == (True, False, False, True, True)


def test_the_result_depends_on_the_anchor_texts(parent: LanguageModel, stranger: LanguageModel) -> None:
    texts = [
        f"Here is sentence number {number} about the {thing} that we saw."
        for number in range(20)
        for thing in ("sea", "hill")
    ]
    own = align(parent, stranger, anchors=texts)
    assert own.texts == 40
    assert not torch.equal(own.maps, align(parent, stranger).maps)
    with pytest.raises(SteeringError, match="3 anchor texts"):
        align(parent, stranger, anchors=texts[:3])


@pytest.mark.parametrize("families", [("llama", "gpt2"), ("gpt2", "llama")])
def test_an_anchor_text_longer_than_a_context_is_cut(
    families: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(paired_rows, "LONGEST_TEXT", 600, raising=False)
    sides = []
    for family in families:
        sides.append(language_model(tiny_model(family, layers=2), family))
    read: list[int] = []
    for side in sides:
        side.model.get_input_embeddings().register_forward_hook(
            lambda _module, _inputs, output: read.append(output.shape[1])
        )
    long = "The rooms are good, and so is the soup. " * 60
    texts = [long if place in (3, 6) else text for place, text in enumerate(anchor_texts()[:24])]
    assert len(sides[0].token_ids(long)) > 650
    alignment = align(*sides, anchors=texts)
    assert max(read) <= 512
    assert alignment.cut == 2
    assert alignment.rows > 1000
    carried = carry(extract(sides[0], CONCEPT), alignment)
    assert carried.report is not None
    assert any("2 of the anchor texts" in line and "cut" in line for line in describe(carried.report))


def test_without_a_context_a_text_is_cut_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paired_rows, "LONGEST_TEXT", 40, raising=False)
    monkeypatch.setattr(LanguageModel, "context", None)
    tiny = tiny_model("llama", layers=2)
    model, seen = language_model(tiny, "endless"), []
    tiny.get_input_embeddings().register_forward_hook(lambda _module, _inputs, output: seen.append(output.shape[1]))
    visit_pairs(model, model, ["The rooms are good, and so is the soup. " * 9], lambda *_: None)
    assert max(seen) == 40


def test_the_texts_that_a_map_is_judged_on_choose_nothing(parent: LanguageModel, stranger: LanguageModel) -> None:
    texts = list(anchor_texts()[:60])
    _, reporting = held_out_masks(torch.arange(len(texts)))
    assert 0 < reporting.sum() < 60 / 6
    odd = [f"{'0 ' * 20}{place}" if reporting[place] else text for place, text in enumerate(texts)]
    for width in ("ridge", "procrustes"):
        one, other = (align(parent, stranger, width=width, anchors=each) for each in (texts, odd))
        torch.testing.assert_close(one.maps, other.maps, rtol=1e-3, atol=1e-5)  # The texts share batches otherwise.
        assert str(one.penalties) == str(other.penalties)
        assert all(before != after for before, after in zip(one.r2, other.r2, strict=True))


def test_the_texts_that_choose_the_best_layers_report_nothing(parent: LanguageModel, stranger: LanguageModel) -> None:
    sample = paired_sample(parent, stranger)
    _, reporting = held_out_masks(sample.text)
    assert reporting.any()
    assert not (reporting & sample.held_out).any()


def test_anchor_texts_that_leave_nothing_to_judge_by_are_refused(
    parent: LanguageModel, stranger: LanguageModel
) -> None:
    texts = [text if place != 6 else "Hm" for place, text in enumerate(anchor_texts()[:12])]
    with pytest.raises(SteeringError, match=r"held out .* longer anchor texts"):
        align(parent, stranger, anchors=texts)


@pytest.mark.parametrize("family", ["gpt2", "gemma2", "mixtral"])
def test_pairs_end_at_the_same_character(parent: LanguageModel, family: str) -> None:
    other = language_model(tiny_model(family, tokenizer=piece_tokenizer()), family, piece_tokenizer())
    texts = ["The grey cat sat down on the warm stone wall.", "Über den Bergen ist es weit, and far away it rains."]
    encoded = [
        [model.tokenizer(text, return_offsets_mapping=True)["offset_mapping"] for text in texts]
        for model in (parent, other)
    ]
    counted = 0

    def visit(text: torch.Tensor, left: list[torch.Tensor], right: list[torch.Tensor]) -> None:
        nonlocal counted
        counted += len(text)
        assert len(left) == parent.n_layers
        assert len(right) == other.n_layers
        assert len(left[0]) == len(right[0]) == len(text)

    visit_pairs(parent, other, texts, visit)
    expected = 0
    for mine, theirs in zip(*encoded, strict=True):
        ends = [{end: place for place, (start, end) in enumerate(offsets) if end > start} for offsets in (mine, theirs)]
        expected += sum(min(ends[0][end], ends[1][end]) >= FIRST_POSITION for end in ends[0].keys() & ends[1].keys())
    assert counted == expected > 0


def test_layer_maps_know_the_ends() -> None:
    assert index(3, 5) == (0, 1, 2, None, None)
    assert relative(18, 30)[0] == 0
    assert relative(18, 30)[-1] == 17
    assert relative(4, 4) == (0, 1, 2, 3)
    assert relative(4, 1) == (0,)
    assert layer_map([1, None], 2, 2) == (1, None)
    assert set(LAYER_MAPS) == {"relative", "several", "index", "best"}
    for wrong in ("nearest", [0], [0, 2]):
        with pytest.raises(SteeringError):
            layer_map(wrong, 2, 2)  # type: ignore[arg-type]


def test_one_pair_of_layers_can_be_named(parent: LanguageModel, stranger: LanguageModel) -> None:
    assert pair_name(12, 14) == "12-to-14"
    assert named_pair("12-to-14") == (12, 14)
    assert named_pair("relative") is named_pair("12-to-") is named_pair("x12-to-14") is None
    assert layer_map("2-to-1", 4, 3) == (None, 2, None)
    for beyond in ("4-to-1", "1-to-3"):
        with pytest.raises(SteeringError, match="layers 0 to"):
            layer_map(beyond, 4, 3)
    vector = extract(parent, CONCEPT)
    alone = transfer(vector, parent, stranger, layers="2-to-1")
    assert alone.signal == (False, True, False, False, False)
    by_hand = transfer(vector, parent, stranger, layers=[0, 2, 2, 3, 3])
    assert torch.allclose(alone.directions[1], by_hand.directions[1], atol=1e-5)
    again = align(parent, stranger, layers="2-to-1")
    assert again.maps.shape == (5, 32, 40)
    assert again.maps.flatten(1).any(dim=1).tolist() == [False, True, False, False, False]
    assert alone.report is not None
    words = " ".join(describe(alone.report))
    assert "at one layer" in words
    assert f"keep {alone.report['share_kept'][1]:.0%}" in words


def test_a_pair_within_one_model_is_carried(parent: LanguageModel) -> None:
    vector = extract(parent, CONCEPT)
    carried = transfer(vector, parent, parent, layers="2-to-1", width="none")
    assert torch.allclose(carried.directions[1], vector.directions[2], atol=1e-6)
    assert carried.signal == (False, True, False, False)


def test_the_best_path_is_the_best_of_all_that_never_go_back() -> None:
    generator = torch.Generator().manual_seed(0)
    for n_parent, n_child in ((3, 5), (5, 3), (1, 4), (4, 1)):
        matrix = torch.randn(n_parent, n_child, generator=generator)
        paths = [path for path in product(range(n_parent), repeat=n_child) if list(path) == sorted(path)]
        best = max(paths, key=lambda path: sum(matrix[row, column].item() for column, row in enumerate(path)))
        assert best_path(matrix) == best


def test_best_finds_the_layers_of_a_deeper_twin(parent: LanguageModel) -> None:
    model, _, layer_of = rotated_twin(cast(LlamaForCausalLM, parent.model), width=48, extra_layers=(0, 3))
    child = language_model(model, "deeper twin")
    alignment = align(parent, child, layers="best")
    assert (alignment.layers, list(alignment.layer_map)) == ("best", layer_of)


def test_rows_and_skipped_positions_are_choices(parent: LanguageModel, stranger: LanguageModel) -> None:
    usual = align(parent, stranger)
    assert align(parent, stranger, rows=100).rows > usual.rows
    every = align(parent, stranger, skip=0)
    assert usual.rows < every.rows <= usual.rows + FIRST_POSITION * usual.texts
    assert every.texts == usual.texts


def test_several_parents_make_one_vector(parent: LanguageModel, stranger: LanguageModel) -> None:
    carried = transfer(extract(parent, CONCEPT), parent, stranger)
    own = extract(stranger, CONCEPT)
    both = combine([carried, own])
    assert torch.allclose(both.directions.norm(dim=1), torch.ones(stranger.n_layers), atol=1e-5)
    expected = torch.nn.functional.normalize(carried.directions + own.directions, dim=1)
    assert torch.allclose(both.directions, expected, atol=1e-5)
    assert torch.allclose(combine([carried, own], [2.0, 0.0]).directions, carried.directions, atol=1e-5)
    assert torch.allclose(combine([own, carried], [1, 3]).directions, combine([carried, own], [3, 1]).directions)
    parts = both.provenance["combined"]
    assert [(part["parent"], part["weight"]) for part in parts] == [("parent", 1.0), ("stranger", 1.0)]
    assert parts[0]["transfer"]["verdict"] == carried.report["verdict"]  # type: ignore[index]


def test_parents_that_cannot_be_joined_are_refused(parent: LanguageModel, stranger: LanguageModel) -> None:
    own, theirs = extract(stranger, CONCEPT), extract(parent, CONCEPT)
    with pytest.raises(MismatchError, match="Carry both to one child"):
        combine([own, theirs])
    with pytest.raises(SteeringError, match="cancel"):
        combine([own, own], [1, -1])
    for weights in ([1.0], [1.0, float("nan")]):
        with pytest.raises(SteeringError, match="one finite weight"):
            combine([own, own], weights)


def test_wrong_choices_are_named(parent: LanguageModel, stranger: LanguageModel) -> None:
    with pytest.raises(SteeringError, match="Unknown width map 'rigde'"):
        align(parent, stranger, width="rigde")
    with pytest.raises(MismatchError, match="equal widths"):
        align(parent, stranger, width="none")
    assert set(WIDTH_MAPS) == {"ridge", "procrustes", "canonical", "anchors", "autoencoder", "truncate", "none"}


def test_a_refused_concept_says_why(parent: LanguageModel) -> None:
    with pytest.raises(SteeringError, match="at least 4"):
        extract(parent, Concept("short", "a", "b", (ContrastPair("up", "down"),)))


def test_ranges_are_short() -> None:
    assert ranges([0, 1, 2, 7]) == "0–2, 7"
    assert ranges([5]) == "5"


@pytest.mark.parametrize("width", ["canonical", "anchors", "autoencoder"])
def test_a_map_that_reads_rows_finds_the_rotation_and_nothing_in_a_stranger(
    parent: LanguageModel, stranger: LanguageModel, width: str
) -> None:
    model, isometry, layer_of = rotated_twin(cast(LlamaForCausalLM, parent.model), width=48, extra_layers=(1,))
    vector = extract(parent, CONCEPT)
    carried = transfer(vector, parent, language_model(model, "twin"), layers=layer_of, width=width)
    cosines = (carried.directions.double() * (vector.directions.double()[layer_of] @ isometry)).sum(dim=1)
    assert cosines.min() > 0.99
    assert carried.report is not None
    assert min(carried.report["r2"]) > 0.98
    nothing = transfer(vector, parent, stranger, width=width)
    assert nothing.report is not None
    assert max(nothing.report["r2_shuffled"]) <= 0.05
    assert nothing.report["verdict"].startswith("Does not carry")
