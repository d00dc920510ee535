"""The connection test: who the key is, what it may read, and what is wrong, in words."""

from collections.abc import Sequence
from typing import Any, ClassVar, Literal, cast

import msgspec

from ultraviolet import clock
from ultraviolet.ion.catalog import Catalog
from ultraviolet.ion.client import ALIVE_QUERY, IonClient, Result
from ultraviolet.ion.errors import NEXT_STEPS, IonError
from ultraviolet.ion.model import Resource
from ultraviolet.ion.queries import OfferedSchema

_VIEWERS = (
    "query Viewer { me { id name email organization { id domain } } }",
    "query Viewer { me { id name email } }",
)
_RECEIVERS = "query Receivers { webhookReceivers(first: 1) { edges { node { id sharedSecret } } } }"
_AT_ONCE = 12
_SKEW = 5.0
"""Seconds that clocks may differ before it is worth a word."""
Severity = Literal["error", "warning", "info"]
Kind = Literal["unreachable", "credentials", "permission", "rate-limit", "clock", "other"]
_KINDS: dict[str, Kind] = {
    "ion-unreachable": "unreachable",
    "ion-intercepted": "unreachable",
    "ion-unauthorized": "credentials",
    "ion-rate-limited": "rate-limit",
}


class Viewer(msgspec.Struct, frozen=True):
    """Who ION takes the key for."""

    name: str | None = None
    email: str | None = None
    organization: str | None = None


class Readable(msgspec.Struct, frozen=True):
    """Whether the key may read a resource, and how much there is."""

    resource: str
    readable: bool
    count: int | None = None
    reason: str | None = None


class Finding(msgspec.Struct, frozen=True):
    """Something a person should know, with what to do about it."""

    severity: Severity
    message: str
    next_step: str
    kind: Kind = "other"


class TestResult(msgspec.Struct, frozen=True):
    """What a connection test found."""

    __test__: ClassVar[bool] = False
    """Tells pytest that this is none of its tests."""

    ok: bool
    tested_at: str
    viewer: Viewer | None
    resources: list[Readable]
    findings: list[Finding]


async def run_connection_test(
    client: IonClient, catalog: Catalog
) -> tuple[TestResult, OfferedSchema | None]:
    """Test one ION; never raises what ION does, but finds it."""
    findings: list[Finding] = []
    viewer, offered, resources = None, None, list[Readable]()
    try:
        await client.look()
        viewer = await _viewer(client, findings)
        offered = await _offered(client, findings)
        known = offered or OfferedSchema.whole(catalog)
        resources = await _readable(client, catalog, known)
        findings += _on_reading(resources)
        findings += await _on_webhooks(client)
    except IonError as error:
        kind = _KINDS.get(error.kind, "other")
        findings.append(Finding("error", str(error), _next_step(error), kind))
    findings += _on_clocks(client.ahead)
    ok = not any(finding.severity == "error" for finding in findings)
    return TestResult(ok, clock.now_rfc3339(), viewer, resources, findings), offered


async def _viewer(client: IonClient, findings: list[Finding]) -> Viewer | None:
    result = Result(None)
    for document in _VIEWERS:
        result = await client.execute(document)
        me = _object((result.data or {}).get("me"))
        if me:
            domain = _object(me.get("organization")).get("domain")
            return Viewer(
                *(
                    each if isinstance(each, str) else None
                    for each in (me.get("name"), me.get("email"), domain)
                )
            )
    why = "; ".join(result.errors) or "it answers nothing to `me`"
    findings.append(
        Finding(
            "warning",
            f"ION does not tell who the key belongs to: {why}",
            "Reading may work all the same.",
        )
    )
    return None


async def _offered(client: IonClient, findings: list[Finding]) -> OfferedSchema | None:
    result = await client.execute(ALIVE_QUERY)
    if result.errors:
        findings.append(
            Finding(
                "error",
                f"ION refuses queries: {'; '.join(result.errors)}",
                "Check the key's permissions.",
                "permission",
            )
        )
        return None
    try:
        return await client.introspect()
    except IonError as error:
        message = f"ION does not show its schema ({error}); the hub takes it to be the one it knows"
        findings.append(
            Finding("info", message, "Nothing to do, unless resources below are refused.")
        )
        return None


async def _readable(client: IonClient, catalog: Catalog, offered: OfferedSchema) -> list[Readable]:
    asked = [resource for resource in catalog.mirrored if offered.reads(resource)]
    found = {
        each.name: Readable(each.name, readable=False, reason="This ION does not offer it")
        for each in catalog.mirrored
    }
    for start in range(0, len(asked), _AT_ONCE):
        part = asked[start : start + _AT_ONCE]
        results = await client.execute_batch([(_glance(resource), None) for resource in part])
        found |= {
            each.name: _judge(each, result) for each, result in zip(part, results, strict=True)
        }
    return [found[resource.name] for resource in catalog.mirrored]


def _glance(resource: Resource) -> str:
    keys = " ".join(resource.key)
    return f"query Glance {{ page: {resource.list}(first: 1) {{ edges {{ node {{ {keys} }} }} pageInfo {{ totalCount }} }} }}"


def _judge(resource: Resource, result: Result) -> Readable:
    page = _object((result.data or {}).get("page"))
    if result.errors or not page:
        return Readable(
            resource.name, readable=False, reason="; ".join(result.errors) or "ION answers nothing"
        )
    count = _object(page.get("pageInfo")).get("totalCount")
    return Readable(resource.name, readable=True, count=count if type(count) is int else None)


def _object(value: Any) -> dict[str, Any]:
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


def _on_reading(resources: Sequence[Readable]) -> list[Finding]:
    refused = [
        each
        for each in resources
        if not each.readable and each.reason != "This ION does not offer it"
    ]
    unknown = [each for each in resources if each.reason == "This ION does not offer it"]
    findings: list[Finding] = []
    if not any(each.readable for each in resources):
        findings.append(
            Finding(
                "error",
                "The key may read nothing",
                "Give its user the permissions to read, then make a new key: a key keeps the permissions of the day it was made.",
                "permission",
            )
        )
    elif refused:
        message = f"The key may not read {_names(refused)}: {refused[0].reason}"
        findings.append(
            Finding(
                "warning",
                message,
                "These are not mirrored; to have them, give the key's user the permission and make a new key.",
                "permission",
            )
        )
    if unknown:
        findings.append(
            Finding(
                "info",
                f"This ION does not have {_names(unknown)}",
                "Nothing to do: they are left out.",
            )
        )
    return findings


def _names(resources: Sequence[Readable]) -> str:
    shown = ", ".join(each.resource.replace("_", " ") for each in resources[:5])
    return shown if len(resources) <= 5 else f"{shown} and {len(resources) - 5} more"  # noqa: PLR2004


async def _on_webhooks(client: IonClient) -> list[Finding]:
    result = await client.execute(_RECEIVERS)
    if not result.errors:
        return []
    message = f"The key may not read webhook receivers: {'; '.join(result.errors)}"
    return [
        Finding(
            "warning",
            message,
            "Set-up works by hand only, and deliveries cannot be verified, until the key has the webhook permissions.",
            "permission",
        )
    ]


def _on_clocks(ahead: float | None) -> list[Finding]:
    if ahead is None or abs(ahead) <= _SKEW:
        return []
    which = "ahead of" if ahead > 0 else "behind"
    message = f"ION's clock is {abs(ahead):.0f} s {which} that of the hub, so how late changes arrive is told wrongly"
    return [
        Finding("warning", message, "Set the clock of the hub's machine, best by NTP.", "clock")
    ]


def _next_step(error: IonError) -> str:
    return f"{NEXT_STEPS.get(error.kind, NEXT_STEPS['ion-intercepted'])}, then test again."
