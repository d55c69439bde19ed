"""Handlers of the check: compare every pair with the direction of the others, choose a pair, and leave it out."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import gradio as gr

from steering.concepts import Concept, ContrastPair, check_pairs
from steering.errors import Progress, part_of
from steering.measure import Design, Votes, leave_out, read_design, votes
from steering.ui.background.jobs import Job
from steering.ui.events.binder import EventBinder
from steering.ui.events.long_tasks import Changes, LongTask, toast
from steering.ui.render import message
from steering.ui.state.ready import check_models
from steering.ui.state.settings import Settings
from steering.ui.state.workspace import Session, Workspace
from steering.ui.tabs.concept import render, text
from steering.ui.tabs.concept import votes as viewer

LONG_TASK = LongTask("check", ("check",), "check_stop", "check_status")

WriteTable = Callable[[Session, str], Changes]
"""Updates the table from the draft of a concept; called with the session and the concept's name."""

_OUTPUTS = ("votes", "vote_detail", "leave_out")


def connect(events: EventBinder, table: Sequence[str], write_table: WriteTable) -> None:
    """Connect the check.

    Args:
        events: of the app.
        table: names of the components that `write_table` changes.
        write_table: writes the table and returns the changes.
    """
    page, checking = events.page, Checking(events.workspace, write_table)
    outputs = [*_OUTPUTS, "check_stale"]
    events.long_task(page["check"].click, LONG_TASK, checking.check, outputs=outputs, check=checking.check_table)
    events.stop(LONG_TASK)
    events.notice(checking.notices, outputs=["check_stale", "votes", "leave_out"])
    events.on(
        page["leave_out"].click, checking.leave_out, ["concept"], table, status=LONG_TASK.status, update_notices=True
    )

    def chosen(session: Session, event: gr.EventData) -> Changes:
        return checking.choose(session, int(event.number) - 1)

    events.on(page["votes"].select, chosen, outputs=["vote_detail", "leave_out"], status=LONG_TASK.status, event=True)


@dataclass
class CheckState:
    """The last check.

    Attributes:
        pairs: that were checked.
        design: activations of the parent on the pairs; None before the first check.
        votes: of the pairs; None before the first check.
        key: parent, method and pairs of the check.
        chosen: index of the chosen pair, from 0; None if none is chosen.
        table_pairs: the pairs in the table at the last update of the list.
    """

    pairs: tuple[ContrastPair, ...] = ()
    design: Design | None = None
    votes: Votes | None = None
    key: tuple[object, ...] | None = None
    chosen: int | None = None
    table_pairs: tuple[ContrastPair, ...] = ()


class Checking:
    """The handlers of one app."""

    def __init__(self, workspace: Workspace, write_table: WriteTable) -> None:
        self.workspace = workspace
        self.write_table = write_table

    def check_table(self, session: Session, settings: Settings) -> None:
        """Check what can be checked before anything long begins."""
        check_models(self.workspace, settings)
        check_pairs(session.draft(settings.concept).concept)

    def check(self, session: Session, job: Job, settings: Settings) -> Iterator[Changes]:
        """Run the parent on the pairs, and compare each pair with the direction of the others."""
        self.check_table(session, settings)
        concept = session.draft(settings.concept).concept

        def work(progress: Progress) -> tuple[Design, Votes]:
            parent, _ = self.workspace.models(settings, part_of(progress, 0.0, 0.4))
            design = read_design(parent, concept, settings.method, progress=part_of(progress, 0.4, 0.8))
            return design, votes(design, progress=part_of(progress, 0.8, 1.0))

        design, pair_votes = yield from LONG_TASK.step(job, work)
        session.records[CheckState] = CheckState(
            concept.pairs, design, pair_votes, _key(settings, concept), table_pairs=concept.pairs
        )
        words, kind = text.check_result(pair_votes, design.model_name)
        yield (
            _list_changes(session.record(CheckState))
            | {
                "vote_detail": message(text.CHOOSE_PAIR),
                "leave_out": gr.update(visible=False),
                "check_stale": "",
            }
            | LONG_TASK.message(words, kind)
        )

    def notices(self, session: Session, settings: Settings) -> Changes:
        """Mark the check if it is out of date, and mark its pairs that are not in the table any more."""
        checked, concept = session.record(CheckState), session.draft(settings.concept).concept
        stale = checked.key not in (None, _key(settings, concept))
        changes: Changes = {"check_stale": message(text.STALE_VOTES if stale else "", "warning")}
        if checked.votes is not None and checked.table_pairs != concept.pairs:
            checked.table_pairs = concept.pairs
            changes |= _list_changes(checked)
            if checked.chosen is not None:
                changes["leave_out"] = gr.update(interactive=checked.pairs[checked.chosen] in concept.pairs)
        return changes

    def choose(self, session: Session, pair: int) -> Changes:
        """Show the details of a pair, and what would change without it."""
        checked = session.record(CheckState)
        design, pair_votes = checked.design, checked.votes
        if design is None or pair_votes is None or not 0 <= pair < len(checked.pairs):
            return {}
        checked.chosen = pair
        left_out = leave_out(design, pair, pair_votes.layers)
        if checked.chosen != pair:  # Another pair was chosen meanwhile.
            return {}
        in_table = checked.pairs[pair] in checked.table_pairs
        return {
            "vote_detail": render.pair_detail(checked.pairs[pair], pair, pair_votes, left_out),
            "leave_out": gr.update(value=f"{text.LEAVE_OUT} (row {pair + 1})", visible=True, interactive=in_table),
        }

    def leave_out(self, session: Session, name: str) -> Changes:
        """Delete the chosen pair from the table, whatever its row is now; this can be undone."""
        checked, draft = session.record(CheckState), session.draft(name)
        if checked.chosen is None:
            toast(text.CHOOSE_FIRST)
            return {}
        pair = checked.pairs[checked.chosen]
        if pair not in draft.concept.pairs:
            toast(text.GONE_PAIR)
            return {}
        # If the table contains the pair twice, the row of the check is deleted if it still holds the pair.
        pairs = draft.concept.pairs
        row = checked.chosen if pairs[checked.chosen : checked.chosen + 1] == (pair,) else pairs.index(pair)
        session.drafts[name] = draft.without(row)
        return self.write_table(session, name)


def _list_changes(checked: CheckState) -> Changes:
    assert checked.votes is not None, "called after a check"
    return {"votes": viewer.show(checked.votes, checked.pairs, checked.table_pairs, checked.chosen)}


def _key(settings: Settings, concept: Concept) -> tuple[object, ...]:
    return (settings.parent, settings.method, concept.digest)
