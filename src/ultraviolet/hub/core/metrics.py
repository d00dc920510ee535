"""Prometheus metrics of the work of a process; `web/queries/prometheus.py` exports those of the tables.

With several processes behind one address, the supervisor sets PROMETHEUS_MULTIPROC_DIR, so that any
of them exports the metrics of all.
"""

import collections
from collections.abc import Iterable, Sequence
from functools import cache

from prometheus_client import Counter, Gauge, Histogram

from ultraviolet.mirror.observation import Observation

_OUTCOMES = {
    200: "taken",
    401: "wrong_signature",
    403: "source_not_allowed",
    404: "unknown_url",
    405: "method_not_allowed",
    408: "timeout",
    413: "too_large",
    429: "throttled",
    503: "put_off",
}

_DELIVERIES = Counter("ultraviolet_deliveries", "Deliveries by outcome", ["outcome"])
_ACKNOWLEDGED = Histogram(
    "ultraviolet_delivery_acknowledged_seconds",
    "From a delivery's last byte to its acknowledgement after the commit",
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5),
)
_OBSERVATIONS = Counter(
    "ultraviolet_observations",
    "Objects read from ION, by origin (heal, fetch, poll, verify) and outcome",
    ["origin", "outcome"],
)
_ACTIVE_INTEGRATIONS = Gauge(
    "ultraviolet_leases",
    "Integrations whose lease this process holds",
    multiprocess_mode="livesum",
)
_FAILURES = Counter(
    "ultraviolet_controller_failures", "Failures of controllers, by controller", ["controller"]
)
_REQUESTS = Histogram(
    "ultraviolet_request_seconds",
    "Duration of page and API requests, by kind and status",
    ["kind", "status"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0),
)
_SPOOLED = Gauge(
    "ultraviolet_spool_deliveries",
    "Acknowledged deliveries in the spool, waiting for the database",
    multiprocess_mode="livesum",
)
_SPOOL_BYTES = Gauge(
    "ultraviolet_spool_bytes", "Size of the deliveries in the spool", multiprocess_mode="livesum"
)
_SPOOL_REFUSED = Counter(
    "ultraviolet_spool_refused",
    "Deliveries of the spool that the database rejected, moved to a separate folder",
)


def set_spooled(count: int, size_bytes: int) -> None:
    """Set the number and size in bytes of the deliveries in the spool."""
    _SPOOLED.set(count)
    _SPOOL_BYTES.set(size_bytes)


def count_spool_refused() -> None:
    """Count a delivery of the spool that the database rejected."""
    _SPOOL_REFUSED.inc()


def count_deliveries(status: int, count: int = 1) -> None:
    """Count deliveries by the status of their response."""
    _delivery_counter(status).inc(count)


def observe_acknowledgements(seconds: Iterable[float]) -> None:
    """Record the time that each delivery waited for its acknowledgement."""
    for each in seconds:
        _ACKNOWLEDGED.observe(each)


@cache
def _delivery_counter(status: int) -> Counter:
    return _DELIVERIES.labels(_OUTCOMES.get(status, "other"))


def set_active_integrations(count: int) -> None:
    """Set the number of integrations whose lease this process holds."""
    _ACTIVE_INTEGRATIONS.set(count)


def count_failure(controller: str) -> None:
    """Count an error in a controller, which retries by itself."""
    _FAILURES.labels(controller).inc()


def count_observations(observations: Sequence[Observation], outcomes: Sequence[str]) -> None:
    """Count observations by their origin and outcome."""
    pairs = collections.Counter(
        (observation.origin.kind, outcome)
        for observation, outcome in zip(observations, outcomes, strict=True)
    )
    for (origin, outcome), count in pairs.items():
        _OBSERVATIONS.labels(origin, outcome).inc(count)


def observe_request(kind: str, status: int, seconds: float) -> None:
    """Record the duration of a page or API request."""
    _REQUESTS.labels(kind, str(status)).observe(seconds)
