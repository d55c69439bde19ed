"""Many gains in one table."""

from collections.abc import Sequence

from steering.evaluation.gain import CONTROLS, Gain
from steering.stats import holm, wilson


def gain_table(gains: Sequence[Gain]) -> str:
    """A Markdown table with a row for every task and direction, and a column for every arm.

    In brackets Wilson's 95 % interval. p of the carried vector is McNemar's against the baseline, corrected for the number of
    rows (Holm); an asterisk marks an arm that the carried vector is not better than beyond chance.
    """
    names = [arm.name for arm in gains[0].arms]
    carried = [each.comparisons[names.index("carried")].p for each in gains]
    rows = ["| parent → child | task | n | " + " | ".join(names) + " | p | kept |", "|---" * (len(names) + 5) + "|"]
    for each, p in zip(gains, holm(carried), strict=True):
        cells = []
        for arm in each.arms:
            low, high = wilson(sum(arm.correct), each.n)
            star = " *" if arm.name in CONTROLS and not each.beats(arm.name) else ""
            cells.append(f"{each.accuracy(arm.name):.2f} ({low:.2f}–{high:.2f}){star}")
        kept = "–" if each.kept is None else f"{each.kept:.2f}"
        rows.append(
            f"| {each.parent} → {each.child} | {each.task} | {each.n} | {' | '.join(cells)} | {p:.1e} | {kept} |"
        )
    return "\n".join(rows)
