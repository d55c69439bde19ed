"""The app: builds the page from the sidebar and the tabs, connects their events and starts the server."""

from collections.abc import Callable, Sequence
from typing import Any

import gradio as gr
from starlette.middleware import Middleware

from steering.ui import text
from steering.ui.events.binder import EventBinder, Page
from steering.ui.look import style
from steering.ui.look.first_paint import FirstPaint, overlay
from steering.ui.sidebar import address, cards
from steering.ui.sidebar import layout as sidebar
from steering.ui.state.gallery import opening
from steering.ui.state.presets import PROMPTS
from steering.ui.state.settings import CHILD, PARENT
from steering.ui.state.workspace import Workspace
from steering.ui.tabs import TABS
from steering.ui.tabs.steer import gallery
from steering.ui.viewer.texts import precomputed


class Lab(gr.Blocks):  # type: ignore[misc]
    """The app. `launch` sets its theme, styles and privacy settings by default.

    Attributes:
        first_paint: HTML for the end of the document's body, which is shown until Gradio has built the page.
    """

    first_paint: str = ""

    def launch(self, **settings: Any) -> Any:
        """Start the server.

        By default the server listens on this machine only, the browser stores no prompts, and Gradio's monitoring page is
        off.

        Args:
            settings: arguments of `gr.Blocks.launch`; they take precedence over the defaults.

        Returns:
            What `gr.Blocks.launch` returns.
        """
        defaults: dict[str, Any] = {
            "theme": style.theme(),
            "css": style.CSS,
            "app_kwargs": {"middleware": [Middleware(FirstPaint, html=self.first_paint)]},
            "run_history": False,
            "enable_monitoring": False,
            "max_file_size": "64mb",
            "server_name": "127.0.0.1",
            "footer_links": [],
        }
        return super().launch(**(defaults | settings))

    def get_block_name(self) -> str:
        """Name of this block in Gradio's front end, which does not know the name of a subclass."""
        return "blocks"


def build_app(
    parent: str = PARENT, child: str = CHILD, concept: str | None = None, *, models: Sequence[str] = ()
) -> Lab:
    """Build the app; `build_app().launch()` opens it, in a notebook too. No model is loaded yet.

    Args:
        parent: initial parent model: a bundled name, a Hub id, a folder, or a .gguf file.
        child: initial child model.
        concept: name of the initial concept; None for the one whose texts are moved furthest.
        models: the only models that users may load; empty allows any model.
    """
    workspace, concept = Workspace(models), concept or opening()
    demo = Lab(title=text.TITLE, analytics_enabled=False, fill_width=True, delete_cache=(3600, 86400))
    with demo:
        page: Page = {}
        with gr.Sidebar(width=330, elem_id="sidebar"):
            page |= sidebar.build(parent, child, concept, models)
        with gr.Tabs(elem_id="tabs"):
            for tab in TABS:
                with gr.Tab(tab.label, id=tab.id):
                    page |= tab.build()
        demo.first_paint = overlay(concept)
        page["viewer"].value = precomputed(concept) or page["viewer"].value
        page["gallery"].value = gallery.cards(concept)
        page["chat_lam"].value = strongest.high if (strongest := gallery.strongest(concept)) else page["chat_lam"].value
        page["prompt"].value = PROMPTS.get(concept, page["prompt"].value)
        events = EventBinder(demo, page, workspace)
        events.js(demo.load, style.FIT_FIGURES)
        cards.connect(events)
        address.connect(events)
        for tab in TABS:
            tab.connect(events)
        events.finish()
        demo.unload(_unload(workspace))
    demo.queue(api_open=False, max_size=32)
    return demo


def _unload(workspace: Workspace) -> Callable[[gr.Request], None]:
    def unload(request: gr.Request) -> None:
        workspace.close(str(request.session_hash))

    return unload


def launch(
    demo: gr.Blocks, *, host: str = "127.0.0.1", port: int | None = 7860, share: bool = False, **settings: Any
) -> str:
    """Start the server of an app.

    Args:
        demo: from `build_app`.
        host: address to listen on.
        port: port to listen on; None chooses a free one.
        share: also open a public tunnel through Gradio's servers.
        settings: further arguments of `gr.Blocks.launch`.

    Returns:
        The local address.
    """
    _, address, _ = demo.launch(server_name=host, server_port=port, share=share, quiet=True, **settings)
    return str(address)
