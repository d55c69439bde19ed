"""HTML of what was measured beside the ability, as a pure function."""

from collections.abc import Mapping
from html import escape

from steering.ui.questions.text import share
from steering.ui.state.abilities import Ability
from steering.ui.tabs.steer import text


def measured(ability: Ability) -> str:
    """Shares of right answers as bars with intervals, and the first unseen questions, whether right or wrong."""
    bars = "".join(
        f'<tr><th scope="row">{escape(words)}</th><td class="bar"><span class="share {name}" '
        f'style="width:{100 * ability.arms[name].right:.1f}%"></span></td><td>{share(ability.arms[name].right)} '
        f"<small>({100 * ability.arms[name].low:.0f} to {share(ability.arms[name].high)})</small></td></tr>"
        for name, words in text.ABILITY_ARMS.items()
    )
    rows = "".join(
        f'<tr><th scope="row">{escape(item["question"])}</th>{_cell(item, "unsteered")}{_cell(item, "steered")}</tr>'
        for item in ability.items
    )
    head = "".join(f'<th scope="col">{escape(words)}</th>' for words in text.ABILITY_COLUMNS)
    return (
        f'<div class="lab-ability"><section><h3>{escape(text.ABILITY_SHARES.format(n=ability.n))}</h3><table>{bars}</table>'
        f'<p class="lab-note">{escape(text.ABILITY_NOTE.format(command=ability.command))}</p></section>'
        f"<section><h3>{escape(text.ABILITY_ITEMS.format(n=len(ability.items)))}</h3>"
        f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></section></div>"
    )


def _cell(item: Mapping[str, str], key: str) -> str:
    words, right = item[key].split("\n")[0], item[key].split("\n")[0].strip() == item["answer"]
    return f"<td>{'✓' if right else '✕'} {escape(words[:30])}</td>"
