"""The verdict on a text, held against the labels of a reader, on texts that its limits were not chosen on."""

from collections import Counter

import pytest
from health_agreement import MEASURES, broken, earlier, halves, judged, kappa, limit, verdicts
from health_texts import known_words, read, words
from sklearn.metrics import accuracy_score

from steering.steer import PERPLEXITY, REPEATED, dominant, repeated


def test_every_text_has_a_label_and_the_measures_that_the_package_computes() -> None:
    known = known_words()
    for text in read():
        assert text["label"] in ("fluent", "degraded", "broken")
        assert text["n_tokens"] == len(text["token_ids"])
        assert text["repeated"] == pytest.approx(repeated(text["token_ids"]), abs=1e-4)
        assert text["dominant"] == pytest.approx(dominant(text["token_ids"]), abs=1e-4)
        found = words(text["text"])
        unknown = sum(word not in known for word in found) / len(found) if found else 1.0
        assert text["unknown_words"] == pytest.approx(unknown, abs=1e-4)


def test_there_are_enough_texts_of_every_label_in_both_halves() -> None:
    assert len(judged()) >= 200
    for half in halves(judged()):
        assert min(Counter(text["label"] for text in half).values()) >= 20


def test_the_limits_are_those_of_the_half_that_chooses() -> None:
    choice, _ = halves(judged())
    wanted = broken(choice)
    values = {name: [measure(text) for text in choice] for name, measure in MEASURES.items()}
    loops, _ = limit(values["repeated 3-grams"], wanted)
    assert pytest.approx(loops, abs=0.01) == REPEATED
    found = [value > loops for value in values["repeated 3-grams"]]
    strange, _ = limit(values["perplexity, the child's"], wanted, found)
    assert pytest.approx(strange, rel=0.05) == PERPLEXITY


def test_the_verdict_agrees_with_the_reader_on_the_other_half() -> None:
    _, reported = halves(judged())
    right, found = broken(reported), verdicts(reported)
    assert accuracy_score(right, found) >= 0.88
    assert kappa(found, right) >= 0.55
    assert kappa(found, right) > kappa(earlier(reported), right)
    fluent = [verdict for text, verdict in zip(reported, found, strict=True) if text["label"] == "fluent"]
    assert not any(fluent)
