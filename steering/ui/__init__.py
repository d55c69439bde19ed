"""The browser interface: it shows what the core does, and decides nothing itself.

Only this package imports Gradio.
"""

from steering.ui.app import build_app, launch
from steering.ui.state.settings import CHILD, PARENT

__all__ = [
    "CHILD",
    "PARENT",
    "build_app",
    "launch",
]
