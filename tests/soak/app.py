"""The command `app` in a process of its own, which reports on itself when a line comes in; and how a test starts it."""

import gc
import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

ROOT = Path(__file__).parent.parent.parent
READY = "Steering Lab is at"
PATIENT_S = 300.0
DTYPE = "float32"
"""Texts of several pages are written in one batch; in this type each is, token for token, what it is alone."""


def _hooks(workspace: Any) -> int:
    """Hooks on the models in memory, and on all modules of the process."""
    import torch

    everywhere = torch.nn.modules.module._global_forward_hooks, torch.nn.modules.module._global_forward_pre_hooks
    models = workspace.loaded_models._models.values()
    return sum(map(len, everywhere)) + sum(
        len(module._forward_hooks) + len(module._forward_pre_hooks)
        for model in models
        for module in model.model.modules()
    )


def _report_when_asked() -> None:
    for _ in sys.stdin:
        # Imported when asked, which is when the command has imported everything: two threads would import in a circle.
        from gradio.state_holder import StateHolder

        from steering.ui.state.workspace import Workspace

        gc.collect()
        (workspace,) = [each for each in gc.get_objects() if isinstance(each, Workspace)]
        process = psutil.Process()
        report = {
            "pages": workspace.pages,
            "states": sum(len(each.session_data) for each in gc.get_objects() if isinstance(each, StateHolder)),
            "runs": workspace.jobs,
            "hooks": _hooks(workspace),  # After the runs: once none is under way, no hook may be there.
            "file_vectors": workspace.vectors.of_pages,
            "vectors": len(workspace.vectors._shared),
            "models": list(workspace.loaded()),
            "memory": process.memory_info().rss,
            "threads": process.num_threads(),
            "files": process.num_fds(),
        }
        print(json.dumps(report), flush=True)


@dataclass
class App:
    """The running app.

    Attributes:
        address: of its page.
        process: that it runs in.
        log: file of its standard error.
    """

    address: str
    process: "subprocess.Popen[str]"
    log: Path

    def report(self) -> dict[str, Any]:
        """What the app says about itself: hooks, pages, runs, memory, threads, files."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write("report\n")
        self.process.stdin.flush()
        for line in self.process.stdout:
            if line.startswith("{"):
                return dict(json.loads(line))
        raise AssertionError(f"the app has ended: {self.log.read_text()[-2000:]}")


@contextmanager
def served(home: Path, *words: str, port: int | None = None) -> Iterator[App]:
    """The real app in a process of its own.

    Args:
        home: folder of its library, cache and log.
        words: further words of the command `app`.
        port: that it listens on; a free one by default.
    """
    home.mkdir(parents=True, exist_ok=True)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = port or free.getsockname()[1]
    environment = os.environ | {
        "HF_HUB_OFFLINE": "1",
        "OMP_NUM_THREADS": "1",
        "XDG_DATA_HOME": str(home / "data"),
        "XDG_CACHE_HOME": str(home / "cache"),
        "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "tests")]),
    }
    command = [sys.executable, "-m", "soak.app", "--port", str(port), *words]
    log = home / "app.log"
    with log.open("a") as errors:
        process = subprocess.Popen(
            command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, text=True, env=environment
        )
        app = App(f"http://127.0.0.1:{port}", process, log)
        try:
            _wait_until_ready(app)
            yield app
        finally:
            process.terminate()
            try:
                process.wait(60)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _wait_until_ready(app: App) -> None:
    assert app.process.stdout is not None
    begun = time.monotonic()
    for line in app.process.stdout:
        if READY in line:
            return
        assert time.monotonic() - begun < PATIENT_S, "the app did not start"
    raise AssertionError(f"the app has ended: {app.log.read_text()[-2000:]}")


def main(words: Sequence[str]) -> None:
    """Run the command `app`, and report when a line comes in."""
    from steering.cli import main as command

    threading.Thread(target=_report_when_asked, daemon=True).start()
    command(["--dtype", DTYPE, "app", *words])


if __name__ == "__main__":
    main(sys.argv[1:])
