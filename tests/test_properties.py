"""Laws that hold for any pairs, λ, layer maps, profiles, files and answers, on examples that Hypothesis looks for."""

import json
import math
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
import torch
from conftest import loaded
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from steering.concepts import Concept, ContrastPair, format_concept, parse_concept
from steering.errors import SteeringError
from steering.library import Shelf
from steering.library.saved_vectors import safe_name
from steering.library.sessions import SavedSession, parse_session, session_text
from steering.steer.intervention import plan
from steering.steer.settings import LARGEST_STRENGTH, PROFILES, SteeringSettings, check_strengths
from steering.storage import key, parse_table, read_tensors, write_tensors
from steering.tasks.answers import READERS, SAME
from steering.transfer import LAYER_MAPS, named_pair
from steering.ui.state import profiles
from steering.ui.state.drafts import Draft
from steering.ui.state.limits import SHARED
from steering.ui.state.pasted import read_pairs
from steering.vectors.vector import SteeringVector

QUICK = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)
WORDS = TEXT.filter(str.strip)
PAIRS = st.lists(st.builds(ContrastPair, WORDS, WORDS), min_size=1, max_size=8)
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


def refusal(work: Callable[[], object]) -> str:
    """The sentence of a mistake, "" where there is none; any other error is one of ours."""
    try:
        work()
    except SteeringError as error:
        words = str(error)
    else:
        return ""
    assert words.strip(), "a mistake without a sentence"
    return words


# Pairs


@QUICK
@given(PAIRS, WORDS)
def test_pairs_of_any_text_come_back_from_json(pairs: list[ContrastPair], name: str) -> None:
    concept = Concept(name.strip(), "more", "less", tuple(pairs))
    assert parse_concept(format_concept(concept, "json"), "json", "x").pairs == concept.pairs


@QUICK
@given(st.lists(st.sampled_from(["rows", "add", "undo", "reset", "delete"]), max_size=12), PAIRS)
def test_whatever_is_edited_every_edit_can_be_undone(edits: list[str], pairs: list[ContrastPair]) -> None:
    original = Concept("c", "more", "less", tuple(pairs))
    draft = Draft(original, original)
    for edit in edits:
        before = draft
        draft = {
            "rows": lambda d: d.with_rows([["a", "b"], *d.rows]),
            "add": Draft.with_empty_pair,
            "undo": Draft.undone,
            "reset": Draft.reset,
            "delete": lambda d: d.without(0),
        }[edit](draft)
        if edit != "undo" and draft != before:
            assert draft.undone().concept == before.concept
    while draft.history:
        draft = draft.undone()
    assert draft.concept == original


@QUICK
@given(TEXT)
def test_pasted_text_is_pairs_or_a_sentence(text: str) -> None:
    words = refusal(lambda: read_pairs(text))
    if words:
        assert words.startswith("Line ")
    else:
        assert all(pair.positive.strip() and pair.negative.strip() for pair in read_pairs(text))


# λ, profiles and layer maps


@QUICK
@given(st.lists(st.floats() | st.integers() | st.text(max_size=5), max_size=6))
def test_strengths_are_finite_numbers_or_refused(values: list[float | str]) -> None:
    try:
        strengths = check_strengths(values)
    except SteeringError:
        return
    assert len(strengths) == len(values) > 0
    assert all(math.isfinite(lam) and abs(lam) <= LARGEST_STRENGTH for lam in strengths)


@QUICK
@given(st.sampled_from([name for name, make in LAYER_MAPS.items() if make]), st.integers(1, 60), st.integers(1, 60))
def test_every_layer_map_gives_every_child_layer_a_parent_layer_or_none(name: str, n_parent: int, n_child: int) -> None:
    layers = LAYER_MAPS[name](n_parent, n_child)
    fed = [layer for layer in layers if layer is not None]
    assert len(layers) == n_child
    assert all(0 <= layer < n_parent for layer in fed)
    assert fed == sorted(fed), "a map keeps the order of the layers"
    if n_parent == n_child and name == "relative":
        assert layers == tuple(range(n_child))


@QUICK
@given(st.text(max_size=12))
def test_a_pair_of_layers_is_two_numbers_or_none(words: str) -> None:
    assert named_pair(words) is None or words.replace("-to-", "").isdigit()
    assert named_pair(f"{len(words)}-to-{len(words) + 1}") == (len(words), len(words) + 1)


@QUICK
@given(st.lists(st.floats(0, 100).map(lambda number: round(number, 2)), min_size=1, max_size=40))
def test_a_profile_of_any_weights_comes_back_from_its_field(weights: list[float]) -> None:
    assert profiles.read(profiles.write(weights)) == tuple(weights)


@QUICK
@given(st.lists(st.floats(0, 10), min_size=4, max_size=4))
def test_any_profile_adds_one_residual_norm_in_all(weights: list[float]) -> None:
    assume(sum(weights) > 1e-3)
    model = loaded("llama")
    vector = _vector(model)
    planned = plan(model, vector, SteeringSettings(profile=tuple(weights)))
    assert sum(planned.weights) == pytest.approx(1)
    assert [bool(row.any()) for row in planned.rows] == [weight / sum(weights) > 0 for weight in weights] or min(
        weights
    ) < 1e-6


@pytest.mark.parametrize("name", PROFILES)
@QUICK
@given(st.floats(0, 1))
def test_every_named_profile_weighs_every_depth(name: str, depth: float) -> None:
    assert 0 <= PROFILES[name](depth) <= 1


# Files


@QUICK
@given(
    st.dictionaries(
        st.text("abc.", min_size=1, max_size=4), st.lists(st.floats(width=32), max_size=6), min_size=1, max_size=3
    ),
    st.dictionaries(TEXT, TEXT | st.integers(-(2**40), 2**40) | st.none(), max_size=4),
)
def test_tensors_and_headers_of_any_text_come_back(
    tmp_path: Path, tensors: dict[str, list[float]], header: dict[str, object]
) -> None:
    write_tensors(tmp_path / "x", {name: torch.tensor(values) for name, values in tensors.items()}, header)
    found, head = read_tensors(tmp_path / "x")
    assert head == header
    assert all(
        torch.equal(found[name], torch.tensor(values)) or any(map(math.isnan, values))
        for name, values in tensors.items()
    )
    assert [path.name for path in tmp_path.iterdir()] == ["x"]


@QUICK
@given(ANYTHING)
def test_any_json_is_a_session_or_refused_in_words(data: object) -> None:
    whole = json.loads(session_text(SavedSession({"seed": 0}, Concept("c", "a", "b", (ContrastPair("x", "y"),)), "Hi")))
    for text in (json.dumps(data), *(json.dumps(whole | {name: data}) for name in whole)):
        refusal(partial(parse_session, text))


@QUICK
@given(st.sampled_from(["json", "jsonl", "csv", "tsv"]), st.text(max_size=120) | ANYTHING.map(json.dumps))
def test_any_text_is_a_table_or_refused_in_words(ending: str, text: str) -> None:
    refusal(lambda: parse_table(text, ending, "f"))
    refusal(lambda: parse_concept(text, ending, "f"))


@QUICK
@given(st.text(max_size=300))
def test_any_name_is_a_name_inside_the_folder_or_refused(name: str) -> None:
    try:
        stem = safe_name(name)
    except SteeringError:
        return
    folder = Path("/shelf")
    path = folder / f"{stem}.safetensors"
    assert path.parent == folder
    assert path.resolve().parent == folder
    assert len(path.name.encode("utf-8", "surrogatepass")) < 255 - len(".12345678.partial.")
    assert not set(stem) & set('/\\:*?"<>|\0')
    assert Shelf.of_visitor(stem, 1).folder.name == "vectors"


@QUICK
@given(st.lists(ANYTHING, max_size=3), st.lists(ANYTHING, max_size=3))
def test_keys_differ_where_what_they_stand_for_does(left: list[object], right: list[object]) -> None:
    dumped = [json.dumps(each, sort_keys=True) for each in (left, right)]
    try:
        keys = [key(*each) for each in (left, right)]
    except UnicodeEncodeError:  # Half a character is no text; it never gets so far.
        return
    assert (keys[0] == keys[1]) == (dumped[0] == dumped[1])


# Answers


@pytest.mark.parametrize("kind", sorted(set(READERS) - {"math"}))
@QUICK
@given(text=st.text(max_size=80), choices=st.lists(WORDS, min_size=2, max_size=4, unique=True))
def test_any_answer_is_read_or_not_and_is_the_same_as_itself(kind: str, text: str, choices: list[str]) -> None:
    answer = READERS[kind](text, tuple(choices))
    assert answer is None or isinstance(answer, str)
    if answer is not None and kind in SAME:
        assert SAME[kind](answer, answer)


# Limits


@QUICK
@given(ANYTHING)
def test_anything_small_is_within_the_limits(value: object) -> None:
    SHARED.check_values(value)


@QUICK
@given(ANYTHING, st.sampled_from(["text", "rows"]))
def test_whatever_hides_something_too_large_it_is_refused(value: object, what: str) -> None:
    large: object = "x" * (SHARED.characters + 1) if what == "text" else [0] * (SHARED.pairs + 1)
    wrapped: list[Callable[[], object]] = [
        lambda: [value, large],
        lambda: {"a": {"b": large, "c": value}},
        lambda: [[[large]]],
    ]
    for wrap in wrapped:
        with pytest.raises(SteeringError, match="this page takes up to"):
            SHARED.check_values(wrap())


def _vector(model: object) -> SteeringVector:
    rows = torch.nn.functional.normalize(torch.ones(model.n_layers, model.d_model), dim=-1)  # type: ignore[attr-defined]
    return SteeringVector(
        rows,
        model=model.fingerprint,
        model_name="m",
        concept="c",
        labels=("a", "b"),
        method="mean",  # type: ignore[attr-defined]
    )
