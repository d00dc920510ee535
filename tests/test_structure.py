"""The layout of the source: documented modules, small folders, no import cycles."""

import ast
from collections import Counter
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

from ultraviolet.failpoints import FAILPOINTS

ROOT = Path(__file__).parent.parent
SOURCE = ROOT / "src"
MODULES = sorted(SOURCE.rglob("*.py"))
OUTSIDE = ("../shared",)
MAX_FILES_PER_FOLDER = 25


def is_declaration(node: ast.AST) -> bool:
    """Return whether this is a member of a Protocol that consists of its signature."""
    body = getattr(node, "body", [])
    return (
        len(body) == 1
        and isinstance(body[0], ast.Expr)
        and getattr(body[0].value, "value", None) is ...
    )


def public(body: list[ast.stmt], prefix: str = "") -> list[tuple[str, ast.AST]]:
    """Return the public functions and classes with their names."""
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


def test_modules_and_public_names_are_documented() -> None:
    undocumented: list[str] = []
    for path in MODULES:
        tree = ast.parse(path.read_text())
        first = (ast.get_docstring(tree) or "").partition("\n")[0]
        if len(first) <= 10:
            undocumented.append(str(path))
        undocumented += [
            f"{path}: {name}"
            for name, node in public(tree.body)
            if not ast.get_docstring(node)  # pyright: ignore[reportArgumentType]
        ]

    assert [] == undocumented
    assert len(MODULES) > 100


def name_of(path: Path) -> str:
    return ".".join(path.relative_to(SOURCE).with_suffix("").parts).removesuffix(".__init__")


def imports(tree: ast.Module, names: set[str]) -> set[str]:
    """Return the modules of the project that a module imports, at load time, later or for its types only."""
    found: set[str] = set()
    nodes: list[ast.AST] = [tree]
    while nodes:
        node = nodes.pop()
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            members = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= (members & names) or {node.module}
            if not members <= names:
                found.add(node.module)
        nodes += ast.iter_child_nodes(node)
    return found & names


def test_no_import_cycles() -> None:
    names = {name_of(path) for path in MODULES}
    graph = {
        name_of(path): imports(ast.parse(path.read_text()), names) - {name_of(path)}
        for path in MODULES
    }

    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(" → ".join(error.args[1]))


def test_folders_stay_small() -> None:
    counts = Counter(path.parent for path in MODULES)

    assert {} == {str(f): n for f, n in counts.items() if n > MAX_FILES_PER_FOLDER}


@pytest.mark.parametrize("name", OUTSIDE)
def test_no_reference_outside_the_project(name: str) -> None:
    here = Path(__file__)
    texts = [
        *MODULES,
        *(ROOT / "tests").rglob("*.py"),
        *(ROOT / "docs").rglob("*.md"),
        *ROOT.glob("*.md"),
    ]

    assert [] == [path for path in texts if path != here and name in path.read_text()]


def test_every_failpoint_has_a_test() -> None:
    texts = [path.read_text() for path in (ROOT / "tests").rglob("*.py")]

    assert [] == [point for point in FAILPOINTS if not any(f'"{point}' in text for text in texts)]


def test_lock_files_contain_no_index_address() -> None:
    lines = [line for lock in ROOT.glob("*.lock") for line in lock.read_text().splitlines()]

    assert [] == [line for line in lines if "://" in line or line.startswith("--index")]
