"""What stands on the screen while the page's own program is still being fetched: the same viewer, with the same texts.

Gradio needs a second or three before it shows anything. Until then this piece at the document's end shows the precomputed
texts with a slider that works, where they will stand, and leaves when the page is there. It waits for no event:
`DOMContentLoaded` comes only after Gradio's program was fetched. Gradio adds a `head` of ours only when its program runs, so
the piece is put into the document on its way out.
"""

import json
from html import escape
from importlib.resources import files

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from steering.ui import text
from steering.ui.viewer.texts import precomputed

_HERE = files("steering.ui.look")


class FirstPaint:
    """Server middleware that puts a piece of HTML at the end of the page's body."""

    def __init__(self, app: ASGIApp, piece: str) -> None:
        self.app = app
        self.piece = piece.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http" or scope["path"] != "/" or scope["method"] != "GET":
            await self.app(scope, receive, send)
            return
        start: list[Message] = []
        body = bytearray()

        async def hold(message: Message) -> None:
            if message["type"] == "http.response.start":
                start.append(message)
                return
            body.extend(message.get("body", b""))
            if message.get("more_body"):
                return
            before, end, after = bytes(body).rpartition(b"</body>")
            page = before + self.piece + end + after
            MutableHeaders(scope=start[0])["content-length"] = str(len(page))
            await send(start[0])
            await send({"type": "http.response.body", "body": page})

        await self.app(scope, receive, hold)


def head(concept: str) -> str:
    """The piece for the document's end; "" where nothing is precomputed for the concept."""
    value = precomputed(concept)
    if value is None:
        return ""
    viewer = files("steering.ui.viewer")
    frame = _FRAME.format(
        title=escape(text.TITLE), subtitle=escape(text.SUBTITLE), viewer=(viewer / "viewer.html").read_text("utf-8")
    )
    style = (_HERE / "first_paint.css").read_text("utf-8")
    style += f"#first-paint .first-viewer {{\n{(viewer / 'viewer.css').read_text('utf-8')}\n}}\n"
    return f"<style>{style}</style><script>{_script(frame, value, (viewer / 'viewer.js').read_text('utf-8'))}</script>"


def _script(frame: str, value: object, program: str) -> str:
    return (
        _SCRIPT.replace("FRAME", _quoted(frame))
        .replace("VALUE", _quoted(value))
        .replace("PROGRAM", program.replace("</", "<\\/"))
    )


def _quoted(value: object) -> str:
    """JSON that cannot end the script that it stands in."""
    return json.dumps(value, ensure_ascii=False).replace("</", "<\\/").replace("<!--", "<\\!--")


_FRAME = """
<aside><h1>{title}</h1><p>{subtitle}</p><i></i><i></i><i></i></aside>
<main><nav></nav><div class="ask"><i></i><i></i></div><i class="line"></i><div class="first-viewer">{viewer}</div></main>
"""

_SCRIPT = """
(() => {
  if (new URLSearchParams(location.search).has("concept")) return;
  const first = document.createElement("div");
  first.id = "first-paint";
  first.innerHTML = FRAME;
  document.body.append(first);
  const theme = new URLSearchParams(location.search).get("__theme");
  const dark = theme ? theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  first.classList.toggle("dark", dark);
  ((element, props, watch, trigger) => { PROGRAM })(
    first.querySelector(".first-viewer"), { value: { ...VALUE, exact: false } }, () => {}, () => {});
  const there = () => {
    if (!document.querySelector("#viewer .chip")) return;
    observer.disconnect();
    setTimeout(() => first.remove(), 500);  // by when the page has stopped moving
  };
  const observer = new MutationObserver(there);
  observer.observe(document.body, { childList: true, subtree: true });
})();
"""
