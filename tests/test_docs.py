"""The documentation builds without warnings, its links work, and it covers the whole product."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from docs import generate
from docs.generate import commands, errors, metrics, routes
from litestar import Router
from tests.cli.support.test_help_layout import parse

from ultraviolet.cli.commands.config import SETTINGS
from ultraviolet.cli.support.output_schema import returned_type
from ultraviolet.web import health

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
PAGES = sorted(
    path for path in [*DOCS.rglob("*.md"), *ROOT.glob("*.md")] if "_build" not in path.parts
)
LINK = re.compile(r"\]\((?!\w+:)([^)\s#]*)(?:#([^)\s]+))?\)")
FENCE = re.compile(r"^(```+).*?^\1$", re.MULTILINE | re.DOTALL)
COMMAND = re.compile(r"^(?:[A-Z_]+=\S+ )*(?:\.venv/bin/)?(ultraviolet .*)$", re.MULTILINE)
EXTERNAL_RESOURCE = re.compile(r'<(?:script|link|img|iframe)[^>]+(?:src|href)="(?:https?:)?//[^"]+')
NAME_IN_MODULE = re.compile(r"`([\w/]+\.py)`,\s+`([\w.]+)`(?<!\.py`)")
MODULE = re.compile(r"`([\w/]+\.py)`")
MAX_CHANGELOG_LINES = 140


@pytest.mark.parametrize("name", generate.PAGES)
def test_generated_page_is_current(name: str) -> None:
    assert generate.text(name) == (generate.HOME / name).read_text(), "run: make reference"


def test_site_builds_without_warnings_and_loads_no_external_resources(tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "sphinx",
        "--fail-on-warning",
        "--keep-going",
        "--quiet",
        DOCS,
        tmp_path,
    ]
    result = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)

    assert (0, "") == (result.returncode, result.stderr)
    built = [page.read_text() for page in tmp_path.rglob("*.html")]
    assert len(built) > len(list(DOCS.glob("*.md")))
    assert [] == [found for page in built for found in EXTERNAL_RESOURCE.findall(page)]


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_have_targets(path: Path) -> None:
    broken = []
    for target, anchor in LINK.findall(FENCE.sub("", path.read_text())):
        linked = (path.parent / target).resolve() if target else path
        if not linked.exists() or (anchor and anchor not in anchors(linked)):
            broken.append(f"{target}#{anchor}")

    assert [] == broken


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_commands_have_valid_syntax(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ION_CLIENT_SECRET", "not prompted for")
    (tmp_path / "events.jsonl").touch()

    for fence in FENCE.finditer(path.read_text()):
        for command in COMMAND.findall(fence[0]):
            parse(command)


def test_index_links_every_page() -> None:
    linked = {
        (DOCS / target).resolve() for target, _ in LINK.findall((DOCS / "index.md").read_text())
    }
    pages = {path for path in PAGES if path.is_relative_to(DOCS)}

    assert set() == pages - linked - {DOCS / "index.md"}


def test_every_page_of_the_hub_is_described() -> None:
    described = (DOCS / "pages.md").read_text()
    served = [path for path, method, *_ in routes.routes(routes.all_pages()) if method == "GET"]

    assert [] == [path for path in served if f"`{path}`" not in described]


def test_reference_contains_every_name() -> None:
    names = {
        "routes.md": [
            path for path, *_ in routes.routes(Router("/", route_handlers=health.HANDLERS))
        ],
        "settings.md": [setting.name for setting in SETTINGS],
        "commands.md": [path for path, _ in commands.leaves()],
        "metrics.md": [metrics.exposed(metric) for metric in metrics.families()],
        "errors.md": [error.__name__ for error in errors.errors()],
    }
    missing = [
        (page, name)
        for page, listed in names.items()
        for name in listed
        if name not in (generate.HOME / page).read_text()
    ]

    assert [] == missing


def test_json_output_of_every_command_is_described() -> None:
    undescribed = [
        path
        for path, command in commands.leaves()
        if takes_json(command) and not returned_type(command.callback)
    ]

    # These print files and the columns of a query.
    assert [
        "ultraviolet event export",
        "ultraviolet object export",
        "ultraviolet sql",
    ] == undescribed


def test_architecture_names_existing_modules_and_functions() -> None:
    page = (DOCS / "architecture.md").read_text()
    modules = [
        path.relative_to(ROOT).as_posix()
        for folder in ("src", "tests")
        for path in (ROOT / folder).rglob("*.py")
    ]

    unknown = [
        name
        for name in MODULE.findall(page)
        if not any(f"/{module}".endswith(f"/{name}") for module in modules)
    ]
    unknown += [
        f"{module} {name}"
        for module, name in NAME_IN_MODULE.findall(page)
        if not defines((ROOT / "src/ultraviolet" / module), name)
    ]

    assert [] == unknown


def test_changelog_has_one_short_entry() -> None:
    changelog = (ROOT / "CHANGELOG.md").read_text()

    assert ["## [0.1.0] (unreleased)"] == re.findall(r"^## .+$", changelog, re.MULTILINE)
    assert len(changelog.splitlines()) < MAX_CHANGELOG_LINES


def defines(module: Path, name: str) -> bool:
    """Return whether a module defines each part of `Class.method` or `function`."""
    text = module.read_text() if module.exists() else ""
    return all(
        re.search(rf"^ *(?:async def|def|class) {part}\b", text, re.MULTILINE)
        for part in name.split(".")
    )


def takes_json(command: Any) -> bool:
    """Return whether a command has the option `--json`."""
    return any(parameter.name == "as_json" for parameter in command.params)


def anchors(path: Path) -> set[str]:
    """Return the anchors that GitHub and Sphinx generate for the headings of a page."""
    headings = re.findall(r"^#+ (.+)$", FENCE.sub("", path.read_text()), re.MULTILINE)
    return {
        re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings
    }
