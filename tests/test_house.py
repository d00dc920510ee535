"""The house stays in order: every module and every public name says what it is for."""

import ast
from pathlib import Path

import pytest

from ultraviolet.crash_points import CRASH_POINTS

ROOT = Path(__file__).parent.parent
MODULES = sorted((ROOT / "src").rglob("*.py"))
OUTSIDE = ("../shared",)


def is_declaration(node: ast.AST) -> bool:
    """Tell whether this is a member of a Protocol that is nothing but its signature."""
    body = getattr(node, "body", [])
    return (
        len(body) == 1
        and isinstance(body[0], ast.Expr)
        and getattr(body[0].value, "value", None) is ...
    )


def public(body: list[ast.stmt], prefix: str = "") -> list[tuple[str, ast.AST]]:
    found: list[tuple[str, ast.AST]] = []
    for node in body:
        if not isinstance(
            node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
        ) or node.name.startswith("_"):
            continue
        if not is_declaration(node):
            found.append((prefix + node.name, node))
        if isinstance(node, ast.ClassDef):
            found.extend(public(node.body, f"{node.name}."))
    return found


@pytest.mark.parametrize(
    "path", MODULES, ids=lambda path: str(path.relative_to(ROOT / "src/ultraviolet"))
)
def test_module_says_what_it_is_for(path: Path) -> None:
    tree = ast.parse(path.read_text())

    doc = ast.get_docstring(tree)
    assert doc, f"{path} does not say what it is for"
    assert len(doc.splitlines()[0]) > 10
    silent = [name for name, node in public(tree.body) if not ast.get_docstring(node)]  # pyright: ignore[reportArgumentType]
    assert silent == []


@pytest.mark.parametrize("name", OUTSIDE)
def test_nothing_points_outside_the_project(name: str) -> None:
    here = Path(__file__)
    texts = [
        *MODULES,
        *(ROOT / "tests").rglob("*.py"),
        *(ROOT / "docs").rglob("*.md"),
        *ROOT.glob("*.md"),
    ]

    assert [path for path in texts if path != here and name in path.read_text()] == []


def test_every_crash_point_has_a_test() -> None:
    texts = [path.read_text() for path in (ROOT / "tests").rglob("*.py")]

    assert [point for point in CRASH_POINTS if not any(f'"{point}' in text for text in texts)] == []


def test_the_lock_files_name_no_index() -> None:
    lines = [line for lock in ROOT.glob("*.lock") for line in lock.read_text().splitlines()]

    assert [line for line in lines if "://" in line or line.startswith("--index")] == []
