"""Order of the tests, the cache that they use, and tiny models that several files share.

Fast tests keep what they cache in a folder of their own; tests with the bundled models and those in a browser use the real
cache, so that nothing is converted twice.

In one process fast tests run first. Several processes (`-n 2 --dist loadgroup`) take the tests in groups: those in a browser
first, because they share one app and take longest; then those with the bundled models; then the fast ones file by file.
"""

import functools
import os
import shutil
import tempfile
import threading
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"  # Read when huggingface_hub is imported: no test reaches out.
# Processes side by side take one core each, as do the app and the kernels that they start. Read when torch is imported.
os.environ.update({"OMP_NUM_THREADS": "1"} if "PYTEST_XDIST_WORKER" in os.environ else {})

import pytest
import torch
from threadpoolctl import threadpool_limits
from tiny import FAMILIES, byte_tokenizer, piece_tokenizer, save_tiny, tiny_model

from steering.models.language_model import LanguageModel
from steering.vectors.vector import SteeringVector

PIECES = {"llama", "mistral", "mixtral", "phi3", "gemma2", "gemma3", "gemma3-multimodal"}
"""Families whose real models have a tokenizer that begins every text with `<s>`."""

_REAL_CACHE = os.environ.get("XDG_CACHE_HOME")
_FAST_CACHE = tempfile.mkdtemp(prefix="steering-tests-")
_THREADS = torch.get_num_threads()
_limits: list[threadpool_limits] = []


KINDS = ("fast", "real", "browser")
"""In the order in which one process runs them."""


def _kind(item: pytest.Item) -> str:
    return next((kind for kind in ("browser", "real") if item.get_closest_marker(kind)), "fast")


def _use_cache(folder: str | None) -> None:
    if folder is None:
        os.environ.pop("XDG_CACHE_HOME", None)
    else:
        os.environ["XDG_CACHE_HOME"] = folder


def _group(item: pytest.Item) -> str:
    """Tests that one process runs one after the other: they share an app, a loaded model, or fixtures of their file."""
    kind = _kind(item)
    return kind if kind == "browser" else f"{kind}-{item.path.stem}"


@pytest.hookimpl(tryfirst=True)  # Before xdist reads the groups.
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        item.add_marker(pytest.mark.xdist_group(_group(item)))
    items.sort(key=lambda item: KINDS.index(_kind(item)), reverse="PYTEST_XDIST_WORKER" in os.environ)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    # Before any fixture, whatever its scope, so that a module's fixtures use the same cache as its tests.
    fast = _kind(item) == "fast"
    _use_cache(_FAST_CACHE if fast else _REAL_CACHE)
    # Tiny matrices lose time to a second thread, in torch as in scikit-learn.
    if fast and not _limits:
        _limits.append(threadpool_limits(1))
    elif not fast and _limits:
        _limits.pop().restore_original_limits()
    torch.set_num_threads(1 if fast else _THREADS)


@pytest.fixture(scope="session")
def folders(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """Two tiny models of different family, depth and width."""
    base = tmp_path_factory.mktemp("models")
    first = save_tiny(base / "first", "llama", layers=3, width=32)
    second = save_tiny(base / "second", "qwen2", layers=4, width=40, seed=1)
    return str(first), str(second)


@pytest.fixture
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cache of the test's own, so that nothing is found there."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))


def pytest_unconfigure() -> None:
    _use_cache(_REAL_CACHE)
    shutil.rmtree(_FAST_CACHE, ignore_errors=True)


@pytest.fixture
def fresh_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty cache for one test."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))


@functools.cache
def loaded(family: str) -> LanguageModel:
    """A tiny model of a family, found and checked once a session; nobody changes it."""
    tokenizer = piece_tokenizer() if family in PIECES else byte_tokenizer()
    return LanguageModel(tiny_model(family, tokenizer=tokenizer), tokenizer, f"tiny-{family}")


@pytest.fixture(autouse=True)
def forward_passes(request: pytest.FixtureRequest) -> Iterator[None]:
    """Holds, for every test of the page, that no handler runs a model anywhere but in the worker's thread."""
    if not request.path.name.startswith("test_ui"):
        yield
        return
    from steering.ui.background import worker

    alone = worker.submit(threading.get_ident).result()
    astray: set[str] = set()

    def watch(_module: torch.nn.Module, _inputs: object) -> None:
        if threading.get_ident() != alone:
            astray.update(frame.filename for frame in traceback.extract_stack() if "/steering/ui/" in frame.filename)

    hook = torch.nn.modules.module.register_module_forward_pre_hook(watch)
    yield
    hook.remove()
    # Tests themselves may run models where they like; they reach them through the workspace at most.
    called = {file.split("/steering/ui/")[1] for file in astray} - {"state/workspace.py"}
    assert not called, f"a model ran outside the worker's thread, called by {sorted(called)}"


@pytest.fixture(params=list(FAMILIES))
def model(request: pytest.FixtureRequest) -> LanguageModel:
    """A tiny model of every family in turn."""
    return loaded(request.param)


@pytest.fixture
def llama() -> LanguageModel:
    """The tiny Llama, for what does not depend on the family."""
    return loaded("llama")


@pytest.fixture
def vector_for() -> Callable[..., SteeringVector]:
    """Makes a random vector of unit length at every layer of a model."""

    def make(model: LanguageModel, seed: int = 0) -> SteeringVector:
        generator = torch.Generator().manual_seed(seed)
        noise = torch.randn(model.n_layers, model.d_model, generator=generator)
        return SteeringVector(
            directions=torch.nn.functional.normalize(noise, dim=-1),
            model=model.fingerprint,
            model_name=model.name,
            concept="noise",
            labels=("more", "less"),
            method="random",
        )

    return make


@pytest.fixture
def hooks() -> Callable[[LanguageModel], int]:
    """Counts the forward hooks on a model's modules."""
    return lambda model: sum(
        len(module._forward_hooks) + len(module._forward_pre_hooks) for module in model.model.modules()
    )
