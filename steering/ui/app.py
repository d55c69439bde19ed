"""The app: builds the page from the sidebar and the tabs, connects their events and starts the server."""

import os
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any

import gradio as gr
from starlette.middleware import Middleware

from steering.models import bundled
from steering.ui import text
from steering.ui.events.binder import EventBinder, Page
from steering.ui.look import style
from steering.ui.look.first_paint import FirstPaint, overlay
from steering.ui.server.access import access
from steering.ui.server.requests import Guard
from steering.ui.sidebar import address, cards
from steering.ui.sidebar import layout as sidebar
from steering.ui.state.gallery import opening
from steering.ui.state.presets import PROMPTS
from steering.ui.state.settings import CHILD, PARENT
from steering.ui.state.workspace import MOST_PAGES, Workspace
from steering.ui.tabs import TABS
from steering.ui.tabs.steer import gallery
from steering.ui.viewer.texts import precomputed

_GRADIO_BOUNDS = {"GRADIO_ANALYTICS_MAX_EVENTS": "1", "GRADIO_ANALYTICS_CACHE_FREQUENCY": str(10**9)}
"""Gradio would keep ten thousand events for its closed monitoring page, and summarise all of them after each one."""


class Lab(gr.Blocks):  # type: ignore[misc]
    """The app. `launch` sets its theme, styles and privacy settings by default.

    Attributes:
        first_paint: HTML for the end of the document's body, which is shown until Gradio has built the page.
    """

    first_paint: str = ""

    @cached_property
    def workspace(self) -> Workspace:
        """Models, vectors and sessions."""
        return Workspace()

    def launch(
        self,
        *,
        server_name: str = "127.0.0.1",
        share: bool = False,
        auth: Sequence[str] = (),
        without_password: bool = False,
        **settings: Any,
    ) -> Any:
        """Start the server.

        By default the server listens on this machine only, the browser stores no prompts, and Gradio's monitoring page is
        off.

        Args:
            server_name: address to listen on.
            share: also open a public tunnel through Gradio's servers.
            auth: accounts as "name:password".
            without_password: open the page to others without a password.
            settings: further arguments of `gr.Blocks.launch`; they take precedence over the defaults.

        Returns:
            What `gr.Blocks.launch` returns.

        Raises:
            SteeringError: others could open the page without a password, or one that was not built for them.
        """
        opened = access(
            server_name,
            share=share,
            auth=auth,
            without_password=without_password,
            built_shared=self.workspace.shared,
        )
        self.workspace.accounts = len(opened.accounts) > 1
        middleware = [Middleware(Guard, workspace=self.workspace)]
        if not opened.accounts:  # The first paint would cover the page that asks for the password.
            middleware.append(Middleware(FirstPaint, html=self.first_paint))
        defaults: dict[str, Any] = {
            "theme": style.theme(),
            "css": style.CSS,
            "app_kwargs": {"middleware": middleware},
            "auth": list(opened.accounts) or None,
            "run_history": False,
            "enable_monitoring": False,
            "max_file_size": f"{self.workspace.limits.upload_mb}mb",
            "footer_links": [],
            "state_session_capacity": MOST_PAGES,
        }
        return super().launch(server_name=server_name, share=share, **(defaults | settings))

    def get_block_name(self) -> str:
        """Name of this block in Gradio's front end, which does not know the name of a subclass."""
        return "blocks"


def build_app(
    parent: str = PARENT,
    child: str = CHILD,
    concept: str | None = None,
    *,
    models: Sequence[str] = (),
    shared: bool = False,
    memory: int | None = None,
    dtype: str = "auto",
) -> Lab:
    """Build the app; `build_app().launch()` opens it, in a notebook too. No model is loaded yet.

    Args:
        parent: initial parent model: a bundled name, a Hub id, a folder, or a .gguf file.
        child: initial child model.
        concept: name of the initial concept; None for the one whose texts are moved furthest.
        models: the only models that users may load; empty allows any model, or on a shared page the bundled ones and the
            two initial ones.
        shared: whether others than the person at this machine open the page: every visitor has a shelf of their own then,
            and the limits are narrower.
        memory: bytes that models in memory may take; half of the machine's by default.
        dtype: the type that models are loaded in, see `load_model`.
    """
    if shared and not models:
        models = tuple(dict.fromkeys([*bundled.CATALOGUE, parent, child]))
    for name, value in _GRADIO_BOUNDS.items():
        os.environ.setdefault(name, value)
    workspace = Workspace(models, shared=shared, memory=memory, dtype=dtype)
    concept = concept or opening()
    demo = Lab(title=text.TITLE, analytics_enabled=False, fill_width=True, delete_cache=(3600, 86400))
    demo.workspace = workspace
    with demo:
        page: Page = {}
        with gr.Sidebar(width=330, elem_id="sidebar"):
            page |= sidebar.build(parent, child, concept, models, workspace.limits)
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
        demo.unload(_unload(demo))
    demo.queue(api_open=False, max_size=workspace.limits.waiting)
    return demo


def _unload(demo: Lab) -> Callable[[gr.Request], None]:
    def unload(request: gr.Request) -> None:
        name = str(request.session_hash)
        demo.workspace.close(name)
        # Gradio keeps a copy of the whole page, a megabyte, for every page that ever was open, up to its capacity.
        demo.state_holder.session_data.pop(name, None)
        demo.state_holder.time_last_used.pop(name, None)

    return unload


def launch(demo: Lab, *, host: str = "127.0.0.1", port: int | None = 7860, share: bool = False, **settings: Any) -> str:
    """Start the server of an app.

    Args:
        demo: from `build_app`.
        host: address to listen on.
        port: port to listen on; None chooses a free one.
        share: also open a public tunnel through Gradio's servers.
        settings: further arguments of `Lab.launch`.

    Returns:
        The local address.

    Raises:
        SteeringError: others could open the page without a password, or one that was not built for them.
    """
    _, address, _ = demo.launch(server_name=host, server_port=port, share=share, quiet=True, **settings)
    return str(address)
