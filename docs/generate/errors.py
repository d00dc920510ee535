"""Generate the page of errors from the subclasses of UltravioletError."""

import importlib
import inspect
import pkgutil
from collections.abc import Iterator

from docs.generate.markdown import code, line, table

import ultraviolet
from ultraviolet.errors import UltravioletError

_INTRO = """\
# Errors

An error message contains the problem and the next step. Over HTTP, an error is a problem (RFC 9457,
`application/problem+json`). Its `type` is the address of the kind on this page, so it ends with `#` and the kind. On the command line, it is one line on stderr and an exit
code, or with `--json` an object `{"error": kind, "message": …}` on stderr.
"""
_EXIT_CODES = (
    ("0", "success"),
    ("1", "an error without its own code"),
    ("2", "invalid arguments, options or values"),
    ("3", "not authenticated, or insufficient role"),
    ("4", "not found"),
    ("5", "conflict with the current state"),
    ("6", "the hub, its database or the local ION does not respond"),
    (
        "7",
        "ION or another service refused or does not respond, or the connection test failed",
    ),
    ("8", "a fetch or verification did not complete"),
    ("9", "mirror and ION differ"),
    ("10", "`status`, `doctor` or `db check` found a problem"),
    ("11", "a test alert was not delivered"),
    ("130", "stopped with Ctrl-C"),
)
_KINDS_INTRO = """\
A problem of the kind `error` is an internal error; the log of the hub contains its cause.
"""
_HTTP_ONLY = {
    "method-not-allowed": (
        "The route does not support this method; the Allow header lists those it supports.",
        405,
    ),
    "too-large": ("The request body is larger than 4 MB; send it in parts.", 413),
}
"""Kinds of requests that no part of the hub sees, with meaning and HTTP status."""
_RUN_ONLY = ("__main__", "migrations.env")
"""Modules with side effects on import."""


def page() -> str:
    """Return the page."""
    hub = [error for error in errors() if not _of_local_ion(error)]
    local = [error for error in errors() if _of_local_ion(error)]
    return "\n".join(
        [
            _INTRO,
            "## Exit codes\n",
            table(("code", "meaning"), _EXIT_CODES),
            "\n## Kinds\n",
            _KINDS_INTRO,
            *_kinds(hub),
            "\n## In the local ION\n",
            "These occur at `/_local`. ION's API returns errors as ION does; see [the local ION](../local-ion.md).\n",
            _table(local),
        ]
    )


def errors() -> list[type[UltravioletError]]:
    """Return every public error class, ordered by kind."""
    for module in pkgutil.walk_packages(ultraviolet.__path__, "ultraviolet."):
        if not module.name.endswith(_RUN_ONLY):
            importlib.import_module(module.name)
    found = {error for error in _below(UltravioletError) if not error.__name__.startswith("_")}
    return sorted(
        {UltravioletError, *found}, key=lambda error: (error.kind, error.__module__, error.__name__)
    )


def _below(error: type[UltravioletError]) -> Iterator[type[UltravioletError]]:
    for one in error.__subclasses__():
        yield one
        yield from _below(one)


def _of_local_ion(error: type[UltravioletError]) -> bool:
    return error.__module__.startswith("ultraviolet.local_ion")


def _kinds(found: list[type[UltravioletError]]) -> list[str]:
    """Return a section for each kind, whose heading is the target of problem types."""
    by_kind: dict[str, list[type[UltravioletError]]] = {}
    for error in found:
        by_kind.setdefault(error.kind, []).append(error)
    sections = {kind: _table(same, kinds=False) for kind, same in by_kind.items()}
    for kind, (meaning, status) in _HTTP_ONLY.items():
        sections[kind] = table(("meaning", "HTTP"), [(meaning, str(status))])
    return [f"### {kind}\n\n{text}\n" for kind, text in sorted(sections.items())]


def _table(found: list[type[UltravioletError]], *, kinds: bool = True) -> str:
    rows = [
        (
            code(error.kind),
            code(error.__name__),
            line(inspect.getdoc(error)),
            str(error.status),
            str(error.exit_code),
        )
        for error in found
    ]
    heads = ("kind", "class", "meaning", "HTTP", "exit code")
    return table(heads, rows) if kinds else table(heads[1:], [row[1:] for row in rows])
