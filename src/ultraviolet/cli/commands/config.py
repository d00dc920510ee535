"""`ultraviolet config show`: every setting with its value and the source of the value."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from ultraviolet.cli.support import output
from ultraviolet.cli.support.connection import DATA
from ultraviolet.cli.support.output_schema import returns

app = typer.Typer(no_args_is_help=True, help="Settings: show.")

COLUMNS = {"setting": "name", "value": "value", "source": "source", "description": "help"}


class Setting(msgspec.Struct, frozen=True):
    """An environment variable that this program reads."""

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
        "address at which ION reaches this hub; may have a path",
        "http://HOST:PORT",
    ),
    Setting("ULTRAVIOLET_ADMIN_KEY", "first API key, for automation; also …_FILE", secret=True),
    Setting(
        "ULTRAVIOLET_SECRET_KEY",
        "key that encrypts credentials; also …_FILE",
        "DATA/secret.key",
        secret=True,
    ),
    Setting(
        "ULTRAVIOLET_OLD_SECRET_KEY",
        "previous key, during a rotation; also …_FILE",
        secret=True,
    ),
    Setting("ULTRAVIOLET_WATCH_SECONDS", "seconds between two checks of the watchdog", "60"),
    Setting(
        "ULTRAVIOLET_ALLOWED_SOURCES",
        "addresses and networks that may post webhooks, comma separated",
        "any",
    ),
    Setting(
        "ULTRAVIOLET_TRUSTED_PROXIES",
        "proxies whose X-Forwarded-For is trusted, comma separated",
        "none",
    ),
    Setting(
        "ULTRAVIOLET_CONNECTIONS_PER_SOURCE",
        "open connections per address and process, except trusted proxies; 0: no limit",
        "1000",
    ),
    Setting(
        "ULTRAVIOLET_SMTP_URL",
        "mail server for alerts, smtp:// (STARTTLS) or smtps://user:password@host; also …_FILE",
        secret=True,
    ),
    Setting("ULTRAVIOLET_MAIL_FROM", "sender of alerts", "ultraviolet@localhost"),
    Setting(
        "ULTRAVIOLET_ALERT_SECONDS", "seconds a problem must last before an alert is sent", "60"
    ),
    Setting(
        "ULTRAVIOLET_API_RATE_LIMIT",
        "requests per minute, API key and process; 0: no limit",
        "6000",
    ),
    Setting(
        "ULTRAVIOLET_ALLOWED_TARGETS",
        "private networks and host names that requests may go to, also over http, comma separated",
        "this machine, if ULTRAVIOLET_PUBLIC_URL is on it",
    ),
    Setting("ULTRAVIOLET_OIDC_ISSUER", "OpenID Connect provider for sign-in"),
    Setting("ULTRAVIOLET_OIDC_CLIENT_ID", "client id of this hub at the provider"),
    Setting("ULTRAVIOLET_OIDC_CLIENT_SECRET", "its secret; also …_FILE", secret=True),
    Setting("ULTRAVIOLET_OIDC_NAME", "name of the provider on the sign-in page", "single sign-on"),
    Setting(
        "ULTRAVIOLET_OIDC_ROLES", "group=role, comma separated; the provider then assigns roles"
    ),
    Setting("ULTRAVIOLET_OIDC_ROLES_CLAIM", "claim that contains the groups", "groups"),
    Setting("ULTRAVIOLET_OIDC_DEFAULT_ROLE", "role of people in none of these groups", "refused"),
    Setting("ULTRAVIOLET_OIDC_DOMAINS", "e-mail domains that may sign in, comma separated", "all"),
    Setting(
        "ULTRAVIOLET_SPOOL",
        "folder for deliveries while the database is unavailable",
        "none",
    ),
    Setting(
        "ULTRAVIOLET_SPOOL_MEGABYTES", "maximum size of the spool of one process, in MB", "1000"
    ),
    Setting("ULTRAVIOLET_HEAL", "off: stale objects are not read, to measure webhooks alone", "on"),
    Setting("ULTRAVIOLET_ROLE", "what `serve` does: all, web or worker", "all"),
    Setting("ULTRAVIOLET_WORKERS", "processes of `serve`, on PostgreSQL", "1"),
    Setting("ULTRAVIOLET_URL", "address of the hub that commands use", "the hub that runs on DATA"),
    Setting(
        "ULTRAVIOLET_KEY", "API key that commands use", "the key in DATA/hub.json", secret=True
    ),
    Setting(
        "ULTRAVIOLET_MASK_KEY",
        "secret of the replacements in masked copies, for `ion serve` and `ion load`",
        "a random one",
        secret=True,
    ),
    Setting("ION_API_URI", "address of ION's API, for `integration add`"),
    Setting("ION_AUTH_SERVER", "address of ION's sign-in, for `integration add`"),
    Setting("ION_CLIENT_ID", "API key of ION, for `integration add` and `ion serve`"),
    Setting("ION_CLIENT_SECRET", "its secret", secret=True),
    Setting(
        "ULTRAVIOLET_LOCAL_ION",
        "address of the local ION that `ion` commands use",
        "http://127.0.0.1:8100",
    ),
    Setting(
        "ULTRAVIOLET_CA_FILE",
        "certificate authority of a local ION over https",
        "SSL_CERT_FILE",
    ),
)


class SettingValue(msgspec.Struct, frozen=True):
    """A setting with its current value."""

    name: str
    value: str
    source: str
    help: str


@app.command()
@returns("[ultraviolet.cli.commands.config:SettingValue]")
def show(
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for programs.")] = False,
) -> None:
    """Show every setting with its value and where it comes from; secrets are only said to be set.

    Examples: `ultraviolet config show`, `ultraviolet config show --json`
    """
    rows = [msgspec.to_builtins(current_value(setting, os.environ)) for setting in SETTINGS]
    if as_json:
        output.write_json(rows)
    else:
        output.write_table(rows, COLUMNS)


def current_value(setting: Setting, environment: Mapping[str, str]) -> SettingValue:
    """Return the current value of a setting; secret values are masked."""
    if value := environment.get(setting.name):
        return SettingValue(
            setting.name, "(set)" if setting.secret else value, "environment", setting.help
        )
    if path := environment.get(f"{setting.name}_FILE"):
        source = "file" if Path(path).is_file() else "file that does not exist"
        return SettingValue(setting.name, path, source, setting.help)
    return SettingValue(
        setting.name, setting.default, "default" if setting.default else "not set", setting.help
    )
