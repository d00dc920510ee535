"""`local-ion`: a list page of 100 nodes × 20 fields over HTTP; the baseline is graphql-core."""

import tempfile
from pathlib import Path

from bench.frame import Budget, Figure, Scale, expect, figure
from bench.processes import run_server
from bench.wire import rate, request
from ultraviolet.testing import running_local_ion

PAGE = """query($last: ID, $first: Int) { purchaseOrderLines(first: $first, filters: {id: {gt: $last}}, sort: [ID_ASC])
  { edges { node { FIELDS } } } }"""
FIELDS = (
    "id purchaseOrderId partId status description position cost quantity needDate estimatedArrivalDate paid createdById"
    " updatedById entityId editable isOpen LastSessionId _etag _created _updated"
)
CONNECTIONS = 4


def measure(scale: Scale) -> list[Figure]:
    """Request the same page from both servers, in turn."""
    with tempfile.TemporaryDirectory() as directory:
        data = Path(directory) / "ion"
        with (
            running_local_ion(data, ["--size", str(scale.amount(5000, 2500))]) as ion,
            run_server("bench.graphql_core_server", [str(data)]) as other,
        ):
            asked = {
                "query": PAGE.replace("FIELDS", FIELDS),
                "variables": {"last": "200", "first": 100},
            }
            ours = request(f"{ion.url}/graphql", asked, {"authorization": ion.token()})
            theirs = request(f"{other.address}/graphql", asked, {})
            rates: list[tuple[float, float]] = []
            for _ in range(scale.repeats + 1):
                fast, answers = rate(ion.url, ours, scale.amount(1500, 8), CONNECTIONS)
                slow, same = rate(other.address, theirs, scale.amount(150, 8), CONNECTIONS)
                expect("distinct answers", 1, len(answers))
                expect("equality with the page of graphql-core", answers, same)
                rates.append((fast, slow))
            (status, body) = next(iter(answers))
            expect("status and nodes", (200, 100), (status, body.count(b'"node"')))
    ours_, theirs_ = zip(*rates[1:], strict=True)
    return [
        figure(
            "local-ion",
            "sqlite",
            "pages/s",
            ours_,
            baseline=theirs_,
            budget=Budget("at least", 10),
            note=f"100 nodes × 20 fields, {len(body) // 1000} kB, {CONNECTIONS} connections",
        )
    ]
