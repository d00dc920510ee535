"""The connection test: the owner of the API key, its permissions, and problems with next steps."""

from collections.abc import Sequence
from typing import Any, ClassVar, cast

import msgspec

from ultraviolet import clock
from ultraviolet.hub.core.finding import Action, Finding, Kind
from ultraviolet.ion.catalog import Catalog
from ultraviolet.ion.client import ALIVE_QUERY, IonClient, Result
from ultraviolet.ion.errors import NEXT_STEPS, IonError
from ultraviolet.ion.queries import OfferedSchema

_VIEWERS = (
    "query Viewer { me { id name email organization { id domain } } }",
    "query Viewer { me { id name email } }",
)
_RECEIVERS = "query Receivers { webhookReceivers(first: 1) { edges { node { id sharedSecret } } } }"
_BATCH_SIZE = 12
_MAX_LISTED = 5
_MAX_CLOCK_SKEW_SECONDS = 5.0
_NOT_OFFERED = "Not offered by this ION environment"
_KINDS: dict[str, Kind] = {
    "ion-unreachable": "unreachable",
    "ion-intercepted": "unreachable",
    "ion-unauthorized": "credentials",
    "ion-rate-limited": "rate_limit",
}
"""The kind of finding for errors of ION; other errors are `ion_fails`."""


class Viewer(msgspec.Struct, frozen=True):
    """The owner of the API key in ION."""

    name: str | None = None
    email: str | None = None
    organization: str | None = None


class Readable(msgspec.Struct, frozen=True):
    """Whether the key may read a resource, and its number of objects."""

    resource: str
    readable: bool
    count: int | None = None
    reason: str | None = None


class TestResult(msgspec.Struct, frozen=True):
    """The result of a connection test."""

    __test__: ClassVar[bool] = False
    """Keep pytest from collecting this class."""

    ok: bool
    tested_at: str
    viewer: Viewer | None
    resources: list[Readable]
    findings: list[Finding]

    @property
    def rejected(self) -> bool:
        """Whether ION rejected the credentials."""
        return any(one.rejects_credentials for one in self.findings)

    @property
    def failed_to_connect(self) -> bool:
        """Whether ION rejected the credentials or did not answer."""
        return any(one.kind in _KINDS.values() and one.severity == "error" for one in self.findings)


async def run_connection_test(
    client: IonClient, catalog: Catalog
) -> tuple[TestResult, OfferedSchema | None]:
    """Test a connection; return errors of ION as findings instead of raising them."""
    findings: list[Finding] = []
    viewer, offered, resources = None, None, list[Readable]()
    try:
        await client.look()
        viewer = await _read_viewer(client, findings)
        offered = await _read_schema(client, findings)
        resources = await _test_resources(client, catalog, offered or OfferedSchema.whole(catalog))
        findings += _resource_findings(resources)
        receivers = await client.execute(_RECEIVERS)
        if receivers.errors:
            message = f"The API key cannot read webhook receivers: {'; '.join(receivers.errors)}"
            step = (
                "Grant the key the webhook permissions in ION. Until then only manual setup works,"
                " and signatures of deliveries cannot be verified."
            )
            findings.append(Finding("permission", "warning", message, step))
    except IonError as error:
        kind = _KINDS.get(error.kind, "ion_fails")
        step = NEXT_STEPS.get(error.kind, NEXT_STEPS["ion-intercepted"])
        action = Action.FIX_CREDENTIALS if kind == "credentials" else Action.TEST
        step = f"{step}, then test again."
        findings.append(Finding(kind, "error", str(error), step, action, error.setting))
    if client.ahead is not None and abs(client.ahead) > _MAX_CLOCK_SKEW_SECONDS:
        direction = "ahead of" if client.ahead > 0 else "behind"
        message = (
            f"ION's clock is {abs(client.ahead):.0f} s {direction} the hub's clock,"
            " so reported sync latencies are wrong"
        )
        step = "Set the clock of the hub's machine, preferably with NTP."
        findings.append(Finding("clock", "warning", message, step))
    ok = not any(finding.severity == "error" for finding in findings)
    return TestResult(ok, clock.now_rfc3339(), viewer, resources, findings), offered


async def _read_viewer(client: IonClient, findings: list[Finding]) -> Viewer | None:
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
    reason = "; ".join(result.errors) or "the answer to `me` is empty"
    message = f"ION does not return the owner of the API key: {reason}"
    step = "No action needed if resources can be read."
    findings.append(Finding("permission", "warning", message, step))
    return None


async def _read_schema(client: IonClient, findings: list[Finding]) -> OfferedSchema | None:
    result = await client.execute(ALIVE_QUERY)
    if result.errors:
        message = f"ION rejects queries: {'; '.join(result.errors)}"
        step = "Check the permissions of the API key in ION."
        findings.append(Finding("permission", "error", message, step, Action.TEST))
        return None
    try:
        return await client.introspect()
    except IonError as error:
        message = f"The hub cannot read ION's schema ({error}) and uses the documented one"
        step = "No action needed, unless resources below cannot be read."
        findings.append(Finding("schema", "info", message, step))
        return None


async def _test_resources(
    client: IonClient, catalog: Catalog, offered: OfferedSchema
) -> list[Readable]:
    asked = [resource for resource in catalog.mirrored if offered.reads(resource)]
    found = {
        each.name: Readable(each.name, readable=False, reason=_NOT_OFFERED)
        for each in catalog.mirrored
    }
    for start in range(0, len(asked), _BATCH_SIZE):
        batch = asked[start : start + _BATCH_SIZE]
        queries = [
            f"query Glance {{ page: {each.list}(first: 1) {{"
            f" edges {{ node {{ {' '.join(each.key)} }} }} pageInfo {{ totalCount }} }} }}"
            for each in batch
        ]
        results = await client.execute_batch([(query, None) for query in queries])
        for each, result in zip(batch, results, strict=True):
            page = _object((result.data or {}).get("page"))
            if result.errors or not page:
                reason = "; ".join(result.errors) or "The answer is empty"
                found[each.name] = Readable(each.name, readable=False, reason=reason)
            else:
                count = _object(page.get("pageInfo")).get("totalCount")
                known = count if type(count) is int else None
                found[each.name] = Readable(each.name, readable=True, count=known)
    return [found[resource.name] for resource in catalog.mirrored]


def _object(value: Any) -> dict[str, Any]:
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


def _resource_findings(resources: Sequence[Readable]) -> list[Finding]:
    refused = [each for each in resources if not each.readable and each.reason != _NOT_OFFERED]
    unknown = [each for each in resources if each.reason == _NOT_OFFERED]
    findings: list[Finding] = []
    if not any(each.readable for each in resources):
        step = (
            "Grant its user read permissions in ION, then create a new API key:"
            " a key keeps the permissions of its creation time."
        )
        message = "The API key cannot read any resource"
        findings.append(Finding("permission", "error", message, step, Action.TEST))
    elif refused:
        message = f"The API key cannot read {_names(refused)}: {refused[0].reason}"
        step = (
            "These resources are not mirrored. To mirror them, grant the key's user the"
            " permission in ION and create a new API key."
        )
        findings.append(Finding("permission", "warning", message, step))
    if unknown:
        message = f"This ION environment does not offer {_names(unknown)}"
        step = "No action needed: these resources are not mirrored."
        findings.append(Finding("not_offered", "info", message, step))
    return findings


def _names(resources: Sequence[Readable]) -> str:
    shown = ", ".join(each.resource.replace("_", " ") for each in resources[:_MAX_LISTED])
    more = len(resources) - _MAX_LISTED
    return f"{shown} and {more} more" if more > 0 else shown
