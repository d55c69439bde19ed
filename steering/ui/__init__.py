"""The browser interface. All computation is done by the other packages; this one shows results and reads settings.

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
