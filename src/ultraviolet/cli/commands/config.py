"""`ultraviolet config show`: every setting, its value, and where the value comes from."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from ultraviolet.cli.support import output
from ultraviolet.cli.support.output_schema import returns
from ultraviolet.cli.support.session import DATA

app = typer.Typer(no_args_is_help=True, help="Settings: show.")

COLUMNS = {"setting": "name", "value": "value", "from": "source", "what it is": "help"}


class Setting(msgspec.Struct, frozen=True):
    """A variable of the environment that is honoured."""

    name: str
    help: str
    default: str = ""
    secret: bool = False


SETTINGS = (
    Setting(
        "ULTRAVIOLET_DATA", "directory of the database, the secret key and hub.json", str(DATA)
    ),
    Setting(
        "ULTRAVIOLET_DATABASE_URL",
        "address of the database, also postgresql://user@host/name",
        "sqlite:///DATA/hub.db",
        secret=True,
    ),
    Setting(
        "ULTRAVIOLET_PUBLIC_URL",
        "address under which ION reaches this hub; may have a path",
        "http://HOST:PORT",
    ),
    Setting("ULTRAVIOLET_ADMIN_KEY", "first API key, for automation; also …_FILE", secret=True),
    Setting(
        "ULTRAVIOLET_SECRET_KEY",
        "key that seals credentials; also …_FILE",
        "DATA/secret.key",
        secret=True,
    ),
    Setting(
        "ULTRAVIOLET_OLD_SECRET_KEY",
        "the key before, while it is rotated; also …_FILE",
        secret=True,
    ),
    Setting("ULTRAVIOLET_WATCH_SECONDS", "seconds between two looks of the watchdog", "60"),
    Setting(
        "ULTRAVIOLET_ALLOWED_SOURCES",
        "addresses and networks that may deliver, comma separated",
        "any",
    ),
    Setting(
        "ULTRAVIOLET_TRUSTED_PROXIES",
        "proxies whose X-Forwarded-For is believed, comma separated",
        "none",
    ),
    Setting(
        "ULTRAVIOLET_CONNECTIONS_PER_SOURCE",
        "connections one address may have open to one process, except trusted proxies; 0: no limit",
        "1000",
    ),
    Setting(
        "ULTRAVIOLET_SMTP_URL",
        "mail server for alerts, smtp:// (STARTTLS) or smtps://user:password@host; also …_FILE",
        secret=True,
    ),
    Setting("ULTRAVIOLET_MAIL_FROM", "sender of alerts", "ultraviolet@localhost"),
    Setting(
        "ULTRAVIOLET_ALERT_SECONDS", "how long something needs a person before anyone is told", "60"
    ),
    Setting(
        "ULTRAVIOLET_API_RATE_LIMIT",
        "requests a minute of one API key to one process; 0: no limit",
        "6000",
    ),
    Setting(
        "ULTRAVIOLET_ALLOWED_TARGETS",
        "networks and host names that requests may go to though not public, or over http, comma separated",
        "this machine, where ULTRAVIOLET_PUBLIC_URL is on it",
    ),
    Setting("ULTRAVIOLET_OIDC_ISSUER", "OpenID Connect provider that people sign in with"),
    Setting("ULTRAVIOLET_OIDC_CLIENT_ID", "how that provider calls this hub"),
    Setting("ULTRAVIOLET_OIDC_CLIENT_SECRET", "its secret; also …_FILE", secret=True),
    Setting("ULTRAVIOLET_OIDC_NAME", "what the sign-in page calls the provider", "single sign-on"),
    Setting(
        "ULTRAVIOLET_OIDC_ROLES", "group=role, comma separated: the provider decides about roles"
    ),
    Setting("ULTRAVIOLET_OIDC_ROLES_CLAIM", "claim that has the groups", "groups"),
    Setting("ULTRAVIOLET_OIDC_DEFAULT_ROLE", "role of who is in no such group", "refused"),
    Setting(
        "ULTRAVIOLET_OIDC_DOMAINS", "domains of e-mail addresses let in, comma separated", "all"
    ),
    Setting(
        "ULTRAVIOLET_SPOOL",
        "folder where `serve` keeps deliveries while the database is away",
        "none",
    ),
    Setting("ULTRAVIOLET_SPOOL_MEGABYTES", "how much one process keeps there at most", "1000"),
    Setting(
        "ULTRAVIOLET_HEAL", "off: no read of what is stale, to measure what webhooks alone do", "on"
    ),
    Setting("ULTRAVIOLET_ROLE", "what `serve` does: all, web or worker", "all"),
    Setting("ULTRAVIOLET_WORKERS", "processes of `serve`, on PostgreSQL", "1"),
    Setting("ULTRAVIOLET_URL", "which hub commands speak to", "the one running on DATA"),
    Setting("ULTRAVIOLET_KEY", "API key that commands use", "that of DATA/hub.json", secret=True),
    Setting("ION_API_URI", "address of ION's API, for `integration add`"),
    Setting("ION_AUTH_SERVER", "address of ION's sign-in, for `integration add`"),
    Setting("ION_CLIENT_ID", "API key of ION, for `integration add` and `ion serve`"),
    Setting("ION_CLIENT_SECRET", "its secret", secret=True),
    Setting(
        "ULTRAVIOLET_LOCAL_ION", "which local ION `ion` commands speak to", "http://127.0.0.1:8100"
    ),
    Setting(
        "ULTRAVIOLET_CA_FILE",
        "authority these trust where it serves https",
        "that of SSL_CERT_FILE",
    ),
)


class Shown(msgspec.Struct, frozen=True):
    """A setting as it is now."""

    name: str
    value: str
    source: str
    help: str


@app.command()
@returns("[ultraviolet.cli.commands.config:Shown]")
def show(
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for programs.")] = False,
) -> None:
    """Show every setting with its value and where it comes from; secrets are only said to be set.

    Examples: `ultraviolet config show`, `ultraviolet config show --json`
    """
    rows = [msgspec.to_builtins(now(setting, os.environ)) for setting in SETTINGS]
    if as_json:
        output.write_json(rows)
    else:
        output.write_table(rows, COLUMNS)


def now(setting: Setting, environment: Mapping[str, str]) -> Shown:
    """Tell what a setting is at the moment; the value of a secret stays where it is."""
    if value := environment.get(setting.name):
        return Shown(
            setting.name, "(set)" if setting.secret else value, "environment", setting.help
        )
    if path := environment.get(f"{setting.name}_FILE"):
        source = "file" if Path(path).is_file() else "file that does not exist"
        return Shown(setting.name, path, source, setting.help)
    return Shown(
        setting.name, setting.default, "default" if setting.default else "not set", setting.help
    )
