"""Page: version, runtime and the licences of included work."""

import platform
import re
import sqlite3
from importlib.metadata import PackageNotFoundError, distribution, requires
from typing import Any

import msgspec
from litestar import Response, get

import ultraviolet
from ultraviolet.db import engine
from ultraviolet.hub.hub import Hub
from ultraviolet.web.middleware.auth import VIEWER, AnyRequest, GivenHub
from ultraviolet.web.pages.formats.addresses import STATIC
from ultraviolet.web.pages.templating import GivenRenderer

_OSI = "License :: OSI"
_NAMES = {
    "@fontsource-variable/inter": "Inter (font)",
    "@scalar/api-reference": "Scalar API reference",
    "aiohttp": "AIOHTTP",
    "alembic": "Alembic",
    "htmx-ext-sse": "htmx server-sent events",
    "htmx.org": "htmx",
    "idiomorph": "Idiomorph",
    "jinja2": "Jinja",
    "litestar": "Litestar",
    "lucide-static": "Lucide (icons)",
    "pyarrow": "Apache Arrow",
    "sqlalchemy": "SQLAlchemy",
    "uvicorn": "Uvicorn",
}
"""Names of packages that differ from their names in the registry."""


class Package(msgspec.Struct, frozen=True):
    """A third-party package; its license text is served if it ships with the hub."""

    name: str
    home: str
    version: str
    license: str
    license_file: str = ""


class About(msgspec.Struct, frozen=True):
    """This hub."""

    facts: dict[str, str]
    packages: list[Package]


@get("/about", guards=VIEWER)
async def show(request: AnyRequest, hub: GivenHub, render: GivenRenderer) -> Response[str]:
    """Show versions and licences."""
    return render.page(request, "about.html", about=_about(hub))


def _about(hub: Hub) -> About:
    """Gather versions, licences and the places of data, without secrets."""
    database = engine.parse_url(hub.settings.database_url)
    resources = hub.catalog.mirrored
    facts = {
        "Version": ultraviolet.__version__,
        "Python": platform.python_version(),
        "Database": f"SQLite {sqlite3.sqlite_version}"
        if database.get_backend_name() == "sqlite"
        else database.get_backend_name(),
        "Database location": str(database.database)
        if database.get_backend_name() == "sqlite"
        else str(database.host),
        "Data folder": str(hub.settings.data.resolve()),
        "Public address": hub.public_url,
        "ION contract": f"{len(resources)} resources",
        "Targeted reads": "On"
        if hub.settings.heal
        else "Off: only webhooks and syncs update the mirror",
    }
    return About(facts, [*_vendored(), *_installed()])


def _vendored() -> list[Package]:
    rows = re.findall(
        r"^\| \S+ \| npm `(\S+)`[^|]* \| ([^|]+?) \| ([^|]+?) \(`(\S+)`\) \|$",
        (STATIC / "vendor" / "README.md").read_text(),
        re.MULTILINE,
    )
    return [
        Package(
            _NAMES.get(name) or name,
            f"https://www.npmjs.com/package/{name}",
            version,
            terms,
            f"vendor/{file}",
        )
        for name, version, terms, file in rows
    ]


def _installed() -> list[Package]:
    required = [line for line in requires("ultraviolet") or () if "extra ==" not in line]
    packages: list[Package] = []
    for name in sorted(re.split(r"[^\w.-]", line)[0] for line in required):
        try:
            found = distribution(name)
        except PackageNotFoundError:
            continue
        told: dict[str, Any] = found.metadata.json
        classes = [
            line.rpartition(" :: ")[2] for line in told.get("classifier", []) if _OSI in line
        ]
        written = str(told.get("license", "")).strip().partition("\n")[0]
        terms = told.get("license_expression") or ", ".join(classes) or written or "See the package"
        packages.append(
            Package(
                _NAMES.get(name) or name,
                f"https://pypi.org/project/{name}/",
                found.version,
                str(terms).removesuffix(" License"),
            )
        )
    return packages
