"""The doctor's look at what the hub stands on: its directory, disk, database and secret key; no hub need run."""

import os
import shutil
import sqlite3
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from ultraviolet.cli.checks import Check, bad, well
from ultraviolet.errors import UltravioletError

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from ultraviolet.hub.settings import Settings

SCARCE = 1_000_000_000
"""Bytes free, below which the disk counts as nearly full."""


def look(data: Path) -> Iterator[Check]:
    """Look at everything."""
    yield well(
        "data", "programs", f"Python {sys.version.split()[0]}, SQLite {sqlite3.sqlite_version}"
    )
    if not data.exists() and "ULTRAVIOLET_DATABASE_URL" not in os.environ:
        first = "The first `ultraviolet serve` makes it; or name another with --data."
        yield bad("data", "data", f"{data} does not exist", first, state="warning")
        return
    if data.exists() and not data.is_dir():
        yield bad("data", "data", f"{data} is a file")
        return
    if data.exists():
        yield from _directory(data)
    yield from _store(data)


def _directory(data: Path) -> Iterator[Check]:
    if not os.access(data, os.W_OK):
        yield bad(
            "data", "data", f"{data} cannot be written by {os.environ.get('USER') or os.getuid()}"
        )
    free = shutil.disk_usage(data).free
    found = f"{free / 1e9:.1f} GB free"
    yield (
        well("disk", "disk", found)
        if free > SCARCE
        else bad("disk", "disk", found, state="warning")
    )
    key = data / "secret.key"
    if key.exists() and (mode := key.stat().st_mode & 0o777) & 0o077:
        found = f"{key} can be read by others ({mode:o})"
        yield bad("secret-key", "secret key", found, f"chmod 600 {key}")


def _store(data: Path) -> Iterator[Check]:
    from ultraviolet.hub.settings import Settings
    from ultraviolet.mirror import dialect
    from ultraviolet.mirror.open_errors import explained

    try:
        settings = Settings.from_environment(data=data, public_url="")
        url = settings.database_url
        file = Path(url.removeprefix("sqlite:///"))
        if url.startswith("sqlite") and not file.exists():
            return
        engine = dialect.make_engine(url)
    except (UltravioletError, ValueError) as error:
        yield bad("database", "database", str(error))
        return
    try:
        if dialect.is_postgresql(engine):
            from ultraviolet.mirror.server_check import check_server

            check_server(engine.url)
        with explained(engine.url.render_as_string()), engine.connect() as connection:
            yield from _tables(connection, settings)
    except UltravioletError as error:
        yield bad("database", "database", str(error))
    finally:
        engine.dispose()


def _tables(connection: "Connection", settings: "Settings") -> Iterator[Check]:
    from ultraviolet.mirror import dialect
    from ultraviolet.mirror.check import revision

    if not dialect.is_postgresql(connection):
        verdict = str(connection.exec_driver_sql("PRAGMA quick_check(1)").scalar())
        if verdict != "ok":
            yield bad("database", "database", verdict, "Stop the hub and restore a backup.")
            return
    tables = revision(connection)
    if not tables.well:
        yield bad(
            "database", "database", f"Tables of release {tables.detail}", "ultraviolet db upgrade"
        )
        return
    yield well(
        "database",
        "database",
        f"{connection.dialect.name}, {dialect.size(connection) / 1e6:.0f} MB",
    )
    yield _secrets(connection, settings)


def _secrets(connection: "Connection", settings: "Settings") -> Check:
    """Open every credential with the key there is; none is made where it is missing."""
    from ultraviolet.hub import integrations
    from ultraviolet.hub.secrets import Secrets

    known = integrations.list_page(connection, limit=1000)
    file = settings.data / "secret.key"
    if settings.secret_key is None and not file.exists():
        if known:
            return bad(
                "secret-key",
                "secret key",
                f"{file} is missing, and {len(known)} credentials need it",
            )
        return well("secret-key", "secret key", "none needed yet")
    try:
        secrets = Secrets.from_settings(settings)
        for one in known:
            integrations.credentials(connection, secrets, one.id)
    except UltravioletError as error:
        return bad("secret-key", "secret key", str(error) or str(type(error).__doc__))
    source = "ULTRAVIOLET_SECRET_KEY" if settings.secret_key else str(file)
    return well("secret-key", "secret key", f"{source} opens what is stored")
