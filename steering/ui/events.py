"""Which component calls which handler. Runs share one lane, so that a single model works at a time."""

import inspect
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import gradio as gr

from steering.ui import editing
from steering.ui.handlers import Changes, Handlers
from steering.ui.tabs.sidebar import FIELDS
from steering.ui.workspace import Workspace

Page = dict[str, gr.blocks.Block]

_CARDS = ("relation", "vector", "stale", "plot_stale", "metric_info", "viewer")
_TABLE = (
    "heading", "problems", "undo", "reset", "delete_pair", "pairs", "positive_label", "negative_label", "pairs_message",
)  # fmt: skip
_STEER = ("viewer", "status", "stale", "relation", "vector", "generate", "stop", "verdict", "report_plot")
_LAYERS_BUTTONS = ("layers_status", "compute", "measure_effect", "layers_stop")
_LAYERS = ("plot", "plot_empty", "plot_stale", "relation", "vector", *_LAYERS_BUTTONS)
_EFFECT = ("verdict", "report_plot", "relation", "vector", *_LAYERS_BUTTONS)


def connect(demo: gr.Blocks, page: Page, workspace: Workspace) -> None:
    """Attach every event; called inside the context of `demo`.

    Args:
        demo: the app.
        page: its components by name.
        workspace: what the handlers work on.
    """
    handlers = Handlers(workspace)
    table = editing.Editing(workspace, handlers)
    context = ["prompt", "metric", *FIELDS]

    def on(
        trigger: Callable[..., Any],
        handler: Callable[..., Any],
        inputs: Sequence[str],
        outputs: Sequence[str],
        *,
        model: bool = False,
    ) -> Any:
        lane: dict[str, Any] = (
            {"concurrency_id": "model", "concurrency_limit": 1} if model else {"concurrency_limit": 8}
        )
        return trigger(
            _bound(handler, page),
            [page[name] for name in inputs],
            [page[name] for name in outputs],
            api_visibility="private",
            show_progress="hidden",
            **lane,
        )

    on(demo.load, handlers.opened, context, [*_CARDS, *_TABLE])
    demo.load(fn=None, js=_CLOSE_SIDEBAR_ON_PHONE, api_visibility="private")
    demo.unload(_unload(handlers))

    on(page["concept"].change, handlers.opened, context, [*_CARDS, *_TABLE])
    for name in ("prompt", *(name for name in FIELDS if name != "concept"), "metric"):
        on(page[name].change, handlers.changed, context, _CARDS)

    steer_begins = _named("steer", handlers.begin)
    for trigger in (page["generate"].click, page["prompt"].submit):
        begun = on(trigger, steer_begins, [], ["status", "generate", "stop"])
        on(begun.then, handlers.steer, ["prompt", *FIELDS], _STEER, model=True)
    on(page["stop"].click, _named("steer", handlers.stop), [], ["status", "generate", "stop"])
    for name in (name for name in page if name.startswith("example_")):
        button = page[name]
        button.click(fn=None, js=f"() => {button.value!r}", outputs=page["prompt"], api_visibility="private")

    layers_begin = _named("layers", handlers.begin)
    begun = on(page["compute"].click, layers_begin, [], _LAYERS_BUTTONS)
    on(begun.then, handlers.compute, ["metric", *FIELDS], _LAYERS, model=True)
    begun = on(page["measure_effect"].click, layers_begin, [], _LAYERS_BUTTONS)
    on(begun.then, handlers.measure_effect, FIELDS, _EFFECT, model=True)
    on(page["layers_stop"].click, _named("layers", handlers.stop), [], _LAYERS_BUTTONS)

    edited = [*_CARDS, *_TABLE]
    for trigger in (page["pairs"].input, page["positive_label"].input, page["negative_label"].input):
        on(trigger, table.typed, ["pairs", "positive_label", "negative_label", *context], edited)
    on(page["add_pair"].click, table.add, ["pairs", *context], edited).then(
        fn=None, js=_SCROLL_TO_LAST_PAIR, api_visibility="private"
    )
    for name, handler in (("delete_pair", table.delete), ("undo", table.undo), ("reset", table.reset)):
        on(page[name].click, handler, ["pairs", *context], edited)
    on(page["upload"].upload, table.upload, ["upload", *context], edited)
    # The file is written anew whenever the table changes, so that a click hands out what the table shows.
    page["pairs"].change(
        editing.download,
        [page["pairs"], page["concept"]],
        page["download"],
        api_visibility="private",
        show_progress="hidden",
        concurrency_limit=8,
    )
    page["pairs"].select(
        _select(table), page["concept"], page["delete_pair"], api_visibility="private", show_progress="hidden"
    )


def _bound(handler: Callable[..., Any], page: Page) -> Callable[..., Any]:
    """Give a handler the page's session, and turn the names in its changes into components."""

    def components(changes: Changes) -> dict[gr.blocks.Block, Any]:
        return {page[name]: value for name, value in changes.items()}

    if inspect.isgeneratorfunction(handler):

        def stream(request: gr.Request, *values: Any) -> Iterator[dict[gr.blocks.Block, Any]]:
            for changes in handler(request.session_hash, *values):
                yield components(changes)

        return stream

    def once(request: gr.Request, *values: Any) -> dict[gr.blocks.Block, Any]:
        return components(handler(request.session_hash, *values))

    return once


def _named(kind: str, handler: Callable[[str, str], Changes]) -> Callable[[str], Changes]:
    return lambda page: handler(page, kind)


def _unload(handlers: Handlers) -> Callable[[gr.Request], None]:
    def unload(request: gr.Request) -> None:
        handlers.closed(str(request.session_hash))

    return unload


def _select(table: editing.Editing) -> Callable[..., Any]:
    def select(request: gr.Request, concept: str, event: gr.SelectData) -> Any:
        return table.select(str(request.session_hash), int(event.index[0]), concept)["delete_pair"]

    return select


_CLOSE_SIDEBAR_ON_PHONE = """() => {
  const open = document.querySelector(".sidebar.open .toggle-button");
  if (window.innerWidth <= 768 && open) open.click();
}"""

_SCROLL_TO_LAST_PAIR = """() => setTimeout(() => {
  const table = document.querySelector("#pairs .virtual-table-viewport");
  if (table) table.scrollTop = table.scrollHeight;
}, 200)"""
