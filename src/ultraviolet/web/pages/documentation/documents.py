"""Load, render and search the documents in Markdown."""

import posixpath
import re
from collections import Counter
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
from markupsafe import Markup, escape

import ultraviolet

if TYPE_CHECKING:
    from markdown_it.renderer import RendererHTML
    from markdown_it.token import Token

ADDRESS = "/docs"
INDEX = "index"
CHANGELOG = "changelog"
"""The changelog; in the repository, it is the only document outside of `docs`."""
IMAGE_TYPES = {".svg": "image/svg+xml", ".png": "image/png"}
MAX_RESULTS = 40
_MAX_HEADING_LEVEL = 4
_MAX_CONTENTS = 60
"""Above this number of headings, the contents of a page list only the second level."""
_EXCERPT_CHARACTERS = 160
_FENCE = re.compile(r"^( *)(```+)[^\n]*\n.*?^\1\2 *$", re.MULTILINE | re.DOTALL)
_HEADING = re.compile(rf"^(#{{1,{_MAX_HEADING_LEVEL}}}) +(.+?) *$", re.MULTILINE)
_LINK_TEXT = re.compile(r"!?\[([^\]]*)\]\([^)]*\)")
_MARKUP = re.compile(
    r"<!--.*?-->|```\w*|`|\*+(?=\S)|(?<=\S)\*+|^[| :-]+$|^#+ |^ *[-*] |\\(?=[|*_])",
    re.MULTILINE | re.DOTALL,
)
_TABLE_BORDER = re.compile(r" *(?<!\\)\| *")
_FIRST_LINK = re.compile(r"\[([^\]]+)\]\(([\w./-]+\.md)\)")
_GROUP = re.compile(r"^## (.+?)\n(.*?)(?=^## |\Z)", re.MULTILINE | re.DOTALL)


class Heading(msgspec.Struct, frozen=True):
    """A heading of a document and its anchor."""

    level: int
    text: str
    anchor: str


class Document(msgspec.Struct, frozen=True):
    """A rendered document."""

    title: str
    html: Markup
    headings: Sequence[Heading]

    @property
    def contents(self) -> Sequence[Heading]:
        """The headings to list beside the document."""
        found = [one for one in self.headings if one.level in (2, 3)]
        return found if len(found) <= _MAX_CONTENTS else [one for one in found if one.level == 2]  # noqa: PLR2004


class Entry(msgspec.Struct, frozen=True):
    """A document in the list of all documents."""

    name: str
    title: str

    @property
    def address(self) -> str:
        """The path of the document on this hub."""
        return address_of(self.name)


class Group(msgspec.Struct, frozen=True):
    """A kind of documents, such as the how-to guides."""

    title: str
    entries: Sequence[Entry]


class Result(msgspec.Struct, frozen=True):
    """A section that contains the searched words."""

    document: str
    heading: str
    address: str
    excerpt: Markup


class _Section(msgspec.Struct, frozen=True):
    document: Entry
    heading: Heading
    text: str


@cache
def folder() -> Path:
    """Return the folder of the documents: in the package, or in the repository beside `src`."""
    package = Path(ultraviolet.__file__).parent
    packaged = package / "documents"
    return packaged if packaged.is_dir() else package.parents[1] / "docs"


@cache
def names() -> frozenset[str]:
    """Return the names of all documents, such as `how-to/sql-and-exports`."""
    found = (path.relative_to(folder()) for path in folder().rglob("*.md"))
    here = (path.with_suffix("").as_posix() for path in found if path.parts[0] != "_build")
    return frozenset((*here, CHANGELOG))


def address_of(name: str, anchor: str = "") -> str:
    """Return the path of a document on this hub."""
    path = ADDRESS if name == INDEX else f"{ADDRESS}/{name}"
    return f"{path}#{anchor}" if anchor else path


def image(path: str) -> Path | None:
    """Return the file of an image in the folder of the documents."""
    file = (folder() / path).resolve()
    known = file.suffix in IMAGE_TYPES and file.is_relative_to(folder().resolve())
    return file if known and file.is_file() else None


@cache
def groups() -> Sequence[Group]:
    """Return all documents in the order of the index, which lists every document once."""
    found: list[Group] = []
    listed = {INDEX}
    for title, text in _GROUP.findall(_source(INDEX)):
        entries: list[Entry] = []
        for label, path in _FIRST_LINK.findall(" ".join(text.split())):
            if (name := _name_of(path)) not in listed:
                listed.add(name)
                entries.append(Entry(name, label))
        found.append(Group(title, entries))
    return found


def neighbours(name: str) -> tuple[Entry | None, Entry | None]:
    """Return the previous and the next document."""
    entries = [Entry(INDEX, "Documentation"), *(one for group in groups() for one in group.entries)]
    at = next((n for n, one in enumerate(entries) if one.name == name), None)
    if at is None:
        return None, None
    return (entries[at - 1] if at else None, entries[at + 1] if at + 1 < len(entries) else None)


@cache
def document(name: str, root: str) -> Document:
    """Return a document; `root` is the prefix of all paths of this hub."""
    # A twentieth of the start of a hub, and not needed before the first document.
    from markdown_it import MarkdownIt  # noqa: PLC0415
    from mdit_py_plugins.anchors import anchors_plugin  # noqa: PLC0415

    markdown = MarkdownIt("commonmark").enable("table")
    anchors_plugin(markdown, max_level=_MAX_HEADING_LEVEL, slug_func=slug)
    rules: dict[str, Callable[..., str]] = {
        "fence": _code,
        "code_block": _code,
        "heading_close": _heading_end,
        "table_open": lambda *_: '<div class="scroll" tabindex="0"><table>\n',
        "table_close": lambda *_: "</table></div>\n",
    }
    for kind, rule in rules.items():
        markdown.add_render_rule(kind, rule)
    tokens = markdown.parse(_source(name))
    headings: list[Heading] = []
    for at, token in enumerate(tokens):
        if token.type == "heading_open" and token.attrGet("id"):
            text = "".join(one.content for one in tokens[at + 1].children or ())
            headings.append(Heading(int(token.tag[1]), text, str(token.attrGet("id"))))
        _resolve_links(token.children or [], posixpath.dirname(name), root)
    html = Markup(markdown.renderer.render(tokens, markdown.options, {}))  # noqa: S704  our own documents
    return Document(headings[0].text, html, headings)


def slug(heading: str) -> str:
    """Return the anchor of a heading, as GitHub and Sphinx write it."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-")


def search(query: str) -> Sequence[Result]:
    """Return the sections that contain all words: guides and concepts before the reference.

    Within each, those with words in their titles come first.
    """
    words = query.lower().split()
    late = {entry.name for one in groups() if one.title == "Reference" for entry in one.entries}
    late |= {CHANGELOG, "architecture"}
    found: list[tuple[bool, int, _Section]] = []
    for section in _sections() if words else ():
        title, heading = section.document.title.lower(), section.heading.text.lower()
        text = section.text.lower()
        if all(word in text or word in heading or word in title for word in words):
            points = sum(20 * (word in heading) + 5 * (word in title) for word in words)
            points += sum(min(text.count(word), 4) for word in words)
            found.append((section.document.name in late, -points, section))
    found.sort(key=lambda one: one[:2])
    return [
        Result(
            section.document.title,
            section.heading.text,
            address_of(
                section.document.name, section.heading.anchor if section.heading.level > 1 else ""
            ),
            _excerpt(section.text, words),
        )
        for *_, section in found[:MAX_RESULTS]
    ]


@cache
def _source(name: str) -> str:
    file = folder() / f"{name}.md"
    if name == CHANGELOG and not file.exists():
        file = folder().parent / "CHANGELOG.md"
    return file.read_text(encoding="utf-8")


@cache
def _sections() -> Sequence[_Section]:
    """Return the sections of all documents, in the order of the index."""
    found: list[_Section] = []
    for entry in (Entry(INDEX, "Documentation"), *(e for g in groups() for e in g.entries)):
        source = _source(entry.name)
        code = [fence.span() for fence in _FENCE.finditer(source)]
        starts = [
            heading
            for heading in _HEADING.finditer(source)
            if not any(start <= heading.start() < end for start, end in code)
        ]
        used: Counter[str] = Counter()
        for at, start in enumerate(starts):
            end = starts[at + 1].start() if at + 1 < len(starts) else len(source)
            title = _plain(start[2])
            anchor = slug(title)
            number = used[anchor]
            used[anchor] += 1
            heading = Heading(len(start[1]), title, f"{anchor}-{number}" if number else anchor)
            found.append(_Section(entry, heading, _plain(source[start.end() : end])))
    return found


def _name_of(path: str) -> str:
    """Return the name of a document by its path from `docs` or, in the changelog, from above it."""
    return path.removesuffix(".md").removeprefix("../").removeprefix("docs/").lower()


def _plain(markdown: str) -> str:
    """Return Markdown as text on one line."""
    lines = (
        " · ".join(filter(None, _TABLE_BORDER.split(line))) if line.startswith("|") else line
        for line in _MARKUP.sub("", _LINK_TEXT.sub(r"\1", markdown)).splitlines()
    )
    return " ".join(" ".join(lines).split())


def _excerpt(text: str, words: Sequence[str]) -> Markup:
    """Return the part of a text around the first word, with all words marked."""
    at = max(min((n for n in map(text.lower().find, words) if n >= 0), default=0) - 40, 0)
    at = text.find(" ", at) + 1 if at else 0
    shown = text[at : at + _EXCERPT_CHARACTERS]
    if at + len(shown) < len(text):
        shown = shown.rpartition(" ")[0] or shown
    parts = re.split(f"({'|'.join(map(re.escape, words))})", shown, flags=re.IGNORECASE)
    marked = Markup().join(
        Markup("<mark>{}</mark>").format(part) if n % 2 else escape(part)
        for n, part in enumerate(parts)
    )
    return Markup("{}{}{}").format(
        "… " if at else "", marked, " …" if at + len(shown) < len(text) else ""
    )


def _resolve_links(tokens: "list[Token]", home: str, root: str) -> None:
    """Replace relative addresses by paths of this hub, and links to other files by their text."""
    hidden = False
    for token in tokens:
        if token.type == "image":
            path = posixpath.normpath(posixpath.join(home, str(token.attrGet("src"))))
            token.attrSet("src", f"{root}{ADDRESS}/{path}")
        elif token.type == "link_close" and hidden:
            token.type, token.content, hidden = "text", "", False
        elif token.type == "link_open":
            target, _, anchor = str(token.attrGet("href")).partition("#")
            if "://" in target or target.startswith("mailto:"):
                token.attrSet("rel", "noreferrer")
                continue
            path = posixpath.normpath(posixpath.join(home, target)) if target else ""
            name = _name_of(path)
            if name in names():
                token.attrSet("href", root + address_of(name, anchor))
            elif target:
                token.type, token.content, hidden = "text", "", True


def _code(
    _renderer: "RendererHTML", tokens: "Sequence[Token]", at: int, _options: Any, _env: Any
) -> str:
    id_ = f"code-{at}"
    return (
        f'<div class="copy"><pre id="{id_}" tabindex="0">{escape(tokens[at].content.rstrip())}</pre>\n'
        f'<button type="button" class="plain" data-copy="{id_}">Copy</button></div>\n'
    )


def _heading_end(
    _renderer: "RendererHTML", tokens: "Sequence[Token]", at: int, _options: Any, _env: Any
) -> str:
    opened = tokens[at - 2]
    anchor = opened.attrGet("id")
    link = (
        Markup(' <a class="anchor" href="#{}" aria-label="Link to this section">#</a>').format(
            anchor
        )
        if anchor and opened.tag != "h1"
        else ""
    )
    return f"{link}</{opened.tag}>\n"
