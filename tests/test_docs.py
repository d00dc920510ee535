"""The documentation is whole: it builds without a warning, its links lead somewhere, and nothing of the product is missing in it."""

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
WRITTEN = sorted(
    path for path in [*DOCS.rglob("*.md"), *ROOT.glob("*.md")] if "_build" not in path.parts
)
LINK = re.compile(r"\]\((?!\w+:)([^)\s#]*)(?:#([^)\s]+))?\)")
FENCE = re.compile(r"^(```+).*?^\1$", re.MULTILINE | re.DOTALL)
COMMAND = re.compile(r"^(?:[A-Z_]+=\S+ )*(?:\.venv/bin/)?(ultraviolet .*)$", re.MULTILINE)
ELSEWHERE = re.compile(r'<(?:script|link|img|iframe)[^>]+(?:src|href)="(?:https?:)?//[^"]+')


@pytest.mark.parametrize("name", generate.PAGES)
def test_what_follows_from_the_code_is_up_to_date(name: str) -> None:
    assert generate.text(name) == (generate.HOME / name).read_text(), "run: make reference"


def test_it_builds_without_a_warning_and_loads_nothing_from_elsewhere(tmp_path: Path) -> None:
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
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    assert (0, "") == (done.returncode, done.stderr)
    built = [page.read_text() for page in tmp_path.rglob("*.html")]
    assert len(built) > len(list(DOCS.glob("*.md")))
    assert [] == [found for page in built for found in ELSEWHERE.findall(page)]


@pytest.mark.parametrize("path", WRITTEN, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_link_leads_somewhere(path: Path) -> None:
    broken = []
    for target, anchor in LINK.findall(FENCE.sub("", path.read_text())):
        to = (path.parent / target).resolve() if target else path
        if not to.exists() or (anchor and anchor not in anchors(to)):
            broken.append(f"{target}#{anchor}")
    assert [] == broken


@pytest.mark.parametrize("path", WRITTEN, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_command_on_a_page_could_be_typed(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ION_CLIENT_SECRET", "asked for otherwise")
    (tmp_path / "events.jsonl").touch()
    for fence in FENCE.finditer(path.read_text()):
        for command in COMMAND.findall(fence[0]):
            parse(command)


def test_every_page_is_in_the_index() -> None:
    listed = {
        (DOCS / target).resolve() for target, _ in LINK.findall((DOCS / "index.md").read_text())
    }
    assert set() == {path for path in WRITTEN if path.is_relative_to(DOCS)} - listed - {
        DOCS / "index.md"
    }


def test_every_page_of_the_hub_is_told_of() -> None:
    told = (DOCS / "pages.md").read_text()
    shown = [path for path, method, *_ in routes.routes(routes.all_pages()) if method == "GET"]
    assert [] == [path for path in shown if f"`{path}`" not in told]


def test_nothing_of_the_product_is_missing() -> None:
    """Every route, setting, command, metric and kind of error, by name, in the page where one would look."""
    named = {
        "routes.md": [
            path for path, *_ in routes.routes(Router("/", route_handlers=health.HANDLERS))
        ],
        "settings.md": [one.name for one in SETTINGS],
        "commands.md": [path for path, _ in commands.leaves()],
        "metrics.md": [metrics.exposed(one) for one in metrics.families()],
        "errors.md": [one.__name__ for one in errors.errors()],
    }
    missing = [
        (page, name)
        for page, names in named.items()
        for name in names
        if name not in (generate.HOME / page).read_text()
    ]
    assert [] == missing


def test_the_json_of_every_command_is_told_of() -> None:
    silent = [
        path
        for path, command in commands.leaves()
        if takes_json(command) and not returned_type(command.callback)
    ]
    assert [
        "ultraviolet event export",
        "ultraviolet object export",
        "ultraviolet sql",
    ] == silent  # files, and what a query names


def takes_json(command: Any) -> bool:
    return any(one.name == "as_json" for one in command.params)


def anchors(path: Path) -> set[str]:
    """The anchors GitHub and Sphinx give to the headings of a page."""
    heads = re.findall(r"^#+ (.+)$", FENCE.sub("", path.read_text()), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).strip().replace(" ", "-") for head in heads}
