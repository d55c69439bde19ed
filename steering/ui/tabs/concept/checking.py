"""Events of the check: holding every pair against the others, choosing one, and leaving it out."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import gradio as gr

from steering.concepts import Concept, ContrastPair
from steering.errors import Progress, part_of
from steering.measure import Design, Votes, leave_out, read_design, votes
from steering.ui.background.jobs import Job
from steering.ui.events.binder import EventBinder
from steering.ui.events.long_tasks import Changes, LongTask, toast
from steering.ui.render import message
from steering.ui.state.settings import Settings
from steering.ui.state.workspace import Session, Workspace
from steering.ui.tabs.concept import render, text
from steering.ui.tabs.concept import votes as viewer

LONG_TASK = LongTask("check", ("check",), "check_stop", "check_status")

WriteTable = Callable[[Session, str], Changes]
"""Writes the table as the draft stands."""

_SHOWN = ("votes", "vote_detail", "leave_out")


def connect(events: EventBinder, table: Sequence[str], write_table: WriteTable) -> None:
    """Connect the check.

    Args:
        events: of the app.
        table: names of the components that `write_table` changes.
        write_table: writes the table and returns the changes.
    """
    page, checking = events.page, Checking(events.workspace, write_table)
    events.long_task(page["check"].click, LONG_TASK, checking.check, outputs=[*_SHOWN, "check_stale"])
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
    """What was checked last.

    Attributes:
        pairs: as they were then.
        design: as the parent read them; None before the first check.
        votes: of the pairs.
        key: what it was computed for.
        chosen: number of the chosen pair, from 0.
        left: the pairs of the table when the list was painted last.
    """

    pairs: tuple[ContrastPair, ...] = ()
    design: Design | None = None
    votes: Votes | None = None
    key: tuple[object, ...] | None = None
    chosen: int | None = None
    left: tuple[ContrastPair, ...] = ()


class Checking:
    """The events of one running app."""

    def __init__(self, workspace: Workspace, write_table: WriteTable) -> None:
        self.workspace = workspace
        self.write_table = write_table

    def check(self, session: Session, job: Job, settings: Settings) -> Iterator[Changes]:
        """Let the parent read the pairs, and hold each of them against the others."""
        concept = session.draft(settings.concept).concept

        def work(progress: Progress) -> tuple[Design, Votes]:
            parent, _ = self.workspace.models(settings, part_of(progress, 0.0, 0.4))
            design = read_design(parent, concept, settings.method, progress=part_of(progress, 0.4, 0.8))
            return design, votes(design, progress=part_of(progress, 0.8, 1.0))

        design, pair_votes = yield from LONG_TASK.step(job, work)
        session.records[CheckState] = CheckState(
            concept.pairs, design, pair_votes, _key(settings, concept), left=concept.pairs
        )
        words, kind = text.checked(pair_votes, design.model_name)
        yield (
            _painted(session.record(CheckState))
            | {
                "vote_detail": message(text.CHOOSE_PAIR),
                "leave_out": gr.update(visible=False),
                "check_stale": "",
            }
            | LONG_TASK.message(words, kind)
        )

    def notices(self, session: Session, settings: Settings) -> Changes:
        """Whether the check is out of date, and which of its pairs have left the table."""
        checked, concept = session.record(CheckState), session.draft(settings.concept).concept
        stale = checked.key not in (None, _key(settings, concept))
        changes: Changes = {"check_stale": message(text.STALE_VOTES if stale else "", "warning")}
        if checked.votes is not None and checked.left != concept.pairs:
            checked.left = concept.pairs
            changes |= _painted(checked)
            if checked.chosen is not None:
                changes["leave_out"] = gr.update(interactive=checked.pairs[checked.chosen] in concept.pairs)
        return changes

    def choose(self, session: Session, pair: int) -> Changes:
        """Show a pair in full, and what would change without it."""
        checked = session.record(CheckState)
        design, found = checked.design, checked.votes
        if design is None or found is None or not 0 <= pair < len(checked.pairs):
            return {}
        checked.chosen = pair
        less = leave_out(design, pair, found.layers)
        if checked.chosen != pair:  # Another one was chosen meanwhile.
            return {}
        here = checked.pairs[pair] in checked.left
        return {
            "vote_detail": render.pair_detail(checked.pairs[pair], pair, found, less),
            "leave_out": gr.update(value=f"{text.LEAVE_OUT} (row {pair + 1})", visible=True, interactive=here),
        }

    def leave_out(self, session: Session, name: str) -> Changes:
        """Delete the chosen pair from the table, wherever it stands there now; it can be taken back."""
        checked, draft = session.record(CheckState), session.draft(name)
        if checked.chosen is None:
            toast(text.CHOOSE_FIRST)
            return {}
        wanted = checked.pairs[checked.chosen]
        if wanted not in draft.concept.pairs:
            toast(text.GONE_PAIR)
            return {}
        # Where a pair stands twice, the row that was chosen is meant as long as it is still there.
        pairs = draft.concept.pairs
        row = checked.chosen if pairs[checked.chosen : checked.chosen + 1] == (wanted,) else pairs.index(wanted)
        session.drafts[name] = draft.without(row)
        return self.write_table(session, name)


def _painted(checked: CheckState) -> Changes:
    assert checked.votes is not None, "painted after a check"
    return {"votes": viewer.show(checked.votes, checked.pairs, checked.left, checked.chosen)}


def _key(settings: Settings, concept: Concept) -> tuple[object, ...]:
    return (settings.parent, settings.method, concept.digest)
