"""Checks of the machine without a running hub: directory, disk, database, secret key."""

import os
import shutil
import sqlite3
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from ultraviolet.cli.doctor.problems import CheckResult, failed, passed
from ultraviolet.errors import UltravioletError

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from ultraviolet.hub.core.settings import Settings

MIN_FREE_BYTES = 1_000_000_000
"""Free space below which the disk is reported as nearly full."""


def check_machine(data: Path) -> Iterator[CheckResult]:
    """Return the results of all checks of this machine."""
    yield passed(
        "data", "programs", f"Python {sys.version.split()[0]}, SQLite {sqlite3.sqlite_version}"
    )
    if not data.exists() and "ULTRAVIOLET_DATABASE_URL" not in os.environ:
        step = "`ultraviolet serve` creates it; or name another directory with --data."
        yield failed("data", "data", f"{data} does not exist", step, severity="warning")
        return
    if data.exists() and not data.is_dir():
        yield failed("data", "data", f"{data} is not a directory")
        return
    if data.exists():
        if not os.access(data, os.W_OK):
            user = os.environ.get("USER") or os.getuid()
            yield failed("data", "data", f"{data} is not writable for {user}")
        free = shutil.disk_usage(data).free
        message = f"{free / 1e9:.1f} GB free"
        if free > MIN_FREE_BYTES:
            yield passed("disk", "disk", message)
        else:
            yield failed("disk", "disk", message, severity="warning")
        key = data / "secret.key"
        if key.exists() and (mode := key.stat().st_mode & 0o777) & 0o077:
            message = f"{key} is readable for other users (mode {mode:o})"
            yield failed("secret_key", "secret key", message, f"chmod 600 {key}")
    yield from _check_database(data)


def _check_database(data: Path) -> Iterator[CheckResult]:
    from ultraviolet.db import dialect
    from ultraviolet.db import engine as db_engine
    from ultraviolet.db.driver_errors import explain_errors
    from ultraviolet.hub.core.settings import Settings

    try:
        settings = Settings.from_environment(data=data, public_url="")
        url = settings.database_url
        file = Path(url.removeprefix("sqlite:///"))
        if url.startswith("sqlite") and not file.exists():
            return
        engine = db_engine.make_engine(url)
    except (UltravioletError, ValueError) as error:
        yield failed("database", "database", str(error))
        return
    try:
        if dialect.is_postgresql(engine):
            from ultraviolet.db.server_check import check_server

            check_server(engine.url)
        with explain_errors(engine.url.render_as_string()), engine.connect() as connection:
            yield from _check_tables(connection, settings)
    except UltravioletError as error:
        yield failed("database", "database", str(error))
    finally:
        engine.dispose()


def _check_tables(connection: "Connection", settings: "Settings") -> Iterator[CheckResult]:
    from ultraviolet.db import dialect
    from ultraviolet.db.integrity import check_revision

    if not dialect.is_postgresql(connection):
        result = str(connection.exec_driver_sql("PRAGMA quick_check(1)").scalar())
        if result != "ok":
            yield failed("database", "database", result, "Stop the hub and restore a backup.")
            return
    tables = check_revision(connection)
    if not tables.well:
        yield failed(
            "database", "database", f"Tables of release {tables.detail}", "ultraviolet db upgrade"
        )
        return
    yield passed(
        "database",
        "database",
        f"{connection.dialect.name}, {dialect.database_bytes(connection) / 1e6:.0f} MB",
    )
    yield _check_secret_key(connection, settings)


def _check_secret_key(connection: "Connection", settings: "Settings") -> CheckResult:
    """Decrypt every stored credential; a missing key is reported, not created."""
    from ultraviolet.hub.core.encryption import SecretBox
    from ultraviolet.hub.integrations import service as integrations

    stored = integrations.list_page(connection, limit=1000)
    file = settings.data / "secret.key"
    if settings.secret_key is None and not file.exists():
        if stored:
            finding = f"{file} is missing, and {len(stored)} credentials are encrypted with it"
            return failed("secret_key", "secret key", finding)
        return passed("secret_key", "secret key", "not needed yet")
    try:
        secrets = SecretBox.from_settings(settings)
        for integration in stored:
            integrations.credentials(connection, secrets, integration.id)
    except UltravioletError as error:
        return failed("secret_key", "secret key", str(error) or str(type(error).__doc__))
    source = "ULTRAVIOLET_SECRET_KEY" if settings.secret_key else str(file)
    return passed("secret_key", "secret key", f"{source} decrypts all stored credentials")
