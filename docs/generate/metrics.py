"""Generate the page of metrics from an empty hub."""

import tempfile
from pathlib import Path

import prometheus_client
from docs.generate.markdown import code, table
from prometheus_client.core import Metric

from ultraviolet.db.database import Database
from ultraviolet.hub.core import metrics as counted
from ultraviolet.web.queries.prometheus import prometheus_families

_INTRO = """\
# Metrics

`/metrics` returns metrics for Prometheus. It needs no key, so do not publish it outside your network. With several
processes behind one address, each of them responds for all. `deploy/grafana/ultraviolet.json` is a dashboard, and
`deploy/prometheus/alerts.yaml` contains alert rules with the next step. Labels are names of integrations, resources and
a few fixed words, so their number is bounded.
"""
_PREFIX = "ultraviolet_"


def page() -> str:
    """Return the page."""
    rows = [
        (code(exposed(one)), one.type, one.documentation.rstrip("."), _labels(one))
        for one in families()
    ]
    return _INTRO + "\n" + table(("metric", "type", "meaning", "labels"), rows) + "\n"


def families() -> list[Metric]:
    """Return every metric of the hub by name: those of the database and those of a process."""
    assert counted  # the import registers the metrics of a process
    with tempfile.TemporaryDirectory() as folder:
        store = Database.open(f"sqlite:///{Path(folder) / 'hub.db'}")
        found = store.read_now(prometheus_families)
        store.close()
    own = [one for one in prometheus_client.REGISTRY.collect() if one.name.startswith(_PREFIX)]
    return sorted([*found, *own], key=lambda one: one.name)


def exposed(metric: Metric) -> str:
    """Return the exposed name of a metric."""
    return f"{metric.name}_total" if metric.type == "counter" else metric.name


def _labels(metric: Metric) -> str:
    names: tuple[str, ...] = getattr(metric, "_labelnames", ())
    return ", ".join(names or _of_process(metric.name))


def _of_process(name: str) -> tuple[str, ...]:
    """Return the labels of a metric of a process."""
    collector = prometheus_client.REGISTRY._names_to_collectors.get(name)  # noqa: SLF001  no public API exists
    return tuple(getattr(collector, "_labelnames", ()))
