"""The Chat tab without a browser: turns, answering again, stopping, and the export, with tiny models."""

import json
from pathlib import Path
from typing import Any

import pytest
from pages import fields, last, press

from steering.errors import SteeringError
from steering.steer import Turn
from steering.ui.state.workspace import Session, Workspace
from steering.ui.tabs.chat import handlers, render, text
from steering.ui.tabs.chat.handlers import LONG_TASK, Chat, ChatState
from steering.ui.text import STOPPED

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:gradio")  # without a page, a toast is a warning

EVIL = "<img src=x onerror=alert(1)>"


@pytest.fixture(scope="module")
def chat() -> Chat:
    return Chat(Workspace())


def send(chat: Chat, session: Session, values: list[Any], words: str, lam: float | None) -> list[dict[str, Any]]:
    return list(press(LONG_TASK, chat.send, session, values, words, lam))


def test_turns_are_answered_again_at_another_strength_and_exported(chat: Chat, folders: tuple[str, str]) -> None:
    session, values = Session(), fields(*folders)
    changes = send(chat, session, values, "Hello", 0.3)
    assert last(changes, "chat_message") == ""
    assert text.BASE_MODEL.format(child=folders[1])[:20] in last(changes, "chat_status")
    send(chat, session, values, "And then?", 0.3)
    first, second = session.record(ChatState).turns
    assert (first.user, second.user) == ("Hello", "And then?")
    list(press(LONG_TASK, chat.answer_again, session, values, -0.6))
    kept, again = session.record(ChatState).turns
    assert kept == first
    assert (again.user, again.lam, again.baseline) == ("And then?", -0.6, second.baseline)
    data = json.loads(Path(handlers.export(session, *values)).read_text("utf-8"))
    assert [turn["lam"] for turn in data["turns"]] == [0.3, -0.6]
    assert data["labels"] == ["happy", "sad"]
    assert text.EMPTY in handlers.clear(session)["chat_log"]
    with pytest.raises(SteeringError, match="Nothing was said"):
        handlers.export(session, *values)


def test_stop_keeps_what_was_written(chat: Chat, folders: tuple[str, str]) -> None:
    session, values = Session(), fields(*folders, max_new_tokens=200)
    changes = []
    for change in press(LONG_TASK, chat.send, session, values, "Hello", 0.3):
        changes.append(change)
        if session.record(ChatState).turns:
            LONG_TASK.request_stop(session)
    assert STOPPED in last(changes, "chat_status")
    assert "stopped" in session.record(ChatState).turns[-1].ended


@pytest.mark.parametrize(("words", "lam", "said"), [(" ", 0.3, text.NO_MESSAGE), ("Hello", None, "is empty")])
def test_what_cannot_be_sent_is_refused(chat: Chat, folders: tuple[str, str], words: str, lam: Any, said: str) -> None:
    session = Session()
    assert said in last(send(chat, session, fields(*folders), words, lam), "chat_status")
    assert session.record(ChatState).turns == []
    with pytest.raises(SteeringError, match="Nothing was said"):
        chat.check_again(session, handlers.Settings.read(*fields(*folders)), 0.3)


def test_text_of_models_and_users_is_escaped() -> None:
    assert "<img" not in render.log([Turn(EVIL, EVIL, EVIL, 0.3, ("length", ""))])
