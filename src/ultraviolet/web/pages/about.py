"""What the about page says: this version, what it runs on, and whose work it contains under which licences."""

import platform
import re
import sqlite3
from importlib.metadata import PackageNotFoundError, distribution, requires
from typing import Any

import msgspec
from sqlalchemy.engine import make_url

import ultraviolet
from ultraviolet.hub.hub import Hub
from ultraviolet.web.pages.templating import STATIC

_OSI = "License :: OSI"


class Part(msgspec.Struct, frozen=True):
    """Someone else's work that is part of this."""

    name: str
    version: str
    licence: str


class About(msgspec.Struct, frozen=True):
    """This hub."""

    facts: dict[str, str]
    parts: list[Part]


def about(hub: Hub) -> About:
    """Gather what there is to say; no secret is among it."""
    database = make_url(hub.settings.database_url)
    resources = hub.catalog.mirrored
    facts = {
        "Ultraviolet": ultraviolet.__version__,
        "Python": platform.python_version(),
        "Database": f"SQLite {sqlite3.sqlite_version}"
        if database.get_backend_name() == "sqlite"
        else database.get_backend_name(),
        "Where": str(database.database)
        if database.get_backend_name() == "sqlite"
        else str(database.host),
        "Public address": hub.public_url,
        "Contract": f"{len(resources)} resources of ION are mirrored",
        "Healing": "on" if hub.settings.heal else "off: the mirror is left to webhooks and fetches",
    }
    return About(facts, [*_vendored(), *_installed()])


def _vendored() -> list[Part]:
    rows = re.findall(
        r"^\| (\S+) \| (npm `\S+`) \| ([^|]+?) \| ([^|]+?) \|$", _readme(), re.MULTILINE
    )
    return [Part(package, version, licence.split(" (")[0]) for _, package, version, licence in rows]


def _readme() -> str:
    return (STATIC / "vendor" / "README.md").read_text()


def _installed() -> list[Part]:
    names = [
        re.split(r"[^\w.-]", line)[0]
        for line in requires("ultraviolet") or ()
        if "extra ==" not in line
    ]
    return [part for name in sorted(names) if (part := _package(name))]


def _package(name: str) -> Part | None:
    try:
        found = distribution(name)
    except PackageNotFoundError:
        return None
    told: dict[str, Any] = found.metadata.json
    classified = [line.rpartition(" :: ")[2] for line in told.get("classifier", []) if _OSI in line]
    written = str(told.get("license", "")).strip().partition("\n")[0]
    licence = (
        told.get("license_expression") or ", ".join(classified) or written or "see the package"
    )
    return Part(name, found.version, str(licence))
