"""What the project says of itself: versions, ranges of packages, links and commands in its pages, and the command `app`."""

import ast
import re
import socket
import tomllib
from collections.abc import Iterator, Sequence
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import click
import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import steering
from steering import cli, ui

ROOT = Path(__file__).parent.parent
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")])
README = (ROOT / "README.md").read_text("utf-8")
CODE = re.compile(r"^ *```\w*\n(.*?)^ *```|`([^`]+)`", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^)\s]+)\)|(?:src|srcset)=\"([^\"]+)\"")
FOLDERS = ("steering", "docs", "tests", "notebooks")


def name_of(page: Path) -> str:
    return str(page.relative_to(ROOT))


def pins(file: str) -> Iterator[Requirement]:
    """The packages that a requirements file pins itself."""
    for line in (ROOT / file).read_text("utf-8").splitlines():
        if line.strip() and not line.startswith(("#", "-")):
            yield Requirement(line)


@pytest.mark.parametrize(
    ("file", "ranges"),
    [
        ("requirements.txt", PROJECT["dependencies"]),
        ("requirements-notebooks.txt", PROJECT["optional-dependencies"]["notebooks"]),
        ("requirements-dev.txt", PROJECT["optional-dependencies"]["dev"]),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_ranges_admit_the_pinned_versions(file: str, ranges: Sequence[str]) -> None:
    allowed = {canonicalize_name(entry.name): entry.specifier for entry in map(Requirement, ranges)}
    allowed.pop(canonicalize_name(PROJECT["name"]), None)  # An extra that holds another one names the project itself.
    pinned = {canonicalize_name(entry.name): entry.specifier for entry in pins(file)}
    assert set(allowed) == set(pinned)
    for name, specifier in pinned.items():
        (pin,) = specifier
        assert pin.operator == "=="
        assert allowed[name].contains(pin.version), f"{name} {pin.version} is outside {allowed[name]}"


def test_the_version_is_the_same_everywhere() -> None:
    cited = re.search(r"^version: (\S+)$", (ROOT / "CITATION.cff").read_text("utf-8"), re.MULTILINE)
    newest = re.search(r"^## \[([^\]]+)\]", (ROOT / "CHANGELOG.md").read_text("utf-8"), re.MULTILINE)
    assert cited
    assert newest
    assert cited[1] == newest[1] == PROJECT["version"]


def test_the_release_has_one_date() -> None:
    cited = re.search(r"^date-released: (\S+)$", (ROOT / "CITATION.cff").read_text("utf-8"), re.MULTILINE)
    newest = re.search(r"^## \[[^\]]+\] - (\S+)$", (ROOT / "CHANGELOG.md").read_text("utf-8"), re.MULTILINE)
    assert cited
    assert newest
    assert cited[1] == newest[1]


def test_the_readme_is_short() -> None:
    assert len(README.splitlines()) < 150


def slugs(page: Path) -> set[str]:
    """Anchors of a page's headings, as code hosts make them."""
    text = re.sub(r"^ *```.*?^ *```", "", page.read_text("utf-8"), flags=re.MULTILINE | re.DOTALL)
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_lead_somewhere(page: Path) -> None:
    for found in LINK.finditer(CODE.sub("", page.read_text("utf-8"))):
        link = found[1] or found[2]
        if not link.startswith(("http://", "https://")):
            path, _, anchor = link.partition("#")
            target = (page.parent / path) if path else page
            assert target.exists(), f"{name_of(page)} links to {link}, which is not there"
            assert not anchor or anchor in slugs(target), f"{name_of(page)} links to {link}: there is no such heading"


def snippets(page: Path) -> Iterator[str]:
    """Every piece of code on a page, with lines that end in a backslash joined."""
    for found in CODE.finditer(page.read_text("utf-8")):
        yield re.sub(r"\s*\\\n\s*|\n(?=\s*--)", " ", found[1] or " ".join(found[2].split()))


def named(page: Path, command: str) -> Iterator[list[str]]:
    """What follows a command on a page, word by word, once for each time that it is named."""
    for snippet in snippets(page):
        for line in snippet.splitlines():
            for rest in re.findall(rf"(?<![\w\"-]){command} +([^#`]+)", line):
                yield rest.split()


def test_pages_name_commands() -> None:
    words = [words for page in PAGES for words in named(page, "python -m steering")]
    assert len(words) > 15
    assert ["app"] in [words for page in PAGES for words in named(page, "steering-lab")]


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_commands_and_their_options_exist(page: Path) -> None:
    for command in ("python -m steering", "steering-lab"):
        for words in named(page, command):
            if words[0] == "--help":
                continue
            assert words[0] in cli.cli.commands, f"{name_of(page)} names {command} {words[0]}"
            known = cli.cli.commands[words[0]]
            if words[0] in ("concept", "task") and len(words) > 1:  # A group: the command is its second word.
                assert words[1] in known.commands, f"{name_of(page)} names {words[0]} {words[1]}"
                known = known.commands[words[1]]
            options = {option for parameter in known.params for option in parameter.opts} | {"--help", "--json"}
            used = {word.split("=")[0] for word in words if word.startswith("--") and len(word) > 2}
            assert words[0] == "lm-eval" or used <= options, f"{name_of(page)}: {words[0]} has no {used - options}"


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_make_targets_exist(page: Path) -> None:
    rules = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE)
    for words in named(page, "make"):
        assert words[0] in rules, f"{name_of(page)} names make {words[0]}"


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_files_that_pages_name_exist(page: Path) -> None:
    for snippet in snippets(page):
        for path in re.findall(
            rf"(?<![\w./-])((?:{'|'.join(FOLDERS)})/[\w./-]*\w|requirements[\w-]*\.txt|app\.py)", snippet
        ):
            assert (ROOT / path).exists(), f"{name_of(page)} names {path}, which is not there"


def test_what_is_to_be_extended_is_where_the_docs_say() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text("utf-8").partition("## Where to add something")[2]
    rows = [line for line in text.splitlines() if line.startswith("| a")]
    assert len(rows) > 10
    for row in rows:
        files = [ROOT / path for path in re.findall(r"`(steering/[\w/]+\.py)`", row)]
        files += [file for folder in re.findall(r"`(steering/cli/)`", row) for file in (ROOT / folder).glob("*.py")]
        assigned = {name for file in files for name in assignments(file)}
        for name in re.findall(r"`([A-Z][A-Z_]+)`", row):
            assert name in assigned, f"{name} is in none of {[file.name for file in files]}"


def assignments(file: Path) -> Iterator[str]:
    """Names that a file assigns at its top level."""
    for node in ast.parse(file.read_text("utf-8")).body:
        targets = (
            node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
        )
        yield from (target.id for target in targets if isinstance(target, ast.Name))


def test_the_example_in_python_uses_what_there_is() -> None:
    (example,) = re.findall(r"^```python\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
    names = {
        alias.name
        for node in ast.walk(ast.parse(example))
        if isinstance(node, ast.ImportFrom) and node.module == "steering"
        for alias in node.names
    }
    assert names
    assert names <= set(steering.__all__)


def test_the_installed_command_is_the_command_line() -> None:
    (script,) = PROJECT["scripts"].items()
    assert EntryPoint(script[0], script[1], "console_scripts").load() is cli.main


def app(*words: str) -> dict[str, Any]:
    """What the command `app` makes of its words."""
    command = cli.cli.commands["app"]
    return dict(command.make_context("app", list(words)).params)


def test_app_offers_at_first_what_the_page_does() -> None:
    assert (app()["parent"], app()["child"], app()["models"]) == (ui.PARENT, ui.CHILD, ())


def test_one_option_takes_several_models() -> None:
    assert app("--models", "a", "b", "--port", "80")["models"] == ("a", "b")
    assert app("--models", "a", "b", "--port", "80")["port"] == 80
    assert app("--port", "80", "--models=a", "b", "--models", "c")["models"] == ("a", "b", "c")
    for wrong in (["--models"], ["--models", "--share"], ["a"]):
        with pytest.raises(click.UsageError):
            app(*wrong)


def test_a_port_that_is_taken_is_told_in_one_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def taken(*_: object, **__: object) -> str:
        raise OSError("Cannot find empty port")

    monkeypatch.setattr(ui, "build_app", lambda *_, **__: None)
    monkeypatch.setattr(ui, "launch", taken)
    with pytest.raises(SystemExit) as ended:
        cli.main(["app", "--port", "7861"])
    assert ended.value.code == 2
    assert capsys.readouterr().err.startswith("The page cannot listen on 127.0.0.1, port 7861: another program has it")


def test_the_server_says_that_a_port_is_taken() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(OSError, match="port"):
            ui.launch(ui.build_app(), port=taken.getsockname()[1], prevent_thread_lock=True)
