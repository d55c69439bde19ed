"""A page without a browser: values of the sidebar and forms, and long tasks as the buttons start them."""

from collections.abc import Callable, Iterator
from typing import Any

from steering.ui.events.long_tasks import Changes, LongTask
from steering.ui.questions.form import Uploads
from steering.ui.state.settings import FIELDS
from steering.ui.state.workspace import Session


def fields(parent: str = "a", child: str = "b", **changes: Any) -> list[Any]:
    """The sidebar's values, in its order."""
    values: dict[str, Any] = {
        "parent": parent,
        "child": child,
        "concept": "sentiment",
        "method": "pca",
        "layers": "relative",
        "width": "ridge",
        "scale": "residual",
        "profile": "all",
        "positions": "all",
        "operator": "add",
        "max_new_tokens": 6,
        "temperature": 0,
        "top_p": 1,
        "top_k": 0,
        "repetition_penalty": 1,
        "seed": 0,
        "chat": True,
        "system": "",
        "second": "",
        "second_lam": 0,
    }
    return [(values | changes)[name] for name in FIELDS]


def press(
    task: LongTask, handler: Callable[..., Iterator[Changes]], session: Session, values: list[Any], *more: Any
) -> Iterator[Changes]:
    """The changes after a press of a start button of a long task."""
    yield task.begin(session)
    yield from task.work(session, handler, values, *more)


def last(changes: list[Changes], name: str) -> Any:
    """The newest value of a component."""
    return [change[name] for change in changes if name in change][-1]


def form(session: Session, **changes: Any) -> list[Any]:
    """The Tune λ tab's values, in its order; the task is the file that the session uploaded, if there is one."""
    values = {
        "source": next(iter(session.record(Uploads).files), "questions"),
        "limit": 40,
        "lambdas": "-0.5, 0.5",
        "mode": "auto",
        "shots": 0,
        "frame": "auto",
        "most": 0,
    }
    return [*(values | changes).values()]
