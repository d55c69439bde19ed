"""How well measures of a text agree with a reader who labelled the texts of `health_texts`; and how the limits were chosen.

`PYTHONPATH=.:tests python -m health_agreement` prints the table of docs/results.md. One half of the grids chooses, the other is
reported; a grid lies in one half, because its texts are alike.
"""

import hashlib
import math
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from health_texts import read
from sklearn.metrics import accuracy_score, cohen_kappa_score, roc_auc_score

from steering.stats import compare
from steering.steer import FEWEST_TOKENS, degenerate

Text = dict[str, Any]

MEASURES: dict[str, Callable[[Text], float]] = {
    "repeated 3-grams": lambda text: text["repeated"],
    "commonest token": lambda text: text["dominant"],
    "perplexity, the child's": lambda text: text["perplexity"],
    "perplexity over the baseline's": lambda text: text["perplexity"] / text["baseline_perplexity"],
    "perplexity, the other model's": lambda text: text["other_perplexity"],
    "KL from the unsteered child": lambda text: text["kl"],
    "words that are not in the list": lambda text: text["unknown_words"],
    "packed length, negative": lambda text: -text["compression"],
}
"""Each grows as a text gets worse."""

RESAMPLES = 500


def judged() -> list[Text]:
    """The labelled texts that are long enough for a verdict, each once: at a small λ a child may write what it writes at 0."""
    kept = {(text["child"], text["text"]): text for text in reversed(read()) if text["n_tokens"] >= FEWEST_TOKENS}
    return [text for text in reversed(kept.values()) if text["label"]]


def grid_of(text: Text) -> str:
    """What the texts of one grid have in common."""
    return f"{text['child']} {text['concept']}"


def halves(texts: Sequence[Text]) -> tuple[list[Text], list[Text]]:
    """The half that limits are chosen on, and the half that is reported."""
    chosen: tuple[list[Text], list[Text]] = ([], [])
    for text in texts:
        chosen[hashlib.sha256(grid_of(text).encode()).digest()[0] % 2].append(text)
    return chosen


def broken(texts: Sequence[Text]) -> list[bool]:
    """Whether each text has the label "broken"."""
    return [text["label"] == "broken" for text in texts]


def verdicts(texts: Sequence[Text]) -> list[bool]:
    """What the package says of each text."""
    return [degenerate(text["token_ids"], text["perplexity"]) for text in texts]


def earlier(texts: Sequence[Text]) -> list[bool]:
    """What it said before these texts were read: a limit a measure, none of them chosen on texts."""
    return [
        text["repeated"] > 0.3 or text["dominant"] > 0.4 or text["perplexity"] > 5 * text["baseline_perplexity"]
        for text in texts
    ]


def limit(values: Sequence[float], wanted: Sequence[bool], given: Sequence[bool] | None = None) -> tuple[float, float]:
    """The limit of one measure with the largest kappa, and that kappa; `given` are texts that fail by another measure."""
    other = np.zeros(len(values), bool) if given is None else np.asarray(given)
    ordered = sorted(set(values))
    middles = [(low + high) / 2 for low, high in pairwise(ordered)]
    return max(
        ((middle, kappa(other | (np.asarray(values) > middle), wanted)) for middle in middles), key=lambda at: at[1]
    )


def kappa(verdicts: Sequence[bool], wanted: Sequence[bool]) -> float:
    """Cohen's kappa of two verdicts; 0 where one of them is always the same."""
    value = cohen_kappa_score(verdicts, wanted)
    return 0.0 if math.isnan(value) else float(value)


def interval(texts: Sequence[Text], of: Callable[[Sequence[Text]], float], seed: int = 0) -> tuple[float, float]:
    """Bootstrap 95 % interval of a number; whole grids are drawn, because their texts are alike."""
    grids: dict[str, list[Text]] = {}
    for text in texts:
        grids.setdefault(grid_of(text), []).append(text)
    generator, members = np.random.default_rng(seed), list(grids.values())
    drawn_values = []
    for _ in range(RESAMPLES):
        drawn = [text for place in generator.integers(len(members), size=len(members)) for text in members[place]]
        if 0 < sum(broken(drawn)) < len(drawn):
            drawn_values.append(of(drawn))
    low, high = np.quantile(drawn_values, [0.025, 0.975])
    return float(low), float(high)


def rates(texts: Sequence[Text], verdicts: Sequence[bool]) -> str:
    """By label, how many texts a verdict calls degenerate."""
    counts = []
    for label in ("fluent", "degraded", "broken"):
        members = [verdict for text, verdict in zip(texts, verdicts, strict=True) if text["label"] == label]
        counts.append(f"{sum(members)} of {len(members)} {label}")
    return ", ".join(counts)


def main() -> None:
    """Print what each measure tells on the reported half, how limits come out on the other, and how verdicts agree."""
    choice, reported = halves(judged())
    for name, half in (("chosen on", choice), ("reported", reported)):
        print(
            f"{name}: {len(half)} texts of {len({grid_of(text) for text in half})} grids; {rates(half, [True] * len(half))}"
        )

    print("\n| measure | AUROC, broken against the rest | fluent against the rest |\n|---|---|---|")
    for name, measure in MEASURES.items():
        cells = []
        for wanted in (broken, lambda texts: [text["label"] != "fluent" for text in texts]):

            def auroc(texts: Sequence[Text], wanted: Any = wanted, measure: Any = measure) -> float:
                return float(roc_auc_score(wanted(texts), [measure(text) for text in texts]))

            low, high = interval(reported, auroc)
            cells.append(f"{auroc(reported):.2f} ({low:.2f}–{high:.2f})")
        print(f"| {name} | {' | '.join(cells)} |")

    print("\nlimits with the largest kappa on the half that chooses:")
    wanted = broken(choice)
    values = {name: [measure(text) for text in choice] for name, measure in MEASURES.items()}
    for name, of_texts in values.items():
        print("{:31} > {:.3g}: kappa {:.2f}".format(name, *limit(of_texts, wanted)))
    first = "repeated 3-grams"
    loops = np.asarray(values[first]) > limit(values[first], wanted)[0]
    for name in MEASURES:
        if name != first:
            print("or {:31} > {:.3g}: kappa {:.2f}".format(name, *limit(values[name], wanted, loops)))

    print("\nverdicts on the reported half:")
    for name, verdict in (("now", verdicts), ("earlier", earlier)):
        right, given = broken(reported), verdict(reported)

        def agreement(texts: Sequence[Text], verdict: Any = verdict) -> float:
            return kappa(verdict(texts), broken(texts))

        low, high = interval(reported, agreement)
        print(
            f"{name}: accuracy {accuracy_score(right, given):.3f}, kappa {kappa(given, right):.2f} ({low:.2f}–{high:.2f}); "
            f"called degenerate: {rates(reported, given)}"
        )
    right = broken(reported)
    now, before = (
        [given == each for given, each in zip(of(reported), right, strict=True)] for of in (verdicts, earlier)
    )
    print(f"now against earlier, accuracy: {compare(now, before)}")


if __name__ == "__main__":
    main()
