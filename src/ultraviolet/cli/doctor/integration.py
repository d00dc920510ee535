"""Checks of one integration: ION, receiver, subscriptions, signatures, freshness."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from ultraviolet.cli.doctor.problems import CheckResult, failed, passed
from ultraviolet.cli.support.api import Json, to
from ultraviolet.cli.support.findings import next_step
from ultraviolet.clock import readable
from ultraviolet.command_text import command
from ultraviolet.hub.core.finding import CONSEQUENCES, rotation_step
from ultraviolet.text import counted

if TYPE_CHECKING:
    from ultraviolet.cli.support.transports import Api

_RECENT = timedelta(hours=24)
_CHECKED_HERE = ("credentials", "permission", "unreachable", "receiver", "forged")
"""Kinds of findings of the freshness that the checks in this module report in more detail."""


def check_integration(api: "Api", integration: Json) -> Iterator[CheckResult]:
    """Return the check results; none during removal, and only the pause of a paused one."""
    name, id_ = str(integration["name"]), integration["id"]
    if integration["removed"]:
        return
    if integration["paused"]:
        step = command("integration resume", name)
        message = "Paused: the hub does not read from ION"
        yield failed("paused", name, message, step, severity="warning")
        return
    test = api.post(to("/integrations/{}/test", id_))
    problems = list(_report(name, f"{name}: ION", test["findings"]))
    yield from problems
    if not problems:
        viewer: Json = test.get("viewer") or {}
        readable = sum(one["readable"] for one in test["resources"])
        message = f"{viewer.get('name')} can read {readable} resources"
        yield passed("credentials", f"{name}: ION", message)
    receiver: list[CheckResult] = []
    if test["ok"]:
        receiver = list(_check_receiver(name, api.get(to("/integrations/{}/setup", id_))))
        yield from receiver
        urls = api.items(to("/integrations/{}/webhook-urls", id_), 100)
        yield from _check_signatures(name, [url for url in urls if url["state"] != "revoked"])
    freshness = api.get(to("/integrations/{}/freshness", id_))
    told = _CHECKED_HERE if test["ok"] else (*_CHECKED_HERE, "ion_fails", *CONSEQUENCES)
    if any(one.kind == "receiver" and one.severity == "error" for one in receiver):
        told = (*told, "silent")  # the receiver is the cause
    others = [one for one in freshness["findings"] if one["kind"] not in told]
    problems = list(_report(name, f"{name}: mirror", others))
    yield from problems
    if test["ok"] and not problems:
        yield passed("freshness", f"{name}: mirror", freshness["sentence"])


def _report(name: str, subject: str, findings: list[Json]) -> Iterator[CheckResult]:
    """Return the findings of the hub that are not just information."""
    for one in findings:
        if one["severity"] != "info":
            step = next_step(one, name)
            yield failed(one["kind"], subject, one["message"], step, severity=one["severity"])


def _check_receiver(name: str, setup: Json) -> Iterator[CheckResult]:
    subject, apply = f"{name}: receiver", command("setup apply", name)
    plan = setup["plan"]
    if plan is None:
        yield failed("receiver", subject, str(setup["problem"]), command("setup plan", name))
        return
    if plan["receiver"] is None:
        message = "ION has no receiver with a webhook URL of this hub"
        yield failed("receiver", subject, message, apply)
        return
    for problem in plan["problems"]:
        yield failed("receiver", subject, problem, apply)
    if not plan["problems"]:
        message = f"{plan['receiver']['name']}, id {plan['receiver']['id']}, is active"
        yield passed("receiver", subject, message)
    subject = f"{name}: subscriptions"
    if plan["missing"] or plan["inactive"]:
        counts = f"{len(plan['missing'])} missing, {len(plan['inactive'])} disabled"
        yield failed("subscriptions", subject, counts, apply)
    else:
        yield passed("subscriptions", subject, f"all {len(plan['present'])} active")


def _check_signatures(name: str, urls: list[Json]) -> Iterator[CheckResult]:
    subject, is_good = f"{name}: signatures", True
    since = (datetime.now(UTC) - _RECENT).isoformat()
    for url in urls:
        if (url["last_refused_at"] or "") > since:
            is_good = False
            message = (
                f"The hub rejected {counted(url['refused'], 'delivery', 'deliveries')} to"
                f" “{url['name']}” with a wrong signature, the last at {readable(url['last_refused_at'])}"
            )
            step = rotation_step(url["id"])
            yield failed("forged", subject, message, step, severity="warning")
        if url["last_delivery_at"] and not url["verifies"]:
            is_good = False
            message = (
                f"The shared secret of “{url['name']}” is unknown:"
                " its deliveries are accepted without verification"
            )
            apply = command("setup apply", name)
            yield failed("unverified", subject, message, apply, severity="warning")
    if is_good and any(url["verifies"] for url in urls):
        yield passed("forged", subject, "verified with the receiver's shared secret")
