"""Number of layers and width of a model, which its config tells before it is loaded."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from steering.models import bundled
from steering.storage import cache_dir


@dataclass(frozen=True)
class Shape:
    """Number of layers and width of a model."""

    layers: int
    width: int


def shape_from_config(name: str) -> Shape | None:
    """The shape of a model whose config is on this machine; None otherwise."""
    bundled_model = bundled.CATALOGUE.get(name)
    try:
        folder = (
            cache_dir() / "models" / f"{name}-{bundled_model.sha256[:12]}" if bundled_model else Path(name).expanduser()
        )
        config: dict[str, Any] = json.loads((folder / "config.json").read_text("utf-8"))
        config = config.get("text_config") or config
        return Shape(int(config["num_hidden_layers"]), int(config["hidden_size"]))
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RuntimeError):  # The last for "~nobody".
        return None
