"""The structs of an integration, and the addresses of ION's environments."""

from urllib.parse import urlsplit

import msgspec

from ultraviolet.hub.integrations.connection_test import TestResult

INCREMENTAL_SCHEDULE = "*/5 * * * *"
FULL_SCHEDULE = "0 3 * * *"
REQUESTS_PER_SECOND = 20


class Preset(msgspec.Struct, frozen=True):
    """The addresses of one of ION's environments."""

    name: str
    title: str
    api_url: str
    auth_url: str


def _preset(name: str, title: str, place: str) -> Preset:
    return Preset(
        name, title, f"https://api{place}.buildwithion.com", f"https://auth{place}.buildwithion.com"
    )


PRESETS: tuple[Preset, ...] = (
    Preset(
        "production",
        "Production",
        "https://api.buildwithion.com",
        "https://auth.buildwithion.com/auth",
    ),
    Preset(
        "staging",
        "Staging and sandbox",
        "https://staging-api.buildwithion.com",
        "https://staging-auth.buildwithion.com",
    ),
    _preset("gov-production", "Government production", "-production-gov"),
    _preset("gov-staging", "Government staging", "-staging-gov"),
    Preset(
        "aus-production",
        "Australia production",
        "https://api.ion-aus.com",
        "https://auth.ion-aus.com/auth",
    ),
    Preset(
        "aus-staging",
        "Australia staging",
        "https://staging-api.ion-aus.com",
        "https://staging-auth.ion-aus.com",
    ),
    Preset("local", "Local ION", "http://127.0.0.1:8100", "http://127.0.0.1:8100"),
)


def is_sandbox(api_url: str) -> bool:
    """Return whether an address is of a staging environment of ION, where its sandboxes are.

    A sandbox delivers webhooks to a sink by default (documented).
    """
    host = urlsplit(api_url).hostname or ""
    return "staging" in host.split(".", 1)[0] or "sandbox" in host


class NewIntegration(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The values of a new integration."""

    name: str
    api_url: str
    auth_url: str
    client_id: str
    client_secret: str
    incremental_schedule: str = INCREMENTAL_SCHEDULE
    full_schedule: str = FULL_SCHEDULE
    requests_per_second: int = REQUESTS_PER_SECOND
    resources: list[str] | None = None
    """Names of the mirrored resources; null means all."""


class IntegrationChanges(
    msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True
):
    """The values to change; omitted ones stay unchanged."""

    name: str | msgspec.UnsetType = msgspec.UNSET
    api_url: str | msgspec.UnsetType = msgspec.UNSET
    auth_url: str | msgspec.UnsetType = msgspec.UNSET
    client_id: str | msgspec.UnsetType = msgspec.UNSET
    client_secret: str | msgspec.UnsetType = msgspec.UNSET
    incremental_schedule: str | msgspec.UnsetType = msgspec.UNSET
    full_schedule: str | msgspec.UnsetType = msgspec.UNSET
    requests_per_second: int | msgspec.UnsetType = msgspec.UNSET
    resources: list[str] | msgspec.UnsetType | None = msgspec.UNSET


class Integration(msgspec.Struct, frozen=True):
    """One ION environment, without its secret."""

    id: int
    name: str
    api_url: str
    auth_url: str
    client_id: str
    paused: bool
    incremental_schedule: str
    full_schedule: str
    requests_per_second: int
    resources: list[str] | None
    """Names of the mirrored resources; null means all."""
    test_result: TestResult | None
    created_at: str
    updated_at: str
    removed: bool
    """Whether it is being deleted: it no longer syncs, and its data is deleted in batches."""

    @property
    def blocked(self) -> str:
        """Why the hub cannot read from ION now; empty if it can."""
        if self.removed:
            return "being deleted"
        if self.paused:
            return "paused"
        return "rejected by ION" if self.test_result and self.test_result.rejected else ""


class Credentials(msgspec.Struct, frozen=True):
    """The credentials for one ION environment; never logged or shown."""

    api_url: str
    auth_url: str
    client_id: str
    client_secret: str

    def __repr__(self) -> str:
        """Return a text without the secret, for tracebacks and logs."""
        return f"Credentials({self.api_url}, {self.client_id})"
