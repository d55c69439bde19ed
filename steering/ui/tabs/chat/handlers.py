"""Handlers of the Chat tab: send a message, answer the last one again, begin anew, and export."""

import json
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from steering.errors import Progress, SteeringError, part_of
from steering.steer import Turn, converse
from steering.ui.background.jobs import Job, ProgressReport, Stopped, throttled
from steering.ui.events.binder import EventBinder
from steering.ui.events.downloads import download_on_click
from steering.ui.events.long_tasks import Changes, LongTask
from steering.ui.render import message
from steering.ui.state.ready import check_writing
from steering.ui.state.settings import FIELDS, Settings, required_number
from steering.ui.state.workspace import Session, Workspace
from steering.ui.tabs.chat import render, text

LONG_TASK = LongTask("chat", ("chat_send", "chat_again"), "chat_stop", "chat_status")

_STOPPED = "stopped"
"""How an answer ended that was stopped."""


def connect(events: EventBinder) -> None:
    """Connect the tab."""
    page, chat = events.page, Chat(events.workspace)
    inputs, outputs = ["chat_message", "chat_lam"], ["chat_log", "chat_message"]
    for trigger in (page["chat_send"].click, page["chat_message"].submit):
        events.long_task(trigger, LONG_TASK, chat.send, inputs, outputs, check=chat.check, shares=chat.shares)
    again = page["chat_again"].click
    events.long_task(
        again, LONG_TASK, chat.answer_again, ["chat_lam"], ["chat_log"], check=chat.check_again, shares=chat.shares
    )
    events.stop(LONG_TASK)
    events.on(page["chat_clear"].click, clear, outputs=["chat_log"], status=LONG_TASK.status)
    download_on_click(events, page["chat_export"].click, export, FIELDS, LONG_TASK.status)


@dataclass
class ChatState:
    """The conversation of a page.

    Attributes:
        turns: so far, the oldest first.
    """

    turns: list[Turn] = field(default_factory=list)


class Chat:
    """The handlers of one app."""

    def __init__(self, workspace: Workspace) -> None:
        self.workspace = workspace

    def check(self, session: Session, settings: Settings, words: str, lam: float | None) -> None:
        """Check what can be checked before anything long begins."""
        if not words.strip():
            raise SteeringError(text.NO_MESSAGE)
        required_number(text.LAM, lam)
        check_writing(self.workspace, session, settings)

    def check_again(self, session: Session, settings: Settings, lam: float | None) -> None:
        """Check that there is a message to answer again."""
        turns = session.record(ChatState).turns
        if not turns:
            raise SteeringError(text.NOTHING_SAID)
        self.check(session, settings, turns[-1].user, lam)

    def shares(self, session: Session, settings: Settings, *_values: object) -> bool:
        """Whether answers can be written beside the texts of other pages."""
        return self.workspace.only_writes(session, settings)

    def send(self, session: Session, job: Job, settings: Settings, words: str, lam: float | None) -> Iterator[Changes]:
        """Answer a message, and empty its field."""
        self.check(session, settings, words, lam)
        turns = session.record(ChatState).turns
        for number, changes in enumerate(self._answer(session, job, settings, turns[:], words, lam)):
            yield changes | ({"chat_message": ""} if number == 0 else {})

    def answer_again(self, session: Session, job: Job, settings: Settings, lam: float | None) -> Iterator[Changes]:
        """Answer the last message again, at the present λ and with the present settings."""
        self.check_again(session, settings, lam)
        *earlier, last = session.record(ChatState).turns
        yield from self._answer(session, job, settings, earlier, last.user, lam)

    def _answer(
        self, session: Session, job: Job, settings: Settings, earlier: list[Turn], words: str, lam: float | None
    ) -> Iterator[Changes]:
        state, strength = session.record(ChatState), required_number(text.LAM, lam)
        yield {"chat_log": render.log([*earlier, Turn(words, lam=strength)])}
        concept = session.draft(settings.concept).concept

        def prepare(progress: Progress) -> tuple[Iterator[Turn], bool]:
            vector = self.workspace.vector(session, settings, concept, part_of(progress, 0.0, 0.97))
            session.vector_key = settings.vector_key(concept)
            child = self.workspace.models(settings)[1]
            steps = converse(
                child,
                vector,
                earlier,
                words,
                strength,
                sampling=settings.sampling,
                settings=settings.steering,
                system=settings.system,
                plain=not settings.chat,
                shared=self.workspace.shared_batch(child),
            )
            return steps, child.has_chat_template

        before = state.turns
        try:
            steps, chats = yield from LONG_TASK.step(job, prepare)
        except Exception:
            yield {"chat_log": render.log(before)}
            raise
        started = time.monotonic()
        try:
            for turn in throttled(steps, job):
                state.turns = [*earlier, turn]
                report = ProgressReport(text.ANSWERING, 0.0, time.monotonic() - started)
                yield {"chat_log": render.log(state.turns)} | LONG_TASK.progress(report)
        except Stopped:
            if state.turns is not before:
                first, second = (ended or _STOPPED for ended in state.turns[-1].ended)
                state.turns = [*earlier, replace(state.turns[-1], ended=(first, second))]
            yield {"chat_log": render.log(state.turns)}
            raise
        end = LONG_TASK.message(text.ANSWERED)
        yield end if chats else LONG_TASK.message(text.BASE_MODEL.format(child=settings.child), "info")


def clear(session: Session) -> Changes:
    """Begin a new conversation."""
    session.record(ChatState).turns = []
    return {"chat_log": render.log([]), "chat_status": message(text.CLEARED)}


def export(session: Session, *fields: Any) -> str:
    """Write the conversation to a JSON file."""
    turns = session.record(ChatState).turns
    if not turns:
        raise SteeringError(text.NOTHING_SAID)
    settings = Settings.read(*fields)
    concept = session.draft(settings.concept).concept
    data = {
        "parent": settings.parent,
        "child": settings.child,
        "concept": concept.name,
        "labels": [concept.positive_label, concept.negative_label],
        "settings": dict(zip(FIELDS, fields, strict=True)),
        "turns": [asdict(turn) for turn in turns],
    }
    return session.files.write(f"chat-{concept.name}", ".json", json.dumps(data, ensure_ascii=False, indent=1))
