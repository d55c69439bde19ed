"""The server as others reach it: password, origins, files, closed addresses, health, and visitors over real requests."""

import socket
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from soak.visitor import Lost, Visitor

from steering.ui import build_app, launch
from steering.ui.app import Lab
from steering.ui.state.gallery import opening
from steering.ui.state.limits import SHARED

AUTH = ("ann", "correct horse")
ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_DATA_HOME", str(tmp_path_factory.mktemp("data")))
        demo = build_app(shared=True)
        yield demo
        demo.close(verbose=False)


@pytest.fixture(scope="module")
def address(lab: Lab) -> str:
    """A shared page with a password, whose name for us is this machine's."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    launch(lab, host="0.0.0.0", port=port, auth=[":".join(AUTH)], prevent_thread_lock=True)
    return f"http://127.0.0.1:{port}"


@pytest.fixture
def own() -> Iterator[str]:
    """A page of this machine alone."""
    demo = build_app()
    yield launch(demo, port=None, prevent_thread_lock=True).rstrip("/")
    demo.close(verbose=False)


PROTECTED = (
    ("GET", "/config"),
    ("GET", "/gradio_api/info"),
    ("GET", "/gradio_api/openapi.json"),
    ("POST", "/gradio_api/queue/join"),
    ("GET", "/gradio_api/queue/data?session_hash=x"),
    ("POST", "/gradio_api/upload"),
    ("GET", "/gradio_api/upload_progress?upload_id=x"),
    ("POST", "/gradio_api/run/predict"),
    ("POST", "/gradio_api/call/predict"),
    ("GET", "/gradio_api/file=/etc/passwd"),
    ("GET", "/gradio_api/proxy=http://example.org/"),
    ("GET", "/monitoring"),
)


@pytest.mark.parametrize(("method", "path"), PROTECTED)
def test_nothing_is_answered_without_the_password(address: str, method: str, path: str) -> None:
    assert httpx.request(method, address + path, json={"data": [], "session_hash": "x"}).status_code in (401, 404)


def test_a_wrong_password_is_refused_and_the_right_one_opens_the_page(address: str) -> None:
    assert httpx.post(f"{address}/login", data={"username": "ann", "password": "wrong"}).status_code == 400
    page = httpx.get(address)
    assert "auth_required" in page.text
    assert "first-paint" not in page.text, "it would cover the field for the password"
    assert Visitor(address, AUTH).get("concept") == opening()


def test_requests_of_other_sites_are_refused(address: str, own: str) -> None:
    for site in (address, own):
        for origin in ("http://example.org", "null", "http://127.0.0.1:1", "https://127.0.0.1.example.org"):
            answer = httpx.post(f"{site}/gradio_api/queue/join", json={}, headers={"origin": origin})
            assert answer.status_code == 403, origin
            assert "comes from another site" in answer.text
        assert httpx.options(f"{site}/login", headers={"origin": "http://example.org"}).status_code == 403
        same = httpx.post(f"{site}/gradio_api/queue/join", json={}, headers={"origin": site})
        assert same.status_code in (401, 422), "the page's own requests are answered"


def test_a_page_of_this_machine_answers_to_its_own_names_alone(own: str) -> None:
    assert httpx.get(own, headers={"host": "rebound.example.org"}).status_code == 403
    assert httpx.get(own, headers={"host": "localhost:7860"}).status_code == 200
    assert "set-cookie" not in httpx.get(own).headers, "one person needs no cookie"


def test_no_file_of_the_server_is_handed_out(address: str, tmp_path: Path) -> None:
    visitor = Visitor(address, AUTH)
    secret = tmp_path / "secret.safetensors"
    secret.write_text("secret")
    paths = [
        "/etc/passwd",
        str(secret),
        str(ROOT / "pyproject.toml"),
        "../../etc/passwd",
        "%2e%2e/%2e%2e/etc/passwd",
        "~/.bashrc",
    ]
    for path in paths:
        assert visitor.http.get(f"/gradio_api/file={path}").status_code in (403, 404), path
        visitor.put("lib-upload", {"path": path, "meta": {"_type": "gradio.FileData"}})
        with pytest.raises(Lost):
            visitor.do("lib-upload", "upload")


def test_no_function_is_reached_past_the_queue_and_no_tool_of_gradio_is_open(address: str) -> None:
    http = Visitor(address, AUTH).http
    info = http.get("/gradio_api/info").json()
    assert info == {"named_endpoints": {}, "unnamed_endpoints": {}}
    for number in range(3):
        body = {"data": [], "fn_index": number, "session_hash": "x"}
        assert http.post("/gradio_api/run/predict", json=body).status_code in (404, 422, 500)
    closed = (
        "/monitoring/summary",
        "/gradio_api/runs",
        "/gradio_api/vibe-code",
        "/gradio_api/mcp",
        "/gradio_api/mcp/sse",
    )
    assert {path: http.get(path).status_code for path in closed if http.get(path).status_code < 400} == {}


def test_an_upload_beyond_the_limit_is_refused_and_nothing_of_it_stays(address: str) -> None:
    http = Visitor(address, AUTH).http
    large = {"files": ("v.safetensors", b"0" * (SHARED.upload_mb * 2**20 + 1))}
    assert http.post("/gradio_api/upload", files=large).status_code == 413


def test_the_page_cannot_be_framed_by_others_and_is_not_guessed_at(address: str) -> None:
    headers = Visitor(address, AUTH).http.get("/").headers
    assert headers["content-security-policy"] == "frame-ancestors 'self'"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "same-origin"


def test_health_needs_no_password_and_says_nothing_about_visitors(address: str, lab: Lab) -> None:
    answer = httpx.get(f"{address}/health")
    assert answer.status_code == 200
    assert set(answer.json()) == {"status", "version", "uptime_s", "pages", "runs", "models"}
    assert answer.json()["status"] == "ok"
    lab.workspace.stopping = True
    try:
        assert httpx.get(f"{address}/health").status_code == 503, "a proxy sends nobody to an app that is about to end"
    finally:
        lab.workspace.stopping = False


def test_a_browser_keeps_its_shelf_and_another_one_has_its_own(address: str, lab: Lab) -> None:
    first, other = Visitor(address, AUTH), Visitor(address, AUTH)
    again = Visitor(address, AUTH, first.http.cookies)
    shelves = []
    for visitor in (first, other, again):
        visitor.do("lib-undo")  # Any event opens the session.
        shelves.append(lab.workspace._sessions[visitor.session].shelf.folder)
    assert shelves[0] == shelves[2] != shelves[1]
    assert "steering-lab-visitor" in first.http.cookies


def test_the_session_of_a_page_cannot_be_used_from_another_browser(address: str) -> None:
    first, other = Visitor(address, AUTH), Visitor(address, AUTH)
    first.do("lib-undo")
    other.session = first.session
    other.do("lib-undo")
    assert "belongs to another visitor" in other.get("lib-status")
