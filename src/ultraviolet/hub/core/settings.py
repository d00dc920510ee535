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

_ROLES = ("viewer", "operator", "admin")
_ADDRESS = re.compile(r"(?i:https?)://[\w.:\[\]-]+(/[A-Za-z0-9._~-]+)*/?")
"""A scheme, a host with or without a port, and a path that needs no escapes anywhere."""
_GROUP_AND_ROLE = re.compile(rf"\s*(\S.*?)\s*=\s*({'|'.join(_ROLES)})\s*(?:,|$)")


class Settings(msgspec.Struct, frozen=True):
    """What a hub process is told when it starts; everything else is in its database."""

    data: Path
    """The folder for the database and the secret key."""
    database_url: str
    """ULTRAVIOLET_DATABASE_URL; by default `hub.db` in the data folder."""
    public_url: str
    """ULTRAVIOLET_PUBLIC_URL: the address under which ION reaches this hub; webhook URLs begin with it. It may have a path."""
    admin_key: str | None = None
    """ULTRAVIOLET_ADMIN_KEY or _FILE: a first API key for automation."""
    allowed_sources: tuple[str, ...] = ()
    """ULTRAVIOLET_ALLOWED_SOURCES: addresses and networks deliveries are taken from, by commas; empty: from anywhere."""
    trusted_proxies: tuple[str, ...] = ()
    """ULTRAVIOLET_TRUSTED_PROXIES: whose X-Forwarded-For is believed, and whose connections are not limited."""
    connections_per_source: int = 1000
    """ULTRAVIOLET_CONNECTIONS_PER_SOURCE: connections that one address may have open to a process; 0: any number."""
    watch_seconds: float = 60.0
    """ULTRAVIOLET_WATCH_SECONDS: seconds between two looks of the watchdog."""
    allowed_targets: tuple[str, ...] = ()
    """ULTRAVIOLET_ALLOWED_TARGETS: networks and host names the hub may send requests to although they are not public, or over http."""
    oidc_issuer: str = ""
    """ULTRAVIOLET_OIDC_ISSUER: the OpenID Connect provider people sign in with."""
    oidc_client_id: str = ""
    """ULTRAVIOLET_OIDC_CLIENT_ID: how the provider calls this hub."""
    oidc_client_secret: str | None = None
    """ULTRAVIOLET_OIDC_CLIENT_SECRET or _FILE; none for a public client."""
    oidc_name: str = "single sign-on"
    """ULTRAVIOLET_OIDC_NAME: what the button of the sign-in page calls the provider."""
    oidc_roles: tuple[tuple[str, str], ...] = ()
    """ULTRAVIOLET_OIDC_ROLES: group=role by commas; then the provider decides about roles at each sign-in."""
    oidc_roles_claim: str = "groups"
    """ULTRAVIOLET_OIDC_ROLES_CLAIM: where the provider says which groups somebody is in."""
    oidc_default_role: str = ""
    """ULTRAVIOLET_OIDC_DEFAULT_ROLE: of who is in none of these groups; empty: they are refused."""
    oidc_domains: tuple[str, ...] = ()
    """ULTRAVIOLET_OIDC_DOMAINS: domains of e-mail addresses that are let in, by commas; empty: all."""
    secret_key: str | None = None
    """ULTRAVIOLET_SECRET_KEY or _FILE; by default the file `secret.key` in the data folder."""
    old_secret_key: str | None = None
    """ULTRAVIOLET_OLD_SECRET_KEY or _FILE: the key before, while `ultraviolet secrets rotate` is under way."""
    smtp_url: str | None = None
    """ULTRAVIOLET_SMTP_URL or _FILE: the mail server alerts go through, such as smtp://user:password@mail.example.com."""
    mail_from: str = "ultraviolet@localhost"
    """ULTRAVIOLET_MAIL_FROM: the sender of alerts."""
    alert_seconds: float = 60.0
    """ULTRAVIOLET_ALERT_SECONDS: how long something needs a person before anyone is told, or has to be gone."""
    api_rate_limit: int = 6000
    """ULTRAVIOLET_API_RATE_LIMIT: requests a minute that one API key or person may make; 0 does not limit."""
    spool: Path | None = None
    """ULTRAVIOLET_SPOOL: the folder where deliveries are kept while the database is away; none: ION is to send them again."""
    spool_megabytes: int = 1000
    """ULTRAVIOLET_SPOOL_MEGABYTES: how much one process keeps there at most."""
    heal: bool = True
    """ULTRAVIOLET_HEAL: off leaves the mirror to webhooks and scheduled fetches, to measure what healing does."""

    @property
    def path_prefix(self) -> str:
        """The path of the public address, without a slash at its end: what all paths of this hub begin with."""
        return urlsplit(self.public_url).path.rstrip("/")

    @classmethod
    def from_environment(
        cls, *, data: Path, public_url: str, environment: Mapping[str, str] | None = None
    ) -> "Settings":
        """Read the environment; `data` and `public_url` are what the command line knows.

        Raises InvalidError when a named file cannot be read.
        """
        found = os.environ if environment is None else environment
        folder = data.absolute()
        return cls(
            data=folder,
            database_url=found.get("ULTRAVIOLET_DATABASE_URL") or f"sqlite:///{folder / 'hub.db'}",
            public_url=_address(found, "ULTRAVIOLET_PUBLIC_URL", public_url).rstrip("/"),
            admin_key=_secret(found, "ULTRAVIOLET_ADMIN_KEY"),
            allowed_sources=_networks(found, "ULTRAVIOLET_ALLOWED_SOURCES"),
            trusted_proxies=_networks(found, "ULTRAVIOLET_TRUSTED_PROXIES"),
            connections_per_source=_count(found, "ULTRAVIOLET_CONNECTIONS_PER_SOURCE", 1000),
            watch_seconds=_seconds(found, "ULTRAVIOLET_WATCH_SECONDS", 60.0),
            allowed_targets=_listed(found, "ULTRAVIOLET_ALLOWED_TARGETS"),
            **_provider(found),
            secret_key=_secret(found, "ULTRAVIOLET_SECRET_KEY"),
            old_secret_key=_secret(found, "ULTRAVIOLET_OLD_SECRET_KEY"),
            smtp_url=_secret(found, "ULTRAVIOLET_SMTP_URL"),
            mail_from=found.get("ULTRAVIOLET_MAIL_FROM") or "ultraviolet@localhost",
            alert_seconds=_seconds(found, "ULTRAVIOLET_ALERT_SECONDS", 60.0),
            api_rate_limit=_count(found, "ULTRAVIOLET_API_RATE_LIMIT", 6000),
            spool=Path(spool) if (spool := found.get("ULTRAVIOLET_SPOOL")) else None,
            spool_megabytes=_count(found, "ULTRAVIOLET_SPOOL_MEGABYTES", 1000),
            heal=_switch(found, "ULTRAVIOLET_HEAL"),
        )


def _provider(environment: Mapping[str, str]) -> dict[str, Any]:
    """Read how people sign in with a provider; nothing where none is named."""
    issuer = environment.get("ULTRAVIOLET_OIDC_ISSUER", "").strip()
    if not issuer:
        return {}
    client_id = environment.get("ULTRAVIOLET_OIDC_CLIENT_ID", "").strip()
    role = environment.get("ULTRAVIOLET_OIDC_DEFAULT_ROLE", "").strip()
    roles = _roles(environment.get("ULTRAVIOLET_OIDC_ROLES", ""))
    if not client_id:
        raise InvalidError("ULTRAVIOLET_OIDC_ISSUER needs ULTRAVIOLET_OIDC_CLIENT_ID too")
    if not roles and not role:
        raise InvalidError(
            "Set ULTRAVIOLET_OIDC_ROLES or ULTRAVIOLET_OIDC_DEFAULT_ROLE, else nobody is let in"
        )
    if role not in ("", *_ROLES):
        raise InvalidError(
            f"ULTRAVIOLET_OIDC_DEFAULT_ROLE is one of {', '.join(_ROLES)}, not {role}"
        )
    return {
        "oidc_issuer": issuer,
        "oidc_client_id": client_id,
        "oidc_client_secret": _secret(environment, "ULTRAVIOLET_OIDC_CLIENT_SECRET"),
        "oidc_name": environment.get("ULTRAVIOLET_OIDC_NAME") or "single sign-on",
        "oidc_roles": roles,
        "oidc_roles_claim": environment.get("ULTRAVIOLET_OIDC_ROLES_CLAIM") or "groups",
        "oidc_default_role": role,
        "oidc_domains": tuple(
            one.casefold() for one in _listed(environment, "ULTRAVIOLET_OIDC_DOMAINS")
        ),
    }


def _roles(text: str) -> tuple[tuple[str, str], ...]:
    """Read `group=role` by commas; a group may have commas and equals signs of its own, as in a directory."""
    found: list[tuple[str, str]] = []
    at = 0
    while at < len(text):
        pair = _GROUP_AND_ROLE.match(text, at)
        if pair is None:
            raise InvalidError(
                f"ULTRAVIOLET_OIDC_ROLES is group=role by commas, with the roles {', '.join(_ROLES)}"
            )
        found.append((pair[1], pair[2]))
        at = pair.end()
    return tuple(found)


def _listed(environment: Mapping[str, str], name: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in environment.get(name, "").split(",") if part.strip())


def _address(environment: Mapping[str, str], name: str, usual: str) -> str:
    value = environment.get(name)
    if not value:
        return usual
    try:
        parts = urlsplit(value)
        valid = bool(parts.hostname) and parts.port != 0
    except ValueError:
        parts, valid = urlsplit(""), False
    if "@" in parts.netloc:
        raise InvalidError(f"{name} must not have a user name or password")
    if not (valid and _ADDRESS.fullmatch(value) and not {".", ".."} & {*parts.path.split("/")}):
        raise InvalidError(
            f"{name} is an address such as https://hub.example.com or https://example.com/uv, without a query or"
            f" fragment, not {value}"
        )
    return value


def _switch(environment: Mapping[str, str], name: str) -> bool:
    """Read a switch that is on unless it says off."""
    value = environment.get(name, "on").strip().lower()
    if value not in ("on", "off"):
        raise InvalidError(f"{name} is {value}; it can be on or off")
    return value == "on"


def _networks(environment: Mapping[str, str], name: str) -> tuple[str, ...]:
    try:
        return tuple(
            str(ipaddress.ip_network(part, strict=False)) for part in _listed(environment, name)
        )
    except ValueError as error:
        raise InvalidError(
            f"{name} lists addresses and networks, such as 10.0.0.0/8: {error}"
        ) from error


def _seconds(environment: Mapping[str, str], name: str, usual: float) -> float:
    value = environment.get(name)
    try:
        seconds = float(value) if value else usual
    except ValueError as error:
        raise InvalidError(f"{name} is a number of seconds, not {value}") from error
    if seconds <= 0:
        raise InvalidError(f"{name} is more than 0 seconds")
    return seconds


def _count(environment: Mapping[str, str], name: str, usual: int) -> int:
    value = environment.get(name) or str(usual)
    if not value.isdecimal():
        raise InvalidError(f"{name} is a whole number from 0, not {value}")
    return int(value)


def _secret(environment: Mapping[str, str], name: str) -> str | None:
    """Read a secret from its variable, or from the file that `<name>_FILE` names."""
    if value := environment.get(name):
        return value
    path = environment.get(f"{name}_FILE")
    if not path:
        return None
    try:
        return Path(path).read_text().strip()
    except OSError as error:
        raise InvalidError(
            f"{name}_FILE names {path}, which cannot be read: {error.strerror}"
        ) from error
