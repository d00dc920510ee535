"""What commonly goes wrong with a hub: each problem with its cause and what to do, and what a look at it found."""

from typing import Literal

import msgspec

State = Literal["well", "warning", "wrong"]


class KnownProblem(msgspec.Struct, frozen=True):
    """One thing that commonly goes wrong."""

    name: str
    title: str
    cause: str
    remedy: str


class CheckResult(msgspec.Struct, frozen=True):
    """What was looked at and what was found."""

    name: str
    what: str
    state: State
    finding: str
    cause: str = ""
    next_step: str = ""


PROBLEMS = (
    KnownProblem(
        "data",
        "The data directory cannot be used",
        "It belongs to another user, or to another directory than the one the hub was started on.",
        "Run as the user who owns it, or name the directory with --data or ULTRAVIOLET_DATA.",
    ),
    KnownProblem(
        "disk",
        "The disk is nearly full",
        "Events, history and backups grow. When it is full, deliveries are put off until there is room.",
        "Make room on the disk of the data directory, or move it to a larger one.",
    ),
    KnownProblem(
        "secret-key",
        "Stored credentials cannot be opened, or the key that opens them can be read by others",
        "The hub was started with another ULTRAVIOLET_SECRET_KEY, or secret.key is missing or was replaced.",
        "Put the key back that the hub was set up with; without it, enter ION's credentials anew.",
    ),
    KnownProblem(
        "database",
        "The database is unreachable, damaged, or its tables are of another release",
        "ULTRAVIOLET_DATABASE_URL is wrong, the server is down, the file is damaged, or an upgrade is not done.",
        "Check the address and the server; `ultraviolet db upgrade` after an upgrade, `ultraviolet db check` for damage.",
    ),
    KnownProblem(
        "port",
        "Another program listens on the hub's port",
        "Another hub, or something else, was started there before.",
        "End it, or start the hub with another --port.",
    ),
    KnownProblem(
        "hub",
        "No hub runs, or commands ask at the wrong address",
        "It was not started or has ended; or ULTRAVIOLET_URL names another address.",
        "`ultraviolet serve`, or set ULTRAVIOLET_URL to the address that it prints.",
    ),
    KnownProblem(
        "key",
        "The hub does not know the API key",
        "ULTRAVIOLET_KEY is of another hub, was revoked, or has expired.",
        "`ultraviolet key create` on the hub's machine, and set ULTRAVIOLET_KEY to what it shows.",
    ),
    KnownProblem(
        "public-address",
        "ION cannot reach the hub under its public address",
        "ULTRAVIOLET_PUBLIC_URL is not set behind a proxy, has the wrong scheme or port, or the proxy does not pass it on.",
        "Set ULTRAVIOLET_PUBLIC_URL to the https address that ION reaches, restart, then `ultraviolet webhook rotate`.",
    ),
    KnownProblem(
        "ion-address",
        "ION does not answer",
        "A wrong address, a proxy or firewall between hub and ION, or ION is down.",
        "Check the addresses of the integration and the network; the hub goes on trying.",
    ),
    KnownProblem(
        "credentials",
        "ION refuses the credentials",
        "The API key was mistyped, revoked, or disabled together with the user who made it.",
        "Make a new API key in ION, as a service account, and enter it on the integration's page.",
    ),
    KnownProblem(
        "permission",
        "ION refuses to show something",
        "A key keeps the permissions that its maker had on the day it was made.",
        "Give the key's user the permission in ION, then make a new key.",
    ),
    KnownProblem(
        "rate-limit",
        "ION limits the requests",
        "The hub, or others with the same API key, ask for more than ION answers (429).",
        "Wait; if it goes on, lower the requests per second of the integration on its page.",
    ),
    KnownProblem(
        "clock",
        "The clocks of hub and ION differ",
        "The hub's machine does not keep its time with a time server.",
        "Switch on NTP. What is true is never decided by comparing clocks, but how late changes arrive is.",
    ),
    KnownProblem(
        "receiver",
        "ION has no receiver that posts here, or it is switched off",
        "Set-up was not finished, or somebody deleted, changed or deactivated the receiver in ION.",
        "`ultraviolet setup apply`: it creates or repairs and doubles nothing.",
    ),
    KnownProblem(
        "subscriptions",
        "Subscriptions are missing or switched off",
        "They were removed in ION, or a newer ION has resources that were not subscribed to yet.",
        "`ultraviolet setup apply`",
    ),
    KnownProblem(
        "signatures",
        "Deliveries are refused, or cannot be verified",
        "The receiver's shared secret was changed or is not known here, or somebody else posts to the address.",
        "`ultraviolet setup apply` reads the secret again; if refusals go on, `ultraviolet webhook rotate`.",
    ),
    KnownProblem(
        "silence",
        "No delivery comes",
        "The receiver does not reach the hub, or nothing is subscribed to what changes.",
        "Look at the webhook events in ION; then `ultraviolet setup plan`.",
    ),
    KnownProblem(
        "fetch",
        "Fetches fail or are overdue",
        "ION fails in the middle, the request budget is too small, or no process maintains the integration.",
        "`ultraviolet fetch list` and `ultraviolet fetch show ID` say what fails.",
    ),
    KnownProblem(
        "maintenance",
        "No process maintains the integration, or events wait to be applied",
        "No hub of role all or worker runs, none could take the lease, or a controller hangs.",
        "See what the hub logs; restart it.",
    ),
    KnownProblem(
        "stale",
        "Objects stay stale",
        "ION cannot show them, or more changes than the request budget lets be read.",
        "`ultraviolet object list RESOURCE --state stale`; raise the requests per second, unless ION limits them.",
    ),
    KnownProblem(
        "paused",
        "The integration is paused, or healing is off",
        "Somebody paused it, or the hub runs with ULTRAVIOLET_HEAL=off.",
        "`ultraviolet integration resume`; start the hub without ULTRAVIOLET_HEAL.",
    ),
    KnownProblem(
        "values",
        "ION has values that do not fit the type of their field",
        "Somebody entered or imported them, or ION changed the type of a field.",
        "Correct them in ION: until then filters, SQL views and exports take them for null.",
    ),
    KnownProblem(
        "freshness",
        "The mirror is not known to be right, for another reason",
        "The finding says which.",
        "`ultraviolet freshness` tells more.",
    ),
)
_KNOWN = {problem.name: problem for problem in PROBLEMS}


def passed(name: str, what: str, finding: str) -> CheckResult:
    """Say that something is as it should be."""
    return CheckResult(_KNOWN[name].name, what, "well", finding)


def failed(
    name: str, what: str, finding: str, next_step: str | None = None, *, state: State = "wrong"
) -> CheckResult:
    """Say what is not as it should be, why that happens, and what to do."""
    problem = _KNOWN[name]
    return CheckResult(name, what, state, finding, problem.cause, next_step or problem.remedy)
