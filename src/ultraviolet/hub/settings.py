"""The settings of a hub process, from the environment and the command line."""

import ipaddress
import os
from collections.abc import Mapping
from pathlib import Path

import msgspec

from ultraviolet.errors import InvalidError


class Settings(msgspec.Struct, frozen=True):
    """What a hub process is told when it starts; everything else is in its database."""

    data: Path
    """The folder for the database and the secret key."""
    database_url: str
    """ULTRAVIOLET_DATABASE_URL; by default `hub.db` in the data folder."""
    public_url: str
    """ULTRAVIOLET_PUBLIC_URL: the address under which ION reaches this hub; webhook URLs begin with it."""
    admin_key: str | None = None
    """ULTRAVIOLET_ADMIN_KEY or _FILE: a first API key for automation."""
    allowed_sources: tuple[str, ...] = ()
    """ULTRAVIOLET_ALLOWED_SOURCES: addresses and networks deliveries are taken from, by commas; empty: from anywhere."""
    trusted_proxies: tuple[str, ...] = ()
    """ULTRAVIOLET_TRUSTED_PROXIES: whose X-Forwarded-For is believed."""
    watch_seconds: float = 60.0
    """ULTRAVIOLET_WATCH_SECONDS: seconds between two looks of the watchdog."""
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
    private_targets: bool = False
    """ULTRAVIOLET_PRIVATE_TARGETS: on lets alerts go to addresses in private networks."""
    api_rate_limit: int = 6000
    """ULTRAVIOLET_API_RATE_LIMIT: requests a minute that one API key or person may make; 0 does not limit."""
    heal: bool = True
    """ULTRAVIOLET_HEAL: off leaves the mirror to webhooks and scheduled fetches, to measure what healing does."""

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
            public_url=(found.get("ULTRAVIOLET_PUBLIC_URL") or public_url).rstrip("/"),
            admin_key=_secret(found, "ULTRAVIOLET_ADMIN_KEY"),
            allowed_sources=_networks(found, "ULTRAVIOLET_ALLOWED_SOURCES"),
            trusted_proxies=_networks(found, "ULTRAVIOLET_TRUSTED_PROXIES"),
            watch_seconds=_seconds(found, "ULTRAVIOLET_WATCH_SECONDS", 60.0),
            secret_key=_secret(found, "ULTRAVIOLET_SECRET_KEY"),
            old_secret_key=_secret(found, "ULTRAVIOLET_OLD_SECRET_KEY"),
            smtp_url=_secret(found, "ULTRAVIOLET_SMTP_URL"),
            mail_from=found.get("ULTRAVIOLET_MAIL_FROM") or "ultraviolet@localhost",
            alert_seconds=_seconds(found, "ULTRAVIOLET_ALERT_SECONDS", 60.0),
            private_targets=_switch(found, "ULTRAVIOLET_PRIVATE_TARGETS", "off"),
            api_rate_limit=_count(found, "ULTRAVIOLET_API_RATE_LIMIT", 6000),
            heal=_switch(found, "ULTRAVIOLET_HEAL"),
        )


def _switch(environment: Mapping[str, str], name: str, usual: str = "on") -> bool:
    """Read a switch: on or off."""
    value = environment.get(name, usual).strip().lower()
    if value not in ("on", "off"):
        raise InvalidError(f"{name} is {value}; it can be on or off")
    return value == "on"


def _networks(environment: Mapping[str, str], name: str) -> tuple[str, ...]:
    parts = [part.strip() for part in environment.get(name, "").split(",") if part.strip()]
    try:
        return tuple(str(ipaddress.ip_network(part, strict=False)) for part in parts)
    except ValueError as error:
        raise InvalidError(f"{name} lists addresses and networks, such as 10.0.0.0/8: {error}") from error


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
        raise InvalidError(f"{name}_FILE names {path}, which cannot be read: {error.strerror}") from error
