"""First paint: the λ viewer with its precomputed texts, shown while Gradio's front end is still loading.

Gradio needs up to three seconds before it shows anything. Until then a script at the end of the document's body shows the
viewer with a working slider, at its later position, and removes it once the page is complete. The script does not wait for
`DOMContentLoaded`, which occurs only after Gradio's front end has been fetched. Gradio inserts its own `head` argument only
when its front end runs, so a middleware inserts the script into the response.
"""

import json
from html import escape
from importlib.resources import files

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from steering.ui import text
from steering.ui.viewer.texts import precomputed

_ASSETS = files("steering.ui.look")


class FirstPaint:
    """Server middleware that inserts HTML at the end of the document's body.

    Attributes:
        app: the server that it wraps.
        html: what is inserted.
    """

    def __init__(self, app: ASGIApp, html: str) -> None:
        self.app = app
        self.html = html.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, and change the response if it is the document."""
        if scope["type"] != "http" or scope["path"] != "/" or scope["method"] != "GET":
            await self.app(scope, receive, send)
            return
        start: list[Message] = []
        body = bytearray()

        async def send_changed(message: Message) -> None:
            if message["type"] == "http.response.start":
                start.append(message)
                return
            body.extend(message.get("body", b""))
            if message.get("more_body"):
                return
            before, end, after = bytes(body).rpartition(b"</body>")
            page = before + self.html + end + after
            MutableHeaders(scope=start[0])["content-length"] = str(len(page))
            await send(start[0])
            await send({"type": "http.response.body", "body": page})

        await self.app(scope, receive, send_changed)


def overlay(concept: str) -> str:
    """HTML for the end of the document's body; "" if the concept has no precomputed texts."""
    value = precomputed(concept)
    if value is None:
        return ""
    viewer = files("steering.ui.viewer")
    frame = _FRAME.format(
        title=escape(text.TITLE), subtitle=escape(text.SUBTITLE), viewer=(viewer / "viewer.html").read_text("utf-8")
    )
    style = (_ASSETS / "first_paint.css").read_text("utf-8")
    style += f"#first-paint .first-viewer {{\n{(viewer / 'viewer.css').read_text('utf-8')}\n}}\n"
    return f"<style>{style}</style><script>{_script(frame, value, (viewer / 'viewer.js').read_text('utf-8'))}</script>"


def _script(frame: str, value: object, program: str) -> str:
    return (
        _SCRIPT.replace("FRAME", _to_json(frame))
        .replace("VALUE", _to_json(value))
        .replace("PROGRAM", program.replace("</", "<\\/"))
    )


def _to_json(value: object) -> str:
    """JSON for use inside a script element: it cannot close the element."""
    return json.dumps(value, ensure_ascii=False).replace("</", "<\\/").replace("<!--", "<\\!--")


_FRAME = """
<aside><h1>{title}</h1><p>{subtitle}</p><i></i><i></i><i></i></aside>
<main><nav></nav><i class="cards"></i><div class="ask"><i></i><i></i></div>
<i class="line"></i><div class="first-viewer">{viewer}</div></main>
"""

_SCRIPT = """
(() => {
  if (new URLSearchParams(location.search).has("concept")) return;
  const overlay = document.createElement("div");
  overlay.id = "first-paint";
  overlay.innerHTML = FRAME;
  document.body.append(overlay);
  const theme = new URLSearchParams(location.search).get("__theme");
  const dark = theme ? theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  overlay.classList.toggle("dark", dark);
  ((element, props, watch, trigger) => { PROGRAM })(
    overlay.querySelector(".first-viewer"), { value: { ...VALUE, exact: false } }, () => {}, () => {});
  const removeWhenComplete = () => {
    if (!document.querySelector("#viewer .chip")) return;
    observer.disconnect();
    setTimeout(() => overlay.remove(), 500);  // The layout is stable by then.
  };
  const observer = new MutationObserver(removeWhenComplete);
  observer.observe(document.body, { childList: true, subtree: true });
})();
"""
