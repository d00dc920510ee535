"""The errors, from the tree under UltravioletError: what each says, over HTTP and on the command line."""

import importlib
import inspect
import pkgutil
from collections.abc import Iterator

from docs.generate.markdown import code, line, table

import ultraviolet
from ultraviolet.errors import UltravioletError

_INTRO = """\
# Errors

An error says what happened and what to do next. Over HTTP it is a problem (RFC 9457, `application/problem+json`), whose
`type` ends with the kind; on the command line it is one line on stderr and an exit code, or with `--json` an object
`{"error": kind, "message": …}` on stderr.
"""
_EXIT_CODES = (
    ("0", "done"),
    ("1", "something went wrong that has no code of its own"),
    ("2", "what was given does not make sense: arguments, options, values"),
    ("3", "who asks is not known, or may not"),
    ("4", "there is no such thing"),
    ("5", "it contradicts what is there"),
    ("6", "the hub, its database or the local ION does not answer"),
    (
        "7",
        "ION, or another service the hub asks, refused or does not answer; or the connection test failed",
    ),
    ("8", "a fetch or a verification did not finish"),
    ("9", "mirror and ION differ"),
    ("10", "`doctor` or `db check` found something wrong"),
    ("11", "a test alert did not get through"),
    ("130", "stopped with Ctrl-C"),
)
_RUN_ONLY = ("__main__", "migrations.env")
"""Modules that do something when they are imported."""


def page() -> str:
    """Write the page."""
    hub = [error for error in errors() if not _of_local_ion(error)]
    local = [error for error in errors() if _of_local_ion(error)]
    return "\n".join(
        [
            _INTRO,
            "## Exit codes\n",
            table(("code", "when"), _EXIT_CODES),
            "\n## Kinds\n",
            _table(hub),
            "\n## In the local ION\n",
            "Over its own addresses; ION's API answers errors as ION does, see [the local ION](../local-ion.md).\n",
            _table(local),
        ]
    )


def errors() -> list[type[UltravioletError]]:
    """Give every public class of the tree, in the order of their kinds."""
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
    return table(("kind", "class", "what it says", "HTTP", "exit code"), rows)
