"""The about page: version, runtime and the licences of included work."""

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


class Package(msgspec.Struct, frozen=True):
    """A third-party package."""

    name: str
    version: str
    license: str


class About(msgspec.Struct, frozen=True):
    """This hub."""

    facts: dict[str, str]
    packages: list[Package]


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
        "Location": str(database.database)
        if database.get_backend_name() == "sqlite"
        else str(database.host),
        "Public address": hub.public_url,
        "ION contract": f"{len(resources)} resources",
        "Healing": "on" if hub.settings.heal else "off: only webhooks and syncs update the mirror",
    }
    vendored = re.findall(
        r"^\| \S+ \| npm `(\S+)` \| ([^|]+?) \| ([^|]+?) \|$",
        (STATIC / "vendor" / "README.md").read_text(),
        re.MULTILINE,
    )
    packages = [Package(name, version, terms.split(" (")[0]) for name, version, terms in vendored]
    installed = sorted(
        re.split(r"[^\w.-]", line)[0]
        for line in requires("ultraviolet") or ()
        if "extra ==" not in line
    )
    packages += [package for name in installed if (package := _package(name))]
    return About(facts, packages)


def _package(name: str) -> Package | None:
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
    return Package(name, found.version, str(licence))
