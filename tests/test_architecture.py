"""The plan of the house: who may import whom, what importing costs, and what the source never does."""

import ast
import graphlib
import importlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import steering

PACKAGE = Path(steering.__file__).parent

ORDER: dict[str, tuple[str, ...]] = {
    "errors": (),
    "formatting": (),
    "stats": (),
    "storage": ("files", "cache", "encodings", "json_rows", "columns", "tables", "kinds"),
    "models": (
        "blocks",
        "kv_cache",
        "bundled",
        "sources",
        "fingerprint",
        "products",
        "int8",
        "chat",
        "language_model",
        "step_graph",
        "output_layer",
        "packed",
        "attention",
        "loading",
        "likelihood",
        "anchors",
        "activations",
    ),
    "concepts": ("concept", "layouts", "reading", "files", "lint"),
    "vectors": ("directions", "vector", "examples", "neutral_text", "training", "extraction"),
    "transfer": (
        "layer_maps",
        "covariance",
        "autoencoder",
        "width_maps",
        "paired_rows",
        "anchors",
        "stacked",
        "stretch",
        "all_pairs",
        "alignment",
        "carry",
    ),
    "steer": (
        "settings",
        "operators",
        "intervention",
        "applied",
        "prompts",
        "sampling",
        "batch",
        "decoding",
        "health",
        "grid",
        "grid_json",
        "next_tokens",
        "token_shifts",
        "conversation",
    ),
    "measure": (
        "effects",
        "expression",
        "budgets",
        "profiles",
        "retention",
        "similarity",
        "selection",
        "detection",
        "pair_checks",
        "design_comparison",
    ),
    "tasks": (
        "formula_worker",
        "formulas",
        "answers",
        "files",
        "sources",
        "item",
        "literals",
        "rows",
        "layouts",
        "choices",
        "free_answers",
        "reading",
        "task",
        "prompting",
        "training_examples",
        "wrong_answers",
        "designs",
    ),
    "evaluation": (
        "scoring",
        "store",
        "columns",
        "scorer",
        "own_answers",
        "evaluation",
        "voting",
        "controls",
        "forced",
        "arms",
        "side_effects",
        "gain",
        "gain_table",
        "protocol",
        "report",
        "overview",
    ),
    "interop": ("baked", "tensors", "control_vectors", "lm_eval", "vllm", "compatibility", "export", "harness"),
    "plots": ("figures", "tasks", "pairs", "gains"),
    "library": ("saved_vectors", "shelf", "sessions"),
    "studies": (
        "settings",
        "identity",
        "cells",
        "carrying",
        "predictors",
        "measures",
        "results",
        "running",
        "planning",
        "figures",
        "report",
        "rerunning",
        "inspect_logs",
        "trackio_runs",
        "remote",
        "distributed",
    ),
    "ui": (
        "text",
        "background",
        "state",
        "render",
        "events",
        "sidebar",
        "questions",
        "viewer",
        "look",
        "tabs",
        "server",
        "app",
    ),
    "cli": (
        "bench",
        "options",
        "steps",
        "cache",
        "task_concepts",
        "concepts",
        "files",
        "measuring",
        "detecting",
        "tasks",
        "scoring",
        "gaining",
        "studying",
        "writing",
        "logs",
        "page",
    ),
}
"""Packages in the order of the data flow, each with its own files in order. What stands in it imports only from its left.

A package is entered through its `__init__.py` alone, which hands on what others may use.
"""

CORE = tuple(ORDER)[: tuple(ORDER).index("ui")]
WITHOUT_FACE = {"steering.interop.harness"}
"""Needs a package that is not in the requirements, so its package's `__init__.py` cannot import it."""

SOURCES = sorted(PACKAGE.rglob("*.py"))


def part(path: Path) -> str:
    """The entry of ORDER that a source file belongs to; "" for the package itself, "__main__" for its command line."""
    name = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
    return "" if name == "__init__" else name


def parse(path: Path) -> ast.Module:
    return ast.parse(path.read_text("utf-8"), str(path))


def imports(path: Path) -> Iterator[str]:
    """Full names of everything that a file imports, also inside functions."""
    package = ["steering", *path.relative_to(PACKAGE).parts[:-1]] if path.is_relative_to(PACKAGE) else []
    for node in ast.walk(parse(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            origin = ".".join([*base, *([node.module] if node.module else [])])
            yield from (f"{origin}.{alias.name}" for alias in node.names)


def identify(path: Path) -> str:
    return str(path.relative_to(PACKAGE))


def place(path: Path) -> str:
    """The entry of its package's own order that a source file belongs to; "" for the package's `__init__.py`."""
    parts = path.relative_to(PACKAGE).parts
    name = parts[1].removesuffix(".py") if len(parts) > 1 else ""
    return "" if name == "__init__" else name


def test_every_module_has_a_place_in_the_order() -> None:
    assert {part(path) for path in SOURCES} <= {"", "__main__", *ORDER}
    assert len(list(PACKAGE.iterdir())) - (PACKAGE / "__pycache__").exists() <= 20
    for name, files in ORDER.items():
        there = {place(path) for path in SOURCES if part(path) == name} - {""}
        assert there == set(files), f"{name} holds other files than its order names"


def test_the_core_is_seen() -> None:
    assert {"errors", "storage", "models", "vectors", "steer", "evaluation"} <= set(map(part, SOURCES))
    assert "steering.errors.SteeringError" in set(imports(PACKAGE / "storage" / "files.py"))


@pytest.mark.parametrize("path", SOURCES, ids=identify)
def test_a_module_imports_only_from_its_left(path: Path) -> None:
    own = part(path)
    order = tuple(ORDER)
    allowed = {"": set(CORE), "__main__": set(order)}.get(own) or set(order[: order.index(own)]) | {own}
    wanted = {name.split(".")[1] for name in imports(path) if name.startswith("steering.")}
    assert wanted <= allowed, f"{identify(path)} may not import {sorted(wanted - allowed)}"


@pytest.mark.parametrize("path", [path for path in SOURCES if place(path)], ids=identify)
def test_a_file_imports_only_from_its_left_in_its_package(path: Path) -> None:
    own, files = part(path), ORDER[part(path)]
    inside = {name.split(".")[2] for name in imports(path) if name.startswith(f"steering.{own}.")}
    assert inside <= {*files[: files.index(place(path))], *([] if path.parent.parent == PACKAGE else [place(path)])}


@pytest.mark.parametrize("path", [*SOURCES, PACKAGE.parent / "app.py"], ids=lambda path: path.name)
def test_nobody_reaches_past_the_face_of_another_package(path: Path) -> None:
    own = part(path) if path.is_relative_to(PACKAGE) else ""
    for name in imports(path):
        root, package, *rest = [*name.split("."), ""]
        if root != "steering" or package == own or not ORDER.get(package) or name.rpartition(".")[0] in WITHOUT_FACE:
            continue
        face = importlib.import_module(f"steering.{package}")
        if rest == [""]:
            continue  # The face itself.
        assert len(rest) == 2, f"{name} is reached past steering.{package}"
        assert rest[0] in face.__all__, f"steering.{package} does not hand on {rest[0]}"


def test_no_files_import_each_other_in_a_circle() -> None:
    names = {".".join(["steering", *path.relative_to(PACKAGE).with_suffix("").parts]): path for path in SOURCES}
    graph = {
        name: {other for full in imports(path) for other in (full, full.rpartition(".")[0]) if other in names}
        for name, path in names.items()
    }
    order = list(graphlib.TopologicalSorter(graph).static_order())  # Raises CycleError, which names the circle.
    assert order.index("steering.errors") < order.index("steering.models.loading")


@pytest.mark.parametrize("path", [path for path in SOURCES if part(path) != "ui"], ids=identify)
def test_only_the_ui_imports_gradio(path: Path) -> None:
    assert not [name for name in imports(path) if name.split(".")[0] == "gradio"]


@pytest.mark.parametrize(
    "path", [path for path in SOURCES if part(path) in ("concepts", "errors", "plots")], ids=identify
)
def test_records_of_text_and_pictures_know_no_model(path: Path) -> None:
    assert not [name for name in imports(path) if name.split(".")[0] == "transformers"]


@pytest.mark.parametrize("path", SOURCES, ids=identify)
def test_everything_public_has_a_docstring(path: Path) -> None:
    tree = parse(path)
    if tree.body:
        assert ast.get_docstring(tree), f"{identify(path)} has no docstring"
    missing = [node.name for node in public(tree) if not ast.get_docstring(node)]
    assert not missing


def public(tree: ast.Module | ast.ClassDef) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef]:
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) and not node.name.startswith("_"):
            yield node
            if isinstance(node, ast.ClassDef):
                yield from public(node)


def dotted(node: ast.expr) -> str:
    """`torch.load` for the expression that spells it; "" for anything that is not a name with dots."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        return f"{dotted(node.value)}.{node.attr}"
    return ""


def calls(path: Path) -> Iterator[tuple[str, dict[str | None, ast.expr]]]:
    for node in ast.walk(parse(path)):
        if isinstance(node, ast.Call):
            yield dotted(node.func), {keyword.arg: keyword.value for keyword in node.keywords}


@pytest.mark.parametrize("path", SOURCES, ids=identify)
def test_nothing_that_is_read_can_run_code(path: Path) -> None:
    unpicklers = {"pickle", "cPickle", "_pickle", "dill", "cloudpickle", "joblib", "shelve", "marshal"}
    assert not unpicklers & {name.split(".")[0] for name in imports(path)}
    for name, keywords in calls(path):
        assert name not in {"eval", "exec", "torch.load", "torch.jit.load", "yaml.load"}
        for risky in ("trust_remote_code", "allow_pickle"):
            value = keywords.get(risky)
            assert value is None or (isinstance(value, ast.Constant) and value.value is False), f"{name}({risky}=...)"


@pytest.mark.parametrize("path", [path for path in SOURCES if part(path) in CORE], ids=identify)
def test_the_library_neither_prints_nor_exits_nor_touches_global_randomness(path: Path) -> None:
    forbidden = {"print", "input", "exit", "quit", "sys.exit", "os._exit"}
    forbidden |= {"torch.manual_seed", "torch.seed", "random.seed", "np.random.seed", "numpy.random.seed"}
    assert not forbidden & {name for name, _ in calls(path)}


@pytest.mark.parametrize("path", SOURCES, ids=identify)
def test_no_error_is_swallowed_unnamed(path: Path) -> None:
    assert not [node for node in ast.walk(parse(path)) if isinstance(node, ast.ExceptHandler) and node.type is None]


def test_the_front_door_is_small() -> None:
    names = getattr(steering, "__all__", [])
    assert len(names) <= 20
    assert all(hasattr(steering, name) for name in names)


IMPORT_AND_REPORT = """
import collections.abc, gc, importlib, os, pathlib, sys

def from_us(depth):
    frame = sys._getframe(depth)
    library = (os.__file__, collections.abc.__file__, "<frozen os>", "<frozen _collections_abc>")
    while frame and frame.f_code.co_filename in library:
        frame = frame.f_back
    return frame is not None and "/steering/" in frame.f_code.co_filename

reads, opened = [], []
for method in ("__getitem__", "__contains__"):
    def spy(self, key, plain=getattr(type(os.environ), method, None) or collections.abc.Mapping.__contains__):
        if from_us(2):
            reads.append(key)
        return plain(self, key)
    setattr(type(os.environ), method, spy)

def watch(event, arguments):
    if event == "open" and isinstance(arguments[0], (str, bytes, os.PathLike)):
        opened.append(os.fsdecode(arguments[0]))
sys.addaudithook(watch)

for name in sys.argv[1:]:
    importlib.import_module(name)

import torch
weights = [type(thing).__name__ for thing in gc.get_objects() if issubclass(type(thing), torch.nn.Module)]
models = [path for path in opened if path.endswith((".safetensors", ".gguf", ".bin", ".pt", ".pth"))]
data = [path for path in opened if "/steering/" in path and path.endswith((".txt", ".json", ".jsonl"))]
gradio = "gradio" in sys.modules
exec(compile("import os; os.environ.get('CONTROL')", "/steering/control.py", "exec"))
print({"reads": reads, "weights": weights, "models": models, "data": data, "opened": len(opened), "gradio": gradio})
"""


def test_importing_loads_no_model_opens_no_file_and_reads_no_environment() -> None:
    names = ["steering", *(f"steering.{name}" for name in CORE)]
    command = [sys.executable, "-c", IMPORT_AND_REPORT, *names]
    run = subprocess.run(command, cwd=PACKAGE.parent, capture_output=True, text=True, timeout=300)
    assert run.returncode == 0, run.stderr
    report = ast.literal_eval(run.stdout)
    assert report.pop("opened") > 0, "the hook saw nothing at all, so it would see no model either"
    assert report == {"reads": ["CONTROL"], "weights": [], "models": [], "data": [], "gradio": False}
