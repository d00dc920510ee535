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
`application/problem+json`) whose `type` ends with the kind. On the command line, it is one line on stderr and an exit
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
    ("10", "`doctor` or `db check` found a problem"),
    ("11", "a test alert was not delivered"),
    ("130", "stopped with Ctrl-C"),
)
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
            _table(hub),
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


def _table(found: list[type[UltravioletError]]) -> str:
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
    return table(("kind", "class", "meaning", "HTTP", "exit code"), rows)
