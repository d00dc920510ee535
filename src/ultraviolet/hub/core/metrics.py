"""What a process counts of its own work, for Prometheus; what is in the tables is counted there (web/metrics.py).

With several processes behind one address, PROMETHEUS_MULTIPROC_DIR, which the supervisor sets, lets any of them
answer for all.
"""

from collections import Counter as Tally
from collections.abc import Sequence
from functools import cache

from prometheus_client import Counter, Gauge, Histogram

from ultraviolet.mirror.observation import Observation

_OUTCOMES = {
    200: "taken",
    401: "wrong_signature",
    403: "not_allowed",
    404: "unknown_address",
    405: "not_a_post",
    408: "too_slow",
    413: "too_large",
    429: "guessing",
    503: "put_off",
}

_DELIVERIES = Counter("ultraviolet_deliveries", "Deliveries by what became of them", ["outcome"])
_ACKNOWLEDGED = Histogram(
    "ultraviolet_delivery_acknowledged_seconds",
    "From a delivery's last byte to its acknowledgement, which is after the commit",
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5),
)
_OBSERVATIONS = Counter(
    "ultraviolet_observations",
    "What was read from ION, by why (heal, fetch, poll, verify) and by what came of it",
    ["origin", "outcome"],
)
_DUTIES = Gauge(
    "ultraviolet_duties",
    "Integrations that this process applies, heals and fetches for",
    multiprocess_mode="livesum",
)
_FAILURES = Counter(
    "ultraviolet_controller_failures", "Failures of controllers, by duty", ["controller"]
)
_REQUESTS = Histogram(
    "ultraviolet_request_seconds",
    "Pages and API, by kind and status",
    ["kind", "status"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0),
)


_SPOOLED = Gauge(
    "ultraviolet_spool_deliveries",
    "Deliveries acknowledged that wait in the spool for the database",
    multiprocess_mode="livesum",
)
_SPOOL_BYTES = Gauge("ultraviolet_spool_bytes", "Their size", multiprocess_mode="livesum")
_SPOOL_REFUSED = Counter(
    "ultraviolet_spool_refused",
    "Deliveries of the spool that the database did not take, and that were set aside",
)


def set_spooled(count: int, size: int) -> None:
    """Note what waits in the spool."""
    _SPOOLED.set(count)
    _SPOOL_BYTES.set(size)


def count_spool_refused() -> None:
    """Count a delivery of the spool that the database did not take."""
    _SPOOL_REFUSED.inc()


def count_deliveries(status: int, seconds: float = 0.0) -> None:
    """Count a delivery by how it was answered."""
    _outcome(status).inc()
    if status == 200:  # noqa: PLR2004
        _ACKNOWLEDGED.observe(seconds)


@cache
def _outcome(status: int) -> Counter:
    return _DELIVERIES.labels(_OUTCOMES.get(status, "other"))


def set_active_integrations(count: int) -> None:
    """Say how many integrations are in this process's hands."""
    _DUTIES.set(count)


def count_failure(controller: str) -> None:
    """Count a controller that met an error; it tries again by itself."""
    _FAILURES.labels(controller).inc()


def count_observations(observations: Sequence[Observation], outcomes: Sequence[str]) -> None:
    """Count what was read and what it changed."""
    pairs = Tally(
        (seen.origin.kind, outcome) for seen, outcome in zip(observations, outcomes, strict=True)
    )
    for (origin, outcome), count in pairs.items():
        _OBSERVATIONS.labels(origin, outcome).inc(count)


def observe_request(kind: str, status: int, seconds: float) -> None:
    """Count a page or a call of the API."""
    _REQUESTS.labels(kind, str(status)).observe(seconds)
