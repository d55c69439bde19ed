"""Who may open the page, what a page may ask for, and that visitors of a shared page have nothing to do with each other."""

from collections.abc import Callable

import pytest
from pages import fields, press

from steering.errors import SteeringError
from steering.library import Shelf
from steering.models.bundled import CATALOGUE
from steering.models.language_model import LanguageModel
from steering.ui import build_app, launch, text
from steering.ui.background.jobs import Job
from steering.ui.events.long_tasks import LongTask
from steering.ui.server.access import Access, access, is_loopback
from steering.ui.state import workspace as workspace_module
from steering.ui.state.limits import OWN, SHARED
from steering.ui.state.settings import Settings
from steering.ui.state.workspace import VISITOR_COOKIE, Workspace
from steering.vectors.vector import SteeringVector

TASK = LongTask("steer", ("generate",), "stop", "status")
GOOD = ("ann:correct horse",)


@pytest.fixture(autouse=True)
def _own_data(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))


# Who may open the page


def test_addresses_that_only_this_machine_reaches() -> None:
    assert all(map(is_loopback, ("127.0.0.1", "localhost", "LOCALHOST", "::1", "[::1]", "127.1.2.3")))
    assert not any(map(is_loopback, ("0.0.0.0", "::", "192.168.0.7", "example.org", "", "localhost.example.org")))


def test_this_machine_needs_no_password_and_others_do() -> None:
    assert access("127.0.0.1") == Access(shared=False)
    for where in ({"host": "0.0.0.0"}, {"host": "192.168.0.7"}, {"host": "127.0.0.1", "share": True}):
        with pytest.raises(
            SteeringError, match=r"needs a password: give --auth .*STEERING_LAB_AUTH.*--without-password"
        ):
            access(**where)
        assert access(**where, auth=GOOD) == Access(shared=True, accounts=(("ann", "correct horse"),))
        assert access(**where, without_password=True) == Access(shared=True)


@pytest.mark.parametrize(
    ("accounts", "words"),
    [
        (("ann",), "must be NAME:PASSWORD"),
        ((":secret secret",), "must be NAME:PASSWORD"),
        ((" ann:secret secret",), "must be NAME:PASSWORD"),
        (("ann:short",), "'ann' is too short"),
        (("ann:secret secret", "ann:another one"), "the same name"),
    ],
)
def test_an_account_that_cannot_be_used_is_refused_without_its_password(accounts: tuple[str, ...], words: str) -> None:
    with pytest.raises(SteeringError, match=words) as refused:
        access("0.0.0.0", auth=accounts)
    assert "secret" not in str(refused.value)


def test_the_server_itself_refuses_to_open_a_page_that_was_built_for_one_person() -> None:
    with pytest.raises(SteeringError, match=r"build_app\(shared=True\)"):
        build_app().launch(server_name="0.0.0.0", auth=GOOD)
    with pytest.raises(SteeringError, match="needs a password"):
        launch(build_app(shared=True), share=True)
    with pytest.raises(SteeringError, match="needs a password"):
        build_app(shared=True).launch(share=True)


# What may be asked for


def test_a_shared_page_takes_the_models_of_a_list_alone_and_looks_at_no_path(folders: tuple[str, str]) -> None:
    shared = Workspace(shared=True)
    assert shared.allowed == tuple(CATALOGUE)
    settings = Settings.read(*fields(*folders))
    with pytest.raises(SteeringError, match="is not on this page's list of models"):
        shared.models(settings)
    assert shared.shape(folders[0]) is None
    assert Workspace().shape(folders[0]) is not None, "the folder could be read"
    assert folders[0] in build_app(folders[0], shared=True).workspace.allowed, (
        "what the operator starts with is on the list"
    )


def test_limits_name_what_was_given_and_what_may_be() -> None:
    cases: list[tuple[Callable[[], None], str]] = [
        (lambda: SHARED.check_values("x" * (SHARED.characters + 1)), f"has {SHARED.characters + 1} characters"),
        (lambda: SHARED.check_values([["a", "b"]] * (SHARED.pairs + 1)), f"has {SHARED.pairs + 1} rows"),
        (lambda: SHARED.check_values([["a", "b" * 99_999]]), "has 99999 characters"),
        (lambda: SHARED.check_values({"data": ["b" * 99_999]}), "has 99999 characters"),
        (lambda: SHARED.check_pairs(SHARED.pairs + 1), f"has {SHARED.pairs + 1} pairs"),
        (lambda: SHARED.check_run(SHARED.new_tokens + 1), f"has {SHARED.new_tokens + 1} new tokens"),
        (lambda: SHARED.check_run(1, SHARED.strengths + 1), f"has {SHARED.strengths + 1} strengths"),
        (lambda: SHARED.check_run(1, 1, SHARED.questions + 1), f"has {SHARED.questions + 1} questions"),
    ]
    for check, words in cases:
        with pytest.raises(SteeringError, match=f"{words}.*; this page takes up to"):
            check()
    SHARED.check_values(["x" * SHARED.characters, [["a"]] * SHARED.pairs, None, 1.5, True])
    SHARED.check_run(SHARED.new_tokens, SHARED.strengths, SHARED.questions)


def test_the_page_shows_its_limits() -> None:
    for shared, limits in ((False, OWN), (True, SHARED)):
        shown = [block.value for block in build_app(shared=shared).blocks.values() if block.elem_id == "limits"]
        assert shown == [f'<p class="lab-note">{limits.words}</p>']
        assert all(
            str(number) in limits.words for number in (limits.new_tokens, limits.pairs, limits.upload_mb, limits.runs)
        )


# Visitors


def visitors() -> Workspace:
    return Workspace(shared=True)


def test_visitors_are_told_apart_by_account_or_else_by_browser() -> None:
    shared, cookie = visitors(), {VISITOR_COOKIE: "c"}
    assert Workspace().visitor_name("page", "ann", cookie) == ""
    name = shared.visitor_name
    assert name("page 1", "ann", cookie) == name("page 2", "ann", cookie)
    assert name("page 1", "ann", cookie) != name("page 1", "ann", {VISITOR_COOKIE: "d"})
    assert name("page 1", "ann", {}) != name("page 2", "ann", {}), "without a cookie every page is on its own"
    shared.accounts = True
    assert name("page 1", "ann", cookie) == name("page 2", "ann", {})
    assert name("page 1", "ann", cookie) != name("page 1", "bob", cookie)
    assert all(name("p", account, {VISITOR_COOKIE: "../../x"}).isalnum() for account in ("../up", None, "\ud800"))


def test_nobody_sees_or_deletes_what_another_visitor_keeps(
    llama: LanguageModel, vector_for: Callable[..., SteeringVector]
) -> None:
    shared = visitors()
    ann, bob = shared.session("a", "aaaa").shelf, shared.session("b", "bbbb").shelf
    ann.keep(vector_for(llama), "mine")
    assert [entry.name for entry in ann.entries()] == ["mine"]
    assert bob.entries() == Shelf.own().entries() == ()
    with pytest.raises(SteeringError, match="There is no vector 'mine'"):
        bob.delete("mine")
    with pytest.raises(SteeringError, match="Nothing was deleted"):
        bob.restore()
    assert shared.session("a2", "aaaa").shelf.entry("mine").vector is not None, "it stays when the page is loaded again"


def test_a_shelf_takes_so_many_vectors(llama: LanguageModel, vector_for: Callable[..., SteeringVector]) -> None:
    shelf = Shelf.of_visitor("abc", 2)
    shelf.keep(vector_for(llama), "one")
    shelf.keep(vector_for(llama), "one")
    with pytest.raises(SteeringError, match="holds 2 vectors, which is as many as it may"):
        shelf.keep(vector_for(llama), "one")
    assert sorted(entry.name for entry in shelf.entries()) == ["one", "one-2"]


def test_the_page_of_another_visitor_is_refused() -> None:
    shared = visitors()
    kept = shared.session("page", "aaaa")  # The session ends with its page, and its visitor with the last session.
    with pytest.raises(SteeringError, match="belongs to another visitor"):
        shared.session("page", "bbbb")
    assert shared.session("page", "aaaa") is kept


def test_a_visitor_has_so_many_runs_and_keeps_nobody_else_from_running() -> None:
    shared = visitors()
    pages = [shared.session(f"a{number}", "aaaa") for number in range(SHARED.runs + 1)]
    other = shared.session("b", "bbbb")
    begun = [TASK.begin(page)["status"] for page in (*pages, other)]
    words = text.TOO_MANY_RUNS.format(runs=SHARED.runs)
    assert [words in status for status in begun] == [*[False] * SHARED.runs, True, False]
    worked: list[Job] = []

    def handler(_session, job: Job, _settings):
        worked.append(job)
        yield {}

    last = list(TASK.work(pages[-1], handler, fields()))[-1]
    assert words in last["status"]
    assert worked == []
    assert len(list(TASK.work(pages[0], handler, fields()))) == 2
    assert words not in TASK.begin(pages[-1])["status"], "a run has ended, so there is room again"


def test_a_run_that_asks_for_too_much_is_refused_in_words() -> None:
    shared = visitors()
    session = shared.session("a", "aaaa")

    def handler(*_):
        pytest.fail("must not run")
        yield {}

    changes = list(press(TASK, handler, session, fields(max_new_tokens=SHARED.new_tokens + 1)))
    assert f"{SHARED.new_tokens + 1} new tokens" in changes[-1]["status"]


# The end


def test_an_ending_app_lets_runs_end_and_begins_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workspace_module, "_STOP_SECONDS", 0.0)
    assert Workspace().stop(60.0), "nothing is under way, so nothing is waited for"
    workspace = Workspace()
    session = workspace.session("a")
    TASK.begin(session)
    assert not workspace.stop(0.0), "a run is still under way"
    assert session.jobs["steer"].stop.is_set()
    assert text.ENDING in TASK.begin(workspace.session("b"))["status"]
