"""Sphinx configuration: Markdown pages, built without a network and without external resources."""

import re
from pathlib import Path
from typing import Any

import ultraviolet

project = "Ultraviolet"
author = "the Ultraviolet contributors"
copyright = "the Ultraviolet contributors, Apache-2.0"  # noqa: A001  the name that Sphinx requires
release = ultraviolet.__version__

extensions = ["myst_parser"]
source_suffix = {".md": "markdown"}
root_doc = "index"
exclude_patterns = ["_build", "generate"]
html_theme = "furo"
html_title = f"Ultraviolet {release}"
html_copy_source = False
html_show_sphinx = False
highlight_language = "none"
smartquotes = False

myst_heading_anchors = 4

_SECTION = re.compile(r"^## (.+?)\n(.*?)(?=^## |\Z)", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"(?<!!)\[([^\]]+)\]\((?!\w+:)([^)#]+)[^)]*\)")
_PAGE = re.compile(r"\]\(([\w/-]+)\.md")


def setup(app: Any) -> None:
    """Generate the tree of pages from the lists in index.md."""
    app.connect("source-read", _with_tree)
    app.connect("source-read", _with_repository)


def _with_tree(app: Any, name: str, source: list[str]) -> None:
    if name != app.config.root_doc:
        return
    for title, listed in _SECTION.findall(source[0]):
        pages = "\n".join(dict.fromkeys(_PAGE.findall(listed)))
        source[0] += f"\n```{{toctree}}\n:hidden:\n:caption: {title}\n\n{pages}\n```\n"


def _with_repository(app: Any, name: str, source: list[str]) -> None:
    """Replace links to files outside the site by their text."""
    folder = (Path(app.srcdir) / name).parent

    def replace_link(link: re.Match[str]) -> str:
        target = (folder / link[2]).resolve()
        here = target.is_relative_to(app.srcdir) and target.is_file()
        return link[0] if here or not target.exists() else link[1]

    source[0] = _LINK.sub(replace_link, source[0])
