"""The metrics, from what a hub with nothing in it answers at /metrics."""

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

`/metrics` answers in the form Prometheus takes and asks for no key, so do not publish it beyond your network. With several
processes behind one address, any of them answers for all. `deploy/grafana/ultraviolet.json` is a dashboard of these
metrics and `deploy/prometheus/alerts.yaml` has rules that say what to do. Labels are names of integrations, resources and
a few fixed words: their number is bounded.
"""
_PREFIX = "ultraviolet_"


def page() -> str:
    """Write the page."""
    rows = [
        (code(exposed(one)), one.type, one.documentation.rstrip("."), _labels(one))
        for one in families()
    ]
    return _INTRO + "\n" + table(("metric", "type", "what it says", "labels"), rows) + "\n"


def families() -> list[Metric]:
    """Give every metric of the hub, by name: those of the tables and those a process counts."""
    assert counted  # what it counts is registered on import
    with tempfile.TemporaryDirectory() as folder:
        store = Database.open(f"sqlite:///{Path(folder) / 'hub.db'}")
        found = store.read_now(prometheus_families)
        store.close()
    own = [one for one in prometheus_client.REGISTRY.collect() if one.name.startswith(_PREFIX)]
    return sorted([*found, *own], key=lambda one: one.name)


def exposed(metric: Metric) -> str:
    """Give the name under which it is answered."""
    return f"{metric.name}_total" if metric.type == "counter" else metric.name


def _labels(metric: Metric) -> str:
    names: tuple[str, ...] = getattr(metric, "_labelnames", ())
    return ", ".join(names or _of_process(metric.name))


def _of_process(name: str) -> tuple[str, ...]:
    """Ask the collector that a process counts with for its labels."""
    collector = prometheus_client.REGISTRY._names_to_collectors.get(name)  # noqa: SLF001  there is no public way
    return tuple(getattr(collector, "_labelnames", ()))
