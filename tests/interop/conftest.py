"""Real tools, each in an environment of its own, which `make test-interop` builds. Collected only when this folder is named."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

HERE = Path(__file__).parent
ROOT = HERE.parent.parent


def pytest_ignore_collect(config: pytest.Config) -> bool | None:
    """Minutes of real models in four programs are no part of the everyday tests."""
    return None if any(HERE.name in argument for argument in config.args) else True


@pytest.fixture
def python() -> Callable[[str], Path]:
    """The Python of a tool's environment; skips the test where that is not built."""

    def find(name: str) -> Path:
        path = ROOT / ".venv-interop" / name / "bin" / "python"
        if not path.exists():
            pytest.skip(f"{name} is not installed; `make test-interop` does that")
        return path

    return find


@pytest.fixture
def there(python: Callable[[str], Path]) -> Callable[..., dict[str, object]]:
    """Runs a script of this folder in a tool's environment, with one JSON object in and one out."""

    def run(name: str, script: str, **request: object) -> dict[str, object]:
        command = [str(python(name)), str(HERE / script)]
        done = subprocess.run(command, input=json.dumps(request), capture_output=True, text=True, timeout=1200)
        assert done.returncode == 0, done.stderr[-3000:]
        answer: dict[str, object] = json.loads(done.stdout.strip().splitlines()[-1])
        return answer

    return run
