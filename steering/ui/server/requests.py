"""Middleware of the server: requests of other sites are refused, visitors get a cookie, and /health says how the app is."""

import json
import secrets
import time
from http.cookies import SimpleCookie
from importlib.metadata import PackageNotFoundError, version
from typing import Any
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from steering.ui.server.access import is_loopback
from steering.ui.state.workspace import VISITOR_COOKIE, Workspace

HEALTH = "/health"
"""Path of the health address, which needs no password and names nothing that a visitor does."""

_READS = ("GET", "HEAD")
_YEAR_S = 365 * 86_400

OTHER_SITE = "Refused: the request comes from another site ({origin}). Open the page itself."
OTHER_NAME = (
    "Refused: this page answers to this machine's own names, not to {host}. Start it with --host to open it to others."
)


class Guard:
    """Answers requests that the page must not see, and passes on all others.

    Attributes:
        app: the server that it wraps.
        workspace: of the app.
    """

    def __init__(self, app: ASGIApp, workspace: Workspace) -> None:
        self.app = app
        self.workspace = workspace
        self._started = time.monotonic()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        if problem := self._problem(scope["method"], headers):
            await PlainTextResponse(problem, status_code=403)(scope, receive, send)
        elif scope["path"] == HEALTH and scope["method"] in _READS:
            await self._health()(scope, receive, send)
        else:
            await self.app(scope, receive, self._with_headers(scope, headers, send))

    def _problem(self, method: str, headers: Headers) -> str:
        host = headers.get("host", "")
        # A name of another site that leads to this machine would make its pages and ours one site for the browser.
        if not self.workspace.shared and not is_loopback(urlsplit(f"//{host}").hostname or ""):
            return OTHER_NAME.format(host=host[:100] or "no name")
        origin = headers.get("origin")
        if origin is not None and method not in _READS:
            names = {name.strip().lower() for name in (host, headers.get("x-forwarded-host", ""))} - {""}
            if urlsplit(origin).netloc.lower() not in names:
                return OTHER_SITE.format(origin=origin[:100])
        return ""

    def _health(self) -> Response:
        state: dict[str, Any] = {
            "status": "ending" if self.workspace.stopping else "ok",
            "version": _version(),
            "uptime_s": round(time.monotonic() - self._started, 1),
            "pages": self.workspace.pages,
            "runs": self.workspace.jobs,
            "models": len(self.workspace.loaded()),
        }
        code = 503 if self.workspace.stopping else 200
        return Response(json.dumps(state) + "\n", code, {"cache-control": "no-store"}, "application/json")

    def _with_headers(self, scope: Scope, headers: Headers, send: Send) -> Send:
        new_visitor = self.workspace.shared and scope["path"] == "/" and not _has_cookie(headers)

        async def send_changed(message: Message) -> None:
            if message["type"] == "http.response.start":
                answer = MutableHeaders(scope=message)
                answer.setdefault("x-content-type-options", "nosniff")
                answer.setdefault("referrer-policy", "same-origin")
                if self.workspace.shared:  # A page of this machine may be shown inside a notebook.
                    answer.setdefault("content-security-policy", "frame-ancestors 'self'")
                if new_visitor:
                    secure = "; Secure" if headers.get("x-forwarded-proto", scope["scheme"]) == "https" else ""
                    name = f"{VISITOR_COOKIE}={secrets.token_hex(16)}"
                    answer.append("set-cookie", f"{name}; Path=/; Max-Age={_YEAR_S}; HttpOnly; SameSite=Lax{secure}")
            await send(message)

        return send_changed


def _has_cookie(headers: Headers) -> bool:
    return VISITOR_COOKIE in SimpleCookie(headers.get("cookie", ""))


def _version() -> str:
    try:
        return version("steering-lab")
    except PackageNotFoundError:  # Started from its source folder.
        return "source"
