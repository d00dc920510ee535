"""The problems that `ultraviolet doctor` knows, each with its cause and next step."""

import msgspec

from ultraviolet.hub.core.finding import Finding, Kind, Severity


class KnownProblem(msgspec.Struct, frozen=True):
    """A common problem, which explains findings of these kinds."""

    kinds: tuple[Kind, ...]
    title: str
    cause: str
    remedy: str


class CheckResult(Finding, frozen=True):
    """The finding of a check, with its usual cause; information means that the check passed."""

    cause: str = ""


PROBLEMS = (
    KnownProblem(
        ("data",),
        "The data directory is not usable",
        "It belongs to another user, or the hub uses another directory.",
        "Run as the user that owns it, or set the directory with --data or ULTRAVIOLET_DATA.",
    ),
    KnownProblem(
        ("disk",),
        "The disk is nearly full",
        "Events, history and backups grow. When the disk is full, the hub rejects deliveries.",
        "Free space on the disk of the data directory, or move it to a larger disk.",
    ),
    KnownProblem(
        ("secret_key",),
        "Stored credentials cannot be decrypted, or other users can read the secret key",
        "ULTRAVIOLET_SECRET_KEY has changed, or secret.key is missing or was replaced.",
        "Restore the original key. If it is lost, enter the credentials of each integration again.",
    ),
    KnownProblem(
        ("database",),
        "The database is unreachable, damaged, or has the tables of another release",
        "ULTRAVIOLET_DATABASE_URL is wrong, the server is down, the file is damaged, or the tables"
        " were not migrated.",
        "Check the address and the server; run `ultraviolet db upgrade` after an upgrade, and"
        " `ultraviolet db check` to find damage.",
    ),
    KnownProblem(
        ("port",),
        "The hub's port is in use",
        "Another hub or another program listens on it.",
        "Stop that program, or start the hub with another --port.",
    ),
    KnownProblem(
        ("hub",),
        "No hub is running, or commands use the wrong address",
        "The hub was not started or has stopped, or ULTRAVIOLET_URL is wrong.",
        "Run `ultraviolet serve`, or set ULTRAVIOLET_URL to the address that it prints.",
    ),
    KnownProblem(
        ("api_key",),
        "The hub rejects the API key",
        "ULTRAVIOLET_KEY belongs to another hub, was revoked, or has expired.",
        "Run `ultraviolet key create` on the hub's machine, and set ULTRAVIOLET_KEY to the API key.",
    ),
    KnownProblem(
        ("public_address",),
        "ION cannot reach the hub at its public address",
        "ULTRAVIOLET_PUBLIC_URL is not set behind a proxy, has the wrong scheme or port, or the"
        " proxy does not forward requests.",
        "Set ULTRAVIOLET_PUBLIC_URL to the https address that ION reaches, restart, then run"
        " `ultraviolet setup apply INTEGRATION` to correct the address of the receiver.",
    ),
    KnownProblem(
        ("unreachable", "ion_fails"),
        "ION does not respond",
        "The address is wrong, a proxy or firewall blocks requests, or ION is down.",
        "Check the addresses of the integration and the network; the hub keeps retrying.",
    ),
    KnownProblem(
        ("credentials",),
        "ION rejects the credentials",
        "The API key was mistyped, revoked, or disabled together with its user.",
        "Create an API key in ION under a service account, and enter it on the integration's page or"
        " with `ultraviolet integration edit INTEGRATION --client-id CLIENT_ID`.",
    ),
    KnownProblem(
        ("permission",),
        "The API key lacks a permission in ION",
        "A key keeps the permissions that its user had when it was created.",
        "Grant the permission to the user in ION, then create a new key.",
    ),
    KnownProblem(
        ("rate_limit",),
        "ION limits the request rate",
        "The hub, or other programs with the same API key, exceed ION's rate limit (429).",
        "Wait. If it persists, lower the requests per second on the integration's page.",
    ),
    KnownProblem(
        ("clock",),
        "The clocks of hub and ION differ",
        "The hub's machine does not synchronize its clock.",
        "Enable NTP. The mirror stays correct, but measured latencies are wrong.",
    ),
    KnownProblem(
        ("receiver",),
        "The receiver in ION is missing, disabled, or posts to another address",
        "The setup was not finished, the receiver was deleted, changed or disabled in ION, or the"
        " address of the hub changed.",
        "Run `ultraviolet setup apply INTEGRATION` to create or repair the receiver; it is safe to run again.",
    ),
    KnownProblem(
        ("subscriptions",),
        "Subscriptions are missing or disabled",
        "They were removed in ION, or a newer ION has additional resources.",
        "Run `ultraviolet setup apply INTEGRATION`.",
    ),
    KnownProblem(
        ("forged",),
        "Deliveries have a wrong signature and are rejected",
        "Another program posts to the URL. The hub itself keeps the shared secret up to date.",
        "If this continues, replace the URL: run `ultraviolet webhook rotate ID`.",
    ),
    KnownProblem(
        ("unverified",),
        "Deliveries cannot be verified",
        "The shared secret of the receiver is unknown.",
        "Run `ultraviolet setup apply INTEGRATION` to read it from ION.",
    ),
    KnownProblem(
        ("silent", "no_event_yet"),
        "No deliveries arrive",
        "The receiver does not reach the hub, subscriptions are missing, or ION is a sandbox, which"
        " delivers webhooks to a sink by default.",
        "Check the webhook events in ION, then run `ultraviolet setup plan INTEGRATION`.",
    ),
    KnownProblem(
        ("overdue", "never_proven", "unsynced"),
        "Syncs fail or are overdue",
        "ION returns errors, the request budget is too small, or no process holds the lease.",
        "Run `ultraviolet fetch list INTEGRATION` and `ultraviolet fetch show ID` to see the error.",
    ),
    KnownProblem(
        ("unmaintained", "events_wait"),
        "No process works on the integration, or events are not applied",
        "No hub with role all or worker is running, none holds the lease, or a controller hangs.",
        "Check the hub's log, and restart the hub.",
    ),
    KnownProblem(
        ("unreadable", "hopeless", "behind"),
        "Objects stay stale",
        "ION cannot return them, or changes exceed the request budget.",
        "Run `ultraviolet object list RESOURCE --state stale --integration INTEGRATION`. Raise the"
        " requests per second, unless ION limits them.",
    ),
    KnownProblem(
        ("paused", "healing_off"),
        "The integration is paused, or healing is off",
        "A user paused it, or the hub runs with ULTRAVIOLET_HEAL=off.",
        "Run `ultraviolet integration resume INTEGRATION`, or start the hub without ULTRAVIOLET_HEAL.",
    ),
    KnownProblem(
        ("invalid_value",),
        "ION has values that do not match the type of their field",
        "They were entered or imported, or ION changed the type of a field.",
        "Correct the values in ION. Until then, filters, SQL views and exports treat them as null.",
    ),
    KnownProblem(
        ("freshness",),
        "The mirror may differ from ION for another reason",
        "See the finding.",
        "Run `ultraviolet freshness INTEGRATION` for details.",
    ),
)
_PROBLEMS_BY_KIND = {kind: problem for problem in PROBLEMS for kind in problem.kinds}
_OTHER = _PROBLEMS_BY_KIND["freshness"]


def passed(kind: Kind, subject: str, message: str) -> CheckResult:
    """Return the result of a passed check."""
    return CheckResult(kind, "info", message, "", subject=subject)


def failed(
    kind: Kind,
    subject: str,
    message: str,
    next_step: str | None = None,
    *,
    severity: Severity = "error",
) -> CheckResult:
    """Return the result of a failed check, with the cause and next step of its problem."""
    problem = _PROBLEMS_BY_KIND.get(kind, _OTHER)
    step = next_step or problem.remedy
    return CheckResult(kind, severity, message, step, subject=subject, cause=problem.cause)
