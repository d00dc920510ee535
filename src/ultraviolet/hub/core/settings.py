"""The settings of a hub process, from the environment and the command line."""

import ipaddress
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec

from ultraviolet.errors import InvalidError

DEFAULT_PUBLIC_URL = "http://127.0.0.1:8000"
"""The address of a hub that is started without options."""
_ROLES = ("viewer", "operator", "admin")
_PUBLIC_URL = re.compile(r"(?i:https?)://[\w.:\[\]-]+(/[A-Za-z0-9._~-]+)*/?")
"""A scheme, a host, an optional port, and a path without characters that need escaping."""
_GROUP_AND_ROLE = re.compile(rf"\s*(\S.*?)\s*=\s*({'|'.join(_ROLES)})\s*(?:,|$)")


class Settings(msgspec.Struct, frozen=True):
    """The settings of a hub process; everything else is in its database."""

    data: Path
    """The folder for the database and the secret key."""
    database_url: str
    """ULTRAVIOLET_DATABASE_URL; by default `hub.db` in the data folder."""
    public_url: str
    """ULTRAVIOLET_PUBLIC_URL: the address of this hub as ION reaches it, with an optional path.

    Webhook URLs start with it.
    """
    admin_key: str | None = None
    """ULTRAVIOLET_ADMIN_KEY or _FILE: a first API key for automation."""
    allowed_sources: tuple[str, ...] = ()
    """ULTRAVIOLET_ALLOWED_SOURCES: networks that may send deliveries, by commas; empty: all."""
    trusted_proxies: tuple[str, ...] = ()
    """ULTRAVIOLET_TRUSTED_PROXIES: proxies whose X-Forwarded-For the hub uses.

    Their connections are not limited.
    """
    connections_per_source: int = 1000
    """ULTRAVIOLET_CONNECTIONS_PER_SOURCE: open connections per address; 0: no limit."""
    watch_seconds: float = 60.0
    """ULTRAVIOLET_WATCH_SECONDS: seconds between two runs of the watchdog."""
    allowed_targets: tuple[str, ...] = ()
    """ULTRAVIOLET_ALLOWED_TARGETS: networks and host names that requests may reach, also over HTTP.

    Public addresses are always allowed over HTTPS.
    """
    oidc_issuer: str = ""
    """ULTRAVIOLET_OIDC_ISSUER: the OpenID Connect provider for single sign-on."""
    oidc_client_id: str = ""
    """ULTRAVIOLET_OIDC_CLIENT_ID: the id of this hub at the provider."""
    oidc_client_secret: str | None = None
    """ULTRAVIOLET_OIDC_CLIENT_SECRET or _FILE; none for a public client."""
    oidc_name: str = "single sign-on"
    """ULTRAVIOLET_OIDC_NAME: the provider's name on the button of the sign-in page."""
    oidc_roles: tuple[tuple[str, str], ...] = ()
    """ULTRAVIOLET_OIDC_ROLES: comma-separated group=role; if set, each sign-in updates the role."""
    oidc_roles_claim: str = "groups"
    """ULTRAVIOLET_OIDC_ROLES_CLAIM: the claim that contains a user's groups."""
    oidc_default_role: str = ""
    """ULTRAVIOLET_OIDC_DEFAULT_ROLE: the role without any of these groups; empty: refuse."""
    oidc_domains: tuple[str, ...] = ()
    """ULTRAVIOLET_OIDC_DOMAINS: comma-separated e-mail domains that may sign in; empty: all."""
    secret_key: str | None = None
    """ULTRAVIOLET_SECRET_KEY or _FILE; by default the file `secret.key` in the data folder."""
    old_secret_key: str | None = None
    """ULTRAVIOLET_OLD_SECRET_KEY or _FILE: the previous key during `ultraviolet secrets rotate`."""
    smtp_url: str | None = None
    """ULTRAVIOLET_SMTP_URL or _FILE: mail server, as in smtp://user:password@mail.example.com."""
    mail_from: str = "ultraviolet@localhost"
    """ULTRAVIOLET_MAIL_FROM: the sender of alerts."""
    alert_seconds: float = 60.0
    """ULTRAVIOLET_ALERT_SECONDS: seconds that a problem must last, or be gone, before an alert."""
    api_rate_limit: int = 6000
    """ULTRAVIOLET_API_RATE_LIMIT: requests per minute of one API key or user; 0: no limit."""
    spool: Path | None = None
    """ULTRAVIOLET_SPOOL: folder that keeps deliveries while the database is unavailable.

    Without it, the hub refuses such deliveries and ION sends them again.
    """
    spool_megabytes: int = 1000
    """ULTRAVIOLET_SPOOL_MEGABYTES: maximum size of the spool per process."""
    heal: bool = True
    """ULTRAVIOLET_HEAL: `off` disables healing, to measure its effect."""

    @property
    def path_prefix(self) -> str:
        """The path of the public URL without a trailing slash, the prefix of all paths."""
        return urlsplit(self.public_url).path.rstrip("/")

    @classmethod
    def from_environment(
        cls, *, data: Path, public_url: str, environment: Mapping[str, str] | None = None
    ) -> "Settings":
        """Return the settings of an environment; `data` and `public_url` are the defaults.

        Raise InvalidError for an invalid value or an unreadable file.
        """
        found = os.environ if environment is None else environment
        folder = data.absolute()
        heal = found.get("ULTRAVIOLET_HEAL", "on").strip().lower()
        if heal not in ("on", "off"):
            raise InvalidError(f"ULTRAVIOLET_HEAL must be on or off, not {heal}")
        return cls(
            data=folder,
            database_url=found.get("ULTRAVIOLET_DATABASE_URL") or f"sqlite:///{folder / 'hub.db'}",
            public_url=_parse_public_url(found, public_url).rstrip("/"),
            admin_key=_read_secret(found, "ULTRAVIOLET_ADMIN_KEY"),
            allowed_sources=_parse_networks(found, "ULTRAVIOLET_ALLOWED_SOURCES"),
            trusted_proxies=_parse_networks(found, "ULTRAVIOLET_TRUSTED_PROXIES"),
            connections_per_source=_parse_count(found, "ULTRAVIOLET_CONNECTIONS_PER_SOURCE", 1000),
            watch_seconds=_parse_seconds(found, "ULTRAVIOLET_WATCH_SECONDS", 60.0),
            allowed_targets=_parse_list(found, "ULTRAVIOLET_ALLOWED_TARGETS"),
            **_parse_oidc(found),
            secret_key=_read_secret(found, "ULTRAVIOLET_SECRET_KEY"),
            old_secret_key=_read_secret(found, "ULTRAVIOLET_OLD_SECRET_KEY"),
            smtp_url=_read_secret(found, "ULTRAVIOLET_SMTP_URL"),
            mail_from=found.get("ULTRAVIOLET_MAIL_FROM") or "ultraviolet@localhost",
            alert_seconds=_parse_seconds(found, "ULTRAVIOLET_ALERT_SECONDS", 60.0),
            api_rate_limit=_parse_count(found, "ULTRAVIOLET_API_RATE_LIMIT", 6000),
            spool=Path(spool) if (spool := found.get("ULTRAVIOLET_SPOOL")) else None,
            spool_megabytes=_parse_count(found, "ULTRAVIOLET_SPOOL_MEGABYTES", 1000),
            heal=heal == "on",
        )


def _parse_oidc(environment: Mapping[str, str]) -> dict[str, Any]:
    """Return the single sign-on settings; an empty dict without an issuer."""
    issuer = environment.get("ULTRAVIOLET_OIDC_ISSUER", "").strip()
    if not issuer:
        return {}
    client_id = environment.get("ULTRAVIOLET_OIDC_CLIENT_ID", "").strip()
    role = environment.get("ULTRAVIOLET_OIDC_DEFAULT_ROLE", "").strip()
    roles = _parse_oidc_roles(environment.get("ULTRAVIOLET_OIDC_ROLES", ""))
    if not client_id:
        raise InvalidError("ULTRAVIOLET_OIDC_ISSUER also needs ULTRAVIOLET_OIDC_CLIENT_ID")
    if not roles and not role:
        raise InvalidError(
            "Set ULTRAVIOLET_OIDC_ROLES or ULTRAVIOLET_OIDC_DEFAULT_ROLE, else no user can sign in"
        )
    if role not in ("", *_ROLES):
        raise InvalidError(
            f"ULTRAVIOLET_OIDC_DEFAULT_ROLE must be one of {', '.join(_ROLES)}, not {role}"
        )
    return {
        "oidc_issuer": issuer,
        "oidc_client_id": client_id,
        "oidc_client_secret": _read_secret(environment, "ULTRAVIOLET_OIDC_CLIENT_SECRET"),
        "oidc_name": environment.get("ULTRAVIOLET_OIDC_NAME") or "single sign-on",
        "oidc_roles": roles,
        "oidc_roles_claim": environment.get("ULTRAVIOLET_OIDC_ROLES_CLAIM") or "groups",
        "oidc_default_role": role,
        "oidc_domains": tuple(
            domain.casefold() for domain in _parse_list(environment, "ULTRAVIOLET_OIDC_DOMAINS")
        ),
    }


def _parse_oidc_roles(text: str) -> tuple[tuple[str, str], ...]:
    """Return groups and roles; a group may contain commas and equals signs, as in LDAP."""
    found: list[tuple[str, str]] = []
    position = 0
    while position < len(text):
        pair = _GROUP_AND_ROLE.match(text, position)
        if pair is None:
            raise InvalidError(
                "ULTRAVIOLET_OIDC_ROLES must be comma-separated group=role,"
                f" with the roles {', '.join(_ROLES)}"
            )
        found.append((pair[1], pair[2]))
        position = pair.end()
    return tuple(found)


def _parse_list(environment: Mapping[str, str], name: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in environment.get(name, "").split(",") if part.strip())


def _parse_public_url(environment: Mapping[str, str], default: str) -> str:
    name = "ULTRAVIOLET_PUBLIC_URL"
    value = environment.get(name)
    if not value:
        return default
    try:
        parts = urlsplit(value)
        valid = bool(parts.hostname) and parts.port != 0
    except ValueError:
        parts, valid = urlsplit(""), False
    if "@" in parts.netloc:
        raise InvalidError(f"{name} must not contain a user name or password")
    if not (valid and _PUBLIC_URL.fullmatch(value) and not {".", ".."} & {*parts.path.split("/")}):
        raise InvalidError(
            f"{name} must be an address such as https://hub.example.com or https://example.com/uv,"
            f" without a query or fragment, not {value}"
        )
    return value


def _parse_networks(environment: Mapping[str, str], name: str) -> tuple[str, ...]:
    try:
        return tuple(
            str(ipaddress.ip_network(part, strict=False)) for part in _parse_list(environment, name)
        )
    except ValueError as error:
        raise InvalidError(
            f"{name} must list addresses and networks, such as 10.0.0.0/8: {error}"
        ) from error


def _parse_seconds(environment: Mapping[str, str], name: str, default: float) -> float:
    value = environment.get(name)
    try:
        seconds = float(value) if value else default
    except ValueError as error:
        raise InvalidError(f"{name} must be a number of seconds, not {value}") from error
    if seconds <= 0:
        raise InvalidError(f"{name} must be more than 0 seconds")
    return seconds


def _parse_count(environment: Mapping[str, str], name: str, default: int) -> int:
    value = environment.get(name) or str(default)
    if not value.isdecimal():
        raise InvalidError(f"{name} must be a whole number of at least 0, not {value}")
    return int(value)


def _read_secret(environment: Mapping[str, str], name: str) -> str | None:
    """Return a secret from its variable, or from the file in `<name>_FILE`."""
    if value := environment.get(name):
        return value
    path = environment.get(f"{name}_FILE")
    if not path:
        return None
    try:
        return Path(path).read_text().strip()
    except OSError as error:
        raise InvalidError(f"{name}_FILE: {path} cannot be read: {error.strerror}") from error
