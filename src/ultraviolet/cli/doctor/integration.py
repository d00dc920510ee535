"""Checks of one integration: ION, receiver, subscriptions, signatures, freshness."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import msgspec

from ultraviolet.cli.doctor.problems import CheckResult, State, failed, passed
from ultraviolet.cli.support.api import Json, to
from ultraviolet.command_text import command

if TYPE_CHECKING:
    from ultraviolet.cli.support.transports import Api

_RECENT = timedelta(hours=24)
_PROBLEM_OF_FINDING = {
    "unreachable": "ion-address",
    "credentials": "credentials",
    "permission": "permission",
    "rate-limit": "rate-limit",
    "clock": "clock",
}
"""The known problem for each kind of finding of the connection test."""
_PROBLEM_OF_CAUSE = {
    "silent": "silence",
    "no_event_yet": "silence",
    "ion_fails": "fetch",
    "overdue": "fetch",
    "never_proven": "fetch",
    "unreadable": "stale",
    "hopeless": "stale",
    "behind": "stale",
    "paused": "paused",
    "healing_off": "paused",
    "invalid_value": "values",
    "unmaintained": "maintenance",
    "events_wait": "maintenance",
}
"""The known problem for each kind of freshness cause; others are reported as `freshness`."""
_CHECKED_HERE = ("credentials", "unreachable", "receiver", "forged")
"""Freshness causes that the checks in this module report in more detail."""


class _Facts(msgspec.Struct, frozen=True):
    """The API responses about an integration."""

    name: str
    test: Json
    setup: Json
    freshness: Json
    urls: list[Json]


def check_integration(api: "Api", integration: Json) -> Iterator[CheckResult]:
    """Return the check results; none during removal, and only the pause of a paused one."""
    name, id_ = str(integration["name"]), integration["id"]
    if integration["removed"]:
        return
    if integration["paused"]:
        step = command("integration resume", name)
        yield failed(
            "paused", name, "Paused: the hub does not read from ION", step, state="warning"
        )
        return
    facts = _Facts(
        name,
        api.post(to("/integrations/{}/test", id_)),
        api.get(to("/integrations/{}/setup", id_)),
        api.get(to("/integrations/{}/freshness", id_)),
        list(api.items(to("/integrations/{}/webhook-urls", id_), 100)),
    )
    yield from _check_connection(facts)
    if facts.test["ok"]:
        yield from _check_receiver(facts)
        yield from _check_signatures(facts)
    yield from _check_freshness(facts)


def _check_connection(facts: _Facts) -> Iterator[CheckResult]:
    subject = f"{facts.name}: ION"
    findings = [one for one in facts.test["findings"] if one["severity"] != "info"]
    for finding in findings:
        problem = _PROBLEM_OF_FINDING.get(finding["kind"], "freshness")
        state: State = "error" if finding["severity"] == "error" else "warning"
        yield failed(problem, subject, finding["message"], finding["next_step"], state=state)
    if not findings:
        viewer: Json = facts.test.get("viewer") or {}
        readable = sum(one["readable"] for one in facts.test["resources"])
        yield passed("credentials", subject, f"{viewer.get('name')} can read {readable} resources")


def _check_receiver(facts: _Facts) -> Iterator[CheckResult]:
    subject, apply = f"{facts.name}: receiver", command("setup apply", facts.name)
    plan = facts.setup["plan"]
    if plan is None:
        yield failed("receiver", subject, str(facts.setup["problem"]))
        return
    if plan["receiver"] is None:
        yield failed(
            "receiver", subject, "ION has no receiver with a webhook URL of this hub", apply
        )
        return
    for problem in plan["problems"]:
        yield failed("receiver", subject, problem, apply)
    if not plan["problems"]:
        yield passed(
            "receiver",
            subject,
            f"{plan['receiver']['name']}, id {plan['receiver']['id']}, is active",
        )
    subject = f"{facts.name}: subscriptions"
    if plan["missing"] or plan["inactive"]:
        counts = f"{len(plan['missing'])} missing, {len(plan['inactive'])} disabled"
        yield failed("subscriptions", subject, counts, apply)
    else:
        yield passed("subscriptions", subject, f"all {len(plan['present'])} active")


def _check_signatures(facts: _Facts) -> Iterator[CheckResult]:
    subject = f"{facts.name}: signatures"
    urls = [url for url in facts.urls if url["state"] != "revoked"]
    since = (datetime.now(UTC) - _RECENT).isoformat()
    rejecting = [url for url in urls if (url["last_refused_at"] or "") > since]
    for url in rejecting:
        yield failed(
            "signatures",
            subject,
            f"{url['refused']} deliveries to “{url['name']}” had an invalid signature and were"
            f" rejected, the last at {url['last_refused_at']}",
            state="warning",
        )
    unverified = [url for url in urls if url["last_delivery_at"] and not url["verifies"]]
    for url in unverified:
        finding = (
            f"The shared secret of “{url['name']}” is unknown:"
            " its deliveries are accepted without verification"
        )
        apply = command("setup apply", facts.name)
        yield failed("signatures", subject, finding, apply, state="warning")
    if not rejecting and not unverified and any(url["verifies"] for url in urls):
        yield passed("signatures", subject, "verified with the receiver's shared secret")


def _check_freshness(facts: _Facts) -> Iterator[CheckResult]:
    """Return the causes for which the mirror may differ from ION."""
    subject = f"{facts.name}: mirror"
    causes = [one for one in facts.freshness["causes"] if one["kind"] not in _CHECKED_HERE]
    for cause in causes:
        problem = _PROBLEM_OF_CAUSE.get(cause["kind"], "freshness")
        state: State = "error" if cause["red"] else "warning"
        yield failed(problem, subject, cause["says"], cause["next_step"], state=state)
    if not causes:
        yield passed("freshness", subject, facts.freshness["sentence"])
