"""A page without a browser: it reads the page's config and sends the events that a browser would, over HTTP."""

import json
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import httpx
from gradio_client.utils import apply_diff

PATIENT_S = 120.0


class Lost(Exception):
    """A request was refused, or its answer never came."""


class Visitor:
    """One open page.

    Attributes:
        http: the connection, with its cookies.
        values: what every component holds, by its number.
        session: name of the page's session.
    """

    def __init__(self, address: str, auth: tuple[str, str] | None = None, cookies: httpx.Cookies | None = None) -> None:
        self.http = httpx.Client(base_url=address, timeout=PATIENT_S, cookies=cookies)
        if auth:
            self.http.post("/login", data={"username": auth[0], "password": auth[1]}).raise_for_status()
        self.http.get("/").raise_for_status()
        config = self.http.get("/config").raise_for_status().json()
        self.session = uuid.uuid4().hex[:12]
        self.values = {component["id"]: component["props"].get("value") for component in config["components"]}
        self._ids = {
            component["props"]["elem_id"]: component["id"]
            for component in config["components"]
            if component["props"].get("elem_id")
        }
        self._labels = {
            component["props"]["label"]: component["id"]
            for component in config["components"]
            if component["props"].get("label")
        }
        self._events = {event["id"]: event for event in config["dependencies"]}

    def component(self, name: str) -> int:
        """The number of a component, by its element id or label."""
        return self._ids.get(name) or self._labels[name]

    def get(self, name: str) -> Any:
        """What a component holds."""
        return self.values[self.component(name)]

    def put(self, name: str, value: Any) -> None:
        """Fill in a field, without the event of its change."""
        self.values[self.component(name)] = value

    def event(self, name: str, kind: str) -> int:
        """The number of the event of a component that runs on the server first."""
        number = self.component(name)
        return next(
            event["id"] for event in self._events.values() if [number, kind] in event["targets"] and event["backend_fn"]
        )

    def do(self, name: str, kind: str = "click", watch: Callable[[dict[int, Any]], bool] = lambda _: True) -> None:
        """Press a button, and everything that follows from it.

        Args:
            name: of the component.
            kind: of the event.
            watch: called with the components' values after every change; the page is left when it returns False.
        """
        waiting = [self.event(name, kind)]
        while waiting:
            number = waiting.pop(0)
            for _ in self._run(number):
                if not watch(self.values):
                    return
            waiting += [
                event["id"]
                for event in self._events.values()
                if event.get("trigger_after") == number and event["backend_fn"] and event["id"] != number
            ]

    def _join(self, number: int) -> str:
        event = self._events[number]
        body = {
            "data": [self.values[component] for component in event["inputs"]],
            "fn_index": number,
            "session_hash": self.session,
            "event_data": None,
            "trigger_id": None,
        }
        joined = self.http.post("/gradio_api/queue/join", json=body)
        if joined.status_code != 200:
            raise Lost(f"{joined.status_code}: {joined.text[:200]}")
        return str(joined.json()["event_id"])

    def _run(self, number: int) -> Iterator[None]:
        event, event_id, completed = self._events[number], self._join(number), False
        outputs: list[Any] | None = None
        # Read to its end, as a browser does: a stream that is left earlier takes the page's next events with it.
        with self.http.stream("GET", "/gradio_api/queue/data", params={"session_hash": self.session}) as stream:
            for line in stream.iter_lines():
                if not line.startswith("data: "):
                    continue
                message = json.loads(line.removeprefix("data: "))
                if message.get("event_id") != event_id:
                    continue
                data = (message.get("output") or {}).get("data")
                if message["msg"] == "process_generating":
                    outputs = (
                        data if outputs is None else [apply_diff(*pair) for pair in zip(outputs, data, strict=True)]
                    )
                    self._take(event["outputs"], outputs)
                    yield
                elif message["msg"] == "process_completed":
                    if not message["success"]:
                        raise Lost(str(message["output"])[:200])
                    self._take(event["outputs"], data or [])
                    completed = True
                    yield
        if not completed:
            raise Lost("the answer ended before the event did")

    def _take(self, outputs: list[int], data: list[Any]) -> None:
        for component, value in zip(outputs, data, strict=False):
            if isinstance(value, dict) and value.get("__type__") == "update":
                if "value" in value:
                    self.values[component] = value["value"]
            else:
                self.values[component] = value

    def press(self, name: str) -> None:
        """Press a button while an answer comes in; what it changes is not looked at."""
        self._join(self.event(name, "click"))

    @contextmanager
    def open(self) -> Iterator[None]:
        """Hold the page open; it is closed at the end, as a browser's tab is."""
        with self.http.stream("GET", f"/gradio_api/heartbeat/{self.session}") as beat:
            beats = beat.iter_bytes()  # Kept, because the connection ends with it.
            next(beats)
            yield
            beats.close()
