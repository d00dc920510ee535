"""The doctor's look at one integration: ION and its key, receiver and subscriptions, deliveries, fetches, stale objects."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import msgspec

from ultraviolet.cli.doctor.problems import CheckResult, State, failed, passed
from ultraviolet.cli.support.api import Api, Json, to
from ultraviolet.command_text import command

_RECENTLY = timedelta(hours=24)
_TESTED = {
    "unreachable": "ion-address",
    "credentials": "credentials",
    "permission": "permission",
    "rate-limit": "rate-limit",
    "clock": "clock",
}
"""Which problem a finding of the connection test is."""
_CAUSES = {
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
    "store": "database",
    "invalid_value": "values",
    "unmaintained": "maintenance",
    "events_wait": "maintenance",
}
"""Which problem a cause of doubt is; any other is told as it is."""
_TOLD = ("credentials", "unreachable", "receiver", "forged")
"""Causes that are looked at more closely here."""


class _Facts(msgspec.Struct, frozen=True):
    """What the hub says of an integration."""

    name: str
    tested: Json
    setup: Json
    judged: Json
    urls: list[Json]


def look(api: Api, integration: Json) -> Iterator[CheckResult]:
    """Look at everything; of a paused one only at that it is, at nothing of one that is being removed."""
    name, id_ = str(integration["name"]), integration["id"]
    if integration["removed"]:
        return
    if integration["paused"]:
        step = command("integration resume", name)
        yield failed("paused", name, "Paused: nothing is read from ION", step, state="warning")
        return
    facts = _Facts(
        name,
        api.post(to("/integrations/{}/test", id_)),
        api.get(to("/integrations/{}/setup", id_)),
        api.get(to("/integrations/{}/freshness", id_)),
        list(api.items(to("/integrations/{}/webhook-urls", id_), 100)),
    )
    yield from _ion(facts)
    if facts.tested["ok"]:
        yield from _receiver(facts)
        yield from _signatures(facts)
    yield from _trust(facts)


def _ion(facts: _Facts) -> Iterator[CheckResult]:
    found = [one for one in facts.tested["findings"] if one["severity"] != "info"]
    for one in found:
        problem = _TESTED.get(one["kind"], "freshness")
        state: State = "wrong" if one["severity"] == "error" else "warning"
        yield failed(problem, f"{facts.name}: ION", one["message"], one["next_step"], state=state)
    if not found:
        viewer: Json = facts.tested.get("viewer") or {}
        readable = sum(one["readable"] for one in facts.tested["resources"])
        yield passed(
            "credentials",
            f"{facts.name}: ION",
            f"{viewer.get('name')} may read {readable} resources",
        )


def _receiver(facts: _Facts) -> Iterator[CheckResult]:
    what, apply = f"{facts.name}: receiver", command("setup apply", facts.name)
    plan = facts.setup["plan"]
    if plan is None:
        yield failed("receiver", what, str(facts.setup["problem"]))
        return
    if plan["receiver"] is None:
        yield failed("receiver", what, "No receiver in ION posts here", apply)
        return
    for problem in plan["problems"]:
        yield failed("receiver", what, problem, apply)
    if not plan["problems"]:
        yield passed(
            "receiver", what, f"{plan['receiver']['name']}, id {plan['receiver']['id']}, is active"
        )
    lacking = len(plan["missing"]) + len(plan["inactive"])
    what = f"{facts.name}: subscriptions"
    if lacking:
        found = f"{len(plan['missing'])} missing, {len(plan['inactive'])} switched off"
        yield failed("subscriptions", what, found, apply)
    else:
        yield passed("subscriptions", what, f"all {len(plan['present'])} there")


def _signatures(facts: _Facts) -> Iterator[CheckResult]:
    what = f"{facts.name}: signatures"
    current = [one for one in facts.urls if one["state"] != "revoked"]
    since = (datetime.now(UTC) - _RECENTLY).isoformat()
    refused = [one for one in current if (one["last_refused_at"] or "") > since]
    for one in refused:
        yield failed(
            "signatures",
            what,
            f"{one['refused']} deliveries to “{one['name']}” were refused for their signature, the last at"
            f" {one['last_refused_at']}",
            state="warning",
        )
    blind = [one for one in current if one["last_delivery_at"] and not one["verifies"]]
    for one in blind:
        found = f"The shared secret of “{one['name']}” is not known: its deliveries are taken without proof"
        yield failed("signatures", what, found, command("setup apply", facts.name), state="warning")
    if not refused and not blind and any(one["verifies"] for one in current):
        yield passed("signatures", what, "verified with the receiver's shared secret")


def _trust(facts: _Facts) -> Iterator[CheckResult]:
    """Take over why the mirror is not known to be right."""
    causes = [one for one in facts.judged["causes"] if one["kind"] not in _TOLD]
    for one in causes:
        problem = _CAUSES.get(one["kind"], "freshness")
        state: State = "wrong" if one["red"] else "warning"
        yield failed(problem, f"{facts.name}: mirror", one["says"], one["next_step"], state=state)
    if not causes:
        yield passed("freshness", f"{facts.name}: mirror", facts.judged["sentence"])
