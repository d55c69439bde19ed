"""The plan of the house: who may import whom, what importing costs, and what the source never does."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import steering

PACKAGE = Path(steering.__file__).parent

ORDER = (
    "errors",
    "numerals",
    "storage",
    "bundled",
    "blocks",
    "sources",
    "models",
    "likelihood",
    "concepts",
    "activations",
    "directions",
    "vectors",
    "extraction",
    "pairing",
    "layer_maps",
    "moments",
    "width_maps",
    "cross_maps",
    "alignment",
    "transfer",
    "intervention",
    "cache",
    "decoding",
    "generation",
    "grid_files",
    "next_tokens",
    "effects",
    "retention",
    "similarity",
    "selection",
    "answers",
    "task_sources",
    "tasks",
    "prompting",
    "scoring",
    "runs",
    "significance",
    "designs",
    "judging",
    "grids",
    "evaluation",
    "voting",
    "controls",
    "reporting",
    "overview",
    "plots",
    "plots_tasks",
    "plots_designs",
    "formats",
    "library",
    "sessions",
    "bench",
    "bench_scoring",
    "harness",
    "cli",
    "ui",
)
"""A module imports only from its left. A module that does not exist yet keeps its place."""

CORE = ORDER[: ORDER.index("bench")]
SOURCES = sorted(PACKAGE.rglob("*.py"))


def part(path: Path) -> str:
    """The entry of ORDER that a source file belongs to; "" for the package itself, "__main__" for its command line."""
    name = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
    return "" if name == "__init__" else name


def parse(path: Path) -> ast.Module:
    return ast.parse(path.read_text("utf-8"), str(path))


def imports(path: Path) -> Iterator[str]:
    """Full names of everything that a file imports, also inside functions."""
    package = ["steering", *path.relative_to(PACKAGE).parts[:-1]]
    for node in ast.walk(parse(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            origin = ".".join([*base, *([node.module] if node.module else [])])
            yield from (f"{origin}.{alias.name}" for alias in node.names)


def identify(path: Path) -> str:
    return str(path.relative_to(PACKAGE))


def test_every_module_has_a_place_in_the_order() -> None:
    assert {part(path) for path in SOURCES} <= {"", "__main__", *ORDER}


def test_the_core_is_seen() -> None:
    assert {"errors", "storage", "models", "activations", "vectors", "extraction", "intervention", "generation"} <= set(
        map(part, SOURCES)
    )
    assert "steering.errors.SteeringError" in set(imports(PACKAGE / "storage.py"))


@pytest.mark.parametrize("path", SOURCES, ids=identify)
def test_a_module_imports_only_from_its_left(path: Path) -> None:
    own = part(path)
    allowed = {"": set(CORE), "__main__": set(ORDER)}.get(own) or set(ORDER[: ORDER.index(own)]) | {own}
    wanted = {name.split(".")[1] for name in imports(path) if name.startswith("steering.")}
    assert wanted <= allowed, f"{identify(path)} may not import {sorted(wanted - allowed)}"


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
data = [path for path in opened if "/steering/data/" in path]
gradio = "gradio" in sys.modules
exec(compile("import os; os.environ.get('CONTROL')", "/steering/control.py", "exec"))
print({"reads": reads, "weights": weights, "models": models, "data": data, "opened": len(opened), "gradio": gradio})
"""


def test_importing_loads_no_model_opens_no_file_and_reads_no_environment() -> None:
    names = ["steering", *(f"steering.{name}" for name in CORE if (PACKAGE / f"{name}.py").exists())]
    command = [sys.executable, "-c", IMPORT_AND_REPORT, *names]
    run = subprocess.run(command, cwd=PACKAGE.parent, capture_output=True, text=True, timeout=300)
    assert run.returncode == 0, run.stderr
    report = ast.literal_eval(run.stdout)
    assert report.pop("opened") > 0, "the hook saw nothing at all, so it would see no model either"
    assert report == {"reads": ["CONTROL"], "weights": [], "models": [], "data": [], "gradio": False}
