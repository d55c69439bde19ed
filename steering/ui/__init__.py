"""The browser interface: it shows what the core does, and decides nothing itself.

Only this package imports Gradio.
"""

from steering.ui.app import build_app, launch

__all__ = ["build_app", "launch"]
