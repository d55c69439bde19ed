"""The browser interface. All computation is done by the other packages; this one shows results and reads settings.

Only this package imports Gradio.
"""

from steering.ui.app import build_app, launch
from steering.ui.server.access import access
from steering.ui.state.settings import CHILD, PARENT

__all__ = [
    "CHILD",
    "PARENT",
    "access",
    "build_app",
    "launch",
]
